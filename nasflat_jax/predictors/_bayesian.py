"""Bayesian linear regression of warped latency, averaged over its prior.

Everything is in closed form. A *hypothesis* fixes how much each column of the
features may matter and how noisy the measurements are; given one, the
coefficients have a normal posterior and the measurements a Student-t marginal
likelihood. No hypothesis is chosen: predictions are averaged with the marginal
likelihoods as weights, so that the support rows themselves decide which
columns count. That is a Gaussian process whose kernel is a weighted sum of
linear kernels, with the weights integrated out by quasi-Monte Carlo.

Latency is warped by a power (Box and Cox, 1964), which is averaged over too:
power 1 where costs add up in milliseconds, 0 (the logarithm) where they
multiply.
"""

from __future__ import annotations

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from nasflat_jax import types

# Variance of the intercept, relative to that of the signal: a warped latency
# is near 0 at the geometric mean of the support, give or take a few spreads.
_INTERCEPT = 10.0
# Shape and rate of the inverse-gamma prior of the signal's variance. Latencies
# of a space spread by 10 % to 60 % of their mean.
_SHAPE = 1.0
_RATE = 0.02
# Degrees of freedom of a single measurement's error, and passes that estimate
# which measurements are outliers.
_FREEDOM = 4.0
_ROUNDS = 2
# Hypotheses that are eliminated together, so that they stay in the cache.
_BATCH = 32
# Smallest pivot, of matrices whose diagonal is of order one.
_LEAST_PIVOT = 1e-6
# Below this share of the geometric mean, the inverse warp goes on in
# proportion, so that it stays positive and strictly increasing.
_SMALLEST = 0.05


class BayesianPrior(NamedTuple):
  """`H` hypotheses about features, equally likely before measuring.

  Attributes:
    variance: `[H, F]` prior variance of each column's coefficient. Only ratios
      matter: the common scale is integrated out.
    noise: `[H]` variance of a measurement, in the same units.
    power: `[P]` exponents of the warp, from 0 to 1.
    power_prob: `[P]` their prior probabilities.
    mean: `[H, P, F]` prior mean of the coefficients of the warped latency;
      None is 0, a device about which nothing is known.
  """

  variance: jax.Array  # [H, F]
  noise: jax.Array  # [H]
  power: jax.Array  # [P]
  power_prob: jax.Array  # [P]
  mean: jax.Array | None = None  # [H, P, F]


class BayesianPosterior(NamedTuple):
  """What the support says, for each of `P` powers of the warp.

  Attributes:
    mean: `[P, F + 1]` posterior mean of the coefficients, intercept last.
    covariance: `[P, F + 1, F + 1]` their posterior covariance.
    noise: `[P]` variance of a new measurement.
    power: `[P]` exponents of the warp.
    power_prob: `[P]` their posterior probabilities.
    scale_ms: geometric mean of the support, milliseconds; warps are of
      latencies relative to it.
    freedom: degrees of freedom of the Student-t predictive distribution.
    outlier: `[n]` how many times the variance of an ordinary measurement each
      support row is given, at least 1.
  """

  mean: jax.Array  # [P, F + 1]
  covariance: jax.Array  # [P, F + 1, F + 1]
  noise: jax.Array  # [P]
  power: jax.Array  # [P]
  power_prob: jax.Array  # [P]
  scale_ms: jax.Array
  freedom: jax.Array
  outlier: jax.Array  # [n]


def with_intercept(features: jax.Array) -> jax.Array:
  """`[..., F] -> [..., F + 1]`, a one at the end."""
  ones = jnp.ones((*features.shape[:-1], 1), features.dtype)
  return jnp.concatenate([features, ones], axis=-1)


def _warp(relative: jax.Array, power: jax.Array) -> jax.Array:
  """`(y^p - 1) / p`, the logarithm at `p = 0`."""
  log = jnp.log(relative)
  safe = jnp.where(power > 0.0, power, 1.0)
  return jnp.where(power > 0.0, jnp.expm1(safe * log) / safe, log)


