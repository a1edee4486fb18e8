"""Costs of the layers of cell networks: operations, projections, skeleton."""

from __future__ import annotations

import numpy as np

from nasflat_jax.spaces import _cell_rules
from nasflat_jax.spaces import _layer_costs as layers

SIZE, CLASSES = 32, 10
STAGES = 3
# Channels of the stem over those of the first cell.
_STEM = 3


def _norm(elements: int, channels: int, affine: bool) -> np.ndarray:
  """A batch normalisation, folded into what precedes it."""
  return layers.vector(
      flops=elements * (2 if affine else 1),
      params=2 * channels * affine,
      weight_bytes=4 * channels,
  )


def _conv(channels_in, channels_out, kernel, size_in, size_out, affine):
  """ReLU, convolution, normalisation."""
  return (
      layers.relu(channels_in * size_in**2)
      + layers.conv(
          channels_in, channels_out, kernel, size_in, size_out, norm=False
      )
      + _norm(channels_out * size_out**2, channels_out, affine)
  )


def _separable(channels, kernel, size_in, size_out, affine):
  """ReLU, depthwise and pointwise convolution, normalisation."""
  return (
      layers.relu(channels * size_in**2)
      + layers.conv(
          channels, channels, kernel, size_in, size_out,
          groups=channels, norm=False,
      )
      + layers.conv(channels, channels, 1, size_out, size_out, norm=False)
      + _norm(channels * size_out**2, channels, affine)
  )  # fmt: skip


def _pair(channels, kernel, size_in, size_out, affine):
  """ReLU, convolutions of 1 x k and of k x 1, normalisation."""
  weights = kernel * channels**2
  total = layers.relu(channels * size_in**2)
  read = channels * size_in**2
  for written in (channels * size_in * size_out, channels * size_out**2):
    multiply_adds = weights * written // channels
    total = total + layers.vector(
        multiply_adds=multiply_adds,
        flops=multiply_adds,
        params=weights,
        weight_bytes=4 * weights,
        activation_bytes=4 * (read + written),
        kernels=1,
        critical_path=1,
    )
    read = written
  return total + _norm(channels * size_out**2, channels, affine)


def factorized_reduce(channels_in, channels_out, size_in, affine):
  """ReLU, two 1x1 convolutions of stride 2, side by side, normalisation."""
  size_out = size_in // 2
  half = layers.conv(
      channels_in, channels_out // 2, 1, size_in, size_out, norm=False
  )
  written = channels_out * size_out**2
  total = (
      layers.relu(channels_in * size_in**2)
      + 2 * half
      + layers.elementwise(written, written, 0)
      + _norm(written, channels_out, affine)
  )
  total[layers.FIELDS.index('critical_path')] = 2  # they run side by side
  return total


def _pool(channels, kernel, size_in, size_out, norm):
  """Pooling, and a normalisation without parameters where `norm`."""
  written = channels * size_out**2
  total = layers.elementwise(
      channels * size_in**2, written, kernel**2 * written
  )
  if norm:  # a kernel of its own
    total = total + layers.elementwise(written, written, written)
    total = total + layers.vector(weight_bytes=4 * 2 * channels)
  return total


def operation(
    rules: _cell_rules.CellRules,
    name: str,
    channels: int,
    size_in: int,
    size_out: int,
) -> np.ndarray:
  """`[7]` costs of one operation of an edge, from `size_in` to `size_out`."""
  zero, affine = layers.vector(), rules.affine
  if name == 'none':
    return zero
  if name == 'skip_connect':
    if size_in == size_out:
      return zero
    return factorized_reduce(channels, channels, size_in, affine)
  kind, _, rest = name.rpartition('_')
  kernel = int(rest[-1])  # also of 1xk after kx1
  if kind in ('avg_pool', 'max_pool'):
    return _pool(channels, kernel, size_in, size_out, rules.pool_norm)
  sizes = (size_in, size_out, affine)
  if kind == 'conv':
    return _conv(channels, channels, kernel, *sizes)
  if kind == 'dil_conv':
    return _separable(channels, kernel, *sizes)
  if kind in ('sep_conv', 'dil_sep_conv'):
    return _separable(channels, kernel, *sizes) + _separable(
        channels, kernel, size_out, size_out, affine
    )
  if name in ('conv_3x1_1x3', 'conv_7x1_1x7'):
    return _pair(channels, kernel, *sizes)
  raise ValueError(f'unknown operation {name!r}')


def reductions(depth: int) -> tuple[int, int]:
  """Places of the two reduction cells in a network of so many cells."""
  return depth // STAGES, 2 * depth // STAGES


def cell_counts(depth: int) -> np.ndarray:
  """`[2, 3]` normal and reduction cells at the three resolutions."""
  first, second = reductions(depth)
  normal = [first, second - first - 1, depth - second - 1]
  return np.array([normal, [0, 1, 1]])


def rest(
    rules: _cell_rules.CellRules,
    width: int,
    depth: int,
    normal: int,
    reduce: int,
) -> np.ndarray:
  """`[7]` costs of a network without its operations and additions.

  Args:
    rules: the space's rules.
    width: channels of the first cell.
    depth: number of cells.
    normal: steps that a normal cell concatenates.
    reduce: steps that a reduction cell concatenates.
  """
  channels, size = width, SIZE
  before = last = _STEM * width
  total = layers.conv(3, last, 3, size, size)
  reduced = False
  for place in range(depth):
    reducing = place in reductions(depth)
    channels *= 2 if reducing else 1
    if reduced:
      total = total + factorized_reduce(before, channels, 2 * size, True)
    else:
      total = total + _conv(before, channels, 1, size, size, True)
    total = total + _conv(last, channels, 1, size, size, True)
    size //= 2 if reducing else 1
    parts = reduce if reducing else normal
    written = parts * channels * size**2
    if parts > 1:
      total = total + layers.elementwise(written, written, 0)
    before, last, reduced = last, parts * channels, reducing
  # The benchmark's counter takes (size + 1)^2 per channel for this pooling.
  pool = layers.elementwise(last * size**2, last, last * (size + 1) ** 2)
  return total + pool + layers.linear(last, CLASSES)
