"""A device measured in one search space, expected in another.

Two ways to say what a device is, both of which hold in any space. By what it
spends: so much per multiply-add, per byte and per kernel, fitted to its own
measurements. Or by what it resembles: its latency is a sum of these costs and
of other devices' latencies, with weights that are fitted in the space where it
was measured and applied where the others were. Neither measures a network that
it is asked about. Weights are at least zero, so that the sum still orders
networks sensibly outside the space it was fitted in.

Multi-Predict (https://arxiv.org/abs/2306.02459) describes a network by its
latencies on 16 other devices for the same purpose, each of which has to be
measured for every network that it predicts.
"""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.transfer import _blocks

Encode = _blocks.Encode

# Penalties of a mean squared error, on columns of mean 1. Chosen on devices
# other than those whose figures are published.
_COSTS_PENALTY, _DEVICES_PENALTY = 1e-2, 3e-4
# An expectation stays above this share of the space's mean.
_LEAST = 0.05


def _spending(space: types.SearchSpace) -> Encode:
  """`[B, 3]` multiply-adds, activation bytes, kernels of layers with weights.

  Convolutions are what a runtime spends a fixed time on: on a GPU, a pooling
  costs a sixth of one in NAS-Bench-201, whatever both compute.
  """

  def encode(genotype: chex.Array) -> jax.Array:
    genotype = jnp.asarray(genotype, jnp.int32)
    costs, parts = space.costs(genotype), space.op_costs(genotype)
    weighted = jnp.where(jnp.asarray(parts.params) > 0.0, parts.kernels, 0.0)
    return jnp.stack(
        [
            jnp.asarray(costs.multiply_adds),
            jnp.asarray(costs.activation_bytes),
            weighted.sum(axis=1),
        ],
        axis=1,
    )

  return encode


@dataclasses.dataclass(frozen=True, eq=False)
class Expectation:
  """The expected latency of a device in a space where it was not measured.

  Attributes:
    columns: `[B, G] -> [B, F]`, the columns that are added up, in this space.
    scale: `[F]` what each is divided by.
    weights: `[F]` at least 0.
    rest: the part of the latency that is the same for all networks.
    mean: of the sum over the space's sample.
  """

  columns: Encode
  scale: np.ndarray  # [F]
  weights: np.ndarray  # [F]
  rest: float
  mean: float

  def __call__(self, genotype: chex.Array) -> jax.Array:
    """Expected latency relative to its mean over the space.

    Args:
      genotype: `[B, G]` architectures.

    Returns:
      `[B]` float32, at least 0.05; jittable.
    """
    values = jnp.asarray(self.columns(genotype), jnp.float32) / self.scale
    total = values @ jnp.asarray(self.weights, jnp.float32) + self.rest
    return jnp.maximum(total / self.mean, _LEAST)


def _non_negative(
    columns: np.ndarray,  # [N, F], each of mean 1
    latency_ms: np.ndarray,  # [N]
    penalty: float,
) -> np.ndarray:  # [F]
  """Penalised least squares of latency over its mean, weights at least 0."""
  target = latency_ms / latency_ms.mean() - 1.0
  centred = columns - columns.mean(axis=0)
  # The penalty as rows that ask for weights of 0.
  width = centred.shape[1]
  rows = np.sqrt(penalty * len(target)) * np.eye(width)
  model = predictors.fit_non_negative(
      np.concatenate([centred, rows]),
      np.concatenate([target, np.zeros(width)]),
  )
  return model.weights


