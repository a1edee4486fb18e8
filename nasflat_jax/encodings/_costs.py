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

_COSTS = (
    'multiply_adds',
    'weight_bytes',
    'activation_bytes',
    'kernels',
    'critical_path',
)
# Members drawn once to fix the scale; any large sample gives nearly the same.
_SAMPLE = 4096
_SAMPLE_SEED = 0


@functools.partial(jax.jit, static_argnums=0)
def _features(space: types.SearchSpace, genotype: jax.Array) -> jax.Array:
  """Unscaled features `[B, F]`."""
  costs = space.costs(genotype)
  columns = [jnp.asarray(getattr(costs, name)) for name in _COSTS]
  features = jnp.stack(columns, axis=1).astype(jnp.float32)
  if 'none' not in space.spec.gene_names:
    return features
  # Where operations can be dead, some runtimes execute them and some do not:
  # the live ones are counted apart (the costs above count every one).
  live = space.decode(genotype).live_mask.reshape(genotype.shape[0], -1)
  live = live[:, 1 : 1 + space.spec.num_genes]
  kinds = jnp.arange(len(space.spec.gene_names))
  counts = jnp.sum((genotype[:, :, None] == kinds) & live[:, :, None], axis=1)
  return jnp.concatenate([counts.astype(jnp.float32), features], axis=1)


@functools.cache
def _scale(space: types.SearchSpace) -> tuple[np.ndarray, np.ndarray]:
  if space.spec.gene_ranges is None:
    rng = np.random.default_rng(_SAMPLE_SEED)
    genes = rng.integers(
        len(space.spec.gene_names), size=(_SAMPLE, space.spec.num_genes)
    )
  with jax.ensure_compile_time_eval():
    if space.spec.gene_ranges is not None:
      # Genes depend on each other: only the space can draw its members.
      genes = np.asarray(space.random(jax.random.key(_SAMPLE_SEED), _SAMPLE))
    sample = np.asarray(
        _features(space, jnp.asarray(genes, jnp.int32)), np.float64
    )
  spread = sample.std(axis=0)
  return sample.mean(axis=0), np.where(spread > 0.0, spread, 1.0)


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
  mean, spread = (x.astype(np.float32) for x in _scale(space))

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
