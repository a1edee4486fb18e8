"""Hypotheses about a space before a device is measured."""

from __future__ import annotations

from collections.abc import Mapping
import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from nasflat_jax import predictors

# Mean of each block's log weight before measuring; all have the same spread.
# Chosen, with the constants below, on devices that are a target in none of the
# published tasks.
BLOCKS: Mapping[str, float] = {
    'op_counts': -2.5,
    'live_op_counts': -0.5,
    'total_costs': 0.5,
    'live_costs': 0.5,
    'roofline': 0.0,
    'one_hot': -5.0,
}
_SOURCE_BLOCKS = {'sources': -1.0, 'mean_source': -1.0}
_FURTHER = -1.0  # of blocks that a caller adds
_EXPECTED = -1.0
# Share of the hypotheses that take an expected latency at its word.
_TRUST = 0.95
# Under them, variance of what is left to explain and of measurements, relative
# to the others: few measurements should not turn a good expectation.
_LEFT, _LEFT_NOISE = 0.2, 5.0
_SPREAD = 2.0
# Log of the variance of a measurement relative to the signal's.
_NOISE, _NOISE_SPREAD, _LEAST_NOISE = -3.5, 1.5, 3e-4
POWERS, _POWER_PROBS = (0.0, 0.5, 1.0), (0.05, 0.25, 0.7)
HYPOTHESES = 512


def _expected_mean(
    sizes: Mapping[str, int], slopes: np.ndarray, trusts: np.ndarray
) -> jax.Array:  # [H, P, F]
  """Prior means: the warped expectation, or 0 where it is not trusted."""
  mean = np.zeros((len(trusts), len(POWERS), sum(sizes.values())))
  first = sum(sizes[name] for name in list(sizes)[: -1])
  for power, slope in enumerate(slopes):
    mean[trusts, power, first + power] = slope
  return jnp.asarray(mean, jnp.float32)


def prior(
    sizes: Mapping[str, int], slopes: np.ndarray | None = None
) -> predictors.BayesianPrior:
  """Quasi-random draws from the prior of the blocks' weights.

  With `slopes`, `[P]`, the last block is an expected latency.
  """
  known = dict(BLOCKS) | _SOURCE_BLOCKS | {'expected': _EXPECTED}
  names = [name for name in sizes if sizes[name]]
  dims = len(names) + 1 + (slopes is not None)
  uniform = stats.qmc.Sobol(dims, seed=0).random(HYPOTHESES)
  trusts = uniform[:, -1] < _TRUST
  uniform = uniform[:, : len(names) + 1]
  normal = stats.norm.ppf(np.clip(uniform, 1e-6, 1.0 - 1e-6))
  log_weight = [known.get(name, _FURTHER) for name in names]
  log_weight = log_weight + _SPREAD * normal[:, :-1]
  weight = np.exp(log_weight)
  # Only ratios matter; a signal variance of 1 keeps float32 well conditioned.
  weight /= weight.sum(axis=1, keepdims=True)
  noise = np.exp(_NOISE + _NOISE_SPREAD * normal[:, -1])
  left = np.ones(len(noise))
  if slopes is not None:
    left = np.where(trusts, _LEFT, 1.0)
    noise = noise * np.where(trusts, _LEFT_NOISE, 1.0)
  as_float = functools.partial(jnp.asarray, dtype=jnp.float32)
  return predictors.BayesianPrior(
      variance=as_float(
          np.repeat(weight.T * left, [sizes[name] for name in names], axis=0).T
      ),
      noise=as_float(np.maximum(noise, _LEAST_NOISE)),
      power=as_float(POWERS),
      power_prob=as_float(_POWER_PROBS),
      mean=None if slopes is None else _expected_mean(sizes, slopes, trusts),
  )
