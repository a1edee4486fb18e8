"""Analytic costs of TransNASBench-101's cell-level networks.

Five modules of two cells (https://arxiv.org/abs/2105.11871); the first cell of
modules one, three and five halves the side and doubles the channels, on the
edges that leave its input. On those a skip is two strided 1x1 convolutions.

`ninapro`, `svhn` and `scifar100` are the smaller networks on which
NAS-Bench-Suite-Zero (https://arxiv.org/abs/2210.03230) counts and scores: a
single 3x3 stem of stride 1 and three modules.
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
from nasflat_jax.spaces import _transnas_parts as parts

NUM_OPS = 4
_CELLS_PER_MODULE = 2
_SMALL = {
    # Channels and size of an image, number of classes.
    'ninapro': (1, (16, 52), 18),
    'svhn': (3, (32, 32), 10),
    'scifar100': (3, (60, 60), 100),
}
SETTINGS = (*parts.TASKS, *_SMALL)
_FROM_INPUT = (0, 1, 3)  # edges of the cell


class Tables(NamedTuple):
  """Float64 costs; the last axis is `layers.FIELDS`.

  Attributes:
    fixed: `[7]` stem and head.
    ops: `[6, 4, 7]` an operation on an edge, over all cells.
    addition: `[7]` the sum of two maps, over all cells.
    reductions: cells that halve the side.
    cells: all cells.
  """

  fixed: np.ndarray
  ops: np.ndarray
  addition: np.ndarray
  reductions: int
  cells: int


@functools.cache
def tables(setting: str) -> Tables:
  """Costs of the parts; `ValueError` for an unknown setting."""
  parts.check_task('transnas_micro', setting, SETTINGS)
  channels = parts.BASE_CHANNELS
  size: tuple[int, int]
  if setting in _SMALL:
    image_channels, size, classes = _SMALL[setting]
    fixed = layers.conv(image_channels, channels, 3, size, size)
    modules = 3
  else:
    fixed, side = parts.stem(parts.image_side(setting))
    fixed, size, modules = parts.repeated(setting, fixed), (side, side), 5
  ops = np.zeros((_edge_cell.NUM_GENES, NUM_OPS, len(layers.FIELDS)))
  addition = layers.vector()
  for place in range(_CELLS_PER_MODULE * modules):
    reduces = place % (2 * _CELLS_PER_MODULE) == 0
    wide = channels * 2 if reduces else channels
    after = (size[0] // 2, size[1] // 2) if reduces else size
    for edge in range(_edge_cell.NUM_GENES):
      first = edge in _FROM_INPUT
      source = (channels, size) if first else (wide, after)
      for op, kernel in ((2, 1), (3, 3)):
        ops[edge, op] += parts.relu_conv_norm(
            source[0], wide, kernel, source[1], after
        )
      if first and reduces:
        ops[edge, 1] += _reduction(*source, after, setting not in _SMALL)
    elements = wide * layers.pixels(after)
    addition = addition + layers.elementwise(2 * elements, elements, 0)
    channels, size = wide, after
  if setting in _SMALL:
    head = parts.classifier(channels, size, classes)
  else:
    head = parts.head(setting, channels, size[0])
  return Tables(
      fixed + head,
      parts.repeated(setting, ops),
      parts.repeated(setting, addition),
      (modules + 1) // 2,
      _CELLS_PER_MODULE * modules,
  )


def _reduction(
    channels: int, size: tuple[int, int], after: tuple[int, int], affine: bool
) -> np.ndarray:
  """Two 1x1 convolutions of stride 2, each to half of the channels."""
  half = layers.conv(channels, channels, 1, size, after)
  cost = 2 * half + layers.relu(channels * layers.pixels(size))
  cost[layers.FIELDS.index('critical_path')] = 1  # they run side by side
  if not affine:  # nothing to learn, and one operation less per element
    written = 2 * channels * layers.pixels(after)
    cost = cost - layers.vector(params=4 * channels, flops=written)
  return cost


def op_costs(
    genotype: chex.Array, setting: str = 'class_scene'
) -> types.Costs:
  """Costs of the operation on each edge, summed over the network's cells.

  Args:
    genotype: `[B, 6]`. NumPy gives exact float64; JAX float32, jittable.
    setting: one of the seven tasks, or `ninapro`, `svhn`, `scifar100`.

  Returns:
    `Costs` with `[B, 6]` fields. `none` costs nothing, nor does a skip but
    where a cell halves the side. Additions belong to no edge.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  genotype = layers.as_array(genotype)
  return layers.as_costs(layers.gather(tables(setting).ops, genotype))


def costs(genotype: chex.Array, setting: str = 'class_scene') -> types.Costs:
  """Costs of whole networks.

  `params` and `flops` of `class_scene`, `ninapro`, `svhn` and `scifar100` are
  NAS-Bench-Suite-Zero's, exactly. Operations on dead edges count, as they do
  there. A jigsaw's nine tiles count as one batch.

  `kernels`: one per convolution (with its ReLU and normalisation), two per
  strided skip, and `m - 1` additions at a node that `m` edges other than `none`
  enter; stem and head. `critical_path`: as in NAS-Bench-201.

  Args:
    genotype: `[B, 6]`. NumPy gives exact float64; JAX float32, jittable.
    setting: one of the seven tasks, or `ninapro`, `svhn`, `scifar100`.

  Returns:
    `Costs` with `[B]` fields.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  found = tables(setting)
  genotype = layers.as_array(genotype)
  xp = jnp if isinstance(genotype, jax.Array) else np
  dtype = jnp.float32 if xp is jnp else np.float64
  summed = layers.total(found.fixed, layers.gather(found.ops, genotype))
  additions = _edge_cell.additions(genotype)[:, None].astype(dtype)
  summed = summed + additions * xp.asarray(found.addition, dtype)
  path = xp.full(
      len(genotype), found.fixed[layers.FIELDS.index('critical_path')], dtype
  )
  for cells, reduces in (
      (found.reductions, True), (found.cells - found.reductions, False)
  ):
    launches = np.tile(np.array([0, 0, 1, 1]), (_edge_cell.NUM_GENES, 1))
    launches[list(_FROM_INPUT), 1] = reduces
    chain = _edge_cell.longest_chain(genotype, launches)
    path = path + cells * chain.astype(dtype)
  return layers.as_costs(summed, critical_path=path)
