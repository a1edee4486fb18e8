"""Inverted residual blocks that differ in width, kernel or groups, as one.

A choice of FBNet is among eight such blocks: pointwise convolution, depthwise
convolution, pointwise convolution. Compiled one by one they take minutes. Here
one body serves all of a choice: it takes the wide map a slice at a time, as
many channels as the block's input has. All that stands between the pointwise
convolutions is by channel, so slices meet only in the second one's sum, and a
wider block is more turns of a loop. Groups are zeros in the pointwise kernels,
a channel shuffle an order of their columns.

This is an implementation of `_choose`: results are those of `_steps`.
"""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import NamedTuple

import chex
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from nasflat_jax.zero_cost import _convolution
from nasflat_jax.zero_cost import _steps
from nasflat_jax.zero_cost import _sums


class Block(NamedTuple):
  """A candidate that is an inverted residual block.

  Attributes:
    expand: pointwise convolution to the wide map.
    depthwise: of the wide map.
    project: pointwise convolution to the output.
    groups: of both pointwise convolutions; their channels are shuffled.
  """

  expand: _steps.Conv
  depthwise: _steps.Conv
  project: _steps.Conv
  groups: int

  @property
  def steps(self) -> _steps.Candidate:
    """The candidate."""
    shuffle = (_steps.Shuffle(self.groups),) if self.groups > 1 else ()
    return (self.expand, *shuffle, self.depthwise, self.project)


class Family(NamedTuple):
  """Blocks of equal input, stride and output.

  Attributes:
    places: of the blocks among the candidates.
    blocks: the blocks.
    channels: C, channels of the input and of a slice.
    stride: of the depthwise convolutions.
    features: O, channels of the output.
  """

  places: tuple[int, ...]
  blocks: tuple[Block, ...]
  channels: int
  stride: int
  features: int

  @property
  def most_slices(self) -> int:
    """S, slices of the widest block."""
    return max(b.expand.features for b in self.blocks) // self.channels

  @property
  def sizes(self) -> tuple[int, ...]:
    """Different sides of depthwise kernels, ascending."""
    return tuple(sorted({block.depthwise.size for block in self.blocks}))


class Kernels(NamedTuple):
  """Kernels of one block, zeros up to the size of the greatest.

  Attributes:
    expand: `[C, S * C]`.
    depthwise: `[k, k, 1, S * C]`, smaller ones in the middle.
    project: `[S * C, O]`.
  """

  expand: jax.Array
  depthwise: jax.Array
  project: jax.Array


class Slice(NamedTuple):
  """What the backward pass needs of a slice, `[S, ...]` of all.

  Attributes:
    wide: `[N, H, W, C]` first convolution, normalised.
    wide_moments: of its normalisation.
    deep: `[N, H', W', C]` second convolution, normalised.
    deep_moments: of its normalisation.
  """

  wide: jax.Array
  wide_moments: _steps.Moments
  deep: jax.Array
  deep_moments: _steps.Moments


class Kept(NamedTuple):
  """What the backward pass needs besides input and output.

  Attributes:
    kernels: of the block that ran.
    slices: of its slices.
    moments: of the last normalisation.
  """

  kernels: Kernels
  slices: Slice
  moments: _steps.Moments


def family(
    candidates: Sequence[_steps.Candidate], channels: int
) -> Family | None:
  """The candidates that can run as one; None if they are fewer than two."""
  found = {
      place: block
      for place, candidate in enumerate(candidates)
      if (block := _block(candidate, channels)) is not None
  }
  forms = {(b.depthwise.stride, b.project.features) for b in found.values()}
  if len(found) < 2 or len(forms) > 1:
    return None
  ((stride, features),) = forms
  blocks = tuple(found.values())
  return Family(tuple(found), blocks, channels, stride, features)


def _block(candidate: _steps.Candidate, channels: int) -> Block | None:
  convolutions = _steps.convolutions(candidate)
  if len(convolutions) != 3:
    return None
  expand, depthwise, project = convolutions
  wide, groups = expand.features, expand.groups
  block = Block(
      _steps.Conv(expand.name, wide, 1, groups=groups),
      _steps.Conv(
          depthwise.name,
          wide,
          depthwise.size,
          depthwise.stride,
          groups=0,
          relu=True,
          relu_flops=depthwise.relu_flops,
      ),
      _steps.Conv(
          project.name,
          project.features,
          1,
          groups=groups,
          relu=True,
          relu_flops=project.relu_flops,
      ),
      groups,
  )
  whole = wide % channels == 0 and depthwise.size % 2 == 1 and groups > 0
  return block if whole and block.steps == candidate else None


