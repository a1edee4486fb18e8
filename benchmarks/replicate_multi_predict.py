"""Multi-Predict with and without a reset between target devices.

    python benchmarks/replicate_multi_predict.py --tasks=N1,N2,N3,N4

The published protocol tunes one network for one target after another, from
smaller to larger supports, and never resets it; its figures are taken on the
first 128 architectures. Where the targets are like each other and unlike the
sources, a network that has seen all of the former knows the last one well.
Here the pretrained network of `methods.multi_predict` is tuned in both ways;
the last support is the same 20 measurements. What is carried over has seen the
smaller supports, too, 40 more draws of the target, and those of the targets
before it, as in the published protocol, so both are in the difference. Of the
rows judged, only the last 20 are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import json
import pathlib
import statistics
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import stats
from task_report import reference

from nasflat_jax import data
from nasflat_jax import methods
from nasflat_jax import partitions
from nasflat_jax import predictors
from nasflat_jax import reports
from nasflat_jax import transfer
from nasflat_jax import trials
from nasflat_jax import types

_FIRST = 128  # architectures that the published scores are taken on
_SIZES = (4, 8, 12, 16, 20)  # the last one is the support of the clean trial
_EPOCHS = 50  # two batches each, as in `methods.multi_predict`
_RATE = 4e-4
_WEIGHT_DECAY = 5e-4
_COLUMNS = ('carried, first 128', 'carried', 'reset, first 128', 'reset')


def _tuner(problem: methods.Problem):
  """`(tune, score)` of the network that `methods.multi_predict` trains."""
  num_sources = len(problem.source_names)
  network = predictors.multi_predict(
      problem.space.spec, num_devices=num_sources + 1, width=1000
  )
  decode = transfer.decoder(problem.space, 'none')
  genotype = jnp.asarray(problem.genotype)
  optimizer = optax.adamw(
      optax.cosine_decay_schedule(_RATE, 2 * _EPOCHS),
      weight_decay=_WEIGHT_DECAY,
  )

  @jax.jit
  def tune(params, key, ids, label):
    rows = decode(genotype[ids])
    size = len(ids) // 2

    def batch(chosen) -> types.Batch:
      return types.Batch(
          architectures=jax.tree.map(lambda x: x[chosen], rows),
          devices=types.Devices(
              index=jnp.full(len(chosen), num_sources, jnp.int32),
              reference=jnp.zeros((len(chosen), 0)),
          ),
          label=label[chosen],
          where=jnp.ones(len(chosen), bool),
      )

    rho = transfer.nearest_source(
        network, params, batch(jnp.arange(len(ids))), num_sources
    )
    params = predictors.copy_device(params, jnp.argmax(rho), num_sources)

    def loss(params, chosen):
      part = batch(chosen)
      scores = network.apply(params, part.architectures, part.devices)
      return jnp.abs(scores - part.label).sum()

    def update(carry, chosen):
      params, opt_state = carry
      gradient = jax.grad(loss)(params, chosen)
      updates, opt_state = optimizer.update(gradient, opt_state, params)
      return (optax.apply_updates(params, updates), opt_state), None

    orders = jax.vmap(lambda k: jax.random.permutation(k, len(ids)))(
        jax.random.split(key, _EPOCHS)
    )
    carry = params, optimizer.init(params)
    return jax.lax.scan(update, carry, orders.reshape(2 * _EPOCHS, size))[0][0]

  @jax.jit
  def score(params):
    return predictors.score(
        network, params, decode(genotype), jnp.int32(num_sources)
    )

  return tune, score


def _scaled(latency_ms: np.ndarray) -> np.ndarray:
  low, high = latency_ms.min(), latency_ms.max()
  spread = high - low if high > low else 1.0
  return ((latency_ms - low) / spread).astype(np.float32)


def _judged(scores, latency_ms, where) -> tuple[float, float]:
  """Spearman on the first 128 of the judged rows' range, and on all."""
  first = np.flatnonzero(where[:_FIRST])
  near, far = (
      float(stats.spearmanr(scores[rows], latency_ms[rows])[0])
      for rows in (first, np.flatnonzero(where))
  )
  return near, far