def _expectation(
    there: Encode,
    here: Encode,
    space: types.SearchSpace,
    genotype: np.ndarray,
    latency_ms: np.ndarray,
    *,
    penalty: float,
    own_scale: bool,
) -> Expectation:
  genotype, latency_ms = np.asarray(genotype), np.asarray(latency_ms)
  chex.assert_rank([genotype, latency_ms], [2, 1])
  chex.assert_equal_shape_prefix([genotype, latency_ms], 1)
  measured = np.isfinite(latency_ms)
  if measured.sum() < 2 or np.ptp(latency_ms[measured]) == 0.0:
    raise ValueError(
        'the device needs 2 different measurements in the other space, got '
        f'{measured.sum()} measurements'
    )
  if latency_ms[measured].min() <= 0.0:
    raise ValueError(
        f'latency_ms must be above 0, got {latency_ms[measured].min()}'
    )
  columns = np.asarray(there(jnp.asarray(genotype[measured])), np.float64)
  scale = columns.mean(axis=0)
  scale = np.where(scale > 0.0, scale, 1.0)
  weights = _non_negative(columns / scale, latency_ms[measured], penalty)
  sample = np.asarray(
      here(jnp.asarray(spaces.reference_sample(space))), np.float64
  )
  if own_scale:
    scale = np.where(sample.mean(axis=0) > 0.0, sample.mean(axis=0), 1.0)
  rest = max(1.0 - float(weights.sum()), 0.0)
  mean = float((sample / scale @ weights).mean()) + rest
  return Expectation(here, scale, weights, rest, mean or 1.0)


def expect_by_costs(
    other_space: types.SearchSpace,
    genotype: np.ndarray,
    latency_ms: np.ndarray,
    space: types.SearchSpace,
) -> Expectation:
  """What a device's own latencies in one space say of another.

  So much for every multiply-add, every byte of activations and every kernel of
  a layer with weights, non-negative, as in the other space. No other device is
  needed.

  Args:
    other_space: where the device was measured.
    genotype: `[N, G']` architectures of `other_space`.
    latency_ms: `[N]` milliseconds, above 0; NaN = unmeasured.
    space: the space to predict.

  Returns:
    The expected relative latency, for `bayesian_model`.

  Raises:
    ValueError: there are no 2 different measurements, or one is not above 0.

  Example:
    >>> from nasflat_jax import spaces
    >>> cells = np.arange(5)[:, None] * np.ones((1, 6), int)
    >>> macs = np.asarray(spaces.NASBENCH201.costs(cells).multiply_adds)
    >>> expected = expect_by_costs(
    ...     spaces.NASBENCH201, cells, 1.0 + macs / 1e8, spaces.FBNET)
    >>> small, large = expected(np.array([[8] * 22, [7] * 22]))
    >>> bool(small < large)
    True
  """
  return _expectation(
      _spending(other_space),
      _spending(space),
      space,
      genotype,
      latency_ms,
      penalty=_COSTS_PENALTY,
      own_scale=False,
  )


def _beside(sources: Encode, space: types.SearchSpace) -> Encode:
  """The other devices' latencies, and what a network asks of any device."""
  spending = _spending(space)
  return lambda genotype: jnp.concatenate(
      [jnp.asarray(sources(genotype)), spending(genotype)], axis=1
  )


def expect_by_devices(
    other_space: types.SearchSpace,
    other_sources: Encode,
    genotype: np.ndarray,
    latency_ms: np.ndarray,
    space: types.SearchSpace,
    sources: Encode,
) -> Expectation:
  """What a device's likeness to others in one space says of another.

  Latency is a sum of the latencies on other devices and of the costs of
  `expect_by_costs`, each relative to its mean over the space. Non-negative
  weights are fitted where the device was measured.

  Args:
    other_space: where the device was measured.
    other_sources: `[B, G'] -> [B, S]` milliseconds of the other devices there,
      e.g. from `fit_sources`.
    genotype: `[N, G']` architectures of that space.
    latency_ms: `[N]` milliseconds of the device, above 0; NaN = unmeasured.
    space: the space to predict.
    sources: `[B, G] -> [B, S]` milliseconds of the same devices in `space`.

  Returns:
    The expected relative latency, for `bayesian_model`.

  Raises:
    ValueError: there are no 2 different measurements, or one is not above 0.
  """
  return _expectation(
      _beside(other_sources, other_space),
      _beside(sources, space),
      space,
      genotype,
      latency_ms,
      penalty=_DEVICES_PENALTY,
      own_scale=True,
  )
