"""Rank correlations of predicted scores and measured latencies.

NASFLAT (https://arxiv.org/abs/2403.02446) reports Spearman's coefficient,
averaged over target devices.
"""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

# Pairs are counted in int32; N (N - 1) / 2 must stay below 2**31.
_MAX_KENDALL = 65536


def _positions(
    values: jax.Array, where: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """Half-open range of places, among those that count, of each value's tie."""
  # Masked values sort to the end. A genuine infinity ties with them there, so
  # the upper end of its range is clipped to the number that count.
  values = jnp.asarray(values)
  if not jnp.issubdtype(values.dtype, jnp.floating):
    values = values.astype(jnp.float32)
  ordered = jnp.sort(jnp.where(where, values, jnp.inf))
  low = jnp.searchsorted(ordered, values, side='left')
  high = jnp.searchsorted(ordered, values, side='right')
  return low, jnp.minimum(high, jnp.sum(where))


def _has_nan(
    scores: jax.Array, latency_ms: jax.Array, where: jax.Array
) -> jax.Array:
  return jnp.any(where & (jnp.isnan(scores) | jnp.isnan(latency_ms)))


def spearman(
    scores: jax.Array,  # [N]
    latency_ms: jax.Array,  # [N]
    *,
    where: jax.Array | None = None,  # [N]
) -> jax.Array:  # []
  """Spearman's rank correlation of predicted scores and measured latencies.

  Unbatched: `vmap` it over devices or trials. In the shape descriptions `N` is
  the number of architectures on one device. Ties get the mean of the ranks
  they span, so the value agrees with `scipy.stats.spearmanr`.

  Args:
    scores: `[N]` predictor outputs. Only their order matters; higher is
      slower.
    latency_ms: `[N]` measured latencies, milliseconds.
    where: `[N]` True for entries that count; None counts all of them. Use it
      to leave the support architectures out of the evaluation. Entries that do
      not count may hold NaN.

  Returns:
    `[]` correlation in [-1, 1]; NaN where either side is constant, where fewer
    than two entries count, or where one that counts is NaN.

  Example:
    >>> import jax.numpy as jnp
    >>> spearman(jnp.array([1., 2., 3.]), jnp.array([10., 40., 20.])).round(2)
    Array(0.5, dtype=float32)
  """
  where = jnp.ones_like(scores, bool) if where is None else where
  chex.assert_rank([scores, latency_ms, where], 1)
  chex.assert_equal_shape([scores, latency_ms, where])
  count = jnp.maximum(jnp.sum(where), 1)

  def centred_ranks(values: jax.Array) -> jax.Array:
    low, high = _positions(values, where)
    # The mean rank over a set is known exactly whatever its ties, and twice a
    # centred rank is an integer: a constant side comes out as exact zeros.
    ranks = (low + high - count).astype(jnp.float32) / count
    return jnp.where(where, ranks, 0.0)

  a, b = centred_ranks(scores), centred_ranks(latency_ms)
  spread = jnp.sum(a * a) * jnp.sum(b * b)
  valid = (spread > 0.0) & ~_has_nan(scores, latency_ms, where)
  correlation = jnp.sum(a * b) / jnp.sqrt(jnp.where(valid, spread, 1.0))
  return jnp.where(valid, jnp.clip(correlation, -1.0, 1.0), jnp.nan)


def _count_inversions(values: jax.Array) -> jax.Array:
  """Pairs `i < j` with `values_i > values_j`; merge sort, O(N log^2 N)."""
  num_levels = max(values.shape[0] - 1, 0).bit_length()
  padding = 2**num_levels - values.shape[0]
  values = jnp.pad(values, (0, padding), constant_values=2**30)
  total = jnp.zeros((), jnp.int32)
  for level in range(num_levels):
    half = 2**level
    blocks = values.reshape(-1, 2, half)
    left, right = blocks[:, 0], blocks[:, 1]
    not_greater = jax.vmap(
        lambda a, b: jnp.searchsorted(a, b, side='right')
    )(left, right)
    total += jnp.sum(half - not_greater, dtype=jnp.int32)
    values = jnp.sort(blocks.reshape(-1, 2 * half), axis=1).reshape(-1)
  return total


def kendall(
    scores: jax.Array,  # [N]
    latency_ms: jax.Array,  # [N]
    *,
    where: jax.Array | None = None,  # [N]
) -> jax.Array:  # []
  """Kendall's tau-b of predicted scores and measured latencies.

  Unbatched: `vmap` it over devices or trials. Ties are corrected for on both
  sides, so the value agrees with `scipy.stats.kendalltau`. Memory is `O(N)`:
  pairs are counted by a merge sort and never listed.

  Args:
    scores: `[N]` predictor outputs. Only their order matters.
    latency_ms: `[N]` measured latencies, milliseconds.
    where: `[N]` True for entries that count; None counts all of them.

  Returns:
    `[]` correlation in [-1, 1]; NaN where either side is constant, where fewer
    than two entries count, or where one that counts is NaN.

  Raises:
    ValueError: `N` exceeds 65536, above which int32 counts overflow.

  Example:
    >>> import jax.numpy as jnp
    >>> tau = kendall(jnp.array([1., 2., 3.]), jnp.array([10., 40., 20.]))
    >>> print(f'{tau:.3f}')
    0.333
  """
  where = jnp.ones_like(scores, bool) if where is None else where
  chex.assert_rank([scores, latency_ms, where], 1)
  chex.assert_equal_shape([scores, latency_ms, where])
  if scores.shape[0] > _MAX_KENDALL:
    raise ValueError(
        f'kendall takes at most {_MAX_KENDALL} entries, got {scores.shape[0]}'
    )
  count = jnp.sum(where, dtype=jnp.int32)
  num_pairs = count * (count - 1) // 2

  def dense(values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Order as integers, with what is masked last, and the tied pairs."""
    low, _ = _positions(values, where)
    # Each member of a tie of size t counts those before it: t (t - 1) / 2.
    low = jnp.where(where, low, 2**30).astype(jnp.int32)
    ordered = jnp.sort(low)
    before = jnp.arange(low.shape[0], dtype=jnp.int32) - jnp.searchsorted(
        ordered, ordered, side='left'
    )
    return low, jnp.sum(jnp.where(ordered < 2**30, before, 0))

  a, ties_a = dense(scores)
  b, ties_b = dense(latency_ms)
  order = jnp.lexsort((b, a))
  a, b = a[order], b[order]
  # Pairs tied on both sides are neighbours now; count them run by run.
  place = jnp.arange(a.shape[0], dtype=jnp.int32)
  starts = jnp.ones_like(a, bool).at[1:].set(
      (a[1:] != a[:-1]) | (b[1:] != b[:-1])
  )
  run = jax.lax.cummax(jnp.where(starts, place, 0))
  ties_both = jnp.sum(jnp.where(a < 2**30, place - run, 0))
  discordant = _count_inversions(b)
  balance = num_pairs - ties_a - ties_b + ties_both - 2 * discordant
  untied_a = (num_pairs - ties_a).astype(jnp.float32)
  untied_b = (num_pairs - ties_b).astype(jnp.float32)
  valid = (untied_a > 0) & (untied_b > 0)
  valid &= ~_has_nan(scores, latency_ms, where)
  scale = jnp.sqrt(jnp.where(valid, untied_a, 1.0))
  scale *= jnp.sqrt(jnp.where(valid, untied_b, 1.0))
  tau = jnp.clip(balance / scale, -1.0, 1.0)
  return jnp.where(valid, tau, jnp.nan)
