"""The networks of NAS-Bench-201 (https://arxiv.org/abs/2001.00326)."""

from __future__ import annotations

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import spaces
from nasflat_jax.zero_cost import _net
from nasflat_jax.zero_cost import _network
from nasflat_jax.zero_cost import _steps

# Sender and receiver of each gene, in the order of the architecture string.
_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


@functools.cache
def nasbench201(
    *,
    channels: int = 16,
    num_cells: int = 5,
    num_classes: int = 10,
    resolution: int = 32,
) -> _network.Network:
  """Stem, three stages of cells at C, 2C and 4C channels, head.

  Between stages stands a residual block of stride 2. An edge's convolution is
  ReLU, convolution, batch normalisation; its 3x3 pool has none.

  Args:
    channels: C of the first stage.
    num_cells: cells in each stage.
    num_classes: K.
    resolution: height and width of the images.

  Returns:
    The network.
  """
  return _network.network(
      functools.partial(
          _apply,
          channels=channels,
          num_cells=num_cells,
          num_classes=num_classes,
      ),
      num_genes=6,
      input_shape=(resolution, resolution, 3),
      num_classes=num_classes,
      simplify=_simplify,
  )


def _simplify(genotype: np.ndarray) -> np.ndarray:
  """Dead operations become `none`."""
  return np.where(spaces.live_edges(genotype), genotype, 0)


def _candidates(width: int) -> tuple[_steps.Candidate, ...]:
  return (
      (_steps.Zero(),),
      (),
      (_steps.Conv('conv_1x1', width, 1, relu=True),),
      (_steps.Conv('conv_3x3', width, 3, relu=True),),
      (_steps.AvgPool(),),
  )


def _apply(
    net: _net.Net,
    genotype: chex.Array,  # [6]
    images: chex.Array,  # [N, H, W, 3]
    *,
    channels: int,
    num_cells: int,
    num_classes: int,
) -> jax.Array:
  x = net.bottleneck(net.conv_norm('stem', images, channels, 3))
  for stage in range(3):
    width = channels * 2**stage
    if stage:
      x = _reduction(net, f'reduction_{stage}', x, width)
    candidates = _candidates(width)

    def cell(net: _net.Net, x: jax.Array, candidates=candidates) -> jax.Array:
      zero = jnp.zeros_like(x)
      nodes = [x, zero, zero, zero]
      for edge, (sender, receiver) in enumerate(_EDGES):
        nodes[receiver] += net.choose(
            f'edge_{edge}', genotype[edge], candidates, nodes[sender]
        )
      return nodes[-1]

    x = net.repeat(f'stage_{stage}', num_cells, cell, x)
  x = net.relu(net.batch_norm(x))
  # The published flops are of a counter that takes the pool's window one
  # larger than the map.
  return net.linear('head', net.global_pool(x, border=1), num_classes)


def _reduction(
    net: _net.Net, name: str, x: jax.Array, width: int
) -> jax.Array:
  y = net.conv_norm(f'{name}/conv_a', x, width, 3, stride=2, relu=True)
  y = net.conv_norm(f'{name}/conv_b', y, width, 3, relu=True)
  shortcut = net.conv(f'{name}/shortcut', net.avg_pool_2x2(x), width, 1)
  return net.bottleneck(y + shortcut)
