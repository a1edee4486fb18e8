"""Encodings brought to one scale, to be blocks of the Bayesian predictor."""

from __future__ import annotations

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import spaces
from nasflat_jax import types

Encode = Callable[[chex.Array], chex.Array]


def _standardised(
    space: types.SearchSpace, encode: Encode
) -> tuple[Encode, np.ndarray]:
  """Columns of mean 0 and spread 1 over the space's sample, and their values.

  A column without a spread is 0.
  """
  values = np.asarray(encode(spaces.reference_sample(space)), np.float64)
  mean, spread = values.mean(axis=0), values.std(axis=0)
  # What rounding leaves of a constant is not a spread.
  scale = 1.0 / np.where(spread > 1e-6 * np.abs(mean), spread, np.inf)

  def each(genotype: chex.Array) -> jax.Array:
    return (jnp.asarray(encode(genotype)) - mean) * scale

  return each, (values - mean) * scale


def further_block(space: types.SearchSpace, encode: Encode) -> Encode:
  """An encoding as a block of unit variance."""
  each, values = _standardised(space, encode)
  length = np.sqrt(max(1, (values.std(axis=0) > 0).sum()))
  return lambda genotype: each(genotype) / length


def source_blocks(
    space: types.SearchSpace, sources: Encode
) -> dict[str, Encode]:
  """The two blocks of source devices: each of them, and their mean."""
  each, values = _standardised(space, sources)
  together = values.mean(axis=1).std()
  together = together if together > 1e-3 else np.inf
  return {
      'sources': lambda genotype: each(genotype) / np.sqrt(values.shape[1]),
      'mean_source': lambda genotype: (
          each(genotype).mean(axis=1, keepdims=True) / together
      ),
  }


def expected_block(
    space: types.SearchSpace, expected: Encode, powers: tuple[float, ...]
) -> tuple[Encode, np.ndarray]:
  """An expected latency as one column for each power of the warp.

  Args:
    space: the search space.
    expected: `[B, G] -> [B]` above 0, relative to its mean over the space.
    powers: `P` exponents of the warp.

  Returns:
    The block `[B, G] -> [B, P]`, and `[P]` the coefficient by which each
    column is the warped expectation itself, up to a constant.
  """

  def warped(genotype: chex.Array) -> jax.Array:
    log = jnp.log(jnp.asarray(expected(genotype)))
    return jnp.stack(
        [jnp.expm1(p * log) / p if p else log for p in powers], axis=1
    )

  block = further_block(space, warped)
  sample = spaces.reference_sample(space)
  values = np.asarray(block(sample), np.float64)
  spread = np.asarray(warped(sample), np.float64).std(axis=0)
  own = values.std(axis=0)
  return block, np.where(own > 0.0, spread / np.where(own > 0.0, own, 1.0), 0.0)
