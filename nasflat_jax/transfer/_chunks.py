"""A compiled program of one batch size, over any number of rows."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np


def in_chunks(
    run: Callable[[jax.Array], jax.Array],
    genotype: np.ndarray,  # [N, G]
    chunk_size: int,
) -> np.ndarray:  # [..., N]
  """Applies `genotype [chunk_size, G] -> [..., chunk_size]` to all rows.

  Every call has the same shape, so that 15 architectures and 15,625 share one
  compiled program.
  """
  genotype = np.asarray(genotype, np.int32)
  total = len(genotype)
  if not total:
    raise ValueError('there are no architectures to predict')
  if chunk_size < 1:
    raise ValueError(f'chunk_size must be 1 or more, got {chunk_size}')
  rows = np.minimum(
      np.arange(-(-total // chunk_size) * chunk_size), total - 1
  ).reshape(-1, chunk_size)
  parts = [np.asarray(run(jnp.asarray(genotype[ids]))) for ids in rows]
  return np.concatenate(parts, axis=-1)[..., :total]
