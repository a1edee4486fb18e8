"""NAS-Bench-201 networks (Dong and Yang, https://arxiv.org/abs/2001.00326)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax.measure import _layers

# Sender and receiver of each gene, in the order of the architecture string.
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
NONE, SKIP, CONV_1X1, CONV_3X3, AVG_POOL = range(5)

# Setting: (resolution, classes).
SETTINGS = {
    'cifar10': (32, 10),
    'cifar100': (32, 100),
    'imagenet16-120': (16, 120),
}


def network(
    genotype: np.ndarray,  # [6]
    *,
    resolution: int,
    num_classes: int,
    channels: int = 16,
    num_cells: int = 5,
) -> _layers.Network:
  """Stem, three stages of cells at `C`, `2C`, `4C` channels, head.

  Between stages stands a residual block of stride 2. An edge's convolution is
  ReLU, convolution, batch normalisation; the 3x3 pool has none. A node is the
  sum of its edges, zero if it has none.

  Args:
    genotype: `[6]` operation of each edge.
    resolution: height and width of the images.
    num_classes: K.
    channels: C of the first stage.
    num_cells: cells in each stage.

  Returns:
    The network.
  """
  table = _layers.ShapeTable()
  table.conv('stem', 3, 3, channels)
  table.batch_norm('stem', channels)
  width = channels
  for stage in range(3):
    if stage:
      name = f'reduction{stage}'
      table.conv(f'{name}_a', 3, width, 2 * width)
      table.batch_norm(f'{name}_a', 2 * width)
      table.conv(f'{name}_b', 3, 2 * width, 2 * width)
      table.batch_norm(f'{name}_b', 2 * width)
      table.conv(f'{name}_shortcut', 1, width, 2 * width)
      width *= 2
    for cell in range(num_cells):
      for edge, op in enumerate(genotype):
        if op in (CONV_1X1, CONV_3X3):
          name = _edge_name(stage, cell, edge, op)
          table.conv(name, 1 if op == CONV_1X1 else 3, width, width)
          table.batch_norm(name, width)
  table.batch_norm('head', width)
  table.linear('classifier', width, num_classes)

  def conv_norm(
      params: _layers.Params, name: str, x: jax.Array, stride: int = 1
  ) -> jax.Array:
    x = _layers.conv(params, name, x, stride=stride)
    return _layers.batch_norm(params, name, x)

  def reduction(
      params: _layers.Params, stage: int, x: jax.Array
  ) -> jax.Array:
    name = f'reduction{stage}'
    y = conv_norm(params, f'{name}_a', jax.nn.relu(x), stride=2)
    y = conv_norm(params, f'{name}_b', jax.nn.relu(y))
    shortcut = _layers.avg_pool_2x2(x)
    return y + _layers.conv(params, f'{name}_shortcut', shortcut)

  def apply_cell(
      params: _layers.Params, stage: int, cell: int, x: jax.Array
  ) -> jax.Array:
    # None is a node that is zero: the compiler would find its convolutions to
    # be zero as well, but take seconds over its pools.
    nodes: list[jax.Array | None] = [x, None, None, None]
    for edge, ((sender, receiver), op) in enumerate(zip(EDGES, genotype)):
      y = nodes[sender]
      if op in (CONV_1X1, CONV_3X3):
        name = _edge_name(stage, cell, edge, op)
        if y is None:
          y = _layers.batch_norm(params, name, jnp.zeros_like(x))
        else:
          y = conv_norm(params, name, jax.nn.relu(y))
      elif y is not None and op == AVG_POOL:
        y = _layers.avg_pool_3x3(y)
      if op == NONE or y is None:
        continue
      total = nodes[receiver]
      nodes[receiver] = y if total is None else total + y
    output = nodes[-1]
    return jnp.zeros_like(x) if output is None else output

  def apply(params: _layers.Params, images: jax.Array) -> jax.Array:
    x = conv_norm(params, 'stem', images)
    for stage in range(3):
      if stage:
        x = reduction(params, stage, x)
      for cell in range(num_cells):
        x = apply_cell(params, stage, cell, x)
    x = jax.nn.relu(_layers.batch_norm(params, 'head', x))
    return _layers.linear(params, 'classifier', _layers.global_pool(x))

  return _layers.make_network(table, apply, (resolution, resolution, 3))


def _edge_name(stage: int, cell: int, edge: int, op: int) -> str:
  size = '1x1' if op == CONV_1X1 else '3x3'
  return f'stage{stage}_cell{cell}_edge{edge}_{size}'
