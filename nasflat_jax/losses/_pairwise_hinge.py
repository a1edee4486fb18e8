"""Pairwise ranking loss: learn the order of latencies, not their values.

BRP-NAS (https://arxiv.org/abs/2007.08668) ranks architectures by comparing
them in pairs; NASFLAT (https://arxiv.org/abs/2403.02446) trains its latency
predictor with the hinge form below and a margin of 0.1.
"""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp


def pairwise_hinge(
    scores: jax.Array,  # [N]
    label: jax.Array,  # [N]
    *,
    margin: float = 0.1,
    where: jax.Array | None = None,  # [N]
    group: jax.Array | None = None,  # [N]
) -> jax.Array:  # []
  """Mean hinge over the ordered pairs of a set.

  Over the pairs `P = {(i, j): label_i > label_j}`,
  `1 / |P| * sum_P max(0, margin - (scores_i - scores_j))`.

  Unbatched: `vmap` it over devices or trials. Memory is `O(N^2)`.

  Args:
    scores: `[N]` predictor outputs, higher is slower, unitless.
    label: `[N]` normalised latencies. Pairs of equal labels do not count.
    margin: how far apart the scores of a pair should be.
    where: `[N]` True for rows that count; None counts all of them. Rows that
      do not count may hold NaN.
    group: `[N]` integers, usually the device of a row. If given, only pairs
      within one group count.

  Returns:
    `[]` the loss; 0, with a gradient of 0, where no pair counts.

  Note:
    The reference code compares architectures across devices, whose labels
    share no scale; `group=None` reproduces that on a mixed batch.

  Example:
    >>> import jax.numpy as jnp
    >>> pairwise_hinge(jnp.array([0.0, 1.0]), jnp.array([2.0, 1.0]))
    Array(1.1, dtype=float32)
  """
  where = jnp.ones_like(label, bool) if where is None else where
  chex.assert_rank([scores, label, where], 1)
  chex.assert_equal_shape([scores, label, where])
  # Padding may be NaN; zeroing it before the arithmetic keeps gradients finite.
  scores = jnp.where(where, scores, 0.0)
  pairs = label[:, None] > label[None, :]
  pairs &= where[:, None] & where[None, :]
  if group is not None:
    chex.assert_equal_shape([group, label])
    pairs &= group[:, None] == group[None, :]
  hinge = jax.nn.relu(margin - (scores[:, None] - scores[None, :]))
  count = jnp.sum(pairs, dtype=hinge.dtype)
  return jnp.sum(jnp.where(pairs, hinge, 0.0)) / jnp.maximum(count, 1.0)
