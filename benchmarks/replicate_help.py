"""HELP and other meta-learners on HELP's own split, beside its figures.

    python benchmarks/replicate_help.py --methods=help --seeds=1,2,3

Lee et al., NeurIPS 2021, https://arxiv.org/abs/2106.08630, tables 2 and 3. Its
devices, its pools (the first 900 or 4000 rows, the middle 80 % by each
device's latency), its test rows (the next 1000, the middle 80 % likewise), ten
random support rows and ten references. Every 50 episodes the Spearman
correlation on the meta-validation devices decides which weights to keep.

`published` scales a target by its whole trimmed pool, as HELP does, though
nobody who measures 20 networks knows that range; `measured` scales it by the
support and, where the method reads them, the references. Rows of earlier runs
stay in the file unless they are run anew.
"""

import argparse
import datetime
import functools
import json
import os
import pathlib
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import stats

import nasflat_jax
from nasflat_jax import data
from nasflat_jax import measure
from nasflat_jax import partitions
from nasflat_jax import predictors
from nasflat_jax import reports
from nasflat_jax import spaces
from nasflat_jax import transfer
from nasflat_jax import types

_NUM_SUPPORT = 10
_NUM_TEST = 1000
_SUPPORT_DRAWS = 10
_VALID_DRAWS = 3
_Z_DRAWS = 10
_CHUNK = 50
_SHARED = (
    'silver_4114', 'silver_4210r', 'samsung_a50', 'pixel3',
    'essential_ph_1', 'samsung_s7',
)
_SPLITS = {
    'nasbench201': {
        'pool': 900,
        'episodes': 2000,
        'train': ('1080ti_1', '1080ti_32', '1080ti_256', *_SHARED),
        'valid': ('titanx_1', 'titanx_32', 'titanx_256', 'gold_6240'),
        'test': (
            'titan_rtx_256', 'gold_6226', 'pixel2', 'raspi4', 'eyeriss',
            'fpga',
        ),
    },
    'fbnet': {
        'pool': 4000,
        'episodes': 4000,
        'train': ('1080ti_1', '1080ti_32', '1080ti_64', *_SHARED),
        'valid': ('titanx_1', 'titanx_32', 'titanx_64', 'gold_6240'),
        'test': ('raspi4', 'eyeriss', 'fpga'),
    },
}
# HELP's tables 3 and 2, in the order of `test`; last the mean it prints.
_PUBLISHED = {
    ('nasbench201', 'help'): (.987, .989, .802, .890, .940, .985, .932),
    ('fbnet', 'help'): (.887, .943, .892, .910),
    ('fbnet', 'meta_sgd'): (.821, .822, .776, .806),
    ('fbnet', 'maml'): (.718, .763, .727, .736),
}
_METHODS = ('help', 'meta_sgd', 'maml', 'fomaml', 'reptile')


def _algorithm(name, spec, inner_rate):
  """`(predictor, algorithm)` of a name in `_METHODS`."""
  predictor = predictors.help(spec, hardware_embedding=name == 'help')
  optimizer = optax.adam(1e-4)
  if name == 'help':
    return predictor, transfer.help(predictor, optimizer=optimizer)
  make = {
      'meta_sgd': functools.partial(transfer.maml, learned_rates=True),
      'maml': functools.partial(
          transfer.maml, inner_learning_rate=inner_rate
      ),
      'fomaml': functools.partial(
          transfer.maml, inner_learning_rate=inner_rate, order=1
      ),
      'reptile': functools.partial(
          transfer.reptile, inner_learning_rate=inner_rate
      ),
  }[name]
  return predictor, make(predictor, optimizer=optimizer)


def _pairs(table, split, devices, draws, seed, reads_references):
  """Support and test rows of `draws` supports of each device, on the host."""
  references = list(partitions.references(table.space))
  pool = np.arange(split['pool'])
  test = np.arange(split['pool'], split['pool'] + _NUM_TEST)
  pairs = {'support': [], 'query': [], 'published': [], 'measured': [],
           'reference': [], 'latency_ms': []}
  for place, name in enumerate(devices):
    row = table.row(name)
    kept = pool[transfer.trimmed(row[pool])]
    query = test[transfer.trimmed(row[test])]
    reference = row[references]
    for draw in range(draws):
      rng = np.random.default_rng((seed, place, draw))
      support = rng.choice(kept, _NUM_SUPPORT, replace=False)
      measured = row[support]
      if reads_references:
        measured = np.concatenate([measured, reference])
      for field, value in (
          ('support', support),
          ('query', query),
          ('published', transfer.scale_latency(row[support], row[pool])),
          ('measured', transfer.scale_latency(row[support], measured)),
          ('reference', transfer.embed_reference(reference)),
          ('latency_ms', row[query]),
      ):
        pairs[field].append(value)
  return {field: np.stack(values) for field, values in pairs.items()}


