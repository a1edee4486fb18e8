"""Steps of a candidate operation, each with its own backward pass.

A candidate is a tuple of steps run one after the other; the empty tuple is the
identity. Written-out backward passes keep little: of a convolution with batch
normalisation only its output, which the next step reads anyway, and two
numbers per channel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from nasflat_jax.zero_cost import _convolution
from nasflat_jax.zero_cost import _mode
from nasflat_jax.zero_cost import _normalisation
from nasflat_jax.zero_cost import _sums

Weights = Mapping[str, chex.Array]  # kernel by layer name


class Conv(NamedTuple):
  """ReLU (if asked for), convolution without bias, batch normalisation.

  Attributes:
    name: of the layer, in its scope.
    features: output channels.
    size: side of the kernel.
    stride: of both axes.
    groups: of channels; 0 for a depthwise convolution.
    relu: whether the input goes through a ReLU first.
    relu_flops: whether that ReLU counts in the flops.
    norm: whether a batch normalisation follows.
    halves: whether two pointwise layers, `name_a` and `name_b`, each give half
      of the features (a factorised reduction); the second starts one pixel
      further right and down. Its kernel is theirs side by side.
    dilation: of both axes of the kernel.
    affine: whether the normalisation counts as one with scale and offset.
  """

  name: str
  features: int
  size: int
  stride: int = 1
  groups: int = 1
  relu: bool = False
  relu_flops: bool = True
  norm: bool = True
  halves: bool = False
  dilation: int = 1
  affine: bool = True

  @property
  def layers(self) -> tuple[str, ...]:
    """Names of its layers."""
    if self.halves:
      return (f'{self.name}_a', f'{self.name}_b')
    return (self.name,)

  def num_groups(self, channels: int) -> int:
    """Groups of an input of `channels`."""
    return self.groups or channels

  def kernel_shape(self, channels: int) -> tuple[int, int, int, int]:
    """`(k, k, I, O)` for an input of `channels`."""
    inputs = channels // self.num_groups(channels)
    return (self.size, self.size, inputs, self.features)

  def convolve(self, x: chex.Array, kernel: chex.Array) -> jax.Array:
    """The convolution alone."""
    if self.halves:
      return _convolution.halves(x, kernel, stride=self.stride)
    return _convolution.convolve(
        x,
        kernel,
        stride=self.stride,
        groups=self.num_groups(x.shape[-1]),
        dilation=self.dilation,
    )

  def transpose(
      self, x: chex.Array, kernel: chex.Array, cotangent: chex.Array
  ) -> tuple[jax.Array, jax.Array]:
    """Cotangents of `convolve`'s input and kernel."""
    if self.halves:
      return jax.vjp(self.convolve, x, kernel)[1](cotangent)
    return _convolution.transpose(
        x,
        kernel,
        cotangent,
        stride=self.stride,
        groups=self.num_groups(x.shape[-1]),
        dilation=self.dilation,
    )

  def squares(
      self, x: chex.Array, cotangent: chex.Array, gradient: chex.Array
  ) -> list[jax.Array]:
    """Squared norm of each layer's kernel cotangent, of `transpose`."""
    alone = not self.halves and self.num_groups(x.shape[-1]) == 1
    # Side by side, which the backend stands for, each network has a gradient
    # of its own, and convolutions by it would be grouped.
    if alone and jax.default_backend() == 'cpu':
      return [_sums.squared_norm(self.convolve, x, cotangent, gradient)]
    return [(part * part).sum() for part in self.split(gradient)]

  def split(self, values: chex.Array) -> list[jax.Array]:
    """Kernel or output of each layer, `[..., features]` of all."""
    return jnp.split(values, len(self.layers), -1)


class Relu(NamedTuple):
  """Rectified linear unit."""


class AvgPool(NamedTuple):
  """Mean over 3x3 windows, without the padding.

  Attributes:
    stride: of both axes.
  """

  stride: int = 1


class Shuffle(NamedTuple):
  """Channel shuffle.

  Attributes:
    groups: groups of channels that are interleaved.
  """

  groups: int


class Zero(NamedTuple):
  """All zero, whatever the input.

  Attributes:
    features: output channels; 0 for those of the input.
    stride: of both axes.
  """

  features: int = 0
  stride: int = 1


class MaxPool(NamedTuple):
  """Maximum over 3x3 windows, without the padding.

  Attributes:
    stride: of both axes.
  """

  stride: int = 1


class Norm(NamedTuple):
  """Batch normalisation of what no convolution gives, without parameters."""


class Corner(NamedTuple):
  """The upper left part of a map; what it leaves is not counted.

  Attributes:
    height: rows.
    width: columns.
  """

  height: int
  width: int


class Channels(NamedTuple):
  """The first channels, or all of them and zeros.

  Attributes:
    features: output channels.
  """

  features: int


Step = (
    Conv | Relu | AvgPool | MaxPool | Norm | Shuffle | Channels | Corner | Zero
)
Candidate = tuple[Step, ...]


def convolutions(candidate: Candidate) -> list[Conv]:
  """Its steps that have weights."""
  return [step for step in candidate if isinstance(step, Conv)]


