"""What n targets cost: OneProxy, this package, a search for each device.

    NASFLAT_MIRROR=... python benchmarks/search_targets.py

The 40 devices of the joined NAS-Bench-201 table in turn as target, at the
median of their latency, on all 15,625 networks and their CIFAR-100 test
accuracies. Sources, and the proxy device, are of another family than the
target. Counted are measurements, and seconds of computing, once for all targets
and for each:

* per device: 900 measurements of the target, a linear model of the one-hot
  genotype, the best network it predicts within the budget.
* OneProxy: 900 measurements of one proxy device; 10 of the target tell
  Spearman's correlation with it. From 0.9 on the proxy's model is scaled by
  them, below it 60 more adapt it (AdaProxy); then the best predicted networks
  are verified, ten at the most.
* ours: 900 measurements of each source device, 10 of the target; and without
  any source, 20 of the target.

Writes `results/search_targets.json`.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import jax
import numpy as np
from scipy import stats
from search_study import problems
from search_study import rivals
from zero_cost_study import records

from nasflat_jax import data
from nasflat_jax import partitions
from nasflat_jax import predictors
from nasflat_jax import search
from nasflat_jax import transfer

_PER_DEVICE, _PROXY, _SOURCE = 900, 900, 900
_FIRST, _FURTHER, _VERIFIED = 10, 60, 10
_MONOTONE = 0.9


def _linear(
    genotype: np.ndarray, latency_ms: np.ndarray, rows: np.ndarray
) -> np.ndarray:
  """Predictions `[N]` of a linear model of the one-hot genotype."""
  hot = predictors.one_hot(genotype, 5)
  model = predictors.fit_ridge(hot[rows], latency_ms[rows])
  return predictors.predict_linear(model, hot)


def per_device(rng, genotype, accuracy, latency_ms, budget_ms):
  """A model of its own for every device."""
  rows = rng.choice(len(latency_ms), _PER_DEVICE, replace=False)
  predicted = _linear(genotype, latency_ms, rows)
  row = int(np.argmax(np.where(predicted <= budget_ms, accuracy, -np.inf)))
  return row, _PER_DEVICE


def one_proxy(rng, genotype, proxy, accuracy, latency_ms, budget_ms):
  """Proxy, adapted where it is not monotone; finalists are verified."""
  hot = predictors.one_hot(genotype, 5)
  order = rng.permutation(len(latency_ms))
  rows = order[:_FIRST]
  scores = predictors.predict_linear(proxy, hot)
  if stats.spearmanr(scores[rows], latency_ms[rows]).statistic < _MONOTONE:
    rows = order[: _FIRST + _FURTHER]
    model = predictors.fit_adaproxy(proxy, hot[rows], latency_ms[rows])
    predicted = predictors.predict_linear(model, hot)
  else:
    slope, offset = np.polyfit(scores[rows], latency_ms[rows], 1)
    predicted = slope * scores + offset
  fit = np.where(predicted <= budget_ms, accuracy, -np.inf)
  for number, row in enumerate(np.argsort(-fit)[:_VERIFIED], 1):
    if latency_ms[row] <= budget_ms:
      return int(row), len(rows) + number
  return -1, len(rows) + _VERIFIED


def ours(candidates, latency_ms, budget_ms, seed, num):
  """The library's call."""
  measure = search.table_device(candidates.genotype, latency_ms)
  found = search.under_budget(
      jax.random.key(seed), candidates,
      measure, budget_ms, num_measurements=num,
  )
  return int(found.answers[-1]), len(found.rows)


def _others(
    table: data.LatencyTable, target: str, names: tuple[str, ...]
) -> list[str]:
  """Those of the names whose family is not the target's."""
  family = table.device(target).family
  return [name for name in names if table.device(name).family != family]


def target_rows(
    table: data.LatencyTable, target: str, accuracy: np.ndarray, seed: int
) -> list[dict[str, Any]]:
  """Every method on one target."""
  measured = np.isfinite(table.row(target))
  latency_ms, genotype = table.row(target)[measured], table.genotype[measured]
  accuracy = accuracy[measured]
  budget_ms = float(np.median(latency_ms))
  best = accuracy[rivals.oracle(accuracy, latency_ms, budget_ms)]
  rows = []

  def add(method, run, shared_measurements, shared_seconds):
    start = time.perf_counter()
    row, used = run()
    kept = row >= 0 and bool(latency_ms[row] <= budget_ms)
    rows.append({
        'target': target, 'method': method, 'measurements': used,
        'seconds': time.perf_counter() - start,
        'shared_measurements': shared_measurements,
        'shared_seconds': shared_seconds, 'kept': kept,
        'regret': float(best - accuracy[row]) if kept else None,
    })

  rng = np.random.default_rng(seed)
  add('per device', lambda: per_device(
      rng, genotype, accuracy, latency_ms, budget_ms
  ), 0, 0.0)

  known = partitions.get('ND').source
  names = _others(table, target, known)
  start = time.perf_counter()
  proxy_row = table.row(_others(table, target, ('pixel3', 'silver_4114'))[0])
  sample = rng.choice(len(proxy_row), _PROXY, replace=False)
  proxy = predictors.fit_proxy(table.genotype[sample], proxy_row[sample], 5)
  seconds = time.perf_counter() - start
  add('OneProxy', lambda: one_proxy(
      rng, genotype, proxy, accuracy, latency_ms, budget_ms
  ), _PROXY, seconds)

  for method, sources, num in (('ours', names, 10), ('ours, alone', [], 20)):
    start = time.perf_counter()
    encode = transfer.fit_sources(
        problems.SPACE, table.genotype[:_SOURCE],
        np.stack([table.row(name)[:_SOURCE] for name in sources]),
    ) if sources else None
    candidates = search.candidates(
        transfer.bayesian_model(problems.SPACE, encode), genotype, accuracy
    )
    jax.block_until_ready(candidates.features)
    seconds = time.perf_counter() - start
    ours(candidates, latency_ms, budget_ms, seed, num)  # compiles
    add(method, lambda candidates=candidates, num=num: ours(
        candidates, latency_ms, budget_ms, seed, num
    ), _SOURCE * len(known) if sources else 0, seconds)
  return rows


def main() -> None:
  """Computes, prints and writes."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--out', default='search_targets.json')
  options = parser.parse_args()
  table = data.load_latency('nasbench201')
  accuracy = data.load_accuracy('nasbench201').join(table.genotype).row(
      'cifar100', 'test'
  )
  rows = []
  for number, target in enumerate(table.device_names):
    rows += target_rows(table, target, accuracy, options.seed + number)
    print(number + 1, target, file=sys.stderr, flush=True)
  records.write(records.RESULTS / options.out, records.header(
      'search_targets', options
  ) | {
      'command': records.command(options),
      'defaults': search.under_budget.__kwdefaults__,
      'rows': rows,
  })


if __name__ == '__main__':
  main()
