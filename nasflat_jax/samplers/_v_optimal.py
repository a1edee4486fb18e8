"""V-optimal design: measure what most sharpens the predictions."""

from __future__ import annotations

import functools

import chex
import jax
import jax.numpy as jnp

from nasflat_jax.samplers import _ties
from nasflat_jax.samplers._admit import admit_finite


def v_optimal(
    key: chex.PRNGKey,
    features: jax.Array,  # [N, F]
    *,
    num_samples: int,
    where: jax.Array | None = None,  # [N]
    noise: float = 0.1,
    num_reference: int = 1000,
) -> jax.Array:  # [num_samples]
  """Greedy V-optimal design for Bayesian linear regression.

  Each step takes the candidate that most lowers the mean posterior variance
  over reference rows r. With the posterior covariance S and the reference's
  second moment M, candidate x lowers it by

    `x^T S M S x / (noise^2 + x^T S x)`

  which is the criterion of Cohn, Ghahramani and Jordan 1996
  (https://arxiv.org/abs/cs/9603104), exact for a linear model. `d_optimal`
  takes the row that it knows least about, which may be an outlier; this asks
  what a row tells about the others. The products of all rows with S are updated
  by rank one: `O(N F n + N F^2)`.

  Args:
    key: typed PRNG key. It breaks ties and draws the reference.
    features: `[N, F]`, scaled so that a unit prior on every weight is fair.
    num_samples: how many to choose, n. Static under `jit`.
    where: `[N]` True for architectures that may be chosen; None admits all.
      Leave out degenerate and unmeasured ones here.
    noise: standard deviation of the measurement, in units of the prior,
      positive.
    num_reference: admitted rows, drawn uniformly, that the variance is averaged
      over; all of them where there are fewer. Static under `jit`.

  Returns:
    `[num_samples]` int32, distinct, in the order chosen. Where fewer rows are
    admitted than asked for, a traced call cannot tell; an untraced one raises.

  Raises:
    ValueError: an admitted row is not finite, `num_samples` is negative or
      exceeds the rows admitted, or `noise` or `num_reference` is not positive.

  Example:
    >>> x = jnp.array([[1.], [1.], [1.2], [-3.]])
    >>> int(v_optimal(jax.random.key(0), x, num_samples=1, noise=1.0)[0])
    3
  """
  if num_reference < 1:
    raise ValueError(f'num_reference must be positive, got {num_reference}')
  if not isinstance(noise, jax.Array) and not noise > 0:
    raise ValueError(f'noise must be positive, got {noise}')
  features, where = admit_finite(features, where, num_samples)
  return _choose(key, features, where, noise, num_samples, num_reference)


@functools.partial(jax.jit, static_argnums=(4, 5))
def _choose(key, features, where, noise, num_samples, num_reference):
  if num_samples == 0:
    return jnp.zeros(0, jnp.int32)
  reference_key, tie_key = jax.random.split(key)
  priority = _ties.priorities(tie_key, len(features))
  # A constant column stands for the intercept; rows left out are zero.
  rows = jnp.concatenate([features, where[:, None]], axis=1)
  matmul = functools.partial(jnp.matmul, precision='highest')

  drawn = jnp.lexsort((_ties.priorities(reference_key, len(rows)), ~where))
  # With R = Q T, the reference's second moment is T^T T up to a factor.
  root = jnp.linalg.qr(rows[drawn[:num_reference]], mode='r')
  root /= jnp.linalg.norm(root)

  def body(carry, step):
    variance, informs, directions, allowed = carry
    gain = jnp.sum(informs**2, axis=1) / (noise**2 + variance)
    row = _ties.best(gain, allowed, priority)
    # S = I - D D^T, D the directions so far, one a column.
    picked = rows[row]
    shrunk = picked - matmul(directions, matmul(picked, directions))
    direction = shrunk / jnp.sqrt(noise**2 + variance[row])
    column = matmul(rows, direction)
    variance = jnp.maximum(variance - column**2, 0.0)
    informs -= column[:, None] * matmul(root, direction)
    directions = directions.at[:, step].set(direction)
    return (variance, informs, directions, allowed.at[row].set(False)), row

  start = (
      jnp.sum(rows**2, axis=1),  # x^T S x of every row: [N]
      matmul(rows, root.T),  # x^T S T^T of every row: [N, R]
      jnp.zeros((rows.shape[1], num_samples)),
      where,
  )
  return jax.lax.scan(body, start, jnp.arange(num_samples))[1]
