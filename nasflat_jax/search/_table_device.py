"""A device whose measurements are read from a table."""

from __future__ import annotations

from collections.abc import Callable

import chex
import numpy as np

# `genotype [G] -> milliseconds`.
Measure = Callable[[np.ndarray], float]


def table_device(genotype: chex.Array, latency_ms: chex.Array) -> Measure:
  """Answers measurements from a table, one architecture at a time.

  Args:
    genotype: `[N, G]` distinct architectures.
    latency_ms: `[N]` milliseconds; NaN = unmeasured.

  Returns:
    A function for `under_budget`. It raises a `ValueError` that names the
    architecture where the table has no measurement of it.

  Raises:
    ValueError: the shapes do not fit.

  Example:
    >>> measure = table_device(np.array([[0], [1]]), np.array([1.5, np.nan]))
    >>> measure(np.array([0]))
    1.5
  """
  genotype = np.ascontiguousarray(genotype, np.int32)
  latency_ms = np.asarray(latency_ms, np.float64)
  if genotype.ndim != 2 or latency_ms.shape != genotype.shape[:1]:
    raise ValueError(
        f'latency_ms must be [N] and genotype [N, G], got {latency_ms.shape} '
        f'and {genotype.shape}'
    )
  known = {
      genes.tobytes(): float(value)
      for genes, value in zip(genotype, latency_ms, strict=True)
      if np.isfinite(value)
  }

  def measure(genes: np.ndarray) -> float:
    value = known.get(np.asarray(genes, np.int32).tobytes())
    if value is None:
      raise ValueError(f'the table has no measurement of {list(genes)}')
    return value

  return measure
