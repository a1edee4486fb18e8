"""Judges every sampler on every encoding with one predictor.

python benchmarks/sampler_grid.py --out=benchmarks/results/samplers.json

The closed-form Bayesian method, which never sees the sampler's encoding, is
adapted to what each sampler chose among `--pool_size` random architectures of
each trial. The rows are those of `nasflat-evaluate`, so that
`report_study.py` reads them; an interrupted run goes on with `--resume`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
import sys

import jax

from nasflat_jax import data
from nasflat_jax import methods
from nasflat_jax import partitions
from nasflat_jax import samplers
from nasflat_jax import trials

_ENCODINGS = (
    'one_hot', 'costs', 'prior', 'zcp', 'arch2vec', 'cate', 'caz',
)
_BY_DISTANCE = ('cosine', 'k_means', 'farthest_point', 'd_optimal', 'v_optimal')
_STRATA = ('params', 'flops', 'latency_oracle')


def grid() -> Iterator[tuple[str, str | None]]:
  """Pairs of a sampler and what it sees."""
  yield 'random', None
  for encoding in _STRATA:
    yield 'stratified', encoding
  for sampler in _BY_DISTANCE:
    for encoding in _ENCODINGS:
      yield sampler, encoding
  yield 'sequential', None


def main() -> int:
  """Runs the benchmark; returns its exit code."""
  parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
  parser.add_argument('--tasks', default='N2,NA,F1,FA')
  parser.add_argument('--num_support', type=int, nargs='+', default=[5, 20])
  parser.add_argument('--num_trials', type=int, default=5)
  parser.add_argument('--pool_size', type=int, default=1000)
  parser.add_argument('--num_source', type=int, default=900)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--out', required=True)
  parser.add_argument('--resume', action='store_true')
  options = parser.parse_args()
  settings = {
      name: getattr(options, name)
      for name in (
          'tasks', 'num_support', 'num_trials', 'pool_size', 'num_source'
      )
  }
  tasks = partitions.parse(options.tasks)
  tables = {task.space: data.load_latency(task.space) for task in tasks}
  store = trials.Store(
      options.out,
      trials.metadata(
          command='python benchmarks/sampler_grid.py --out=F',
          seed=options.seed,
          data_sha256={s: data.fingerprint(t) for s, t in tables.items()},
          settings=settings,
      ),
      resume=options.resume,
  )
  key = jax.random.key(options.seed)
  done = []
  for task in tasks:
    table = tables[task.space]
    problem = trials.problem(key, table, task, num_source=options.num_source)
    chooser = trials.sequential(problem)
    seen: dict[str | None, object] = {}
    for sampler, encoding in grid():
      label = f'{sampler}({encoding})' if encoding else sampler
      done.append((task.name, label))
      if done[-1] in store.done:
        continue
      build = None
      if sampler != 'sequential':
        _, build = trials.sampler_features(sampler, encoding)
      if build is not None and encoding not in seen:
        seen[encoding] = build(problem, table)
      draws = [
          trials.draw(
              key, problem, table, num_support=n,
              num_trials=options.num_trials,
              sampler=getattr(samplers, sampler, None),
              sampler_name=label,
              features=seen.get(encoding),
              chooser=chooser if sampler == 'sequential' else None,
              pool_size=options.pool_size,
          )
          for n in options.num_support
      ]
      rows = trials.evaluate(
          key, methods.bayesian(), problem, draws, method_name='bayesian'
      )
      store.add(task.name, label, rows)
      mean = sum(row['spearman'] for row in rows) / len(rows)
      print(f'{task.name} {label}: {mean:.3f}', flush=True)
    jax.clear_caches()
  store.finish(done)
  return 0


if __name__ == '__main__':
  sys.exit(main())
