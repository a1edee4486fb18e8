"""Trials of accuracy predictors by task, method and number of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import math
from typing import Any

import numpy as np

# Methods in the order of the tables.
NAMES = {
    'ridge': 'ridge',
    'best_proxy': 'one proxy, by the labels',
    'zcp_mlp': 'Multi-Predict, fresh',
    'zcp_mlp[sources=tasks]': 'Multi-Predict, sources',
    'bayesian[sources=none]': 'ours, no source',
    'bayesian': 'ours',
    'bayesian[sources=siblings]': 'ours, siblings',
}
SIZES = (5, 10, 20, 50, 100)
SCRATCH = 'zcp_mlp'
RIVALS = ('ridge', 'best_proxy')

Rows = Sequence[Mapping[str, Any]]
Curves = dict[tuple[str, str, int], np.ndarray]


def by_key(rows: Rows, figure: str = 'spearman') -> Curves:
  """Values of trials by task, method and number of labels."""
  found: dict[tuple[str, str, int], dict[int, float]] = {}
  for row in rows:
    key = row['task'], row['method'], row['num_support']
    found.setdefault(key, {})[row['trial']] = row[figure]
  return {
      key: np.array([values[trial] for trial in sorted(values)])
      for key, values in found.items()
  }


def error(values: np.ndarray) -> float:
  """Standard error of the mean."""
  return float(values.std(ddof=1) / math.sqrt(len(values)))


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
  """In Markdown; numbers from the second column on."""
  rows = [header, ['---'] + ['---:'] * (len(header) - 1), *lines]
  return '\n'.join('| ' + ' | '.join(row) + ' |' for row in rows)
