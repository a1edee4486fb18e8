"""Farthest-point traversal: cover the pool with the smallest radius."""

from __future__ import annotations

import functools

import chex
import jax
import jax.numpy as jnp

from nasflat_jax.samplers import _ties
from nasflat_jax.samplers._admit import admit_finite


def farthest_point(
    key: chex.PRNGKey,
    features: jax.Array,  # [N, F]
    *,
    num_samples: int,
    where: jax.Array | None = None,  # [N]
) -> jax.Array:  # [num_samples]
  """Greedy k-centre: each choice is the row farthest from those before it.

  The first is the admitted row nearest the mean of the admitted rows. The
  largest distance from an admitted row to its nearest choice is at most twice
  the least possible with these many (Gonzalez 1985,
  https://doi.org/10.1016/0304-3975(85)90224-5). `O(N F n)`; the key breaks
  ties.

  Args:
    key: typed PRNG key.
    features: `[N, F]`, scaled so that Euclidean distances are fair.
    num_samples: how many to choose, n. Static under `jit`.
    where: `[N]` True for architectures that may be chosen; None admits all.
      Leave out degenerate and unmeasured ones here.

  Returns:
    `[num_samples]` int32, distinct, in the order chosen: more samples extend
    fewer. Where fewer rows are admitted than asked for, a traced call cannot
    tell; an untraced one raises.

  Raises:
    ValueError: an admitted row is not finite, or `num_samples` is negative or
      exceeds the rows admitted.

  Example:
    >>> x = jnp.array([[0.], [1.], [2.], [9.]])
    >>> ids = farthest_point(jax.random.key(0), x, num_samples=3)
    >>> ids.tolist()
    [2, 3, 0]
  """
  features, where = admit_finite(features, where, num_samples)
  return _choose(key, features, where, num_samples)


@functools.partial(jax.jit, static_argnums=3)
def _choose(key, features, where, num_samples):
  if num_samples == 0:
    return jnp.zeros(0, jnp.int32)
  priority = _ties.priorities(key, len(features))
  mean = jnp.sum(features, axis=0) / jnp.maximum(jnp.sum(where), 1)
  first = _ties.best(
      -_ties.squared_distance(features, mean), where, priority
  )

  def body(carry, _):
    last, closest, allowed = carry
    allowed = allowed.at[last].set(False)
    distance = _ties.squared_distance(features, features[last])
    closest = jnp.minimum(closest, distance)
    return (_ties.best(closest, allowed, priority), closest, allowed), last

  far = jnp.full(len(features), jnp.inf)
  _, chosen = jax.lax.scan(body, (first, far, where), length=num_samples)
  return chosen
