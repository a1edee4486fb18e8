"""Optimal design: measure where a linear model is least certain."""

import chex
import jax
import jax.numpy as jnp

from nasflat_jax.samplers._admit import admit


def d_optimal(
    key: chex.PRNGKey,
    features: jax.Array,  # [N, F]
    *,
    num_samples: int,
    where: jax.Array | None = None,  # [N]
    noise: float = 0.1,
) -> jax.Array:  # [num_samples]
  """Greedy D-optimal design for Bayesian linear regression.

  Each step takes the candidate whose posterior variance is largest given those
  taken before, which greedily maximises `log det(I + X X^T / noise^2)`; a
  pivoted Cholesky factorisation, `O(N F n + N n^2)`. The key breaks ties.

  Args:
    key: typed PRNG key.
    features: `[N, F]`, scaled so that a unit prior on every weight is fair.
    num_samples: how many to choose, n.
    where: `[N]` candidates; None allows all. Leave out degenerate and
      unmeasured ones here.
    noise: standard deviation of the measurement, in units of the prior.

  Returns:
    `[num_samples]` int32, distinct. Where fewer rows are admitted than asked
    for, a traced call cannot tell; an untraced one raises.

  Raises:
    ValueError: `num_samples` is negative or exceeds the rows admitted.

  Example:
    >>> x = jnp.array([[0.], [1.], [-3.]])
    >>> int(d_optimal(jax.random.key(0), x, num_samples=1)[0])
    2
  """
  allowed = admit(features, where, num_samples)
  if num_samples == 0:
    return jnp.zeros(0, jnp.int32)
  total = features.shape[0]
  # A constant column stands for the intercept.
  rows = jnp.concatenate([features, jnp.ones((total, 1))], axis=1)
  variance = jnp.sum(rows * rows, axis=1)
  variance *= 1.0 + 1e-6 * jax.random.uniform(key, (total,))

  def body(carry, step):
    variance, factors, allowed = carry
    pivot = jnp.argmax(jnp.where(allowed, variance, -jnp.inf))
    covariance = rows @ rows[pivot] - factors @ factors[pivot]
    column = covariance / jnp.sqrt(variance[pivot] + noise**2)
    factors = factors.at[:, step].set(column)
    variance = jnp.maximum(variance - column**2, 0.0)
    return (variance, factors, allowed.at[pivot].set(False)), pivot

  empty = jnp.zeros((total, num_samples))
  _, chosen = jax.lax.scan(
      body, (variance, empty, allowed), jnp.arange(num_samples)
  )
  return chosen.astype(jnp.int32)
