"""The NASFLAT predictor: a graph network with hardware embeddings.

Akhauri and Abdelfattah, "On Latency Predictors for Neural Architecture
Search", MLSys 2024, https://arxiv.org/abs/2403.02446. A first graph network
(the op pass) summarises the cell, a multilayer perceptron of that summary
refines the embedding of every operation once (in place of a backward graph
network), and a second graph network (the forward pass) over the refined
operations gives the score.
"""

from collections.abc import Callable
import math
from typing import Any, Literal

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import graphs
from nasflat_jax import types
from nasflat_jax.predictors import _layers

_OP_DIM = 40
_DEVICE_DIM = 8
_NODE_DIM = 96
_HIDDEN = 128
_SUPPLEMENTARY_DIM = 48
_HEAD = 200
_DROPOUT = 0.1

HardwareEmbedding = Literal['operation', 'head', 'latency_vector', 'both']
_HARDWARE_EMBEDDINGS = ('operation', 'head', 'latency_vector', 'both')


class _OperationEmbedding(nn.Module):
  """`[V, K]` embeddings of the operations of one cell on one device.

  Node 0 (input) is zero; node V-1 (output) is learned and independent of the
  device. An interior node is its operation's table row, plus a linear map of
  the operation's analytic costs at that position, plus a row telling live
  from dead nodes; in `operation` mode the device's row is appended.
  """

  spec: types.SpaceSpec
  features: int

  @nn.compact
  def __call__(
      self,
      ops: jax.Array,  # [V]
      live_mask: jax.Array,  # [V]
      device: jax.Array | None,  # [K_d]
  ) -> jax.Array:  # [V, features (+ K_d)]
    normal = nn.initializers.normal(1.0)
    num_ops = len(self.spec.op_names)
    table = self.param('table', normal, (num_ops, self.features))
    rows = jnp.asarray(table)[ops]
    liveness = self.param(
        'liveness', nn.initializers.zeros, (2, self.features)
    )
    rows += jnp.asarray(liveness)[live_mask.astype(jnp.int32)]
    costs = np.asarray(self.spec.op_features, np.float32)  # [V, O, P]
    if costs.size:
      chosen = jnp.asarray(costs)[jnp.arange(self.spec.num_nodes), ops]
      rows += _layers.Linear(self.features)(chosen)
    if device is not None:
      tiled = jnp.broadcast_to(device, (rows.shape[0], device.shape[0]))
      rows = jnp.concatenate([rows, tiled], axis=-1)
    output = self.param('output', normal, (rows.shape[-1],))
    return rows.at[0].set(0.0).at[-1].set(output)