def _rows(
    task: str, num_trials: int, seed: int
) -> Iterator[dict[str, str | float]]:
  """One row for each trial and device."""
  partition = partitions.get(task)
  table = data.load_latency(partition.space)
  key = jax.random.key(seed)
  problem = trials.problem(key, table, partition, num_source=900)
  method = methods.multi_predict()
  pretrained = method.prepare(jax.random.fold_in(key, 1), problem)
  drawn = trials.draw(
      key, problem, table, num_support=_SIZES[-1], num_trials=num_trials
  )
  tune, score = _tuner(problem)
  rng = np.random.default_rng(seed)
  carried = dict.fromkeys(range(num_trials), pretrained.params)
  for place, device in enumerate(drawn.device):
    number = drawn.trial[place]
    latency_ms, judged = drawn.latency_ms[place], drawn.judged[place]
    usable = np.flatnonzero(np.isfinite(latency_ms))
    found: list[float] = []
    for sizes, params in (
        (_SIZES, carried[number]), (_SIZES[-1:], pretrained.params)
    ):
      for size in sizes:
        ids = drawn.support.ids[place]
        if size < _SIZES[-1]:
          ids = rng.choice(usable, size, replace=False)
        params = tune(
            params,
            jax.random.fold_in(drawn.keys[place], size),
            jnp.asarray(ids),
            jnp.asarray(_scaled(latency_ms[ids])),
        )
      if len(sizes) > 1:
        carried[number] = params
      found += _judged(np.asarray(score(params)), latency_ms, judged)
    yield {
        'task': task, 'trial': number, 'device': device,
        **{name: round(x, 4) for name, x in zip(_COLUMNS, found)},
    }


def _summary(task: str, rows: list[dict]) -> list[dict]:
  """A line for each way, over the trials' means."""
  lines = []
  numbers = sorted({row['trial'] for row in rows})
  means = {
      column: [
          statistics.fmean(r[column] for r in rows if r['trial'] == number)
          for number in numbers
      ]
      for column in _COLUMNS
  }
  for protocol in ('carried', 'reset'):
    first = means[f'{protocol}, first 128']
    lines.append({
        'name': f'{task}, weights {protocol}',
        'published': reference.MULTIPREDICT[task],
        'replicated': statistics.fmean(first),
        'std': statistics.stdev(first) if len(first) > 1 else None,
        'clean': statistics.fmean(means['reset']),
        'note': f'{len(numbers)} trials; all architectures '
        f'{statistics.fmean(means[protocol]):.3f}',
    })
  return lines


def main() -> None:
  """Runs the tasks, prints a table and writes the file."""
  parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
  parser.add_argument('--tasks', default='N1,N2,N3,N4,F1,F2,F3')
  parser.add_argument('--num_trials', type=int, default=2)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
      '--out', type=pathlib.Path,
      default=pathlib.Path(__file__).parent
      / 'results/replicate_multi_predict.json',
  )
  options = parser.parse_args()
  names = options.tasks.split(',')
  tables = {partitions.get(task).space for task in names}
  meta = trials.metadata(
      command='python benchmarks/replicate_multi_predict.py '
      f'--tasks={options.tasks} --num_trials={options.num_trials} '
      f'--seed={options.seed}',
      seed=options.seed,
      data_sha256={s: data.fingerprint(data.load_latency(s)) for s in tables},
      settings={'sizes': _SIZES, 'num_source': 900},
  )
  record: dict = {
      'benchmark': 'replicate_multi_predict', 'meta': meta, 'rows': [],
      'trials': [],
  }
  for task in names:
    start = time.perf_counter()
    rows = []
    for row in _rows(task, options.num_trials, options.seed):
      rows.append(row)
      print(row, file=sys.stderr)
    record['rows'] += _summary(task, rows)
    record['trials'] += rows
    print(f'{task}: {time.perf_counter() - start:.0f} s', file=sys.stderr)
    jax.clear_caches()
    with reports.atomic_path(options.out) as partial:
      partial.write_text(json.dumps(record, indent=1) + '\n')
  for line in record['rows']:
    print(
        f'{line["name"]}: published {line["published"]:.3f}, first 128 '
        f'{line["replicated"]:.3f}, {line["note"]}'
    )


if __name__ == '__main__':
  main()
