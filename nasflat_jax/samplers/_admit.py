"""What every sampler checks before it chooses."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp


def admit(
    features: jax.Array,  # [N, F]
    where: jax.Array | None,  # [N]
    num_samples: int,
) -> jax.Array:  # [N]
  """Checks a sampler's arguments and fills in `where`.

  Args:
    features: `[N, F]` features of the pool.
    where: `[N]` True for architectures that may be chosen; None admits all.
    num_samples: how many are to be chosen.

  Returns:
    `[N]` bool.

  Raises:
    ValueError: `num_samples` is negative or exceeds the rows admitted; of a
      traced `where` only the length is known.
  """
  chex.assert_rank(features, 2)
  num = features.shape[0]
  where = jnp.ones(num, bool) if where is None else jnp.asarray(where)
  chex.assert_shape(where, (num,))
  try:
    admitted = int(jnp.sum(where))
  except jax.errors.ConcretizationTypeError:  # traced: only the shape is known
    admitted = num
  if not 0 <= num_samples <= admitted:
    raise ValueError(
        f'cannot choose {num_samples} of {admitted} admitted architectures'
    )
  return where


def admit_finite(
    features: jax.Array,  # [N, F]
    where: jax.Array | None,  # [N]
    num_samples: int,
) -> tuple[jax.Array, jax.Array]:  # [N, F], [N]
  """As `admit`, for samplers that compute with the features.

  Args:
    features: `[N, F]` features of the pool.
    where: `[N]` True for architectures that may be chosen; None admits all.
    num_samples: how many are to be chosen.

  Returns:
    `[N, F]` float32 features, zero in the rows left out, and `[N]` bool.

  Raises:
    ValueError: as `admit`, or an admitted row is not finite; traced features
      are taken as they are.
  """
  where = admit(features, where, num_samples)
  features = jnp.asarray(features, jnp.float32)
  features = jnp.where(where[:, None], features, 0.0)
  bad = ~jnp.isfinite(features).all(axis=1)
  try:
    num_bad = int(bad.sum())
  except jax.errors.ConcretizationTypeError:
    return features, where
  if num_bad:
    raise ValueError(
        f'{num_bad} admitted architectures have features that are not finite, '
        f'the first in row {int(jnp.argmax(bad))}; leave them out with `where`'
    )
  return features, where
