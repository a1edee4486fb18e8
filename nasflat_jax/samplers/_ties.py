"""Greedy choices whose ties are settled by the key."""

import chex
import jax
import jax.numpy as jnp

# Scores that differ by less than rounding in float32 count as equal.
_TOLERANCE = 1e-6


def best(
    scores: jax.Array,  # [N]
    allowed: jax.Array,  # [N]
    priority: jax.Array,  # [N]
) -> jax.Array:  # []
  """The allowed row of the highest score; of equals, the first in priority.

  Args:
    scores: `[N]`.
    allowed: `[N]` bool.
    priority: `[N]` settles ties, the highest first, see `priorities`.

  Returns:
    `[]` int32 row. It is an allowed one, whatever the scores.
  """
  top = jnp.max(jnp.where(allowed, scores, -jnp.inf))
  # Negated, so that scores which overflowed still leave an allowed row.
  behind = scores < top - _TOLERANCE * jnp.abs(top)
  tied = allowed & ~behind
  return jnp.argmax(jnp.where(tied, priority, -1)).astype(jnp.int32)


def priorities(key: chex.PRNGKey, num: int) -> jax.Array:  # [num]
  """The numbers from 0 in random order."""
  return jax.random.permutation(key, num)


def squared_distance(
    features: jax.Array,  # [N, F]
    point: jax.Array,  # [F]
) -> jax.Array:  # [N]
  """Squared distances, exactly zero where a row equals the point."""
  return jnp.sum(jnp.square(features - point), axis=1)
