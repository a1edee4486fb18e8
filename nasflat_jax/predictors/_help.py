"""HELP's predictor: an architecture branch, a hardware branch and a head.

Lee et al., "Hardware-adaptive Efficient Latency Prediction for NAS via
Meta-Learning", NeurIPS 2021, https://arxiv.org/abs/2106.08630. A device is
described by its latencies at ten reference architectures. Cells are read by
graph convolutions, chains of layers by dense layers.
"""

import re
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.predictors import _layers

_WIDTH = 100
_HEAD = 200
_GRAPH_LAYERS = 4
_DENSE_LAYERS = 2
_HEAD_LAYERS = 3
_MODULATION = 0.01  # how far z = 1 moves a weight, relatively
_BLOCK = re.compile(r'k(\d+)_(.+)')

# Entries of z: a factor for each input of the head's layers, and an offset for
# the bias vector of each layer.
MODULATION_SIZE = _HEAD_LAYERS * (_HEAD + 1)


def _is_chain(spec: types.SpaceSpec) -> bool:
  return spec.edges == tuple((v, v + 1) for v in range(spec.num_nodes - 1))


def _node_columns(spec: types.SpaceSpec) -> np.ndarray:
  """`[O + 2]` feature column of each operation: input, sorted, output.

  The published order swaps columns, which the initial weights do not notice.
  """
  names = ('input', *sorted(spec.gene_names), 'output')
  return np.array([names.index(name) for name in spec.op_names])


def _gather_matrix(spec: types.SpaceSpec) -> np.ndarray:
  """`[V + 1, V + 1]`: row j is 1 where node j reads, the last node all."""
  size = spec.num_nodes + 1
  matrix = np.eye(size, dtype=np.float32)
  senders, receivers = np.array(spec.edges).T
  matrix[receivers, senders] = 1.0
  matrix[-1] = 1.0
  return matrix


def _bit_table(spec: types.SpaceSpec) -> np.ndarray:
  """`[G, O, F]` float32 bits of each operation at each gene.

  A block named `k<kernel>_<rest>` sets one bit for its kernel and one for the
  rest (expansion and groups), `skip` sets none, any other name one of its own.
  """
  ranges = spec.gene_ranges or ((0, len(spec.gene_names)),) * spec.num_genes
  rows: list[list[tuple[int, list[str]]]] = []
  for first, last in ranges:
    row = []
    for code in range(first, last):
      name = spec.gene_names[code]
      block = _BLOCK.fullmatch(name)
      bits = [f'kernel {block[1]}', block[2]] if block else [name]
      row.append((code, [] if name == 'skip' else bits))
    rows.append(row)
  columns = [
      sorted({bit for _, bits in row for bit in bits}) for row in rows
  ]
  width = sum(map(len, columns))
  table = np.zeros((spec.num_genes, len(spec.gene_names), width), np.float32)
  start = 0
  for gene, (row, names) in enumerate(zip(rows, columns, strict=True)):
    for code, bits in row:
      for bit in bits:
        table[gene, code, start + names.index(bit)] = 1.0
    start += len(names)
  return table


class _GraphConvolution(nn.Module):
  """`A X W + b` over nodes `[V + 1, B, K]`; `matrix` is A or rows of it."""

  @nn.compact
  def __call__(self, nodes: jax.Array, matrix: np.ndarray) -> jax.Array:
    small, large = _layers.uniform_init(0.05), _layers.uniform_init(0.1)
    kernel = self.param('kernel', small, (nodes.shape[-1], _WIDTH))
    bias = self.param('bias', large, (_WIDTH,))
    gathered = jnp.einsum('uv,vbk->ubk', jnp.asarray(matrix), nodes)
    return gathered @ kernel + bias


