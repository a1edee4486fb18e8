"""The cost encoding: what a network asks of any hardware.

A fixed vector computed from the genotype alone, so it needs no measurement, no
training and no table: how often each operation runs, and the network's
multiply-adds, weights, activation traffic, kernels and critical path.
"""

from collections.abc import Callable
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.encodings import _blocks
from nasflat_jax.encodings import _scale


@functools.partial(jax.jit, static_argnums=0)
def _features(space: types.SearchSpace, genotype: jax.Array) -> jax.Array:
  """Unscaled features `[B, F]`."""
  # Where operations can be dead, some runtimes execute them and some do not:
  # the live ones are counted apart (the total costs count every one).
  live = _blocks.live_op_count_columns(space, genotype)
  totals = _blocks.total_cost_columns(space, genotype)
  return jnp.concatenate([live, totals], axis=1).astype(jnp.float32)


@functools.cache
def _affine(space: types.SearchSpace) -> tuple[np.ndarray, np.ndarray]:
  mean, spread = _scale.mean_and_spread(_features, space)
  return mean, np.where(spread > 0.0, spread, 1.0)


def costs(space: types.SearchSpace) -> Callable[[chex.Array], jax.Array]:
  """The cost encoding of a space, jittable.

  Columns: for spaces with a `none` operation, the number of live uses of each
  operation; then multiply-adds, weight bytes, activation bytes, kernels and
  critical path of the whole network in the space's default setting. Each
  column is centred and scaled by its mean and standard deviation over a fixed
  sample of the space, so no measured row enters.

  Args:
    space: the search space.

  Returns:
    `genotype [B, G] -> [B, F]` float32, of order one.

  Example:
    >>> from nasflat_jax import spaces
    >>> encode = costs(spaces.NASBENCH201)
    >>> encode(jnp.zeros((2, 6), jnp.int32)).shape
    (2, 10)
  """
  mean, spread = (x.astype(np.float32) for x in _affine(space))

  def encode(genotype: chex.Array) -> jax.Array:
    chex.assert_rank(genotype, 2)
    features = _features(space, jnp.asarray(genotype, jnp.int32))
    return (features - mean) / spread

  return encode


def none(space: types.SearchSpace) -> Callable[[chex.Array], jax.Array]:
  """The empty encoding, `genotype [B, G] -> [B, 0]`."""
  del space

  def encode(genotype: chex.Array) -> jax.Array:
    return jnp.zeros((genotype.shape[0], 0), jnp.float32)

  return encode
