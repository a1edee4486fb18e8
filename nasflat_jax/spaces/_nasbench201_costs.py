"""Analytic costs of NAS-Bench-201 networks.

The network (https://arxiv.org/abs/2001.00326): a 3x3 stem to 16 channels;
three stages of five cells with 16, 32 and 64 channels; between stages a
residual block of stride 2 whose shortcut is a 2x2 average pooling and a 1x1
convolution; then normalisation, ReLU, global pooling and a linear classifier.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _edge_cell
from nasflat_jax.spaces import _layer_costs as layers

_CELLS_PER_STAGE = 5
_CHANNELS = (16, 32, 64)
# Image side and number of classes.
_SETTINGS = {
    'cifar10': (32, 10),
    'cifar100': (32, 100),
    'imagenet16-120': (16, 120),
}
# Kernels in a row of each operation, on any edge.
_LAUNCHES = np.tile(np.array([0, 0, 1, 1, 1]), (_edge_cell.NUM_GENES, 1))


class Tables(NamedTuple):
  """Float64 costs; the last axis is `layers.FIELDS`.

  Attributes:
    fixed: `[7]` stem, residual blocks and head.
    ops: `[6, 5, 7]` an operation on an edge, over all cells.
    addition: `[7]` the sum of two maps, over all cells.
  """

  fixed: np.ndarray
  ops: np.ndarray
  addition: np.ndarray


@functools.cache
def tables(setting: str) -> Tables:
  """Costs of the parts; `ValueError` for an unknown setting."""
  if setting not in _SETTINGS:
    raise ValueError(
        f'nasbench201: unknown setting {setting!r}; known: '
        + ', '.join(_SETTINGS)
    )
  size, classes = _SETTINGS[setting]
  fixed = layers.conv(3, _CHANNELS[0], 3, size, size)
  ops = np.zeros((5, len(layers.FIELDS)))
  addition = np.zeros(len(layers.FIELDS))
  channels = _CHANNELS[0]
  for wide in _CHANNELS:
    if wide != channels:
      fixed = fixed + _residual(channels, wide, size)
      channels, size = wide, size // 2
    elements = channels * size**2
    for op, kernel in ((2, 1), (3, 3)):
      ops[op] += _CELLS_PER_STAGE * (
          layers.conv(channels, channels, kernel, size, size)
          + layers.relu(elements)
      )
    ops[4] += _CELLS_PER_STAGE * layers.elementwise(
        elements, elements, 9 * elements
    )
    addition += _CELLS_PER_STAGE * layers.elementwise(
        2 * elements, elements, 0
    )
  fixed = fixed + _head(channels, size, classes)
  return Tables(fixed, np.broadcast_to(ops, (6, *ops.shape)), addition)


def _residual(channels: int, wide: int, size: int) -> np.ndarray:
  """ReLU-conv-norm twice, the first of stride 2, and the shortcut."""
  half = size // 2
  shortcut = layers.elementwise(
      channels * size**2, channels * half**2, 4 * channels * half**2
  ) + layers.conv(channels, wide, 1, half, half, norm=False)
  # The chain through the two 3x3 convolutions is as long as the shortcut's.
  shortcut[layers.FIELDS.index('critical_path')] = 0
  return (
      layers.relu(channels * size**2)
      + layers.conv(channels, wide, 3, size, half)
      + layers.relu(wide * half**2)
      + layers.conv(wide, wide, 3, half, half)
      + shortcut
      + layers.elementwise(2 * wide * half**2, wide * half**2, 0)
  )


def _head(channels: int, size: int, classes: int) -> np.ndarray:
  elements = channels * size**2
  # No convolution precedes this normalisation: a kernel of its own.
  norm = layers.elementwise(elements, elements, 3 * elements)
  norm = norm + layers.vector(
      params=2 * channels, weight_bytes=4 * 2 * channels
  )
  # The benchmark's counter takes (size + 1)^2 per channel for this pooling.
  pool = layers.elementwise(elements, channels, channels * (size + 1) ** 2)
  return norm + pool + layers.linear(channels, classes)


def op_costs(genotype: chex.Array, setting: str = 'cifar10') -> types.Costs:
  """Costs of the operation on each edge, summed over the network's 15 cells.

  Args:
    genotype: `[B, 6]`. NumPy gives exact float64; JAX float32, jittable.
    setting: `cifar10`, `cifar100` or `imagenet16-120`.

  Returns:
    `Costs` with `[B, 6]` fields; `critical_path` equals `kernels`. `none` and
    `skip_connect` cost nothing. Additions belong to no edge.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  genotype = layers.as_array(genotype)
  return layers.as_costs(layers.gather(tables(setting).ops, genotype))


def costs(genotype: chex.Array, setting: str = 'cifar10') -> types.Costs:
  """Costs of whole networks.

  `params` and `flops` are those of NAS-Bench-Suite-Zero, exactly. Operations
  on dead edges count, as they do there; `none` and `skip_connect` are free.

  `kernels`: one per convolution (with its ReLU and normalisation), one per
  pooling, and `m - 1` additions at a node that `m` edges other than `none`
  enter, in each of 15 cells; 14 for the stem, two residual blocks and the
  head. `critical_path`: kernels on the longest chain from image to logits
  through live edges, where a node sums its live inputs in order of their
  source, one addition after the other; 10 of them lie outside the cells, and
  a cell whose output does not depend on its input contributes none.

  Args:
    genotype: `[B, 6]`. NumPy gives exact float64; JAX float32, jittable.
    setting: `cifar10`, `cifar100` or `imagenet16-120`.

  Returns:
    `Costs` with `[B]` fields.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  parts = tables(setting)
  genotype = layers.as_array(genotype)
  xp = jnp if isinstance(genotype, jax.Array) else np
  dtype = jnp.float32 if xp is jnp else np.float64
  summed = layers.total(parts.fixed, layers.gather(parts.ops, genotype))
  additions = _edge_cell.additions(genotype)
  chain = _edge_cell.longest_chain(genotype, _LAUNCHES)
  summed = summed + additions[:, None].astype(dtype) * xp.asarray(
      parts.addition, dtype
  )
  repeats = _CELLS_PER_STAGE * len(_CHANNELS)
  skeleton = parts.fixed[layers.FIELDS.index('critical_path')]
  path = (repeats * chain + int(skeleton)).astype(dtype)
  return layers.as_costs(summed, critical_path=path)
