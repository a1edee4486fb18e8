"""Any quantile of the Bayesian predictor, and the chance of a budget.

The predictive distribution is a mixture: with probability `power_prob[p]` the
latency warped by `power[p]` is Student t. A warp is increasing, so that the
mixture's distribution function is the average of the parts',

    P(latency <= b) = sum_p power_prob[p] F((warp_p(b / scale) - m_p) / s_p),

and its quantile is the point where that reaches a level: between the smallest
and the largest quantile of the parts, found there by bisection.
`predict_bayesian` averages the parts' quantiles instead, which is smoother in
the middle; in a tail where the powers disagree the average is too hopeful.

No Student t foresees a measurement that has nothing to do with the
architecture, such as another clock rate. `surprise` is the share of those: of a
further part, normal in log latency around the median.
"""

from __future__ import annotations

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from nasflat_jax.predictors import _bayesian

# Halvings of the interval between the parts' quantiles.
_STEPS = 14
# Standard deviation of the log latency of a surprise: a factor of 1.65.
_SURPRISE = 0.5
_FREEDOM = np.arange(2.0, 203.0)


def _parts(
    posterior: _bayesian.BayesianPosterior,
    features: jax.Array,  # [B, F]
    noise_factor: chex.Numeric = 1.0,  # [] or [B]
) -> tuple[jax.Array, jax.Array]:
  """Location and scale of the warped latency, `[P, B]` each."""
  rows = _bayesian.with_intercept(features)
  middle = posterior.mean @ rows.T
  variance = jax.vmap(lambda c: jnp.sum((rows @ c) * rows, axis=1))(
      posterior.covariance
  )
  noise = posterior.noise[:, None] * noise_factor
  return middle, jnp.sqrt(jnp.maximum(variance, 0.0) + noise)


def _cumulative(value: jax.Array, freedom: jax.Array) -> jax.Array:
  """Student's distribution function."""
  share = freedom / (freedom + value**2)
  tail = 0.5 * jax.scipy.special.betainc(freedom / 2.0, 0.5, share)
  return jnp.where(value > 0.0, 1.0 - tail, tail)


def _probability(
    posterior: _bayesian.BayesianPosterior,
    middle: jax.Array,  # [P, B]
    spread: jax.Array,  # [P, B]
    log_relative: jax.Array,  # [B] or []
) -> jax.Array:
  warped = jax.vmap(_bayesian.warp_log, (None, 0))(
      jnp.broadcast_to(log_relative, middle.shape[1:]), posterior.power
  )
  below = _cumulative((warped - middle) / spread, posterior.freedom)
  return posterior.power_prob @ below


@jax.default_matmul_precision('highest')
def probability_within(
    posterior: _bayesian.BayesianPosterior,
    features: jax.Array,  # [B, F]
    budget_ms: jax.Array,  # [] or [B]
    *,
    noise_factor: chex.Numeric = 1.0,  # [] or [B]
    surprise: chex.Numeric = 0.0,
) -> jax.Array:  # [B]
  """The probability that a measurement holds a budget.

  Exact under the posterior; jittable, also in the budget, and differentiable.

  Args:
    posterior: from `fit_bayesian`.
    features: `[B, F]` the columns it was fitted on.
    budget_ms: milliseconds, one for all or `[B]`.
    noise_factor: how many times the variance of an ordinary measurement, one
      for all or `[B]`.
    surprise: share of measurements, from 0 to 1, that have nothing to do with
      the architecture, see above.

  Returns:
    `[B]` from 0 to 1; 0 where the budget is not above 0.
  """
  budget_ms = jnp.asarray(budget_ms, features.dtype)
  safe = jnp.where(budget_ms > 0.0, budget_ms, posterior.scale_ms)
  log_budget = jnp.log(safe / posterior.scale_ms)
  middle, spread = _parts(posterior, features, noise_factor)
  probability = _probability(posterior, middle, spread, log_budget)
  median = posterior.power_prob @ jax.vmap(_bayesian.log_unwarp)(
      middle, posterior.power
  )
  probability += surprise * (
      jax.scipy.stats.norm.cdf((log_budget - median) / _SURPRISE) - probability
  )
  return jnp.where(budget_ms > 0.0, probability, 0.0)


@functools.cache
def _quantiles(level: float) -> np.ndarray:
  return stats.t.ppf(level, _FREEDOM)


@jax.default_matmul_precision('highest')
def bayesian_quantile(
    posterior: _bayesian.BayesianPosterior,
    features: jax.Array,  # [B, F]
    *,
    level: float,
) -> jax.Array:  # [B]
  """The latency that a measurement stays below with a given probability.

  The inverse of `probability_within`: that is at least `level` where this is at
  most the budget. Jittable.

  Args:
    posterior: from `fit_bayesian`.
    features: `[B, F]` the columns it was fitted on.
    level: probability, between 0 and 1. Static under `jit`.

  Returns:
    `[B]` milliseconds.

  Raises:
    ValueError: the level is not between 0 and 1.
  """
  if not 0.0 < level < 1.0:
    raise ValueError(f'level must be between 0 and 1, got {level}')
  middle, spread = _parts(posterior, features)
  freedom = posterior.freedom
  step = jnp.interp(freedom, _FREEDOM, _quantiles(level)).astype(middle.dtype)
  ends = jax.vmap(_bayesian.log_unwarp)(
      middle + step * spread, posterior.power
  )

  def halve(interval, _):
    low, high = interval
    centre = 0.5 * (low + high)
    reached = _probability(posterior, middle, spread, centre) >= level
    return (
        jnp.where(reached, low, centre),
        jnp.where(reached, centre, high),
    ), None

  # A hair wider, for the interpolated step; parts that agree leave no interval.
  interval = ends.min(axis=0) - 1e-3, ends.max(axis=0) + 1e-3
  (_, high), _ = jax.lax.scan(halve, interval, length=_STEPS)
  return posterior.scale_ms * jnp.exp(high)
