"""How alike devices rank architectures, and so how hard a split is."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from scipy import stats

from nasflat_jax.data import LatencyTable
from nasflat_jax.types import Partition


class CrossCorrelation(NamedTuple):
  """Spearman between the sources and the targets of a split.

  Attributes:
    mean: over all pairs of a source and a target.
    minimum: the least of them.
    maximum: the greatest of them.
  """

  mean: float
  minimum: float
  maximum: float


def correlation_matrix(
    values: np.ndarray,  # [D, N]
) -> np.ndarray:  # [D, D]
  """Spearman's rank correlation of every two devices.

  Architectures that both devices measured count, and ties get the mean of the
  ranks they span, as in `scipy.stats.spearmanr`. Devices with the same
  unmeasured architectures are ranked together.

  Args:
    values: `[D, N]` latencies in any increasing unit; NaN = unmeasured.

  Returns:
    `[D, D]` float64, symmetric, ones on the diagonal. NaN where a device is
    constant on the common architectures, or where these are fewer than two.

  Raises:
    ValueError: `values` is not a matrix.

  Example:
    >>> values = np.array([[1., 2., 3., 4.], [3., 1., 2., np.nan]])
    >>> correlation_matrix(values).round(2)
    array([[ 1. , -0.5],
           [-0.5,  1. ]])
  """
  values = np.asarray(values, np.float64)
  if values.ndim != 2:
    raise ValueError(f'values must be [D, N], got shape {values.shape}')
  measured = ~np.isnan(values)
  patterns, group = np.unique(measured, axis=0, return_inverse=True)
  group = group.reshape(-1)
  result = np.full((len(values), len(values)), np.nan)
  for a, b in itertools.combinations_with_replacement(range(len(patterns)), 2):
    both = patterns[a] & patterns[b]
    if both.sum() < 2:
      continue
    rows, columns = np.flatnonzero(group == a), np.flatnonzero(group == b)
    block = _unit_ranks(values[rows][:, both]) @ _unit_ranks(
        values[columns][:, both]
    ).T
    result[np.ix_(rows, columns)] = block
    result[np.ix_(columns, rows)] = block.T
  is_known = ~np.isnan(result.diagonal())
  result[is_known, is_known] = 1.0
  return np.clip(result, -1.0, 1.0)


def cross_correlation(
    table: LatencyTable, partition: Partition
) -> CrossCorrelation:
  """How alike the sources and the targets of a split rank architectures.

  The lower the mean, the less the sources tell of the targets. NASFLAT
  (https://arxiv.org/abs/2403.02446) makes its splits by this number.

  Args:
    table: has the devices of the split.
    partition: the split.

  Returns:
    Mean, least and greatest Spearman over pairs of source and target.

  Raises:
    ValueError: a device is not in the table, or a pair has no correlation.
  """
  names = (*partition.source, *partition.target)
  correlation = correlation_matrix(table.select(names).values)
  check_defined(correlation, names)
  count = len(partition.source)
  return summary(correlation[:count, count:])


def summary(block: np.ndarray) -> CrossCorrelation:
  """Mean, least and greatest of a block of a correlation matrix."""
  return CrossCorrelation(
      float(block.mean()), float(block.min()), float(block.max())
  )


def random_split(correlation: np.ndarray) -> float:
  """The mean cross-set correlation that a random split has in expectation.

  Every pair of devices is as likely to be divided as any other, whatever the
  sizes of the two sets, so it is the mean of all pairs.

  Args:
    correlation: `[D, D]`.

  Returns:
    The mean off the diagonal.
  """
  return float(correlation[~np.eye(len(correlation), dtype=bool)].mean())


def check_defined(correlation: np.ndarray, names: tuple[str, ...]) -> None:
  """Refuses devices whose correlation is not defined.

  Raises:
    ValueError: names two of them.
  """
  undefined = np.argwhere(np.isnan(correlation))
  if len(undefined):
    first, second = (names[i] for i in undefined[0])
    raise ValueError(
        f'no rank correlation of devices {first!r} and {second!r}: one is '
        'constant, or too few architectures are measured on both; exclude one'
    )


def _unit_ranks(values: np.ndarray) -> np.ndarray:
  """Centred ranks of length one; NaN for a constant row."""
  ranks = stats.rankdata(values, axis=1)
  ranks -= (values.shape[1] + 1) / 2
  length = np.sqrt((ranks**2).sum(axis=1, keepdims=True))
  return ranks / np.where(length > 0.0, length, np.nan)
