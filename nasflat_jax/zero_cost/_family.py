"""Candidates that are inverted residual blocks of one form, and their kernels.

The form: pointwise convolution to a wide map, channel shuffle where there are
groups, depthwise convolution, pointwise convolution. The wide map is thought of
as slices of as many channels as the input has. `_inverted` runs a block slice
by slice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import itertools
from typing import Any, NamedTuple

import chex
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from nasflat_jax.zero_cost import _convolution
from nasflat_jax.zero_cost import _steps


class Block(NamedTuple):
  """A candidate of the form.

  Attributes:
    expand: pointwise convolution to the wide map.
    depthwise: of the wide map.
    project: pointwise convolution to the output.
    groups: of both pointwise convolutions.
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


class Kernels(NamedTuple):
  """Of one slice, or of several side by side, then with a longer `C`.

  Attributes:
    expand: `[C, C]`, zeros between groups, columns in shuffled order.
    depthwise: `[k, k, 1, C]`, smaller ones in the middle of zeros.
    project: `[C, O]`, zeros between groups.
  """

  expand: jax.Array
  depthwise: jax.Array
  project: jax.Array


class Family(NamedTuple):
  """Blocks of equal input, stride and output.

  Attributes:
    places: of the blocks among the candidates.
    blocks: the blocks.
    channels: C, of the input and of a slice.
    stride: of the depthwise convolutions.
    features: O, channels of the output.
  """

  places: tuple[int, ...]
  blocks: tuple[Block, ...]
  channels: int
  stride: int
  features: int

  @property
  def num_slices(self) -> tuple[int, ...]:
    """Slices of each block."""
    return tuple(b.expand.features // self.channels for b in self.blocks)

  @property
  def sizes(self) -> tuple[int, ...]:
    """Different sides of the depthwise kernels, ascending."""
    return tuple(sorted({block.depthwise.size for block in self.blocks}))

  def of(self, member: chex.Array, values: Sequence[Any]) -> jax.Array:
    """A block's entry in a table with one for each."""
    return jnp.asarray(np.array(values))[member]


def family(
    candidates: Sequence[_steps.Candidate], channels: int
) -> Family:
  """Finds the candidates that can run as one.

  Args:
    candidates: of a choice.
    channels: C of its input.

  Returns:
    The family of the candidates of the form; without blocks if there are fewer
    than two, or they differ in stride.
  """
  found = {
      place: block
      for place, candidate in enumerate(candidates)
      if (block := _block(candidate, channels)) is not None
  }
  forms = {(b.depthwise.stride, b.project.features) for b in found.values()}
  if len(found) < 2 or len(forms) > 1:
    return Family((), (), channels, 1, 0)
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
      _steps.Conv(expand.name, wide, 1, 1, groups),
      depthwise._replace(features=wide, groups=0, relu=True, norm=True),
      project._replace(
          size=1, stride=1, groups=groups, relu=True, norm=True
      ),
      groups,
  )
  sliced = groups > 0 and wide % channels == 0 and depthwise.size % 2 == 1
  sliced &= depthwise.dilation == 1
  # Steps of different kinds are equal as tuples.
  same = [*map(type, block.steps)] == [*map(type, candidate)]
  return block if sliced and same and block.steps == candidate else None