def plain(step: Step) -> Callable[[chex.Array], jax.Array]:
  """A step without weights as a function."""
  match step:
    case Relu():
      return jax.nn.relu
    case AvgPool(stride):
      return lambda x: _convolution.avg_pool_3x3(x)[:, ::stride, ::stride]
    case Shuffle(groups):
      return lambda x: _convolution.channel_shuffle(x, groups)
    case MaxPool(stride):
      return lambda x: _convolution.max_pool_3x3(x)[:, ::stride, ::stride]
    case Norm():
      return lambda x: _normalisation.normalise(
          x, _normalisation.root_epsilon(x.dtype), _mode.Mode()
      )[0]
    case Corner(height, width):
      return lambda x: x[:, :height, :width]
    case Channels(features):
      return lambda x: with_channels(x, features)
    case Zero(features, stride):
      return lambda x: jnp.zeros((
          x.shape[0],
          *(-(-side // stride) for side in x.shape[1:3]),
          features or x.shape[3],
      ))
  raise ValueError(f'{step} is not a step without weights')


# What the backward pass needs of a step: its output and two numbers a channel.
Kept = tuple[jax.Array, _normalisation.Moments]


def with_channels(x: chex.Array, features: int) -> jax.Array:
  """The first `features` channels, zeros where there are fewer."""
  missing = max(features - x.shape[-1], 0)
  x = x[..., :features]
  return jnp.pad(x, (*[(0, 0)] * (x.ndim - 1), (0, missing)))


def forward(
    candidate: Candidate,
    x: chex.Array,
    epsilon: chex.Array,
    weights: Weights,
    mode: _mode.Mode,
) -> tuple[jax.Array, list[Kept], _mode.Extra]:
  """Runs a candidate.

  Args:
    candidate: its steps.
    x: `[N, H, W, C]`.
    epsilon: see `normalise`.
    weights: of its layers.
    mode: what to record.

  Returns:
    `[N, H', W', O]`; output and moments of each of its convolutions; what was
    recorded.
  """
  kept = []
  extra: _mode.Extra = {}

  def add(**values: chex.Array) -> None:
    for name, value in values.items():
      extra[name] = extra.get(name, 0.0) + value

  for step in candidate:
    if mode.gram and (
        isinstance(step, Relu) or (isinstance(step, Conv) and step.relu)
    ):
      add(gram=_normalisation.agreement(x))
    inputs = x
    if isinstance(step, Norm):
      if mode.batch_norm:
        x, _, recorded = _normalisation.normalise(
            x, _normalisation.root_epsilon(x.dtype), mode
        )
        add(**recorded)
    elif not isinstance(step, Conv):
      x = plain(step)(x)
    else:
      kernel = weights[step.name]
      x = step.convolve(jax.nn.relu(x) if step.relu else x, kernel)
      if mode.norms:
        add(norms=sum(jnp.sqrt((w * w).sum()) for w in step.split(kernel)))
      moments = _normalisation.Moments(
          jnp.ones(step.features), jnp.zeros(step.features)
      )
      if mode.batch_norm and step.norm:
        x, moments, recorded = _normalisation.normalise(x, epsilon, mode)
        add(**recorded)
      kept.append((x, moments))
    if mode.counts:
      params, flops = count(step, inputs.shape, x.shape)
      add(params=params, flops=flops)
  return x, kept, extra


def count(
    step: Step, inputs: tuple[int, ...], outputs: tuple[int, ...]
) -> tuple[float, float]:
  """Parameters and flops of a step, in millions.

  As NAS-Bench-Suite-Zero counts: multiply-adds, 2 for each element of a batch
  normalisation, 1 for each of a ReLU, 9 for each of a 3x3 pool.

  Args:
    step: the step.
    inputs: shape of its input, batch first.
    outputs: shape of its output.

  Returns:
    `(params, flops)`.
  """
  elements = math.prod(outputs[1:])
  match step:
    case Conv():
      kernel = math.prod(step.kernel_shape(inputs[-1]))
      params = kernel
      flops = kernel * math.prod(outputs[1:3])
      if step.norm:
        params += 2 * step.features * step.affine
        flops += (2 if step.affine else 1) * elements
      if step.relu and step.relu_flops:
        flops += math.prod(inputs[1:])
    case AvgPool() | MaxPool():
      params, flops = 0, 9 * elements
    case Relu() | Norm():
      params, flops = 0, elements
    case _:
      params, flops = 0, 0
  return params * 1e-6, flops * 1e-6


def backward(
    candidate: Candidate,
    x: chex.Array,
    weights: Weights,
    kept: list[Kept],
    cotangent: chex.Array,
) -> tuple[jax.Array, jax.Array]:
  """Cotangent of a candidate's input, and sums over its layers.

  Args:
    candidate: its steps.
    x: its input.
    weights: of its layers.
    kept: of `forward`.
    cotangent: of its output.

  Returns:
    Cotangent of `x`; `[len(_sums.SUMS)]`.
  """
  inputs = []
  outputs = iter(kept)
  for step in candidate:
    inputs.append(x)
    x = next(outputs)[0] if isinstance(step, Conv) else plain(step)(x)
  sums = jnp.zeros(len(_sums.SUMS))
  moments = [m for _, m in kept]
  after = [*inputs, x][1:]
  for step, x, y in zip(
      reversed(candidate), reversed(inputs), reversed(after), strict=True
  ):
    if isinstance(step, Zero):
      cotangent = jnp.zeros_like(x)
    elif isinstance(step, AvgPool) and step.stride == 1:
      cotangent = _convolution.avg_pool_3x3_transpose(cotangent)
    elif not isinstance(step, Conv):
      (cotangent,) = jax.vjp(plain(step), x)[1](cotangent)
    else:
      scale, mean = moments.pop()
      inner = cotangent
      if step.norm:
        inner = _normalisation.standardise_transpose(cotangent, y, scale)
      kernel = weights[step.name]
      active = jax.nn.relu(x) if step.relu else x
      cotangent, gradient = step.transpose(active, kernel, inner)
      layers = (kernel, gradient, y / scale + mean, inner)
      squares = step.squares(active, inner, gradient)
      for parts in zip(*map(step.split, layers), squares):
        sums += _sums.layer_sums(*parts, normalised=step.norm)
      if step.relu:
        cotangent = jnp.where(x > 0, cotangent, 0.0)
  return cotangent, sums