def _scorer(space, predictor, algorithm, genotype, num_draws):
  """Compiled `(key, meta_params, pairs, label) -> scores [P, B]`."""
  genotype = jnp.asarray(genotype, jnp.int32)

  def devices(reference, size):
    return types.Devices(
        index=jnp.zeros(size, jnp.int32),
        reference=jnp.tile(reference, (size, 1)),
    )

  def one(meta_params, key, support, label, query, reference):
    batch = types.Batch(
        architectures=space.decode(genotype[support]),
        devices=devices(reference, support.size),
        label=label,
        where=jnp.ones(support.shape, bool),
    )

    def draw(key):
      params = algorithm.adapt(key, meta_params, batch)
      return predictor.apply(
          params, space.decode(genotype[query]), devices(reference, query.size)
      )

    return jax.vmap(draw)(jax.random.split(key, num_draws)).mean(axis=0)

  @jax.jit
  def run(keys, meta_params, *columns):
    return jax.lax.map(lambda row: one(meta_params, *row), (keys, *columns))

  def score(key, meta_params, pairs, scaling):
    keys = jax.random.split(key, len(pairs['support']))
    columns = (pairs['support'], pairs[scaling].astype(np.float32),
               pairs['query'], pairs['reference'])
    return np.asarray(run(keys, meta_params, *map(jnp.asarray, columns)))

  return score


def _spearman(scores, pairs):
  return np.array([
      stats.spearmanr(a, b)[0]
      for a, b in zip(scores, pairs['latency_ms'], strict=True)
  ])


def run(space_name, method, seed, num_episodes, inner_rate):
  """One row of the results."""
  split = _SPLITS[space_name]
  num_episodes = num_episodes or split['episodes']
  table = data.load_latency(space_name)
  space = spaces.get(space_name)
  predictor, algorithm = _algorithm(method, space.spec, inner_rate)
  sources = table.select(split['train']).values
  rows = slice(split['pool'])
  references = list(partitions.references(space_name))
  episodes = transfer.episode_data(
      space.decode, table.genotype[rows], sources[:, rows],
      sources[:, references],
  )
  is_help = method == 'help'
  z_draws = _Z_DRAWS if is_help else 1
  key, valid_key, test_key = jax.random.split(jax.random.key(seed), 3)
  valid = _pairs(table, split, split['valid'], _VALID_DRAWS, seed, is_help)
  validate = _scorer(space, predictor, algorithm, table.genotype, 1)
  best = {'rho': -2.0}
  clock = {'start': time.perf_counter(), 'train': 0.0, 'first': None}

  def on_chunk(state, loss):
    del loss
    seconds = time.perf_counter() - clock['start']
    if clock['first'] is None:
      clock['first'] = seconds  # compiles
    else:
      clock['train'] += seconds
    scores = validate(valid_key, state.meta_params, valid, 'published')
    rho = float(_spearman(scores, valid).mean())
    if rho > best['rho']:
      best.update(rho=rho, episode=int(state.step), params=state.meta_params)
    if int(state.step) % 500 == 0:
      print(f'{space_name} {method} seed {seed} episode {int(state.step)}: '
            f'validation {rho:.4f}, best {best["rho"]:.4f}', flush=True)
    clock['start'] = time.perf_counter()

  transfer.meta_train(
      key, algorithm, episodes, num_episodes=num_episodes, chunk_steps=_CHUNK,
      on_chunk=on_chunk,
  )
  test = _pairs(table, split, split['test'], _SUPPORT_DRAWS, seed, is_help)
  score = _scorer(space, predictor, algorithm, table.genotype, z_draws)
  timed = max(num_episodes - _CHUNK, 1)
  row = {
      'space': space_name,
      'method': method,
      'seed': seed,
      'episodes': num_episodes,
      'kept_episode': best['episode'],
      'validation_spearman': round(best['rho'], 4),
      'seconds_per_100_episodes': round(100.0 * clock['train'] / timed, 2),
      'first_50_episodes_s': round(clock['first'], 1),
      'inner_learning_rate': (
          inner_rate if method in ('maml', 'fomaml', 'reptile') else
          'learned from 0.001'
      ),
      'target_measurements': _NUM_SUPPORT + (len(references) if is_help else 0),
      'date': datetime.datetime.now(datetime.UTC).isoformat('T', 'seconds'),
      'load': os.getloadavg()[0],
  }
  for scaling in ('published', 'measured'):
    scores = score(test_key, best['params'], test, scaling)
    rho = _spearman(scores, test).reshape(-1, _SUPPORT_DRAWS)
    row[scaling] = {
        name: [round(float(r.mean()), 4), round(float(r.std()), 4)]
        for name, r in zip(split['test'], rho, strict=True)
    }
    row[scaling]['mean'] = round(float(rho.mean()), 4)
  return row


