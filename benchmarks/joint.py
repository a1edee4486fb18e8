"""One joint model of latency and accuracy against separate predictors.

python benchmarks/joint.py --out=benchmarks/results

NAS-Bench-201. Earlier heads: latency on 16 devices and the test errors of the
tasks that are not the target, on `--num_rows` networks. New heads: latency on
six other devices, and each of the three tasks, from n labels; judged by
Spearman on all other networks. Then a search for fast and accurate networks by
one joint model, and by two separate ones, judged by the tables.
"""

from __future__ import annotations

import argparse
import datetime
import json
import pathlib
import statistics
import sys
import time

import cross_space
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

import nasflat_jax
from nasflat_jax import data
from nasflat_jax import measure
from nasflat_jax import reports
from nasflat_jax import search
from nasflat_jax import spaces
from nasflat_jax import transfer

SPACE = spaces.NASBENCH201
EARLIER = tuple(d for d in cross_space.DEVICES if d not in cross_space.SIX)
SIZES = (10, 20)
# A device and a task to search for, and labels of each.
SEARCHES = (('pixel2', 'cifar100'), ('titan_rtx_1', 'ImageNet16-120'))
_NUM_LABELS = 20
_LEVEL = 0.9


def load():
  """Genotypes, latencies by device and test errors in percent by task."""
  latency = data.load_latency('nasbench201')
  accuracy = data.load_accuracy('nasbench201')
  order = {tuple(g): i for i, g in enumerate(accuracy.genotype.tolist())}
  rows = [order[tuple(g)] for g in latency.genotype.tolist()]
  errors = {
      task: 100.0 - accuracy.row(task, 'test')[rows] for task in accuracy.tasks
  }
  devices = {
      name: latency.row(name) for name in (*EARLIER, *cross_space.SIX)
  }
  return latency.genotype, devices, errors


def models_of(target, genotype, devices, errors, rows):
  """The models that a new head may start from, by name."""
  latencies = {name: devices[name][rows] for name in EARLIER}
  others = {
      f'{task} error': value[rows]
      for task, value in errors.items()
      if task != target
  }
  known = genotype[rows]
  own = latencies if target in devices else others
  separate = transfer.fit_sources(SPACE, known, np.stack(list(own.values())))
  found = {
      'joint': transfer.joint(SPACE, known, latencies | others).model,
      'separate, own kind': transfer.bayesian_model(SPACE, separate),
      'separate, no source': transfer.bayesian_model(SPACE),
  }
  if target in errors:
    found['joint, devices only'] = transfer.joint(
        SPACE, known, latencies
    ).model
  return found


def judge_heads(genotype, devices, errors, rows, pool, options):
  """Spearman of every new head, model and n."""
  found = []
  rest = np.setdiff1d(pool, rows)
  heads = {name: devices[name] for name in cross_space.SIX} | errors
  for target, values in heads.items():
    start = time.process_time()
    models = models_of(target, genotype, devices, errors, rows)
    for size in SIZES:
      rng = np.random.default_rng([options.seed, size, len(found)])
      usable = rest[np.isfinite(values[rest])]
      ids = np.stack([
          rng.choice(usable, size, replace=False)
          for _ in range(options.num_trials)
      ])
      for name, model in models.items():
        adapted = transfer.adapt_bayesian(model, genotype[ids], values[ids])
        got = adapted.predict(genotype[usable])
        rho = []
        for predicted, drawn in zip(got.latency_ms, ids, strict=True):
          judged = ~np.isin(usable, drawn)
          truth = values[usable[judged]]
          rho.append(float(stats.spearmanr(predicted[judged], truth)[0]))
        found.append({
            'head': target, 'model': name, 'n': size,
            'spearman': [round(r, 4) for r in rho],
        })
        print(target, name, size, round(statistics.mean(rho), 3), flush=True)
    print(target, round(time.process_time() - start, 1), 'CPU s', flush=True)
  return found


def front_of(objectives):
  """True for rows that no other dominates."""
  return np.asarray(search.non_dominated(jnp.asarray(objectives)))


def judge_search(genotype, devices, errors, rows, pool, options):
  """Hypervolume of what each pair of predictors finds, over the true one's."""
  found = []
  rest = np.setdiff1d(pool, rows)
  for device, task in SEARCHES:
    truth = np.stack([devices[device], errors[task]], axis=1)
    usable = pool[np.isfinite(truth[pool]).all(axis=1)]
    reference = truth[usable].max(axis=0)
    best = truth[usable][front_of(truth[usable])]
    full = float(search.hypervolume(jnp.asarray(best / reference), jnp.ones(2)))
    known = genotype[rows]
    latencies = {name: devices[name][rows] for name in EARLIER}
    tasks = {k: v[rows] for k, v in errors.items() if k != task}
    one = transfer.joint(SPACE, known, latencies | tasks)
    separate = {
        name: transfer.bayesian_model(
            SPACE,
            transfer.fit_sources(SPACE, known, np.stack(list(heads.values()))),
        )
        for name, heads in ((device, latencies), (task, tasks))
    }
    for trial in range(options.num_searches):
      rng = np.random.default_rng([options.seed, trial])
      ids = rng.choice(
          rest[np.isfinite(truth[rest]).all(axis=1)], _NUM_LABELS, replace=False
      )
      support = {
          device: (genotype[ids], devices[device][ids]),
          task: (genotype[ids], errors[task][ids]),
      }
      adapted = {
          'joint': one.posterior(support).heads,
          'separate': {
              name: transfer.adapt_bayesian(
                  separate[name], rows[0][None], rows[1][None]
              )
              for name, rows in support.items()
          },
      }
      for name, heads in adapted.items():
        evaluate = search.problem(
            search.latency_quantile(heads[device], level=_LEVEL),
            search.latency(heads[task]),
        )
        scores = jax.jit(evaluate)(jnp.asarray(genotype[usable]))
        chosen = usable[front_of(scores.objectives)]
        got = truth[chosen]
        volume = float(
            search.hypervolume(
                jnp.asarray(got[front_of(got)] / reference), jnp.ones(2)
            )
        )
        found.append({
            'device': device, 'task': task, 'model': name, 'trial': trial,
            'hypervolume': round(volume / full, 4), 'front': len(chosen),
        })
        print(found[-1], flush=True)
  return found


