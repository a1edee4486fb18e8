"""Zero-cost proxies as columns that say which of them are known.

`encodings.zcp` is the encoding of a whole space; here are the columns of the
networks of one task, whose proxies may be there in part.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nasflat_jax import data
from nasflat_jax import types
from nasflat_jax.encodings import _zero_cost
from nasflat_jax.encodings._zero_cost import normalise

__all__ = ['masked', 'normalise', 'of_task']

# `grasp` has outliers of a hundred standard deviations.
_LARGEST = 5.0


def masked(values: np.ndarray) -> np.ndarray:
  """Values with the unknown ones replaced, and a mask of the known.

  Args:
    values: `[N, P]`; NaN is unknown.

  Returns:
    `[N, 2 * P]` float32: values, an unknown one the mean of the known of its
    column (0 where there are none), then 1 where known.

  Example:
    >>> masked(np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]]))
    array([[1., 0., 1., 0.],
           [3., 0., 1., 0.],
           [2., 0., 0., 0.]], dtype=float32)
  """
  known = np.isfinite(values)
  total = np.where(known, values, 0.0).sum(axis=0)
  mean = total / np.maximum(known.sum(axis=0), 1)
  filled = np.where(known, values, mean)
  return np.concatenate([filled, known], axis=1).astype(np.float32)


def of_task(
    space: types.SearchSpace, task: data.Task, where: np.ndarray | None = None
) -> np.ndarray:
  """The 13 proxies of a task's networks and which are known, `[N, 26]`.

  Normalised as in NASFLAT (`normalise`), and cut to -5..5, over all networks of
  the task, or over some: proxies need no training, so those of networks
  without a label may set the scale. On NAS-Bench-201 a cell with operations
  off every path takes the proxies of the one without these, see
  `encodings.zcp`.

  Args:
    space: the task's space.
    task: accuracies and proxies.
    where: `[N]` the rows that set the scale; None is all.

  Returns:
    `[N, 26]` float32, see `masked`.

  Raises:
    ValueError: the task is of another space.
  """
  if task.space != space.spec.name:
    raise ValueError(f'the task is of {task.space!r}, not {space.spec.name!r}')
  proxies = np.array(task.proxies)
  table = data.ZeroCostTable(
      space=task.space,
      source=task.source,
      proxies=data.PROXIES,
      genotype=task.genotype,
      values=proxies,
      logarithms=task.logarithms,
  )
  # All but `zen` are absent of a cell with operations off every path.
  scored = np.isfinite(proxies).sum(axis=1) > 1
  if scored.any():
    known = dataclasses.replace(
        table, genotype=task.genotype[scored], values=proxies[scored]
    )
    row_of = {row.tobytes(): i for i, row in enumerate(table.genotype)}
    whole = _zero_cost.completed(space, known)
    for row, values in zip(whole.genotype, whole.values, strict=True):
      place = row_of.get(row.tobytes(), -1)
      if place >= 0 and not scored[place]:
        proxies[place] = values
  table = dataclasses.replace(table, values=proxies)
  values = _zero_cost.normalise(table, where)
  return masked(np.clip(values, -_LARGEST, _LARGEST))
