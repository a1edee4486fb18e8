"""The FLAN predictor: a graph network that two passes refine.

Akhauri and Abdelfattah, "Encodings for Prediction-based Neural Architecture
Search", ICML 2024, https://arxiv.org/abs/2403.02484. A graph network runs over
the cell; what its output node learned goes back over the reversed graph and
refines the embedding of every operation, as in TA-GATES (Ning et al., NeurIPS
2022); then the same network runs again. Operations are told by their
attributes, so that networks of several spaces share all weights.
"""

from collections.abc import Callable
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import graphs
from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.predictors import _layers

_OP_DIM = 48
_NODE_DIM = 96
_HIDDEN = 128
_LAYERS = 5
_SUPPLEMENTARY = (128, 128, 48)
_SIZES = (8, 8)
_HEAD = (200, 200, 200)
_DROPOUT = 0.1
_UPDATE = 0.1
_PLACES = 4


class _Mlp(nn.Module):
  """Linear layers with ReLU, and dropout, between (and optionally after)."""

  features: tuple[int, ...]
  dropout: float = 0.0
  activate_last: bool = False

  @nn.compact
  def __call__(self, inputs: jax.Array, deterministic: bool) -> jax.Array:
    for depth, features in enumerate(self.features):
      inputs = _layers.Linear(features)(inputs)
      if depth + 1 < len(self.features) or self.activate_last:
        inputs = nn.Dropout(self.dropout)(nn.relu(inputs), deterministic)
    return inputs


class _Stack(nn.Module):
  """Graph layers with ReLU between them."""

  layer: Callable[..., nn.Module]
  passing: graphs.MessagePassing

  @nn.compact
  def __call__(
      self,
      nodes: jax.Array,  # [V, H]
      operations: jax.Array,  # [V, K]
      wiring: jax.Array,  # [V, V]
  ) -> jax.Array:  # [V, _HIDDEN]
    for depth in range(_LAYERS):
      nodes = nn.relu(nodes) if depth else nodes
      layer = self.layer(_HIDDEN, self.passing, name=f'layer_{depth}')
      nodes = layer(nodes, operations, wiring)
    return nodes