def page(record):
  """The results as Markdown."""
  lines = [
      '# One model of latency and accuracy', '',
      f'`{record["command"]}`, {record["date"][:10]}, '
      f'{record["hardware"]["cores"]} cores {record["hardware"]["cpu"]} '
      f'(shared), jax {record["hardware"]["jax"]}, seed {record["seed"]}, '
      f'{record["num_trials"]} draws, {record["num_rows"]} networks for the '
      'earlier heads. NAS-Bench-201; Spearman on networks that have neither a '
      'label nor an earlier head, mean (spread over draws). Tasks: test error. '
      '`joint` knows 16 devices and the other tasks; `joint, devices only` no '
      'task; `separate, own kind` is `bayesian_model` with the earlier devices '
      '(for a task: the other tasks).', '',
      '| new head | model | ' + ' | '.join(f'n = {n}' for n in SIZES) + ' |',
      '|---|---|' + '---|' * len(SIZES),
  ]
  rows = record['heads']
  groups = {'mean of six devices': cross_space.SIX}
  tasks = [r['head'] for r in rows if r['head'] not in cross_space.SIX]
  groups['mean of three tasks'] = tuple(dict.fromkeys(tasks))
  groups |= {head: (head,) for head in dict.fromkeys(r['head'] for r in rows)}
  for title, heads in groups.items():
    for model in dict.fromkeys(r['model'] for r in rows if r['head'] in heads):
      cells = []
      for size in SIZES:
        values = [
            r['spearman'] for r in rows
            if r['head'] in heads and r['model'] == model and r['n'] == size
        ]
        mean = statistics.mean(statistics.mean(v) for v in values)
        spread = statistics.mean(statistics.stdev(v) for v in values)
        cells.append(f'{mean:.3f} ({spread:.3f})')
      lines.append(f'| {title} | {model} | ' + ' | '.join(cells) + ' |')
  lines += [
      '', '## Search', '',
      f'{_NUM_LABELS} labels of each; the {_LEVEL:.0%} quantile of the latency '
      'and the predicted error, both minimised over the whole space. '
      'Hypervolume of the networks chosen, by the tables, as a share of the '
      'true front\'s.', '',
      '| device, task | model | hypervolume | networks |', '|---|---|---|---|',
  ]
  for device, task in SEARCHES:
    for model in ('joint', 'separate'):
      got = [
          r for r in record['searches']
          if (r['device'], r['task'], r['model']) == (device, task, model)
      ]
      if got:
        volumes = [r['hypervolume'] for r in got]
        lines.append(
            f'| {device}, {task} | {model} | {statistics.mean(volumes):.4f} '
            f'({statistics.stdev(volumes):.4f}) | '
            f'{statistics.mean(r["front"] for r in got):.0f} |'
        )
  return '\n'.join([*lines, ''])


def main() -> None:
  """Runs both parts; writes JSON and Markdown."""
  parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
  parser.add_argument('--num_rows', type=int, default=900)
  parser.add_argument('--num_trials', type=int, default=10)
  parser.add_argument('--num_searches', type=int, default=5)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--out', type=pathlib.Path, required=True)
  options = parser.parse_args()
  genotype, devices, errors = load()
  pool = np.flatnonzero(np.asarray(SPACE.is_valid(genotype)))
  rng = np.random.default_rng(options.seed)
  rows = np.sort(rng.choice(pool, options.num_rows, replace=False))
  task = genotype, devices, errors, rows, pool, options
  record = {
      'benchmark': 'joint',
      'date': datetime.datetime.now(datetime.UTC).isoformat('T', 'seconds'),
      'command': ' '.join(['python', *sys.argv]),
      'nasflat_jax': nasflat_jax.__version__,
      'hardware': measure.backend_info(),
      'seed': options.seed,
      'num_rows': options.num_rows,
      'num_trials': options.num_trials,
      'searches': judge_search(*task),
      'heads': judge_heads(*task),
  }
  with reports.atomic_path(options.out / 'joint.json') as partial:
    partial.write_text(json.dumps(record) + '\n')
  with reports.atomic_path(options.out / 'joint.md') as partial:
    partial.write_text(page(record))


if __name__ == '__main__':
  main()
