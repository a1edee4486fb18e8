"""Seconds of a search after its measurements, by part, and of compiling.

    NASFLAT_MIRROR=... python benchmarks/search_timing.py

One device, all of NAS-Bench-201 and MetaD2A's 500 candidates, 5, 10 and 20
measurements, which a table answers at once: what is left is fitting,
predicting and choosing. The first call compiles; the others, with other seeds,
do not. Writes `results/search_timing.json`.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import jax
import numpy as np
from search_study import problems
import search_table
from zero_cost_study import records

from nasflat_jax import search

_DEVICE, _BUDGET_MS = 'gold_6226', 11.0


def one(
    name: str, table: Any, num: int, repeats: int
) -> dict[str, Any]:
  """Times of one set of candidates and number of measurements."""
  jax.clear_caches()
  start = time.perf_counter()
  model = problems.model(table, _DEVICE)
  have = search_table.setting(table, name, 'test')
  candidates = search.candidates(
      model, table.genotype[have['where']], have['seen'][have['where']]
  )
  jax.block_until_ready(candidates.features)
  prepare = time.perf_counter() - start
  latency_ms = table.row(_DEVICE)[have['where']]
  measure = search.table_device(candidates.genotype, latency_ms)

  def run(seed):
    begin = time.perf_counter()
    found = search.under_budget(
        jax.random.key(seed), candidates,
        measure, _BUDGET_MS, num_measurements=num,
        # No early stop: the longest a search may take.
        least_probability=0.0,
    )
    return time.perf_counter() - begin, found

  first, _ = run(0)
  run(1)
  later = [run(seed) for seed in range(2, repeats + 2)]
  total = np.array([seconds for seconds, _ in later])
  return {
      'candidates': name, 'networks': len(candidates.genotype), 'num': num,
      'prepare_s': prepare, 'first_s': first,
      'median_s': float(np.median(total)), 'min_s': float(total.min()),
      'max_s': float(total.max()),
      'measured': [len(found.rows) for _, found in later],
      'parts_s': {
          part: float(np.median([found.seconds[part] for _, found in later]))
          for part in later[0][1].seconds
      },
  }


def main() -> None:
  """Computes, prints and writes."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--repeats', type=int, default=7)
  parser.add_argument('--out', default='search_timing.json')
  options = parser.parse_args()
  table = problems.load()
  rows = [
      one(name, table, num, options.repeats)
      for name in ('whole', 'metad2a') for num in (5, 10, 20)
  ]
  for row in rows:
    print(row)
  records.write(records.RESULTS / options.out, records.header(
      'search_timing', options
  ) | {
      'command': records.command(options),
      'defaults': search.under_budget.__kwdefaults__,
      'device': _DEVICE,
      'rows': rows,
  })


if __name__ == '__main__':
  main()