class _Network(nn.Module):
  """The whole network for one architecture and one device."""

  spec: types.SpaceSpec
  num_devices: int
  layer: Callable[..., nn.Module]
  passing: graphs.MessagePassing
  hardware_embedding: HardwareEmbedding

  @nn.compact
  def __call__(
      self,
      architecture: types.Architectures,  # one, without the batch axis
      device_index: jax.Array,  # []
      reference: jax.Array,  # [R]
      deterministic: bool,
  ) -> jax.Array:  # []
    chex.assert_rank([architecture.ops, device_index, reference], [2, 0, 1])
    per_operation = self.hardware_embedding != 'head'
    device = self._device(device_index, reference)
    pooled = [
        self._cell(architecture, c, device if per_operation else None)
        for c in range(self.spec.num_cells)
    ]
    summary = jnp.concatenate(pooled, axis=-1)
    if not per_operation:
      hidden = _layers.Linear(_SUPPLEMENTARY_DIM)(device)
      summary = jnp.concatenate(
          [summary, _layers.Linear(_SUPPLEMENTARY_DIM)(nn.relu(hidden))]
      )
    if architecture.encoding.shape[-1]:
      widths = (_HIDDEN, _HIDDEN, _SUPPLEMENTARY_DIM)
      extra = _layers.Mlp(widths, _DROPOUT, name='supplementary')
      summary = jnp.concatenate(
          [summary, extra(architecture.encoding, deterministic)]
      )
    head = _layers.Mlp(
        (_HEAD,) * 3, _DROPOUT, activate_last=True, name='head'
    )
    hidden = head(summary, deterministic)
    return _layers.Linear(1, name='score')(hidden)[0]

  def _device(
      self, index: jax.Array, reference: jax.Array
  ) -> jax.Array:  # [_DEVICE_DIM]
    """The device: a learned row, what its latencies say, or their sum."""
    parts = []
    if self.hardware_embedding != 'latency_vector':
      parts.append(
          _layers.device_rows(self, self.num_devices, _DEVICE_DIM, index)
      )
    if self.hardware_embedding in ('latency_vector', 'both'):
      if not reference.shape[0]:
        raise ValueError(
            f'hardware_embedding {self.hardware_embedding!r} needs latencies'
            ' of reference architectures in Devices.reference'
        )
      parts.append(
          _layers.Linear(_DEVICE_DIM, name='latency_vector')(reference)
      )
    return sum(parts[1:], parts[0])

  def _cell(
      self,
      architecture: types.Architectures,
      cell: int,
      device: jax.Array | None,
  ) -> jax.Array:  # [_HIDDEN]
    edge_mask = architecture.edge_mask[cell]
    node_mask = architecture.node_mask[cell]
    width = _OP_DIM if device is not None else _OP_DIM + _DEVICE_DIM
    embed = _OperationEmbedding(self.spec, width, name=f'operations_{cell}')
    operations = embed(
        architecture.ops[cell], architecture.live_mask[cell], device
    )
    nodes = self._nodes(cell)

    hidden = nodes
    for depth in range(2):
      hidden = nn.relu(hidden) if depth else hidden
      layer = self.layer(
          _HIDDEN, self.passing, name=f'op_pass_{cell}_{depth}'
      )
      hidden = layer(hidden, operations, edge_mask)
    backward = _layers.Mlp((_HIDDEN,) * 3, name=f'backward_{cell}')
    feedback = backward(hidden[-1], True)

    # The refinement: each operation sees the summary of the whole cell.
    tiled = jnp.broadcast_to(feedback, (operations.shape[0], _HIDDEN))
    refine = _layers.Mlp(
        (_HIDDEN, operations.shape[-1]), name=f'refine_{cell}'
    )
    refined = refine(jnp.concatenate([operations, tiled], axis=-1), True)

    hidden = nodes
    for depth in range(3):
      hidden = nn.relu(hidden) if depth else hidden
      layer = self.layer(
          _HIDDEN, self.passing, name=f'forward_{cell}_{depth}'
      )
      hidden = layer(hidden, refined, edge_mask)
    weights = node_mask.astype(hidden.dtype).at[0].set(0.0)
    return weights @ hidden / jnp.maximum(jnp.sum(weights), 1.0)

  def _nodes(self, cell: int) -> jax.Array:  # [V, _NODE_DIM]
    """Initial node features: position only, no operation."""
    spec = self.spec
    first = self.param(
        f'input_{cell}', nn.initializers.normal(1.0), (_OP_DIM + _DEVICE_DIM,)
    )
    other = self.param(
        f'other_{cell}', nn.initializers.zeros, (_OP_DIM + _DEVICE_DIM,)
    )
    project = _layers.Linear(_NODE_DIM, name=f'nodes_{cell}')
    nodes = jnp.broadcast_to(project(other), (spec.num_nodes, _NODE_DIM))
    nodes = nodes.at[0].set(project(first))
    features = np.asarray(spec.node_features, np.float32)  # [V, K]
    if features.size:
      position = nn.Dense(_NODE_DIM, use_bias=False, name=f'position_{cell}')
      nodes += position(jnp.asarray(features))
    return nodes


