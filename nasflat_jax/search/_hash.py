"""Numbers of 32 bits that stand for genotypes, NumPy's or JAX's."""

from __future__ import annotations

from typing import Any

import numpy as np


def row_hash(genotype: Any, seed: int = 0) -> Any:
  """`[..., G] -> [...]` uint32, of the kind that the genotype is.

  Equal rows have equal numbers; others rarely. Another seed gives a number that
  has nothing to do with the first.
  """
  factors = np.random.default_rng(seed).integers(
      2**32, size=genotype.shape[-1], dtype=np.uint32
  ) | np.uint32(1)
  mixed = genotype.astype(np.uint32) * factors
  return (mixed ^ (mixed >> 15)).sum(axis=-1, dtype=np.uint32)