def warp_log(log_relative: jax.Array, power: jax.Array) -> jax.Array:
  """The inverse of `log_unwarp`: `_warp` of an exponential, extended."""
  safe = jnp.where(power > 0.0, power, 1.0)
  smallest = safe * jnp.log(_SMALLEST)
  inside = jnp.expm1(jnp.maximum(safe * log_relative, smallest))
  below = jnp.minimum(safe * log_relative - smallest, 0.0) * _SMALLEST**safe
  return jnp.where(power > 0.0, (inside + below) / safe, log_relative)


def log_unwarp(warped: jax.Array, power: jax.Array) -> jax.Array:
  """The logarithm of the inverse of `_warp`, extended below its range."""
  safe = jnp.where(power > 0.0, power, 1.0)
  base = 1.0 + power * warped
  smallest = _SMALLEST**safe
  inside = jnp.log(jnp.maximum(base, smallest))
  # The tangent of the logarithm at its end.
  below = jnp.minimum(base - smallest, 0.0) / smallest
  return jnp.where(power > 0.0, (inside + below) / safe, warped)


def _inverse_factor(gram: jax.Array) -> tuple[jax.Array, jax.Array]:
  """The inverse of the Cholesky factor of `[n, n]`, and its log determinant.

  Gaussian elimination, a rank-one update for each row. Written out because
  `jax.numpy.linalg.cholesky` of a batch can wait for itself for ever on the
  CPU of a machine with two cores: its LAPACK calls block the threads that are
  to run their own parts.
  """
  size = len(gram)
  place = jnp.arange(size)

  def eliminate(step, carry):
    left, right, log_det = carry
    # Rounding must not make one hypothesis of many undefined.
    pivot = jax.lax.rsqrt(jnp.maximum(left[step, step], _LEAST_PIVOT))
    top_left, top_right = left[step] * pivot, right[step] * pivot
    below = jnp.where(place > step, top_left, 0.0)[:, None]
    left = (left - below * top_left).at[step].set(top_left)
    right = (right - below * top_right).at[step].set(top_right)
    return left, right, log_det + jnp.log(pivot)

  carry = gram, jnp.eye(size, dtype=gram.dtype), jnp.zeros((), gram.dtype)
  _, inverse, log_det = jax.lax.fori_loop(0, size, eliminate, carry)
  return inverse, log_det


class _Fits(NamedTuple):
  """All hypotheses and powers, given the support."""

  evidence: jax.Array  # [H, P] log marginal likelihood
  weight: jax.Array  # [H, P] its softmax over hypotheses
  scale: jax.Array  # [H, P] posterior scale of the signal's variance
  dual: jax.Array  # [H, n, P] coefficients of the rows
  inverse: jax.Array  # [H, n, n] inverse Cholesky factors
  surprise: jax.Array  # [n, P] squared leave-one-out residual over variance


def _fit(
    gram: jax.Array,  # [H, n, n]
    noise: jax.Array,  # [H]
    outlier: jax.Array,  # [n]
    warped: jax.Array,  # [n, P], or [H, n, P]
    where: jax.Array,  # [n]
) -> _Fits:
  shape = _SHAPE + jnp.sum(where, dtype=noise.dtype) / 2
  # A row of padding is one of the identity: its pivot is 1, it moves nothing.
  inverse, log_det = jax.lax.map(
      _inverse_factor,
      gram
      + jax.vmap(jnp.diag)(
          jnp.where(where, noise[:, None] * outlier, 1.0)
      ),
      batch_size=_BATCH,
  )
  white = inverse @ warped
  rate = _RATE + jnp.sum(white**2, axis=1) / 2  # [H, P]
  evidence = log_det[:, None] - shape * jnp.log(rate)
  weight = jax.nn.softmax(evidence, axis=0)
  dual = jnp.einsum('hmn,hmp->hnp', inverse, white)
  precision = jnp.sum(inverse**2, axis=1)  # [H, n], diagonal of gram^-1
  # The leave-one-out residual is dual / precision, its variance the scale
  # over precision (Rasmussen and Williams, 2006, section 5.4.2).
  surprise = dual**2 / precision[:, :, None] * (shape / rate)[:, None]
  return _Fits(
      evidence=evidence,
      weight=weight,
      scale=rate / shape,
      dual=dual,
      inverse=inverse,
      surprise=jnp.einsum('hp,hnp->np', weight, surprise),
  )


