"""Latency monotonicity: do two devices order architectures alike?

OneProxy (Lu et al. 2022, https://arxiv.org/abs/2111.01203) calls Spearman's
rank correlation of the latencies on two devices their latency monotonicity,
and takes 0.9 for enough to search on one and deploy on the other. A few
measurements estimate it with an error that matters to that decision.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax.scipy import stats

from nasflat_jax import metrics

_RESAMPLES = 200
# Fewer pairs have no variance by Bonett and Wright's formula.
LEAST_PAIRS = 4


class Monotonicity(NamedTuple):
  """An estimate of the rank correlation over the whole space.

  Attributes:
    estimate: `[]` Spearman's correlation of the measured pairs; NaN where a
      side is constant.
    lower: `[]` lower end of the confidence interval.
    upper: `[]` upper end.
  """

  estimate: chex.Numeric  # []
  lower: chex.Numeric  # []
  upper: chex.Numeric  # []


def monotonicity(
    key: chex.PRNGKey,
    proxy_ms: jax.Array,  # [k]
    target_ms: jax.Array,  # [k]
    *,
    where: jax.Array | None = None,  # [k]
    confidence: float = 0.9,
    num_resamples: int = _RESAMPLES,
) -> Monotonicity:
  """Spearman's correlation of two devices from k architectures, with interval.

  Unbatched: `vmap` it over devices or trials. The interval is the hull of two
  that fail in different places. One is Fisher's z with the variance `(1 + r^2 /
  2) / (k - 3)` of Bonett and Wright 2000
  (https://doi.org/10.1007/BF02294183), which is for normal data: its lower end
  is too high for devices that agree but for a few architectures. The other is
  the percentile bootstrap, which for k = 5 says that a perfect sample is a
  perfect device. Perfect samples count as half a transposition away from
  perfection, so that z is finite.

  The architectures have to be a random sample of those the answer is about. A
  design that seeks extremes sees more correlation than there is.

  Args:
    key: typed PRNG key of the resamples.
    proxy_ms: `[k]` latencies on one device, or scores of a predictor that has
      not seen these architectures on the target.
    target_ms: `[k]` latencies on the other.
    where: `[k]` True for pairs that count; None counts all.
    confidence: of the two-sided interval, a number.
    num_resamples: of the bootstrap, a number.

  Returns:
    The estimate. Where fewer than four pairs count, or a side is constant, the
    interval is [-1, 1].

  Raises:
    ValueError: `confidence` is not between 0 and 1, or `num_resamples` is not
      positive.

  Example:
    >>> ms = jnp.array([1., 2., 3., 4., 5., 6., 7., 8.])
    >>> got = monotonicity(jax.random.key(0), ms, ms.at[:2].set(2.5 - ms[:2]))
    >>> print(f'{got.estimate:.2f}, from {got.lower:.1f} to {got.upper:.1f}')
    0.98, from 0.8 to 1.0
  """
  if not 0.0 < confidence < 1.0:
    raise ValueError(f'confidence must be between 0 and 1, got {confidence}')
  if num_resamples < 1:
    raise ValueError(f'num_resamples must be positive, got {num_resamples}')
  where = jnp.ones_like(proxy_ms, bool) if where is None else where
  chex.assert_rank([proxy_ms, target_ms, where], 1)
  chex.assert_equal_shape([proxy_ms, target_ms, where])
  return _monotonicity(
      key, proxy_ms, target_ms, where, (1.0 - confidence) / 2.0, num_resamples
  )


# One program for all confidences: looks at growing samples differ in theirs.
@functools.partial(jax.jit, static_argnames='num_resamples')
def _monotonicity(
    key: chex.PRNGKey,
    proxy_ms: jax.Array,  # [k]
    target_ms: jax.Array,  # [k]
    where: jax.Array,  # [k]
    tail: jax.Array,
    num_resamples: int,
) -> Monotonicity:
  count = where.sum()
  estimate = metrics.spearman(proxy_ms, target_ms, where=where)
  size = jnp.maximum(count, LEAST_PAIRS).astype(jnp.float32)
  most = 1.0 - 6.0 / (size * (size**2 - 1.0))
  r = jnp.clip(estimate, -most, most)
  half = stats.norm.ppf(1.0 - tail) * jnp.sqrt((1.0 + r**2 / 2.0) / (size - 3))
  z = jnp.arctanh(r)

  # Rows that count, first; a resample draws among them.
  rows = jnp.argsort(~where, stable=True)
  drawn = jax.random.uniform(key, (num_resamples, where.shape[0]))
  ids = rows[jnp.minimum((drawn * count).astype(jnp.int32), count - 1)]
  resampled = jax.vmap(
      lambda i: metrics.spearman(
          proxy_ms[i], target_ms[i], where=jnp.arange(where.shape[0]) < count
      )
  )(ids)
  ends = jnp.nanquantile(resampled, jnp.stack([tail, 1.0 - tail]))
  ends = jnp.where(jnp.isnan(ends), estimate, ends)
  known = (count >= LEAST_PAIRS) & ~jnp.isnan(estimate)
  return Monotonicity(
      estimate,
      jnp.where(known, jnp.minimum(jnp.tanh(z - half), ends[0]), -1.0),
      jnp.where(known, jnp.maximum(jnp.tanh(z + half), ends[1]), 1.0),
  )


def pairs_needed(
    estimate: chex.Numeric, threshold: float, *, confidence: float = 0.9
) -> int | None:
  """How many pairs would settle on which side of a threshold a device is.

  The fewest for which Fisher's interval around the estimate (see
  `monotonicity`), if it stays where it is, leaves the threshold out.

  Args:
    estimate: Spearman's correlation as measured so far.
    threshold: the correlation that is enough.
    confidence: of the two-sided interval.

  Returns:
    The number of pairs, at least 4; None where the estimate is the threshold or
    not finite, which no number would settle.

  Example:
    >>> pairs_needed(0.95, 0.9), pairs_needed(0.91, 0.9)
    (34, 1254)
  """
  # As by `monotonicity`, a perfect sample is not taken for a perfect device.
  estimate = min(max(float(estimate), -0.999), 0.999)
  if not math.isfinite(estimate) or estimate == threshold:
    return None
  quantile = float(stats.norm.ppf((1.0 + confidence) / 2.0))
  distance = math.atanh(estimate) - math.atanh(threshold)
  wanted = 3.0 + (1.0 + estimate**2 / 2.0) * (quantile / distance) ** 2
  return max(LEAST_PAIRS, math.ceil(wanted))
