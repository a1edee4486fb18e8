"""The networks of DARTS (https://arxiv.org/abs/1806.09055), NAS-Bench-301's.

All edges of a cell run one program: a loop takes them one after the other, over
a buffer of the cell's nodes.
"""

from __future__ import annotations

import functools
from typing import Any

import chex
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import spaces
from nasflat_jax.zero_cost import _net
from nasflat_jax.zero_cost import _network
from nasflat_jax.zero_cost import _steps

_INPUTS, _STEPS = 2, 4
_EDGES = 2 * _STEPS
_STEM = 3  # its channels over those of the first cell


@functools.cache
def darts(
    *,
    channels: int = 32,
    num_cells: int = 8,
    num_classes: int = 10,
    resolution: int = 32,
) -> _network.Network:
  """Stem, cells at C, 2C and 4C channels, head.

  The cells after a third and after two thirds are reduction cells. A cell sees
  the outputs of the two before it, each by a 1x1 convolution (by a factorised
  reduction, if it has another size).

  Args:
    channels: C of the first cell.
    num_cells: cells.
    num_classes: K.
    resolution: height and width of the images.

  Returns:
    The network, of the 22 genes of `spaces.DARTS`.
  """
  return _network.network(
      functools.partial(
          _apply,
          channels=channels,
          num_cells=num_cells,
          num_classes=num_classes,
      ),
      num_genes=2 * (_STEPS - 1 + _EDGES),
      input_shape=(resolution, resolution, 3),
      num_classes=num_classes,
  )


def _rows(genes: chex.Array) -> dict[str, Any]:  # [11]
  """Source, target and operation of the eight edges of a cell."""
  names = spaces.DARTS.spec.gene_names
  # Codes of wirings are behind those of operations.
  pairs = np.array([
      [int(node) for node in name.split('_')[1:]]
      for name in names
      if name.startswith('in_')
  ])
  wiring = genes[: _STEPS - 1] - (len(names) - len(pairs))
  # The first step takes both inputs.
  wiring = jnp.concatenate([jnp.zeros(1, wiring.dtype), wiring])
  return {
      'source': jnp.asarray(pairs)[wiring].reshape(-1),
      'target': _INPUTS + jnp.arange(_EDGES) // 2,
      'op': genes[_STEPS - 1 :],
  }


def _separable(
    name: str, width: int, size: int, stride: int, dilation: int = 1
) -> _steps.Candidate:
  """ReLU, depthwise and pointwise convolution, normalisation."""
  return (
      _steps.Conv(
          f'{name}/depthwise', width, size, stride, 0, relu=True, norm=False,
          dilation=dilation,
      ),
      _steps.Conv(f'{name}/pointwise', width, 1, affine=False),
  )  # fmt: skip


def _candidates(
    width: int, stride: int, scope: str
) -> list[_steps.Candidate]:
  """In the order of the codes."""
  skip: _steps.Candidate = ()
  if stride > 1:
    skip = (
        _steps.Conv(
            f'{scope}skip', width, 1, stride, relu=True, halves=True,
            affine=False,
        ),
    )  # fmt: skip
  separable = [
      _separable(f'{scope}sep_{size}_first', width, size, stride)
      + _separable(f'{scope}sep_{size}_second', width, size, 1)
      for size in (3, 5)
  ]
  dilated = [
      _separable(f'{scope}dil_{size}', width, size, stride, 2)
      for size in (3, 5)
  ]
  return [
      (_steps.MaxPool(stride), _steps.Norm()),
      (_steps.AvgPool(stride), _steps.Norm()),
      skip,
      *separable,
      *dilated,
  ]


def _edge(
    net: _net.Net,
    state: tuple[jax.Array, jax.Array],
    row: dict[str, Any],
    *,
    stride: int,
) -> tuple[jax.Array, jax.Array]:
  """Adds what an edge gives to its target.

  Args:
    net: the run.
    state: `[N, H, W, V, C]` nodes of the cell, and what it passes on. In a
      reduction cell steps are in the upper left quarter of their maps.
    row: of `_rows`.
    stride: of edges that leave an input.

  Returns:
    The new state.
  """
  nodes, passed = state
  height, width, num_nodes, channels = nodes.shape[1:]
  x = lax.dynamic_index_in_dim(nodes, row['source'], 3, keepdims=False)
  candidates, chosen = _candidates(channels, stride, ''), row['op']
  if stride > 1:
    corner = _steps.Corner(-(-height // stride), -(-width // stride))
    inner = _candidates(channels, 1, 'inner/')
    chosen += jnp.where(row['source'] < _INPUTS, 0, len(candidates))
    candidates += [(corner, *steps) for steps in inner]
  y = net.choose('', chosen, candidates, x)
  y = jnp.pad(
      y,
      (
          (0, 0),
          (0, height - y.shape[1]),
          (0, width - y.shape[2]),
          (0, 0),
      ),
  )
  here = (jnp.arange(num_nodes) == row['target'])[:, None]
  return nodes + jnp.where(here, y[..., None, :], 0.0), passed


def _cell(
    net: _net.Net,
    before: jax.Array,  # [N, H0, W0, I0]
    last: jax.Array,  # [N, H, W, I]
    genes: chex.Array,  # [11]
    *,
    width: int,
    stride: int,
    name: str,
) -> tuple[jax.Array, jax.Array]:
  """`last` as the loop over edges rescaled it, and the cell's output."""
  inputs = []
  for place, x in enumerate((before, last)):
    halved = x.shape[1] != last.shape[1]
    step = _steps.Conv(
        f'{name}/input_{place}', width, 1, 2 if halved else 1, relu=True,
        halves=halved,
    )  # fmt: skip
    inputs.append(net.choose('', None, [(step,)], x))
  blank = jnp.zeros_like(inputs[0])
  nodes = jnp.stack([*inputs, *[blank] * _STEPS], axis=3)
  nodes, last = net.repeat(
      f'{name}/edges',
      _EDGES,
      functools.partial(_edge, stride=stride),
      (nodes, last),
      _rows(genes),
  )
  num, height, width = nodes.shape[:3]
  sides = -(-height // stride), -(-width // stride)
  steps = nodes[:, : sides[0], : sides[1], _INPUTS:]
  return last, steps.reshape(num, *sides, -1)


def _apply(
    net: _net.Net,
    genotype: chex.Array,  # [22]
    images: chex.Array,  # [N, H, W, 3]
    *,
    channels: int,
    num_cells: int,
    num_classes: int,
) -> jax.Array:
  normal, reduction = jnp.split(genotype, 2)
  x = net.bottleneck(net.conv_norm('stem', images, _STEM * channels, 3))
  before, last, width = x, x, channels
  for cell in range(num_cells):
    reduces = cell in (num_cells // 3, 2 * num_cells // 3)
    width *= 2 if reduces else 1
    before, last = _cell(
        net,
        before,
        last,
        reduction if reduces else normal,
        width=width,
        stride=2 if reduces else 1,
        name=f'cell_{cell}',
    )
  return net.linear('head', net.global_pool(last, border=1), num_classes)