# Elsewhere than on a CPU, products would be rounded to 10 bits by default.
@jax.default_matmul_precision('highest')
def fit_bayesian(
    prior: BayesianPrior,
    features: jax.Array,  # [n, F]
    latency_ms: jax.Array,  # [n]
    *,
    where: jax.Array | None = None,  # [n]
) -> BayesianPosterior:
  """Updates a prior by the measurements of one device, in closed form.

  `warp(latency / scale) = features . w + b + error`, with
  `w ~ N(0, s variance)`, `error ~ N(0, s noise outlier)` and an inverse-gamma
  `s`. `outlier` is one over the expected precision of a measurement under
  Student-t errors of 4 degrees of freedom, at least 1, found in two passes from
  leave-one-out residuals. Works in the precision of prior and features; time
  `O(H n^2 (n + F))`, memory `O(H n (n + F))`. Jittable; `vmap` it over devices
  and trials.

  Args:
    prior: the hypotheses.
    features: `[n, F]` of the measured architectures, of order one.
    latency_ms: `[n]` milliseconds, above 0; ignored in padding.
    where: `[n]` True for measured rows, at least one; the others are padding,
      so that one compiled program serves every number of measurements. None
      takes all rows.

  Returns:
    The posterior, averaged over hypotheses within each power.
  """
  chex.assert_rank([features, latency_ms], [2, 1])
  chex.assert_equal_shape_prefix([features, latency_ms], 1)
  chex.assert_shape(prior.variance, (None, features.shape[1]))
  if where is None:
    where = jnp.ones(latency_ms.shape, bool)
  chex.assert_equal_shape([latency_ms, where])
  rows = jnp.where(where[:, None], with_intercept(features), 0.0)
  latency_ms = jnp.where(where, jnp.asarray(latency_ms, rows.dtype), 1.0)
  scale_ms = jnp.exp(jnp.mean(jnp.log(latency_ms), where=where))
  relative = jnp.where(where, latency_ms / scale_ms, 1.0)
  # The product of the relative latencies is 1, hence so is the Jacobian of
  # every power: their marginal likelihoods compare as they are.
  warped = jax.vmap(_warp, (None, 0), 1)(relative, prior.power)
  intercept = jnp.full((len(prior.noise), 1), _INTERCEPT, rows.dtype)
  variance = jnp.concatenate([prior.variance, intercept], axis=1)
  gram = jnp.einsum('nf,hf,mf->hnm', rows, variance, rows)
  if prior.mean is not None:
    chex.assert_shape(
        prior.mean, (*prior.noise.shape, *prior.power.shape, rows.shape[1] - 1)
    )
    expected = jnp.einsum('nf,hpf->hnp', rows[:, :-1], prior.mean)
    warped = warped - expected

  def power_prob(fits):
    evidence = jax.nn.logsumexp(fits.evidence, axis=0)
    return jax.nn.softmax(evidence + jnp.log(prior.power_prob))

  def reweight(outlier, _):
    fits = _fit(gram, prior.noise, outlier, warped, where)
    # Without its own factor, so that a row judged by itself stays judged.
    squared = fits.surprise @ power_prob(fits) * outlier
    return jnp.maximum((_FREEDOM + squared) / (_FREEDOM + 1.0), 1.0), None

  outlier, _ = jax.lax.scan(reweight, jnp.ones_like(relative), length=_ROUNDS)
  fits = _fit(gram, prior.noise, outlier, warped, where)
  root = fits.inverse @ (variance[:, None] * rows)  # [H, n, F + 1]

  def average(power):
    weight, scale, dual, known = power
    means = variance * (dual @ rows)  # [H, F + 1]
    if known is not None:
      means = means.at[:, :-1].add(known)
    mean = weight @ means
    scaled = weight * scale
    within = (jnp.sqrt(scaled)[:, None, None] * root).reshape(
        -1, rows.shape[1]
    )
    between = jnp.sqrt(weight)[:, None] * (means - mean)
    covariance = (
        jnp.diag(scaled @ variance) - within.T @ within + between.T @ between
    )
    # A Student-t error has more variance than its scale squared.
    noise = scaled @ prior.noise * _FREEDOM / (_FREEDOM - 2.0)
    return mean, covariance, noise

  mean, covariance, noise = jax.lax.map(
      average,
      (
          fits.weight.T,
          fits.scale.T,
          jnp.moveaxis(fits.dual, 2, 0),
          None if prior.mean is None else jnp.moveaxis(prior.mean, 1, 0),
      ),
  )
  return BayesianPosterior(
      mean=mean,
      covariance=covariance,
      noise=noise,
      power=prior.power,
      power_prob=power_prob(fits),
      scale_ms=scale_ms,
      freedom=jnp.asarray(2 * _SHAPE + jnp.sum(where), rows.dtype),
      outlier=outlier,
  )