def nasflat(
    spec: types.SpaceSpec,
    *,
    num_devices: int,
    layer: Callable[..., nn.Module] = _layers.LayerEnsemble,
    message_passing: Callable[
        [types.SpaceSpec], graphs.MessagePassing
    ] = graphs.dense_passing,
    hardware_embedding: HardwareEmbedding = 'operation',
) -> types.Predictor:
  """NASFLAT's predictor as an `(init, apply)` pair over batches.

  Widths are the reference's: operations 40 + 8 (device), nodes 96, graph
  layers 128, head 3 x 200, dropout 0.1 in the head and the supplementary
  branch. Scores have no unit; higher is slower.

  Note:
    Deviations from the reference, each for accuracy or truth: attention is
    masked and includes the node itself (`GraphAttention`); the template's
    wiring is kept and dead nodes are marked, instead of pruning (most devices
    execute dead branches); FBNet is a chain of 22 layers between an input and
    an output node, with channels, stride and resolution as node features
    (the reference has no wiring, no position and drops two layers); the
    analytic costs of an operation at its position enter its embedding;
    the summary's multilayer perceptron runs once, not once per node.

  Args:
    spec: the search space.
    num_devices: rows of the hardware embedding table. Reserve one for the
      target.
    layer: `dense_graph_flow`, `graph_attention` or `layer_ensemble`.
    message_passing: `graphs.dense_passing` or `graphs.jraph_passing`.
    hardware_embedding: what describes the device and where it enters:
      `operation`, a learned row at every operation; `head`, a learned row at
      the head; `latency_vector`, no row, but a linear map of the latencies
      `Devices.reference` (as HELP describes a device,
      https://arxiv.org/abs/2106.08630), at every operation; `both`, the sum
      of a learned row and that map, at every operation.

  Returns:
    `Predictor`: `init(key, architectures, devices) -> params` and
    `apply(params, architectures, devices, *, key=None) -> scores [B]`.
  """
  if hardware_embedding not in _HARDWARE_EMBEDDINGS:
    raise ValueError(
        'hardware_embedding must be one of'
        f' {", ".join(_HARDWARE_EMBEDDINGS)}, got {hardware_embedding!r}'
    )
  network = _Network(
      spec, num_devices, layer, message_passing(spec), hardware_embedding
  )

  def init(key, architectures, devices) -> chex.ArrayTree:
    first, device = jax.tree.map(lambda x: x[0], (architectures, devices))
    inputs = first, device.index, device.reference
    return network.init(key, *inputs, True)['params']

  def apply(params: Any, architectures, devices, *, key=None) -> jax.Array:
    chex.assert_rank([architectures.genotype, devices.index], [2, 1])
    rows = architectures, devices.index, devices.reference
    if key is None:

      def score(*row) -> Any:
        return network.apply({'params': params}, *row, True)

      return jax.vmap(score)(*rows)

    def noisy(dropout_key, *row) -> Any:
      return network.apply(
          {'params': params}, *row, False, rngs={'dropout': dropout_key}
      )

    keys = jax.random.split(key, devices.index.shape[0])
    return jax.vmap(noisy)(keys, *rows)

  return types.Predictor(init, apply)


def copy_device(
    params: Any, source: jax.Array, target: jax.Array | int
) -> chex.ArrayTree:
  """Copies one row of the hardware embedding table to another.

  Args:
    params: parameters of `nasflat`.
    source: `[]` int32, row to copy, or `[D]` weights of the first D rows,
      whose weighted sum is taken.
    target: row to overwrite.

  Returns:
    `params` with the row replaced.
  """
  table = jnp.asarray(params['device_embedding'])
  row = source @ table[: source.shape[0]] if source.ndim else table[source]
  return {**params, 'device_embedding': table.at[target].set(row)}


def num_parameters(params: chex.ArrayTree) -> int:
  """Number of scalars in a tree of arrays."""
  return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