def table_lines(rows):
  """Markdown: mean over seeds, beside what HELP prints."""
  lines = []
  for space_name, split in _SPLITS.items():
    names = (*split['test'], 'mean')
    lines += [
        f'| {space_name} | seeds | scaling | ' + ' | '.join(names) + ' |',
        '|' + '---|' * (len(names) + 3),
    ]
    for method in _METHODS:
      published = _PUBLISHED.get((space_name, method))
      if published:
        cells = ' | '.join(f'{value:.3f}' for value in published)
        lines.append(f'| {method} (paper) | | | {cells} |')
      chosen = [
          row for row in rows
          if (row['space'], row['method']) == (space_name, method)
      ]
      for scaling in ('published', 'measured') if chosen else ():
        cells = []
        for name in split['test']:
          mean, std = np.mean([row[scaling][name] for row in chosen], axis=0)
          cells.append(f'{mean:.3f} ± {std:.3f}')
        mean = np.mean([row[scaling]['mean'] for row in chosen])
        cells.append(f'{mean:.3f}')
        lines.append(
            f'| {method} | {len(chosen)} | {scaling} | ' + ' | '.join(cells)
            + ' |'
        )
    lines.append('')
  return lines


def main() -> None:
  """Runs the chosen rows, prints the table and writes JSON after each."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--spaces', default=','.join(_SPLITS))
  parser.add_argument('--methods', default=','.join(_METHODS))
  parser.add_argument('--seeds', default='3', help='e.g. 1,2,3')
  parser.add_argument('--episodes', type=int, default=0, help='0: published')
  parser.add_argument(
      '--inner_learning_rate', type=float, default=1e-2,
      help='of maml, fomaml and reptile',
  )
  parser.add_argument(
      '--out',
      type=pathlib.Path,
      default=pathlib.Path(__file__).parent / 'results',
      help='folder of the JSON file',
  )
  options = parser.parse_args()
  path = options.out / 'replicate_help.json'
  options.out.mkdir(parents=True, exist_ok=True)
  for space_name in options.spaces.split(','):
    for method in options.methods.split(','):
      for seed in map(int, options.seeds.split(',')):
        row = run(
            space_name, method, seed, options.episodes,
            options.inner_learning_rate,
        )
        rows = json.loads(path.read_text())['rows'] if path.exists() else []
        same = ('space', 'method', 'seed')
        rows = [r for r in rows if any(r[k] != row[k] for k in same)]
        rows.append(row)
        record = {
            'benchmark': 'replicate_help',
            'date': row['date'],
            'command': ' '.join(['python', *sys.argv]),
            'nasflat_jax': nasflat_jax.__version__,
            'hardware': measure.backend_info(),
            'support_draws': _SUPPORT_DRAWS,
            'num_support': _NUM_SUPPORT,
            'z_draws_of_help': _Z_DRAWS,
            'paper': [
                {'space': key[0], 'method': key[1], 'spearman': value}
                for key, value in _PUBLISHED.items()
            ],
            'rows': rows,
        }
        with reports.atomic_path(path) as partial:
          partial.write_text(json.dumps(record, indent=2) + '\n')
  rows = json.loads(path.read_text())['rows']
  print('\n'.join(table_lines(rows)))
  print(f'wrote {path}')


if __name__ == '__main__':
  main()
