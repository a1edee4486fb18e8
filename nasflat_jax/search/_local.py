"""What alike architectures share that no feature explains.

A regression on costs, genes and source devices leaves a residual, and that of
two architectures which differ in one gene is correlated: by 0.38 on average
over 13 devices, 0.17 for two genes, 0.04 for three. So a share of the variance
that the regression calls noise, `alike`, is given to a Gaussian process over
genotypes (correlation `_DECAY` to the power of the genes that differ), and only
the rest to the single measurement. Given `n` measurements that is `n` more
columns,

    k(x, measured) L^-T,  L L^T = k(measured, measured),

of the Bayesian regression, and noise that grows with the distance.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from nasflat_jax import predictors

_DECAY = 0.5
_JITTER = 1e-4


class LocalPosterior(NamedTuple):
  """What the measurements say, of features and of what is alike.

  Attributes:
    posterior: over the `F` features and `n` local columns.
    genotype: `[n, G]` measured, padding included.
    where: `[n]` True for rows that are none.
    whiten: `[n, n]` the inverse Cholesky factor of their correlation.
    added: variance of the process far from all measured, over that of a
      measurement.
  """

  posterior: predictors.BayesianPosterior
  genotype: jax.Array  # [n, G]
  where: jax.Array  # [n]
  whiten: jax.Array  # [n, n]
  added: jax.Array


def _correlation(a: jax.Array, b: jax.Array) -> jax.Array:
  """`[N, G], [n, G] -> [N, n]`."""
  differ = jnp.sum(a[:, None] != b, axis=-1)
  return _DECAY ** differ.astype(jnp.float32)


def fit_local(
    prior: predictors.BayesianPrior,
    features: jax.Array,  # [n, F]
    genotype: jax.Array,  # [n, G]
    latency_ms: jax.Array,  # [n]
    where: jax.Array,  # [n]
    alike: jax.Array,
) -> LocalPosterior:
  """Updates a prior by measurements, see the module. Jittable.

  Args:
    prior: of the features.
    features: `[n, F]` of the measured architectures.
    genotype: `[n, G]` the same.
    latency_ms: `[n]` milliseconds, above 0.
    where: `[n]` True for measured rows; the others are padding.
    alike: share of the noise that alike architectures share, below 1.

  Returns:
    The posterior.
  """
  size = len(latency_ms)
  pairs = where[:, None] & where
  correlation = jnp.where(pairs, _correlation(genotype, genotype), 0.0)
  correlation += jnp.diag(jnp.where(where, _JITTER, 1.0))
  factor = jnp.linalg.cholesky(correlation)
  local = jnp.repeat(alike * prior.noise[:, None], size, axis=1)
  mean = prior.mean
  if mean is not None:  # of an expected latency; what is local has none
    mean = jnp.pad(mean, ((0, 0), (0, 0), (0, size)))
  posterior = predictors.fit_bayesian(
      prior._replace(
          variance=jnp.concatenate([prior.variance, local], axis=1),
          noise=(1.0 - alike) * prior.noise,
          mean=mean,
      ),
      jnp.concatenate([features, factor], axis=1),
      latency_ms,
      where=where,
  )
  whiten = jax.scipy.linalg.solve_triangular(
      factor, jnp.eye(size, dtype=factor.dtype), lower=True
  )
  # A measurement has tails and hence twice the variance of its scale, see
  # `predictors.fit_bayesian`; the process has not.
  added = 0.5 * alike / (1.0 - alike)
  return LocalPosterior(posterior, genotype, where, whiten, added)


@jax.default_matmul_precision('highest')
def probability_within(
    local: LocalPosterior,
    features: jax.Array,  # [B, F]
    genotype: jax.Array,  # [B, G]
    budget_ms: jax.Array,
    surprise: jax.Array,
) -> jax.Array:  # [B]
  """As `predictors.probability_within`. Jittable.

  Args:
    local: from `fit_local`.
    features: `[B, F]`.
    genotype: `[B, G]` of the same architectures.
    budget_ms: milliseconds.
    surprise: share of surprises.
  """
  near = jnp.where(local.where, _correlation(genotype, local.genotype), 0.0)
  columns = near @ local.whiten.T
  unknown = jnp.maximum(1.0 - jnp.sum(columns**2, axis=1), 0.0)
  return predictors.probability_within(
      local.posterior,
      jnp.concatenate([features, columns], axis=1),
      budget_ms,
      noise_factor=1.0 + local.added * unknown,
      surprise=surprise,
  )


def global_part(
    local: LocalPosterior, num_features: int
) -> predictors.BayesianPosterior:
  """The posterior of architectures that are like none of the measured.

  Args:
    local: from `fit_local`.
    num_features: F.

  Returns:
    Over the features alone, with all that they leave as noise.
  """
  whole = local.posterior
  kept = jnp.array([*range(num_features), whole.mean.shape[1] - 1])
  return whole._replace(
      mean=whole.mean[:, kept],
      covariance=whole.covariance[:, kept][:, :, kept],
      noise=whole.noise * (1.0 + local.added),
  )
