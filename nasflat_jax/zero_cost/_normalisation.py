"""Batch normalisation in training mode, its transpose, what is read off."""

from __future__ import annotations

import math
from typing import NamedTuple

import chex
import jax
from jax import lax
import jax.numpy as jnp

from nasflat_jax.zero_cost import _mode

EPSILON = 1e-5  # added to variances, PyTorch's default
ROOT_EPSILON = math.sqrt(EPSILON)


def root_epsilon(dtype: jnp.dtype) -> jax.Array:
  """`[]` root of `EPSILON`."""
  return jnp.asarray(ROOT_EPSILON, dtype)


class Moments(NamedTuple):
  """What the backward pass of a batch normalisation needs besides its output.

  Attributes:
    scale: `[O]` one over the deviation.
    mean: `[O]`.
  """

  scale: jax.Array
  mean: jax.Array


def normalise(
    z: chex.Array,  # [N, H, W, O]
    epsilon: chex.Array,  # []
    mode: _mode.Mode,
) -> tuple[jax.Array, Moments, _mode.Extra]:
  """Batch normalisation in training mode with scale 1 and offset 0.

  Args:
    z: `[N, H, W, O]`.
    epsilon: `[]` square root of the number added to variances. As its square
      root, scaling it with the weights leaves the output as it is.
    mode: parts of the batch, and whether to record their variance.

  Returns:
    Output, moments of the first part, and `log_variance` if asked for.
  """
  y, moments, variance = standardise(z, epsilon, mode.passes)
  extra = {}
  if mode.variance:
    count = z[..., 0].size // mode.passes
    extra['log_variance'] = log_deviation(variance, count)
  return y, moments, extra


def standardise(
    z: chex.Array,  # [N, H, W, O]
    epsilon: chex.Array,  # []
    passes: int,
) -> tuple[jax.Array, Moments, jax.Array]:
  """As `normalise`; also the variances of each part, `[passes, O]`."""
  parts = z.reshape(passes, -1, *z.shape[1:])
  mean = parts.mean((1, 2, 3), keepdims=True)
  centred = parts - mean
  variance = (centred * centred).mean((1, 2, 3), keepdims=True)
  scale = lax.rsqrt(variance + epsilon * epsilon)
  moments = Moments(scale[0, 0, 0, 0], mean[0, 0, 0, 0])
  return (centred * scale).reshape(z.shape), moments, variance[:, 0, 0, 0]


def standardise_transpose(
    cotangent: chex.Array,  # [N, H, W, O]
    y: chex.Array,  # [N, H, W, O]
    scale: chex.Array,  # [O]
) -> jax.Array:
  """Cotangent of the input of a normalisation whose output is `y`."""
  axes = (0, 1, 2)
  return scale * (
      cotangent - cotangent.mean(axes) - y * (cotangent * y).mean(axes)
  )


def running_variance(variance: chex.Array, num: int) -> jax.Array:
  """`[passes, O] -> [O]`; starts at 1, moves by 0.1 to each unbiased one."""
  running = jnp.ones(variance.shape[1:])
  for row in variance * (num / max(num - 1, 1)):
    running = 0.9 * running + 0.1 * row
  return running


def log_deviation(variance: chex.Array, num: int) -> jax.Array:
  """Zen's term of a batch normalisation, `[passes, O] -> []`.

  `log sqrt(mean of the running variance)`.
  """
  return 0.5 * jnp.log(running_variance(variance, num).mean())


def agreement(x: chex.Array) -> jax.Array:
  """`[N, N]` units whose sign agrees in two images, of one ReLU's input."""
  code = jnp.where(x > 0, 1.0, -1.0).reshape(x.shape[0], -1)
  return lax.stop_gradient((code.shape[1] + code @ code.T) / 2)
