"""The fixed scale of an encoding: from a sample of the space, never a table."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types

# Members drawn once to fix the scale; any large sample gives nearly the same.
_SAMPLE = 4096
_SAMPLE_SEED = 0

Columns = Callable[[types.SearchSpace, jax.Array], jax.Array]


def sample(space: types.SearchSpace) -> np.ndarray:
  """`[4096, G]` genotypes of the space, always the same ones."""
  if space.spec.gene_ranges is None:
    rng = np.random.default_rng(_SAMPLE_SEED)
    return rng.integers(
        len(space.spec.gene_names),
        size=(_SAMPLE, space.spec.num_genes),
        dtype=np.int32,
    )
  # Genes depend on each other: only the space can draw its members.
  with jax.ensure_compile_time_eval():
    return np.asarray(space.random(jax.random.key(_SAMPLE_SEED), _SAMPLE))


def mean_and_spread(
    columns: Columns, space: types.SearchSpace
) -> tuple[np.ndarray, np.ndarray]:
  """Float64 mean and standard deviation of the columns over the sample."""
  with jax.ensure_compile_time_eval():
    values = np.asarray(columns(space, jnp.asarray(sample(space))), np.float64)
  return values.mean(axis=0), values.std(axis=0)
