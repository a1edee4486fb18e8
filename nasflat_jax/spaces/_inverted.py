"""Chains of inverted residual blocks: places, costs and descriptions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _layer_costs as layers
from nasflat_jax.spaces import _operators


class Place(NamedTuple):
  """Where a searchable layer sits; sizes are sides of square maps."""

  channels_in: int
  channels_out: int
  stride: int
  size_in: int
  size_out: int


def places(
    *, channels: int, size: int, stages: Iterable[tuple[int, int, int]]
) -> tuple[Place, ...]:
  """The layers in order.

  Args:
    channels: of the first layer's input.
    size: of the first layer's input.
    stages: channels, layers and stride of the first layer, of each stage.
  """
  found = []
  for wide, depth, stage_stride in stages:
    for layer in range(depth):
      stride = stage_stride if layer == 0 else 1
      after = -(-size // stride)
      found.append(Place(channels, wide, stride, size, after))
      channels, size = wide, after
  return tuple(found)


def block(place: Place, kernel: int, expansion: int) -> np.ndarray:
  """`[7]` costs: 1x1 expansion, depthwise, 1x1 projection, residual."""
  narrow, wide = place.channels_in, place.channels_in * expansion
  size_in, size_out = place.size_in, place.size_out
  cost = (
      layers.conv(wide, wide, kernel, size_in, size_out, groups=wide)
      + layers.relu(wide * size_out**2)
      + layers.conv(wide, place.channels_out, 1, size_out, size_out)
  )
  if expansion > 1:
    cost = cost + layers.conv(narrow, wide, 1, size_in, size_in)
    cost = cost + layers.relu(wide * size_in**2)
  if place.stride == 1 and narrow == place.channels_out:
    elements = narrow * size_out**2
    cost = cost + layers.elementwise(2 * elements, elements, 0)
  return cost


def head(last: Place, mixed: int, classes: int) -> np.ndarray:
  """`[7]` costs of a 1x1 convolution, global pooling and a classifier.

  Args:
    last: the last searchable layer.
    mixed: channels after the convolution.
    classes: outputs of the classifier.
  """
  elements = mixed * last.size_out**2
  return (
      layers.conv(last.channels_out, mixed, 1, last.size_out, last.size_out)
      + layers.relu(elements)
      + layers.elementwise(elements, mixed, elements)
      + layers.linear(mixed, classes)
  )


def node_features(found: Sequence[Place]) -> tuple[tuple[float, ...], ...]:
  """`[G][5]`: log channels in and out, stride, log size, relative depth."""
  rows = [
      (
          np.log(place.channels_in) / 6,
          np.log(place.channels_out) / 6,
          place.stride / 2,
          np.log(place.size_in) / 6,
          (depth + 1) / len(found),
      )
      for depth, place in enumerate(found)
  ]
  return tuple(tuple(row) for row in np.array(rows).round(6).tolist())


def chain_spec(
    name: str,
    *,
    gene_names: tuple[str, ...],
    operators: Sequence[types.Operator],
    nodes: tuple[tuple[float, ...], ...],
    costs: tuple[tuple[tuple[float, ...], ...], ...],
    size: int | None,
    gene_ranges: tuple[tuple[int, int], ...] | None = None,
) -> types.SpaceSpec:
  """The description of a chain input -> genes -> output."""
  num_genes = len(nodes)
  zero = (0.0,) * len(costs[0][0])
  ends = (zero,) * (len(gene_names) + 2)
  no_node = (0.0,) * len(nodes[0])
  return types.SpaceSpec(
      name=name,
      gene_names=gene_names,
      op_names=(*gene_names, 'input', 'output'),
      operators=_operators.with_ends(*operators),
      num_genes=num_genes,
      num_cells=1,
      num_nodes=num_genes + 2,
      edges=tuple((node, node + 1) for node in range(num_genes + 1)),
      node_features=(no_node, *nodes, no_node),
      op_features=(ends, *((*layer, zero, zero) for layer in costs), ends),
      size=size,
      gene_ranges=gene_ranges,
  )
