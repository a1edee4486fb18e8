"""Strata of the mean cosine similarity, NASFLAT's `cosine`."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

from nasflat_jax.samplers._admit import admit_finite
from nasflat_jax.samplers._stratified import one_per_stratum


def cosine(
    key: chex.PRNGKey,
    features: jax.Array,  # [N, F]
    *,
    num_samples: int,
    where: jax.Array | None = None,  # [N]
) -> jax.Array:  # [num_samples]
  """One architecture from each range of the mean cosine similarity.

  Every row has a mean cosine similarity to all admitted rows, low for unusual
  ones; the admitted rows are stratified by it as in `stratified`. The mean is
  the product with the mean unit vector, `O(N F)` in place of `O(N^2 F)`.

  Args:
    key: typed PRNG key.
    features: `[N, F]` features of the pool. Similarities depend on their
      origin. A row of zeros has similarity 0.
    num_samples: how many to choose, n. Static under `jit`.
    where: `[N]` True for architectures that may be chosen; None admits all.
      Leave out degenerate and unmeasured ones here.

  Returns:
    `[num_samples]` int32, distinct, from the least to the most similar. Where
    fewer rows are admitted than asked for, a traced call cannot tell; an
    untraced one raises.

  Raises:
    ValueError: an admitted row is not finite, or `num_samples` is negative or
      exceeds the rows admitted.

  Example:
    >>> x = jnp.array([[1., 0.], [1., 0.1], [-1., 0.], [1., -0.1]])
    >>> ids = cosine(jax.random.key(0), x, num_samples=4)
    >>> ids.tolist()[0]
    2
  """
  features, where = admit_finite(features, where, num_samples)
  return one_per_stratum(
      key, mean_similarity(features, where), where, num_samples
  )


@jax.jit
def mean_similarity(
    features: jax.Array,  # [N, F]
    where: jax.Array,  # [N]
) -> jax.Array:  # [N]
  """Mean cosine similarity of every row to all admitted rows, itself included.

  Args:
    features: `[N, F]`, zero in the rows left out.
    where: `[N]` bool, the admitted rows.

  Returns:
    `[N]` similarities in [-1, 1].
  """
  # Scaled first, since squares may overflow or vanish in float32.
  largest = jnp.max(jnp.abs(features), axis=1, keepdims=True, initial=0.0)
  scaled = features / jnp.where(largest > 0, largest, 1.0)
  norm = jnp.linalg.norm(scaled, axis=1, keepdims=True)
  unit = scaled / jnp.where(norm > 0, norm, 1.0)
  mean = jnp.sum(unit, axis=0) / jnp.maximum(jnp.sum(where), 1)
  return jnp.sum(unit * mean, axis=1)
