"""One architecture per cluster, NASFLAT's `kmeans`."""

from __future__ import annotations

import functools

import chex
import jax
import jax.numpy as jnp

from nasflat_jax.samplers import _ties
from nasflat_jax.samplers._admit import admit_finite


def k_means(
    key: chex.PRNGKey,
    features: jax.Array,  # [N, F]
    *,
    num_samples: int,
    where: jax.Array | None = None,  # [N]
    num_iterations: int = 30,
) -> jax.Array:  # [num_samples]
  """The architectures nearest the centroids of `num_samples` clusters.

  k-means++ seeding (Arthur and Vassilvitskii 2007,
  https://dl.acm.org/doi/10.5555/1283383.1283494), then Lloyd's iterations, both
  over the admitted rows; centroid after centroid then takes the nearest
  admitted row that is still free. A cluster that falls empty keeps its
  centroid. Memory `O(N (n + F))`.

  Args:
    key: typed PRNG key.
    features: `[N, F]`, scaled so that Euclidean distances are fair.
    num_samples: how many to choose, n. Static under `jit`.
    where: `[N]` True for architectures that may be chosen; None admits all.
      Leave out degenerate and unmeasured ones here.
    num_iterations: Lloyd's iterations. Static under `jit`.

  Returns:
    `[num_samples]` int32, distinct also where the features have fewer distinct
    rows. Where fewer rows are admitted than asked for, a traced call cannot
    tell; an untraced one raises.

  Raises:
    ValueError: an admitted row is not finite, `num_samples` is negative or
      exceeds the rows admitted, or `num_iterations` is negative.

  Note:
    NASFLAT's code runs scikit-learn's k-means with ten restarts, may choose a
    row twice, and takes random rows whenever anything fails; here each key is
    one start.

  Example:
    >>> x = jnp.array([[0.], [9.], [0.1], [9.1]])
    >>> ids = k_means(jax.random.key(0), x, num_samples=2)
    >>> sorted((ids % 2).tolist())
    [0, 1]
  """
  if num_iterations < 0:
    raise ValueError(f'num_iterations must be 0 or more, got {num_iterations}')
  features, where = admit_finite(features, where, num_samples)
  return _choose(key, features, where, num_samples, num_iterations)


@functools.partial(jax.jit, static_argnums=(3, 4))
def _choose(key, features, where, num_samples, num_iterations):
  if num_samples == 0:
    return jnp.zeros(0, jnp.int32)
  seed_key, tie_key = jax.random.split(key)
  # Around the mean, squares lose less to rounding.
  mean = jnp.sum(features, axis=0) / jnp.maximum(jnp.sum(where), 1)
  rows = jnp.where(where[:, None], features - mean, 0.0)
  centroids = rows[_seed(seed_key, rows, where, num_samples)]

  def iterate(_, centroids):
    member = _assign(rows, centroids) & where[:, None]
    count = jnp.sum(member, axis=0)[:, None]
    total = jnp.matmul(member.T.astype(rows.dtype), rows, precision='highest')
    return jnp.where(count > 0, total / jnp.maximum(count, 1), centroids)

  centroids = jax.lax.fori_loop(0, num_iterations, iterate, centroids)
  priority = _ties.priorities(tie_key, len(rows))

  def nearest(allowed, centroid):
    distance = _ties.squared_distance(rows, centroid)
    row = _ties.best(-distance, allowed, priority)
    return allowed.at[row].set(False), row

  return jax.lax.scan(nearest, where, centroids)[1]


def _seed(key, rows, where, num_samples):
  """k-means++: rows drawn in proportion to the squared distance. [n]."""
  total = len(rows)
  keys = jax.random.split(key, num_samples)
  first = _ties.best(
      jnp.zeros(total), where, _ties.priorities(keys[0], total)
  )

  def body(carry, step_key):
    last, closest, allowed = carry
    allowed = allowed.at[last].set(False)
    distance = _ties.squared_distance(rows, rows[last])
    closest = jnp.minimum(closest, distance)
    # Once only copies are left, all of them are as likely.
    log_weight = jnp.log(jnp.maximum(closest, jnp.finfo(jnp.float32).tiny))
    row = jax.random.categorical(
        step_key, jnp.where(allowed, log_weight, -jnp.inf)
    )
    return (row.astype(jnp.int32), closest, allowed), row.astype(jnp.int32)

  far = jnp.full(total, jnp.inf)
  _, others = jax.lax.scan(body, (first, far, where), keys[1:])
  return jnp.concatenate([first[None], others])


def _assign(rows, centroids):
  """Which centroid is nearest each row. [N, n] bool."""
  # The squared norm of a row is the same for all centroids.
  product = jnp.matmul(rows, centroids.T, precision='highest')
  distance = jnp.sum(centroids**2, axis=1) - 2.0 * product
  return jax.nn.one_hot(
      jnp.argmin(distance, axis=1), len(centroids), dtype=bool
  )