class _Network(nn.Module):
  """The whole network for one architecture."""

  spec: types.SpaceSpec
  layer: Callable[..., nn.Module]
  time_steps: int
  prune: bool
  token: int
  num_tokens: int
  num_sizes: int

  def setup(self) -> None:
    passing = graphs.matrix_passing()
    normal = nn.initializers.normal(1.0)
    zeros = nn.initializers.zeros
    self.forward = _Stack(self.layer, passing)
    self.kinds = nn.Dense(
        _OP_DIM, use_bias=False, kernel_init=normal
    )
    self.tokens = self.param('tokens', zeros, (self.num_tokens, _OP_DIM))
    self.liveness = self.param('liveness', zeros, (2, _OP_DIM))
    self.output = self.param('output', normal, (_OP_DIM,))
    self.start = self.param('start', normal, (_OP_DIM,))
    self.other = self.param('other', zeros, (_OP_DIM,))
    self.project = _layers.Linear(_NODE_DIM)
    self.places = nn.Dense(_NODE_DIM, use_bias=False)
    if self.time_steps > 1:
      self.backward = _Stack(self.layer, passing)
      self.feedback = _Mlp((_HIDDEN,) * 3)
      self.update = _Mlp((_HIDDEN, _OP_DIM))
    self.merge = _Mlp((_HIDDEN, _HIDDEN))
    self.supplementary = _Mlp(_SUPPLEMENTARY, _DROPOUT)
    self.sizes = _Mlp(_SIZES)
    self.head = _Mlp(_HEAD, _DROPOUT, activate_last=True)
    self.score = _layers.Linear(1)

  def __call__(
      self, architecture: types.Architectures, deterministic: bool
  ) -> jax.Array:  # []
    chex.assert_rank([architecture.ops, architecture.encoding], [2, 1])
    cells = [
        self._cell(architecture, c) for c in range(self.spec.num_cells)
    ]
    # One cell stands for both, so that every space has the same weights.
    merged = jnp.concatenate([cells[0], cells[-1]])
    parts = [self.merge(merged, deterministic)]
    encoding = architecture.encoding
    split = encoding.shape[0] - self.num_sizes
    if split:
      parts.append(self.supplementary(encoding[:split], deterministic))
    if self.num_sizes:
      parts.append(self.sizes(encoding[split:], deterministic))
    hidden = self.head(jnp.concatenate(parts), deterministic)
    return self.score(hidden)[0]

  def _cell(
      self, architecture: types.Architectures, cell: int
  ) -> jax.Array:  # [_HIDDEN]
    spec = self.spec
    wiring = _wiring(spec, architecture.edge_mask[cell])
    used = architecture.node_mask[cell]
    live = architecture.live_mask[cell]
    if self.prune:
      wiring = wiring * live[:, None] * live[None, :]
      used = used & live
    used = used.at[-1].set(True)
    operations = self._operations(architecture.ops[cell], live)
    nodes = jnp.broadcast_to(
        self.project(self.other), (spec.num_nodes, _NODE_DIM)
    )
    nodes = nodes.at[0].set(self.project(self.start))
    nodes += self.places(jnp.asarray(_legendre(spec.num_nodes)))

    hidden = self.forward(nodes, operations, wiring)
    for _ in range(self.time_steps - 1):
      message = self.feedback(hidden[-1], True)
      message = jnp.zeros_like(hidden).at[-1].set(message)
      returned = self.backward(message, operations, wiring.T)
      seen = jax.lax.stop_gradient((operations, hidden))
      refined = self.update(jnp.concatenate([*seen, returned], axis=-1), True)
      operations = operations + _UPDATE * refined
      hidden = self.forward(nodes, operations, wiring)
    weights = used.astype(hidden.dtype).at[0].set(0.0)
    return weights @ hidden / jnp.sum(weights)

  def _operations(
      self, ops: jax.Array, live: jax.Array  # [V]
  ) -> jax.Array:  # [V, _OP_DIM]
    attributes = spaces.operator_attributes(self.spec)  # [O, A]
    rows = self.kinds(jnp.asarray(attributes))[ops]
    rows += jnp.asarray(self.tokens)[self.token]
    if not self.prune:
      rows += jnp.asarray(self.liveness)[live.astype(jnp.int32)]
    return rows.at[0].set(0.0).at[-1].set(self.output)


def _wiring(
    spec: types.SpaceSpec, edge_mask: jax.Array  # [E]
) -> jax.Array:  # [V, V]
  """`graphs.adjacency` as one product: over a batch, scattering is slow."""
  slots = np.zeros((len(spec.edges), spec.num_nodes, spec.num_nodes))
  slots[np.arange(len(spec.edges)), *graphs.endpoints(spec)] = 1.0
  flat = slots.reshape(len(spec.edges), -1).astype(np.float32)
  wiring = edge_mask.astype(jnp.float32) @ flat
  return wiring.reshape(spec.num_nodes, spec.num_nodes)


def _legendre(num_nodes: int) -> np.ndarray:
  """`[V, 4]` polynomials of a node's place, the same for any number of nodes."""
  place = np.linspace(-1.0, 1.0, num_nodes)
  values = np.polynomial.legendre.legvander(place, _PLACES)[:, 1:]
  return values.astype(np.float32)


def flan(
    spec: types.SpaceSpec,
    *,
    layer: Callable[..., nn.Module] = _layers.LayerEnsemble,
    time_steps: int = 2,
    prune: bool = True,
    token: int = 0,
    num_tokens: int = 1,
    num_sizes: int = 0,
) -> types.Predictor:
  network = _Network(
      spec, layer, time_steps, prune, token, num_tokens, num_sizes
  )

  def init(key, architectures, devices) -> chex.ArrayTree:
    del devices
    first = jax.tree.map(lambda x: x[0], architectures)
    return network.init(key, first, True)['params']

  def apply(params: Any, architectures, devices, *, key=None) -> jax.Array:
    del devices
    chex.assert_rank(architectures.genotype, 2)
    if key is None:

      def score(row) -> Any:
        return network.apply({'params': params}, row, True)

      return jax.vmap(score)(architectures)

    def noisy(dropout_key, row) -> Any:
      return network.apply(
          {'params': params}, row, False, rngs={'dropout': dropout_key}
      )

    keys = jax.random.split(key, architectures.genotype.shape[0])
    return jax.vmap(noisy)(keys, architectures)

  return types.Predictor(init, apply)
