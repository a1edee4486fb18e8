"""Latency on a device as an objective or a constraint, with its uncertainty.

The functions take the `AdaptedBayesian` of `transfer.adapt_bayesian` (of a
`transfer.DeviceModel`, its `adapted`) and are traceable, so that they run
inside a search. Nothing in them is about time: adapted to millijoules, they
predict energy.
"""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

from nasflat_jax import predictors
from nasflat_jax import transfer
from nasflat_jax.search import _problem


def _posterior(
    adapted: transfer.AdaptedBayesian, device: int
) -> predictors.BayesianPosterior:
  total = adapted.posterior.scale_ms.shape[0]
  if not 0 <= device < total:
    raise ValueError(f'device {device} is not one of 0..{total - 1}')
  return jax.tree.map(lambda leaf: leaf[device], adapted.posterior)


def latency(
    adapted: transfer.AdaptedBayesian, *, device: int = 0
) -> _problem.Property:
  """The predicted latency, half of which chances exceed.

  Args:
    adapted: the model of `T` devices.
    device: which of them.

  Returns:
    `[B, G] -> [B]` milliseconds.

  Raises:
    ValueError: there is no such device.
  """
  posterior = _posterior(adapted, device)

  def value(genotype: chex.Array) -> jax.Array:
    features = adapted.model.encode(genotype)
    return predictors.predict_bayesian(posterior, features).latency_ms

  return value


def latency_quantile(
    adapted: transfer.AdaptedBayesian,
    *,
    level: float = 0.95,
    device: int = 0,
) -> _problem.Property:
  """The latency that a measurement stays below with a given probability.

  `at_most(latency_quantile(adapted, level=0.95), 18.0)` is the constraint
  `P(latency <= 18 ms) >= 0.95`. For several devices, give one for each. Each
  then holds at its level; that all hold at once is a stronger claim, for which
  the levels must be nearer to 1: with D devices `1 - (1 - level) / D` is always
  enough.

  Args:
    adapted: the model of `T` devices.
    level: probability, between 0 and 1.
    device: which of them.

  Returns:
    `[B, G] -> [B]` milliseconds, see `predictors.bayesian_quantile`.

  Raises:
    ValueError: there is no such device, or the level is not between 0 and 1.
  """
  posterior = _posterior(adapted, device)
  if not 0.0 < level < 1.0:
    raise ValueError(f'level must be between 0 and 1, got {level}')

  def value(genotype: chex.Array) -> jax.Array:
    features = adapted.model.encode(genotype)
    return predictors.bayesian_quantile(posterior, features, level=level)

  return value


def probability_within(
    adapted: transfer.AdaptedBayesian,
    budget_ms: chex.Numeric,
    *,
    device: int = 0,
) -> _problem.Property:
  """The probability that a latency holds a budget.

  As a constraint `latency_quantile` asks the same in milliseconds, which tells
  apart architectures that are all far off.

  Args:
    adapted: the model of `T` devices.
    budget_ms: milliseconds; may be traced.
    device: which of them.

  Returns:
    `[B, G] -> [B]` from 0 to 1, see `predictors.probability_within`.

  Raises:
    ValueError: there is no such device.
  """
  posterior = _posterior(adapted, device)

  def value(genotype: chex.Array) -> jax.Array:
    features = adapted.model.encode(genotype)
    return predictors.probability_within(
        posterior, features, jnp.asarray(budget_ms)
    )

  return value
