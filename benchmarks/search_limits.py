"""What a search could reach that knew a device but for its single values.

    NASFLAT_MIRROR=... python benchmarks/search_limits.py

A regression of the log latency on costs, genes and pairs of genes is fitted to
all rows of a device, and the spread of its residuals is known: no few
measurements can tell more, unless networks deviate together. Then each
measurement goes to the network with the largest (gain in accuracy) x P(latency
<= budget)^c, P by the residuals. What is left of the regret are the values that
no architecture explains.

And how alike the residuals of networks are that differ in a few genes, of a
regression on costs and genes alone, on the development devices: what the search
believes of them. Writes `results/search_limits.json`.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from typing import Any

import numpy as np
from search_study import problems
from search_study import rivals
from zero_cost_study import records

from nasflat_jax import data
from nasflat_jax import predictors
from nasflat_jax import transfer

_SIZES = (5, 10, 20)
_CAUTION = (1.0, 2.0)
_PENALTY = 1.0
_DISTANCES, _SAMPLES = (1, 2, 3, 4), 20000


def known_model(genotype: np.ndarray, latency_ms: np.ndarray) -> np.ndarray:
  """`[N]` the log latency as a regression on all measured rows has it."""
  hot = predictors.one_hot(genotype, 5)
  pairs = [
      (hot[:, 5 * a : 5 * a + 5, None] * hot[:, None, 5 * b : 5 * b + 5])
      .reshape(len(hot), -1)
      for a, b in itertools.combinations(range(genotype.shape[1]), 2)
  ]
  costs = np.asarray(
      transfer.bayesian_model(problems.SPACE).encode(genotype), np.float64
  )
  spread = costs.std(axis=0)
  costs = (costs - costs.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
  columns = np.concatenate([costs, *pairs, np.ones((len(hot), 1))], axis=1)
  rows = np.isfinite(latency_ms)
  known = columns[rows]
  weights = np.linalg.solve(
      known.T @ known + _PENALTY * np.eye(known.shape[1]),
      known.T @ np.log(latency_ms[rows]),
  )
  return columns @ weights


def search_known(
    fitted: np.ndarray,
    residual: np.ndarray,  # sorted
    accuracy: np.ndarray,
    latency_ms: np.ndarray,
    budget_ms: float,
    caution: float,
) -> list[int]:
  """The answer after each of 20 measurements; -1 while there is none."""
  probability = np.searchsorted(
      residual, np.log(budget_ms) - fitted, 'right'
  ) / len(residual)
  open_rows = np.isfinite(latency_ms)
  answer, answers = -1, []
  for _ in range(_SIZES[-1]):
    floor = accuracy[answer] if answer >= 0 else accuracy[open_rows].min() - 1.0
    value = np.maximum(accuracy - floor, 0.0) * probability**caution
    row = int(np.argmax(np.where(open_rows, value, -1.0)))
    open_rows[row] = False
    if latency_ms[row] <= budget_ms and accuracy[row] > floor:
      answer = row
    answers.append(answer)
  return answers


def alike(table: data.LatencyTable) -> dict[str, list[float]]:
  """Correlation of residuals by the genes that differ, of each device."""
  genotype = table.genotype
  row_of = {tuple(genes): row for row, genes in enumerate(genotype.tolist())}
  pairs = []
  for distance in _DISTANCES:
    rng = np.random.default_rng(distance)
    first = rng.integers(len(genotype), size=_SAMPLES)
    other = genotype[first].copy()
    genes = np.argsort(rng.random(other.shape), axis=1)[:, :distance]
    rows = np.arange(_SAMPLES)[:, None]
    step = rng.integers(1, 5, size=genes.shape)
    other[rows, genes] = (other[rows, genes] + step) % 5
    pairs.append((first, np.array([row_of[tuple(x)] for x in other.tolist()])))
  costs = np.asarray(
      transfer.bayesian_model(problems.SPACE).encode(genotype), np.float64
  )
  found = {}
  for device in problems.DEVELOPMENT:
    log_ms = np.log(table.row(device))
    model = predictors.fit_ridge(costs, log_ms)
    residual = log_ms - np.asarray(predictors.predict_linear(model, costs))
    found[device] = [
        float(np.corrcoef(residual[first], residual[second])[0, 1])
        for first, second in pairs
    ]
  return found


def main() -> None:
  """Computes, prints and writes."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--sets', default='help,percentile')
  parser.add_argument('--out', default='search_limits.json')
  options = parser.parse_args()
  table = problems.load()
  accuracy = data.load_accuracy('nasbench201').join(table.genotype).row(
      'cifar100', 'test'
  )
  rows: list[dict[str, Any]] = []
  fits: dict[str, np.ndarray] = {}
  for group in options.sets.split(','):
    for budget in problems.budgets(table, group):
      latency_ms = table.row(budget.device)
      if budget.device not in fits:
        fits[budget.device] = known_model(table.genotype, latency_ms)
        print(budget.device, file=sys.stderr, flush=True)
      fitted = fits[budget.device]
      measured = np.isfinite(latency_ms) & np.isfinite(accuracy)
      residual = np.sort(np.log(latency_ms[measured]) - fitted[measured])
      best = accuracy[rivals.oracle(accuracy, latency_ms, budget.ms)]
      for caution in _CAUTION:
        answers = search_known(
            fitted, residual, np.where(measured, accuracy, -np.inf),
            np.where(measured, latency_ms, np.nan), budget.ms, caution,
        )
        rows.append({
            'group': group, 'device': budget.device, 'budget': budget.name,
            'budget_ms': budget.ms, 'caution': caution,
            'residual_std': float(residual.std()),
            'regret': {
                str(num): float(best - (
                    accuracy[answers[num - 1]] if answers[num - 1] >= 0 else 1.0
                ))
                for num in _SIZES
            },
        })
  for caution in _CAUTION:
    for group in options.sets.split(','):
      own = [
          one for one in rows
          if one['caution'] == caution and one['group'] == group
      ]
      print(group, f'caution {caution:g}', {
          num: f'{np.mean([one["regret"][str(num)] for one in own]):.3f}'
          for num in _SIZES
      })
  records.write(records.RESULTS / options.out, records.header(
      'search_limits', options
  ) | {
      'command': records.command(options),
      'rows': rows,
      'alike': alike(table),
  })


if __name__ == '__main__':
  main()
