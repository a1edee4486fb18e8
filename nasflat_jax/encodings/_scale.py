"""The fixed scale of an encoding: from a sample of the space, never a table."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import spaces
from nasflat_jax import types

Columns = Callable[[types.SearchSpace, jax.Array], jax.Array]


def mean_and_spread(
    columns: Columns, space: types.SearchSpace
) -> tuple[np.ndarray, np.ndarray]:
  """Float64 mean and standard deviation of the columns over the sample."""
  with jax.ensure_compile_time_eval():
    sample = jnp.asarray(spaces.reference_sample(space))
    values = np.asarray(columns(space, sample), np.float64)
  return values.mean(axis=0), values.std(axis=0)
