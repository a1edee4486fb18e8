"""Searches FBNet and Once-for-All under budgets, by training-free scores.

    NASFLAT_MIRROR=... python benchmarks/search_spaces.py

No trained accuracy of these networks is public here, so none is claimed: the
score to maximise is FLOPs, or on FBNet the published zero-cost proxy nwot.
The same call as on NAS-Bench-201 chooses among HELP's 5,000 networks of each
space; sources are other devices without the target's processor, 900 networks
of each. Writes `results/search_spaces.json`.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from typing import Any

import jax
import numpy as np
from search_study import rivals
from zero_cost_study import records

from nasflat_jax import data
from nasflat_jax import partitions
from nasflat_jax import search
from nasflat_jax import spaces
from nasflat_jax import transfer

_SIZES = (5, 10)
_PERCENTILES = (30, 50, 70)
_NUM_SOURCE = 900
# HELP's targets, and others of its table that are no sources.
_TARGETS = {
    'fbnet': ('fpga', 'raspi4', 'eyeriss', 'pixel2', 'titan_rtx_64'),
    'ofa': ('titan_rtx_1', 'titan_rtx_32', 'titan_rtx_64'),
}
_SOURCES = {'fbnet': 'FD', 'ofa': 'OFA-titan_rtx'}
_SCORES = {'fbnet': ('flops', 'nwot'), 'ofa': ('flops',)}


def scores(table: data.LatencyTable, name: str) -> np.ndarray:
  """`[N]` what is maximised."""
  if name == 'flops':
    costs = spaces.get(table.space).costs(table.genotype)
    return np.asarray(costs.flops, np.float64) / 1e6
  proxies = data.load_zero_cost(table.space)
  row_of = {row.tobytes(): i for i, row in enumerate(proxies.genotype)}
  rows = [row_of[row.tobytes()] for row in table.genotype]
  return proxies.column(name)[rows]


def device_rows(
    table: data.LatencyTable,
    device: str,
    seeds: range,
    percentiles: tuple[int, ...] = _PERCENTILES,
) -> list[dict[str, Any]]:
  """All budgets and scores on one device."""
  space = spaces.get(table.space)
  own = table.device(device).processor
  names = [
      name for name in partitions.get(_SOURCES[table.space]).source
      if table.device(name).processor != own
  ]
  model = transfer.bayesian_model(space, transfer.fit_sources(
      space, table.genotype[:_NUM_SOURCE],
      np.stack([table.row(name)[:_NUM_SOURCE] for name in names]),
  ))
  latency_ms = table.row(device)
  measure = search.table_device(table.genotype, latency_ms)
  rows = []
  for name in _SCORES[table.space]:
    score = scores(table, name)
    candidates = search.candidates(model, table.genotype, score)
    for percent in percentiles:
      budget_ms = float(np.percentile(latency_ms, percent))
      best = rivals.oracle(score, latency_ms, budget_ms)
      feasible = latency_ms <= budget_ms
      start = time.perf_counter()
      found = [
          search.under_budget(
              jax.random.key(seed), candidates,
              measure, budget_ms, num_measurements=_SIZES[-1],
          )
          for seed in seeds
      ]
      seconds = (time.perf_counter() - start) / len(found)
      for num in _SIZES:
        used = [min(num, len(one.rows)) for one in found]
        answers = [
            int(one.answers[k - 1])
            for one, k in zip(found, used, strict=True)
        ]
        plain = [
            rivals.random_search(
                np.random.default_rng((seed, num)), score, latency_ms,
                budget_ms, num,
            ).row
            for seed in seeds
        ]
        rows.append({
            'space': table.space, 'device': device, 'score': name,
            'percentile': percent, 'budget_ms': budget_ms, 'num': num,
            'sources': names, 'best': float(score[best]),
            'seconds_at_10': seconds, 'used': used,
            'ours': _judged(answers, score, feasible, score[best]),
            'random': _judged(plain, score, feasible, score[best]),
        })
  return rows


def _judged(
    answers: list[int], score: np.ndarray, feasible: np.ndarray, best: float
) -> dict[str, Any]:
  """Of the runs: share that keep the budget, score and place among feasible."""
  held = [row >= 0 and bool(feasible[row]) for row in answers]
  rows = [row for row, ok in zip(answers, held, strict=True) if ok]
  above = [float((score[feasible] > score[row]).mean()) for row in rows]
  return {
      'kept': float(np.mean(held)),
      'score': float(np.mean(score[rows])) if rows else None,
      'relative': float(np.mean(score[rows] / best)) if rows else None,
      'share_above': float(np.mean(above)) if rows else None,
  }


def main() -> None:
  """Computes, prints and writes."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--seeds', type=int, default=3)
  parser.add_argument(
      '--percentiles', default=_PERCENTILES,
      type=lambda text: tuple(int(part) for part in text.split(',')),
  )
  parser.add_argument('--out', default='search_spaces.json')
  options = parser.parse_args()
  rows = []
  for space, devices in _TARGETS.items():
    table = functools.cache(data.load_latency)(space)
    for device in devices:
      rows += device_rows(
          table, device, range(options.seeds), options.percentiles
      )
      print(f'{space} {device}', file=sys.stderr, flush=True)
  records.write(records.RESULTS / options.out, records.header(
      'search_spaces', options
  ) | {
      'command': records.command(options),
      'defaults': search.under_budget.__kwdefaults__,
      'rows': rows,
  })


if __name__ == '__main__':
  main()