def kernels(blocks: Family, weights: Sequence[_steps.Weights]) -> Kernels:
  """All slices of all blocks, one block after the other.

  Args:
    blocks: the family.
    weights: of each block.

  Returns:
    Kernels of `sum(blocks.num_slices)` slices.
  """
  both = list(zip(blocks.blocks, weights, strict=True))
  expand, depthwise, project = [], [], []
  for block, own in both:
    dense = _dense(own[block.expand.name], block.groups)
    expand.append(_convolution.channel_shuffle(dense, block.groups))
    project.append(_dense(own[block.project.name], block.groups))
  for size, same in itertools.groupby(both, lambda x: x[0].depthwise.size):
    border = [(blocks.sizes[-1] - size) // 2] * 2
    joined = jnp.concatenate([w[b.depthwise.name] for b, w in same], 3)
    depthwise.append(jnp.pad(joined, (border, border, (0, 0), (0, 0))))
  return Kernels(
      jnp.concatenate(expand, 1),
      jnp.concatenate(depthwise, 3),
      jnp.concatenate(project, 0),
  )


def _dense(kernel: chex.Array, groups: int) -> jax.Array:
  """`[1, 1, I / groups, O] -> [I, O]` with zeros between groups."""
  kernel = jnp.asarray(kernel)[0, 0]
  if groups == 1:
    return kernel
  tiled = jnp.tile(kernel, (groups, 1))
  rows, columns = (
      np.arange(size) // (size // groups) for size in tiled.shape
  )
  return jnp.where(rows[:, None] == columns, tiled, 0.0)


def one_slice(
    blocks: Family, of_all: Kernels, member: chex.Array, place: chex.Array
) -> Kernels:
  """Kernels of slice `place` of a block."""
  first = [0, *itertools.accumulate(blocks.num_slices[:-1])]
  start = (blocks.of(member, first) + place) * blocks.channels
  return Kernels(*(
      lax.dynamic_slice_in_dim(kernel, start, blocks.channels, axis)
      for kernel, axis in zip(of_all, (1, 3, 0), strict=True)
  ))


def are_weights(
    blocks: Family, member: chex.Array, place: chex.Array
) -> tuple[jax.Array, jax.Array]:
  """Which entries of a slice's pointwise kernels are weights.

  Args:
    blocks: the family.
    member: `[]` a block.
    place: `[]` of the slice.

  Returns:
    `[C, C]` and `[C, O]` booleans.
  """
  groups = blocks.of(member, [block.groups for block in blocks.blocks])
  wide = blocks.of(member, blocks.num_slices) * blocks.channels
  inputs, outputs = (
      jnp.arange(size) // (size // groups)
      for size in (blocks.channels, blocks.features)
  )
  channel = place * blocks.channels + jnp.arange(blocks.channels)
  return (
      inputs[:, None] == channel % groups,  # shuffled, groups take turns
      (channel // (wide // groups))[:, None] == outputs,
  )


def fan_in(blocks: Family, member: chex.Array) -> jax.Array:
  """`[3]`, weights that meet in one output of each layer."""
  return blocks.of(
      member,
      [
          (
              blocks.channels // block.groups,
              block.depthwise.size**2,
              block.expand.features // block.groups,
          )
          for block in blocks.blocks
      ],
  )


def count(
    blocks: Family, member: chex.Array, shape: tuple[int, ...]
) -> tuple[jax.Array, jax.Array]:
  """Parameters and flops, in millions, for an input of `shape`."""
  totals = []
  for block in blocks.blocks:
    total, inputs = np.zeros(2), shape
    for step in _steps.convolutions(block.steps):
      sides = (-(-side // step.stride) for side in inputs[1:3])
      outputs = (inputs[0], *sides, step.features)
      total += _steps.count(step, inputs, outputs)
      inputs = outputs
    totals.append(total)
  params, flops = blocks.of(member, totals)
  return params, flops


def depthwise(
    blocks: Family,
    member: chex.Array,
    x: chex.Array,  # [N, H, W, C]
    kernel: chex.Array,  # [k, k, 1, C]
) -> jax.Array:
  """The depthwise convolution of a slice, `[N, H', W', C]`."""

  def run(border):
    return lambda x, kernel: _convolution.convolve(
        x,
        _without(kernel, border),
        stride=blocks.stride,
        groups=blocks.channels,
    )

  return _by_size(blocks, member, run, x, kernel)


def depthwise_transpose(
    blocks: Family,
    member: chex.Array,
    x: chex.Array,  # [N, H, W, C]
    kernel: chex.Array,  # [k, k, 1, C]
    cotangent: chex.Array,  # [N, H', W', C]
) -> tuple[jax.Array, jax.Array]:
  """Cotangents of the input and the kernel of `depthwise`."""

  def run(border):
    def transpose(x, kernel, cotangent):
      dx, gradient = _convolution.transpose(
          x,
          _without(kernel, border),
          cotangent,
          stride=blocks.stride,
          groups=blocks.channels,
      )
      return dx, jnp.pad(gradient, (*[(border, border)] * 2, (0, 0), (0, 0)))

    return transpose

  return _by_size(blocks, member, run, x, kernel, cotangent)


def _by_size(
    blocks: Family,
    member: chex.Array,
    run: Callable[[int], Callable[..., Any]],
    *operands: chex.Array,
) -> Any:
  """`run(border)(*operands)`, the border being the kernel's zeros."""
  branches = [run((blocks.sizes[-1] - size) // 2) for size in blocks.sizes]
  if len(branches) == 1:
    return branches[0](*operands)
  which = [blocks.sizes.index(b.depthwise.size) for b in blocks.blocks]
  return lax.switch(blocks.of(member, which), branches, *operands)


def _without(kernel: chex.Array, border: int) -> jax.Array:
  """A kernel without its border of zeros."""
  inside = slice(border, kernel.shape[0] - border)
  return kernel[inside, inside]
