"""The networks of TransNAS-Bench-101 (https://arxiv.org/abs/2105.11871)."""

from __future__ import annotations

import functools

import chex
import jax
import numpy as np

from nasflat_jax import spaces
from nasflat_jax.zero_cost import _net
from nasflat_jax.zero_cost import _network
from nasflat_jax.zero_cost import _steps

# Sender and receiver of each gene, in the order of the architecture string.
_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
# Cells of 2C, 4C and 8C channels: modules 1, 3 and 5 of two cells each begin
# with one that halves the map, modules 2 and 4 leave it.
_CELLS = (4, 4, 2)


@functools.cache
def transnas_micro(
    *, channels: int = 64, num_classes: int = 63, resolution: int = 256
) -> _network.Network:
  """Stem, ten equal cells at 2C, 4C and 8C channels, head.

  Two convolutions of stride 2 are the stem. The first cell of each width has
  stride 2 in the edges that leave its input: there, a skip is a factorised
  reduction. The head is that of classification, by default of `class_scene`.
  Convolutions are normal with variance two over the fan-out.

  Args:
    channels: C after the stem.
    num_classes: K.
    resolution: height and width of the images.

  Returns:
    The network, of genes 0 to 3: none, skip, 1x1 and 3x3 convolution.
  """
  return _network.network(
      functools.partial(_apply, channels=channels, num_classes=num_classes),
      num_genes=6,
      input_shape=(resolution, resolution, 3),
      num_classes=num_classes,
      initial=_network.kaiming_normal,
      simplify=_simplify,
  )


def _simplify(genotype: np.ndarray) -> np.ndarray:
  """Dead operations become `none`; cells are wired as NAS-Bench-201's."""
  return np.where(spaces.live_edges(genotype), genotype, 0)


def _candidates(width: int, stride: int) -> tuple[_steps.Candidate, ...]:
  conv = functools.partial(_steps.Conv, stride=stride, relu=True)
  skip: _steps.Candidate = ()
  if stride > 1:
    skip = (conv('skip', width, 1, halves=True),)
  return (
      (_steps.Zero(width, stride),),
      skip,
      (conv('conv_1x1', width, 1),),
      (conv('conv_3x3', width, 3),),
  )


def _cell(
    net: _net.Net,
    x: jax.Array,  # [N, H, W, I]
    genotype: chex.Array,  # [6]
    *,
    width: int,
    stride: int = 1,
    name: str = '',
) -> jax.Array:  # [N, H / stride, W / stride, O]
  nodes = {0: x}
  for edge, (sender, receiver) in enumerate(_EDGES):
    y = net.choose(
        f'{name}edge_{edge}',
        genotype[edge],
        _candidates(width, 1 if sender else stride),
        nodes[sender],
    )
    nodes[receiver] = nodes[receiver] + y if receiver in nodes else y
  return nodes[3]


def _apply(
    net: _net.Net,
    genotype: chex.Array,  # [6]
    images: chex.Array,  # [N, H, W, 3]
    *,
    channels: int,
    num_classes: int,
) -> jax.Array:
  x = net.conv_norm('stem_a', images, channels // 2, 3, stride=2)
  x = net.conv_norm('stem_b', x, channels, 3, stride=2, relu=True)
  x = net.bottleneck(x)
  for stage, num_cells in enumerate(_CELLS):
    width = channels * 2 ** (stage + 1)
    x = _cell(
        net, x, genotype, width=width, stride=2, name=f'reduction_{stage}/'
    )
    x = net.bottleneck(x)
    cell = functools.partial(_cell, genotype=genotype, width=width)
    x = net.repeat(f'stage_{stage}', num_cells - 1, cell, x)
  # The published flops are of a counter that takes the pool's window one
  # larger than the map.
  return net.linear('head', net.global_pool(x, border=1), num_classes)
