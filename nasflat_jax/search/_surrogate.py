"""A predictor that is fitted again within a search."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np

# Length scales over the root mean squared distance of the evaluated rows, and
# variances of the noise over that of the signal, chosen by leave-one-out error.
_GRID = np.array(list(itertools.product((0.5, 1.0, 2.0), (0.01, 0.1, 0.5))))


def _inverse(matrix: jax.Array) -> jax.Array:
  """The inverse of a positive definite `[n, n]` matrix.

  Gauss and Jordan, written out: batches of LAPACK calls can block each other on
  two cores, see `predictors.fit_bayesian`.
  """
  size = len(matrix)

  def sweep(row, left):
    pivot = left[row, row]
    scaled = left[row] / pivot
    column = left[:, row]
    left = left - jnp.outer(column, scaled)
    left = left.at[:, row].set(-column / pivot).at[row].set(scaled)
    return left.at[row, row].set(1.0 / pivot)

  return jax.lax.fori_loop(0, size, sweep, matrix)


def _normal_scores(value: jax.Array, where: jax.Array) -> jax.Array:
  """Normal quantiles of the ranks among the rows that count, 0 elsewhere."""
  rank = jnp.sum(
      (value[:, None] > value) & where, axis=1
  ) + 0.5 * jnp.sum((value[:, None] == value) & where, axis=1)
  share = rank / jnp.maximum(jnp.sum(where), 1)
  return jnp.where(
      where, jax.scipy.stats.norm.ppf(jnp.clip(share, 1e-3, 1 - 1e-3)), 0.0
  )


@jax.default_matmul_precision('highest')
def gaussian_process(
    features: jax.Array,  # [n, F]
    value: jax.Array,  # [n]
    where: jax.Array,  # [n]
    query: jax.Array,  # [N, F]
) -> jax.Array:  # [N]
  """Predicts the order of architectures from those evaluated.

  A Gaussian process with a squared exponential kernel on the normal scores of
  the values, as a few networks that do not train would bend any fit to the
  values themselves. Length scale and noise have the least closed-form
  leave-one-out error. Jittable; `vmap` it.

  Args:
    features: `[n, F]` of the evaluated architectures.
    value: `[n]` what they scored.
    where: `[n]` True for rows that count.
    query: `[N, F]` of those to predict.

  Returns:
    `[N]` scores in the order of the values; their unit is a standard deviation.
  """
  target = _normal_scores(jnp.where(where, value, jnp.inf), where)

  def squared(a, b):
    cross = a @ b.T
    lengths = jnp.sum(a**2, axis=1)[:, None] + jnp.sum(b**2, axis=1)
    return jnp.maximum(lengths - 2.0 * cross, 0.0)

  pairs = where[:, None] & where
  distance = squared(features, features)
  mean = jnp.sum(distance, where=pairs) / jnp.maximum(jnp.sum(pairs), 1)
  distance /= jnp.maximum(mean, 1e-12)
  diagonal = jnp.eye(len(value))

  def fit(setting):
    length, noise = setting
    # A row that does not count is independent of all others.
    kernel = jnp.where(pairs, jnp.exp(-0.5 * distance / length**2), 0.0)
    kernel = jnp.where(diagonal > 0.0, 1.0 + noise, kernel)
    inverse = _inverse(kernel)
    weights = inverse @ target
    left_out = weights / jnp.diag(inverse)
    return jnp.sum(left_out**2), jnp.where(where, weights, 0.0)

  error, weights = jax.lax.map(fit, jnp.asarray(_GRID, features.dtype))
  best = jnp.argmin(error)
  length = jnp.asarray(_GRID, features.dtype)[best, 0]
  near = squared(query, features) / jnp.maximum(mean, 1e-12)
  return jnp.exp(-0.5 * near / length**2) @ weights[best]