# The 95th percentile of Student's t at freedoms 2, 3, ..., for `jit`.
_QUANTILES = stats.t.ppf(0.95, np.arange(2, 203))


def _quantile(freedom: jax.Array) -> jax.Array:
  value = jnp.interp(freedom, np.arange(2.0, 203.0), _QUANTILES)
  return value.astype(freedom.dtype)


@jax.default_matmul_precision('highest')
def predict_bayesian(
    posterior: BayesianPosterior,
    features: jax.Array,  # [B, F]
) -> types.Prediction:
  """Predicts what a measurement would give.

  The median and the ends of the central 90 % interval are averaged over the
  powers of the warp, in log latency; the lower end is at least a twentieth of
  the median and of the support's mean. The standard deviation is that of the
  logarithm, upwards, times the median. Jittable; memory `O(B F)`.

  Args:
    posterior: from `fit_bayesian`.
    features: `[B, F]` the same columns.

  Returns:
    `Prediction`, every field `[B]`, milliseconds.
  """
  rows = with_intercept(features)
  quantile = _quantile(posterior.freedom)

  def predict_power(mean, covariance, noise, power):
    middle = rows @ mean
    spread = jnp.sum((rows @ covariance) * rows, axis=1)
    spread = jnp.sqrt(jnp.maximum(spread, 0.0) + noise)
    return jnp.stack([
        log_unwarp(middle + step * spread, power)
        for step in (0.0, -quantile, quantile)
    ])

  logs = jax.vmap(predict_power)(
      posterior.mean, posterior.covariance, posterior.noise, posterior.power
  )  # [P, 3, B]
  middle, lower, upper = jnp.einsum('p,psb->sb', posterior.power_prob, logs)
  lower = jnp.maximum(lower, jnp.log(_SMALLEST) + jnp.minimum(middle, 0.0))
  # The upper half is `quantile` scales of a Student t; the lower one may lie
  # where the inverse warp is made up.
  scale = (upper - middle) / quantile
  spread = posterior.freedom / jnp.maximum(posterior.freedom - 2.0, 1.0)
  latency_ms = posterior.scale_ms * jnp.exp(middle)
  return types.Prediction(
      latency_ms=latency_ms,
      std_ms=latency_ms * scale * jnp.sqrt(spread),
      lower_ms=posterior.scale_ms * jnp.exp(lower),
      upper_ms=posterior.scale_ms * jnp.exp(upper),
  )
