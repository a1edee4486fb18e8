"""A compiled program of one batch size, over any number of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def in_chunks(
    run: Callable[..., Any],
    rows: np.ndarray,  # [N, ...]
    chunk_size: int,
    *,
    axis: int = -1,
) -> Any:  # a tree of [..., N]
  """Applies a function of `[chunk_size, ...]` to all rows.

  Every call has the same shape, so that 15 architectures and 15,625 share one
  compiled program.

  Args:
    run: gives an array, or a tree of arrays, with `chunk_size` entries along
      `axis`.
    rows: `[N, ...]`, at least one.
    chunk_size: rows of a call.
    axis: of the results, along which they are put together.

  Returns:
    NumPy arrays with `N` entries along `axis`.

  Raises:
    ValueError: there are no rows, or the size is below 1.

  Example:
    >>> in_chunks(lambda part: 2 * part, np.arange(5), 2).tolist()
    [0, 2, 4, 6, 8]
  """
  rows = np.asarray(rows)
  total = len(rows)
  if not total:
    raise ValueError('there are no architectures to predict')
  if chunk_size < 1:
    raise ValueError(f'chunk_size must be 1 or more, got {chunk_size}')
  index = np.minimum(
      np.arange(-(-total // chunk_size) * chunk_size), total - 1
  ).reshape(-1, chunk_size)
  parts = [jax.tree.map(np.asarray, run(rows[ids])) for ids in index]
  return jax.tree.map(
      lambda *leaves: np.split(np.concatenate(leaves, axis), [total], axis)[0],
      *parts,
  )