def forward(
    blocks: Family,
    member: chex.Array,  # []
    x: chex.Array,  # [N, H, W, C]
    epsilon: chex.Array,  # []
    weights: Sequence[_steps.Weights],
    mode: _steps.Mode,
) -> tuple[jax.Array, Kept | None, _steps.Extra]:
  """Runs a block.

  Args:
    blocks: the family.
    member: `[]` which of its blocks.
    x: `[N, H, W, C]`.
    epsilon: see `_steps.standardise`.
    weights: of each block.
    mode: what to record.

  Returns:
    `[N, H', W', O]`; what `backward` needs, where a backward pass may follow;
    what was recorded.
  """
  kernels = _kernels(blocks, member, weights)
  keep = mode.batch_norm and mode.passes == 1
  num, height, width, _ = x.shape
  below = [-(-side // blocks.stride) for side in (height, width)]

  def norm(z):
    if not mode.batch_norm:
      shape = z.shape[-1:]
      one = _steps.Moments(jnp.ones(shape), jnp.zeros(shape))
      return z, one, jnp.zeros(())
    y, moments, variance = _steps.standardise(z, epsilon, mode.passes)
    if not mode.variance:
      return y, moments, jnp.zeros(())
    count = z[..., 0].size // mode.passes
    return y, moments, _steps.running_variance(variance, count).mean()

  def turn(place, carry):
    z, gram, variances, squares, slices = carry
    own = _slice(blocks, kernels, place)
    wide, wide_moments, wide_variance = norm(x @ own.expand)
    deep = _depthwise(blocks, member, jax.nn.relu(wide), own.depthwise)
    deep, deep_moments, deep_variance = norm(deep)
    z = z + jax.nn.relu(deep) @ own.project
    if mode.gram:
      gram = gram + _steps.agreement(wide) + _steps.agreement(deep)
    if mode.variance:
      variances = variances + jnp.stack([wide_variance, deep_variance])
    if mode.norms:
      squares = squares + jnp.stack([(w * w).sum() for w in own])
    if keep:
      slices = jax.tree.map(
          lambda all, one: lax.dynamic_update_index_in_dim(all, one, place, 0),
          slices,
          Slice(wide, wide_moments, deep, deep_moments),
      )
    return z, gram, variances, squares, slices

  def empty(*shape):
    return jnp.zeros((blocks.most_slices, *shape))

  def moments():
    return _steps.Moments(empty(blocks.channels), empty(blocks.channels))

  slices = Slice(
      empty(*x.shape),
      moments(),
      empty(num, *below, blocks.channels),
      moments(),
  )
  num_slices = _slices(blocks)[member]
  z, gram, variances, squares, slices = lax.fori_loop(
      0,
      num_slices,
      turn,
      (
          jnp.zeros((num, *below, blocks.features)),
          jnp.zeros((num, num)),
          jnp.zeros(2),
          jnp.zeros(3),
          slices if keep else None,
      ),
  )
  y, last_moments, last_variance = norm(z)
  extra: _steps.Extra = {}
  if mode.gram:
    extra['gram'] = gram
  if mode.variance:
    running = jnp.append(variances / num_slices, last_variance)
    extra['log_variance'] = 0.5 * jnp.log(running).sum()
  if mode.norms:
    extra['norms'] = jnp.sqrt(squares).sum()
  if mode.counts:
    counts = jnp.array([_count(block, x.shape) for block in blocks.blocks])
    extra['params'], extra['flops'] = counts[member]
  kept = Kept(kernels, slices, last_moments) if keep else None
  return y, kept, extra


def backward(
    blocks: Family,
    member: chex.Array,  # []
    x: chex.Array,  # [N, H, W, C]
    y: chex.Array,  # [N, H', W', O]
    kept: Kept,
    cotangent: chex.Array,  # [N, H', W', O]
) -> tuple[jax.Array, jax.Array]:
  """Cotangent of a block's input, and sums over its layers.

  Args:
    blocks: the family.
    member: `[]` which of its blocks ran.
    x: its input.
    y: its output.
    kept: of `forward`.
    cotangent: of its output.

  Returns:
    Cotangent of `x`; `[len(_sums.SUMS)]`.
  """
  inner = _steps.standardise_transpose(cotangent, y, kept.moments.scale)

  def turn(place, carry):
    dx, sums, squares = carry
    own = _slice(blocks, kept.kernels, place)
    wide, wide_moments, deep, deep_moments = jax.tree.map(
        lambda all: lax.dynamic_index_in_dim(all, place, 0, keepdims=False),
        kept.slices,
    )
    project = _contract(jax.nn.relu(deep), inner)
    deep_inner = _steps.standardise_transpose(
        jnp.where(deep > 0, inner @ own.project.T, 0.0),
        deep,
        deep_moments.scale,
    )
    wide_inner, depthwise = _depthwise_transpose(
        blocks, member, jax.nn.relu(wide), own.depthwise, deep_inner
    )
    wide_inner = _steps.standardise_transpose(
        jnp.where(wide > 0, wide_inner, 0.0), wide, wide_moments.scale
    )
    expand = _contract(x, wide_inner)
    expand_mask, project_mask = _masks(blocks, member, place)
    gradients = Kernels(expand * expand_mask, depthwise, project * project_mask)
    responses = [
        _sums.response(_before(wide, wide_moments), wide_inner),
        _sums.response(_before(deep, deep_moments), deep_inner),
        jnp.zeros(()),  # of all slices together, below
    ]
    sums += jnp.stack([
        jnp.stack([*_sums.saliencies(kernel, gradient), response])
        for kernel, gradient, response in zip(own, gradients, responses)
    ])
    squares += jnp.stack([(g * g).sum() for g in gradients])
    return dx + wide_inner @ own.expand.T, sums, squares

  dx, sums, squares = lax.fori_loop(
      0,
      _slices(blocks)[member],
      turn,
      (jnp.zeros_like(x), jnp.zeros((3, 3)), jnp.zeros(3)),
  )
  response = _sums.response(_before(y, kept.moments), inner)
  saliency, signed, responses = sums.T
  total = sum(
      _sums.assemble(*values, normalised=True)
      for values in zip(
          saliency,
          signed,
          _fan_in(blocks)[member] * responses.at[2].set(response),
          squares,
      )
  )
  return dx, total


def _before(y: jax.Array, moments: _steps.Moments) -> jax.Array:
  """The input of a normalisation."""
  return y / moments.scale + moments.mean


def _contract(x: jax.Array, cotangent: jax.Array) -> jax.Array:
  """Gradient of a pointwise kernel, `[I, O]`."""
  return jnp.tensordot(x, cotangent, ((0, 1, 2), (0, 1, 2)))


def _slices(blocks: Family) -> jax.Array:
  """Slices of each block."""
  return jnp.array(
      [block.expand.features // blocks.channels for block in blocks.blocks]
  )


def _fan_in(blocks: Family) -> jax.Array:
  """`[blocks, 3]`, of each block's layers."""
  return jnp.array([
      (
          blocks.channels // block.groups,
          block.depthwise.size**2,
          block.expand.features // block.groups,
      )
      for block in blocks.blocks
  ])


def _count(block: Block, shape: tuple[int, ...]) -> tuple[float, float]:
  """Parameters and flops of a block, in millions."""
  total = np.zeros(2)
  for step in block.steps:
    below = shape
    if isinstance(step, _steps.Conv):
      sides = (-(-side // step.stride) for side in shape[1:3])
      below = (shape[0], *sides, step.features)
    total += _steps.count(step, shape, below)
    shape = below
  return total[0], total[1]


def _kernels(
    blocks: Family, member: chex.Array, weights: Sequence[_steps.Weights]
) -> Kernels:
  """The kernels of a block."""
  most = blocks.most_slices * blocks.channels
  largest = blocks.sizes[-1]

  def pack(block):
    missing = most - block.expand.features
    border = (largest - block.depthwise.size) // 2

    def run(expand, depthwise, project):
      return Kernels(
          jnp.pad(
              _convolution.channel_shuffle(
                  _dense(expand, block.groups), block.groups
              ),
              ((0, 0), (0, missing)),
          ),
          jnp.pad(
              depthwise,
              ((border, border), (border, border), (0, 0), (0, missing)),
          ),
          jnp.pad(_dense(project, block.groups), ((0, missing), (0, 0))),
      )

    return lambda weights: run(*(
        weights[step.name]
        for step in (block.expand, block.depthwise, block.project)
    ))

  branches = [
      lambda weights, run=pack(block), place=place: run(weights[place])
      for place, block in enumerate(blocks.blocks)
  ]
  return lax.switch(member, branches, tuple(weights))


def _dense(kernel: chex.Array, groups: int) -> jax.Array:
  """`[1, 1, I / groups, O] -> [I, O]` with zeros between groups."""
  kernel = kernel[0, 0]
  if groups == 1:
    return kernel
  tiled = jnp.tile(kernel, (groups, 1))
  inputs, outputs = tiled.shape
  rows = np.arange(inputs) // (inputs // groups)
  columns = np.arange(outputs) // (outputs // groups)
  return tiled * (rows[:, None] == columns)


def _masks(
    blocks: Family, member: chex.Array, place: chex.Array
) -> tuple[jax.Array, jax.Array]:
  """Which entries of a slice's pointwise kernels are weights.

  Returns:
    `[C, C]` of the first, `[C, O]` of the second.
  """
  groups = jnp.array([block.groups for block in blocks.blocks])[member]
  wide = _slices(blocks)[member] * blocks.channels
  channel = jnp.arange(blocks.channels)
  inputs = channel // (blocks.channels // groups)
  channel += place * blocks.channels
  outputs = jnp.arange(blocks.features) // (blocks.features // groups)
  return (
      # Shuffled, the groups take turns.
      inputs[:, None] == channel % groups,
      (channel // (wide // groups))[:, None] == outputs,
  )


def _slice(blocks: Family, kernels: Kernels, place: chex.Array) -> Kernels:
  """The kernels of a slice."""
  start, size = place * blocks.channels, blocks.channels
  return Kernels(
      lax.dynamic_slice_in_dim(kernels.expand, start, size, 1),
      lax.dynamic_slice_in_dim(kernels.depthwise, start, size, 3),
      lax.dynamic_slice_in_dim(kernels.project, start, size, 0),
  )


def _by_size(blocks: Family, member: chex.Array, run, *operands):
  """`run(border)(*operands)`, border being of the block's depthwise kernel."""
  largest = blocks.sizes[-1]
  branches = [run((largest - size) // 2) for size in blocks.sizes]
  if len(branches) == 1:
    return branches[0](*operands)
  which = jnp.array(
      [blocks.sizes.index(block.depthwise.size) for block in blocks.blocks]
  )
  return lax.switch(which[member], branches, *operands)


def _depthwise(
    blocks: Family, member: chex.Array, x: chex.Array, kernel: chex.Array
) -> jax.Array:
  """The depthwise convolution of a slice."""

  def run(border):
    def convolve(x, kernel):
      return _convolution.convolve(
          x,
          _without(kernel, border),
          stride=blocks.stride,
          groups=blocks.channels,
      )

    return convolve

  return _by_size(blocks, member, run, x, kernel)


def _depthwise_transpose(
    blocks: Family,
    member: chex.Array,
    x: chex.Array,
    kernel: chex.Array,
    cotangent: chex.Array,
) -> tuple[jax.Array, jax.Array]:
  """Cotangents of its input and kernel."""

  def run(border):
    def transpose(x, kernel, cotangent):
      dx, gradient = _convolution.transpose(
          x,
          _without(kernel, border),
          cotangent,
          stride=blocks.stride,
          groups=blocks.channels,
      )
      sides = (border, border)
      return dx, jnp.pad(gradient, (sides, sides, (0, 0), (0, 0)))

    return transpose

  return _by_size(blocks, member, run, x, kernel, cotangent)


def _without(kernel: chex.Array, border: int) -> jax.Array:
  """A kernel without its border of zeros."""
  return kernel[border : len(kernel) - border, border : len(kernel) - border]
