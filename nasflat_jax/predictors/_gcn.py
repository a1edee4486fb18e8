"""The graph-convolutional latency predictor of BRP-NAS.

Dudziak et al., "BRP-NAS: Prediction-based NAS using GCNs", NeurIPS 2020,
https://arxiv.org/abs/2007.08668: graph convolutions over the cell, whose
read-out is a global node that every node feeds.
"""

from __future__ import annotations

from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import graphs
from nasflat_jax import types
from nasflat_jax.predictors import _layers

DEVICE_DIM = 8


def incoming(
    spec: types.SpaceSpec,
    edge_mask: jax.Array,  # [B, E]
    node_mask: jax.Array,  # [B, V]
) -> jax.Array:  # [B, V + 1, V + 1]
  """Row-normalised adjacency of a cell and its global node, the last one.

  Row `i` averages node `i` and its predecessors; the global node averages
  itself and every used node, and feeds none.
  """
  senders, receivers = graphs.endpoints(spec)
  size = spec.num_nodes + 1
  slots = np.zeros((len(senders), size, size), np.float32)
  slots[np.arange(len(senders)), receivers, senders] = 1.0
  # One matrix product; scattering row by row is slow.
  flat = edge_mask.astype(jnp.float32) @ slots.reshape(len(senders), -1)
  matrix = flat.reshape(-1, size, size) + jnp.eye(size)
  matrix = matrix.at[:, -1, :-1].set(node_mask.astype(jnp.float32))
  return matrix / matrix.sum(axis=-1, keepdims=True)


class GraphEncoder(nn.Module):
  """Graph convolutions over the cells; `[B, C * hidden]` global read-outs.

  A layer is `ReLU(LayerNorm(A H W + b))`. Nodes start as the one-hot operation
  (the global node has one of its own) and the position's features.
  """

  spec: types.SpaceSpec
  hidden: int
  num_layers: int
  dropout: float = 0.0

  @nn.compact
  def __call__(
      self, architectures: types.Architectures, deterministic: bool
  ) -> jax.Array:  # [B, C * hidden]
    cells = [
        self._cell(architectures, c, deterministic)
        for c in range(self.spec.num_cells)
    ]
    return jnp.concatenate(cells, axis=-1)

  def _cell(
      self,
      architectures: types.Architectures,
      cell: int,
      deterministic: bool,
  ) -> jax.Array:  # [B, hidden]
    matrix = incoming(
        self.spec,
        architectures.edge_mask[:, cell],
        architectures.node_mask[:, cell],
    )
    hidden = self._nodes(architectures.ops[:, cell])
    for depth in range(self.num_layers):
      if depth + 1 == self.num_layers:
        matrix = matrix[:, -1:]  # only the global node is read
      name = f'convolution_{cell}_{depth}'
      hidden = _layers.Linear(self.hidden, name=name)(matrix @ hidden)
      normalise = nn.LayerNorm(epsilon=1e-5, name=f'norm_{cell}_{depth}')
      hidden = nn.relu(normalise(hidden))
      hidden = nn.Dropout(self.dropout)(hidden, deterministic)
    return hidden[:, 0]

  def _nodes(self, ops: jax.Array) -> jax.Array:  # [B, V + 1, O + 1 + K]
    num_ops = len(self.spec.op_names)
    whole = jnp.full((ops.shape[0], 1), num_ops, ops.dtype)
    hot = jax.nn.one_hot(jnp.concatenate([ops, whole], axis=1), num_ops + 1)
    position = np.asarray(self.spec.node_features, np.float32)  # [V, K]
    position = np.concatenate([position, np.zeros_like(position[:1])])
    tiled = jnp.broadcast_to(position, (*hot.shape[:2], position.shape[1]))
    return jnp.concatenate([hot, tiled], axis=-1)


class DeviceHead(nn.Module):
  """Scores `[B]` from features, the device's embedding and the encoding."""

  widths: tuple[int, ...]

  @nn.compact
  def __call__(
      self,
      features: jax.Array,  # [B, H]
      device: jax.Array,  # [B, K_d]
      encoding: jax.Array,  # [B, F]
  ) -> jax.Array:  # [B]
    hidden = jnp.concatenate([features, device, encoding], axis=-1)
    for width in self.widths:
      hidden = nn.relu(_layers.Linear(width)(hidden))
    return _layers.Linear(1)(hidden)[:, 0]


class _Network(nn.Module):
  """Graph encoder, then the head."""

  spec: types.SpaceSpec
  num_devices: int
  hidden: int
  num_layers: int
  dropout: float
  head: tuple[int, ...]

  @nn.compact
  def __call__(
      self,
      architectures: types.Architectures,
      device_index: jax.Array,  # [B]
      deterministic: bool,
  ) -> jax.Array:  # [B]
    device = _layers.device_rows(
        self, self.num_devices, DEVICE_DIM, device_index
    )
    encode = GraphEncoder(
        self.spec, self.hidden, self.num_layers, self.dropout, name='encoder'
    )
    head = DeviceHead(self.head, name='head')
    return head(
        encode(architectures, deterministic),
        device,
        architectures.encoding,
    )


def gcn(
    spec: types.SpaceSpec,
    *,
    num_devices: int = 1,
    hidden: int = 128,
    num_layers: int = 4,
    dropout: float = 2e-3,
    head: tuple[int, ...] = (200, 200),
) -> types.Predictor:
  """A graph-convolutional network as an `(init, apply)` pair over batches.

  BRP-NAS is `hidden=600, num_devices=1, head=()`. Its predictor knows one
  device; here the hardware embedding and the supplementary encoding join the
  read-out, so that one network can be pretrained on many. Scores have no unit;
  higher is slower.

  Note:
    The convolution averages over predecessors instead of summing, so that the
    25 nodes of FBNet and the 8 of NAS-Bench-201 start alike. `hidden` is 128
    by default: 600 costs 20 times as much.

  Args:
    spec: the search space.
    num_devices: rows of the hardware embedding table.
    hidden: width of the convolutions.
    num_layers: convolutions.
    dropout: rate after each of them.
    head: widths of the layers between read-out and score. An affine head, `()`,
      can only shift the scores of a device.

  Returns:
    `Predictor`: `init(key, architectures, devices) -> params` and
    `apply(params, architectures, devices, *, key=None) -> scores [B]`.

  Raises:
    ValueError: a size is below 1.
  """
  check_sizes(num_devices=num_devices, hidden=hidden, num_layers=num_layers)
  return from_network(
      _Network(spec, num_devices, hidden, num_layers, dropout, tuple(head))
  )


def check_sizes(**sizes: int) -> None:
  """Raises ValueError, with the keyword's name, for a size below 1."""
  for keyword, size in sizes.items():
    if size < 1:
      raise ValueError(f'{keyword} must be 1 or more, got {size}')


def from_network(network: nn.Module) -> types.Predictor:
  """The pair of a module `(architectures, index [B], deterministic) -> [B]`."""

  def init(key, architectures, devices) -> chex.ArrayTree:
    return network.init(key, architectures, devices.index, True)['params']

  def apply(params: Any, architectures, devices, *, key=None) -> Any:
    chex.assert_rank([architectures.genotype, devices.index], [2, 1])
    rngs = None if key is None else {'dropout': key}
    return network.apply(
        {'params': params}, architectures, devices.index, key is None, rngs=rngs
    )

  return types.Predictor(init, apply)