class _Network(nn.Module):
  """The whole network for a batch."""

  spec: types.SpaceSpec
  hardware_embedding: bool

  @nn.compact
  def __call__(
      self,
      architectures: types.Architectures,
      reference: jax.Array,  # [B, R]
  ) -> jax.Array:  # [B]
    if _is_chain(self.spec):
      hidden = self._chain(architectures.genotype)
    else:
      hidden = self._graph(architectures.ops[:, 0])
    if self.hardware_embedding:
      for depth in range(_DENSE_LAYERS):
        layer = _layers.Linear(_WIDTH, name=f'hardware_{depth}')
        reference = nn.relu(layer(reference))
      hidden = jnp.concatenate([hidden, reference], axis=-1)
    for depth in range(_HEAD_LAYERS - 1):
      hidden = nn.relu(_layers.Linear(_HEAD, name=f'head_{depth}')(hidden))
    last = _layers.Linear(1, name=f'head_{_HEAD_LAYERS - 1}')
    return last(hidden)[:, 0]

  def _graph(self, ops: jax.Array) -> jax.Array:  # [B, V] -> [B, _WIDTH]
    num_columns = len(self.spec.op_names) + 1
    columns = jnp.asarray(_node_columns(self.spec))[ops.T]
    whole = jnp.full_like(columns[:1], num_columns - 1)  # the global node
    nodes = jax.nn.one_hot(jnp.concatenate([columns, whole]), num_columns)
    matrix = _gather_matrix(self.spec)
    for depth in range(_GRAPH_LAYERS):
      # Only the global node of the last layer is read.
      rows = matrix[-1:] if depth + 1 == _GRAPH_LAYERS else matrix
      layer = _GraphConvolution(name=f'graph_{depth}')
      nodes = nn.relu(layer(nodes, rows))
    return nodes[0]

  def _chain(self, genotype: jax.Array) -> jax.Array:  # [B, G] -> [B, _WIDTH]
    table = jnp.asarray(_bit_table(self.spec))
    hidden = table[jnp.arange(self.spec.num_genes), genotype].sum(axis=1)
    for depth in range(_DENSE_LAYERS):
      layer = _layers.Linear(_WIDTH, name=f'architecture_{depth}')
      hidden = nn.relu(layer(hidden))
    return hidden


def help(
    spec: types.SpaceSpec, *, hardware_embedding: bool = True
) -> types.Predictor:
  """HELP's predictor as an `(init, apply)` pair over batches.

  A cell (NAS-Bench-201) passes four graph convolutions of 100 and is read at a
  global node that sees every other; a chain of layers (FBNet, Once-for-All) is
  written as bits and passes two dense layers of 100. The device enters by two
  dense layers of 100 on `Devices.reference`; a head of 200, 200 and 1 gives
  the score. 123,001, 115,201 and 116,501 parameters with ten references.

  Args:
    spec: the search space, of one cell.
    hardware_embedding: False leaves the hardware branch out, and the network
      cannot tell devices apart (MAML and its kin).

  Returns:
    `Predictor`: `init(key, architectures, devices) -> params` and
    `apply(params, architectures, devices, *, key=None) -> scores [B]`; there
    is no dropout, `key` is ignored.

  Raises:
    ValueError: the space has more than one cell; `init`: the hardware branch
      has no reference latencies to read.
  """
  if spec.num_cells != 1:
    raise ValueError(
        f'help reads one cell, {spec.name} has {spec.num_cells}'
    )
  network = _Network(spec, hardware_embedding)

  def init(key, architectures, devices) -> chex.ArrayTree:
    if hardware_embedding and not devices.reference.shape[-1]:
      raise ValueError(
          'help: devices.reference is [B, 0]; the hardware branch reads '
          'latencies of reference architectures'
      )
    return network.init(key, architectures, devices.reference)['params']

  def apply(params: Any, architectures, devices, *, key=None) -> jax.Array:
    del key
    chex.assert_rank([architectures.genotype, devices.reference], 2)
    scores: Any = network.apply(
        {'params': params}, architectures, devices.reference
    )
    return scores

  return types.Predictor(init, apply)


def modulate(params: Any, z: jax.Array) -> chex.ArrayTree:
  """HELP's modulation of the initial parameters, section 3.3 of the paper.

  The weights that leave input unit i of a head layer are multiplied by
  `1 + 0.01 z`, and `0.01 z` is added to a layer's biases; `z = 0` changes
  nothing. Nothing but the head is modulated.

  Args:
    params: parameters of `help` with a hardware branch.
    z: `[603]`: 200 factors for each of the three layers, then three offsets.

  Returns:
    The modulated parameters.
  """
  chex.assert_shape(z, (MODULATION_SIZE,))
  factors = z[: _HEAD_LAYERS * _HEAD].reshape(_HEAD_LAYERS, _HEAD)
  offsets = z[_HEAD_LAYERS * _HEAD :]
  modulated = dict(params)
  for depth in range(_HEAD_LAYERS):
    # A `Linear` is a module around one `Dense`.
    ((name, layer),) = params[f'head_{depth}'].items()
    scale = 1.0 + _MODULATION * factors[depth][:, None]
    modulated[f'head_{depth}'] = {
        name: {
            'kernel': layer['kernel'] * scale,
            'bias': layer['bias'] + _MODULATION * offsets[depth],
        }
    }
  return modulated
