"""The FLAN predictor: a graph network that two passes refine.

Akhauri and Abdelfattah, "Encodings for Prediction-based Neural Architecture
Search", ICML 2024, https://arxiv.org/abs/2403.02484. A graph network runs over
the cell; what its output node learned goes back over the reversed graph and
refines the embedding of every operation, as in TA-GATES (Ning et al., NeurIPS
2022); then the same network runs again. Operations are told by their
attributes, so that networks of several spaces share all weights.
"""

from collections.abc import Callable, Sequence
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import graphs
from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.predictors import _gcn
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


class _Step(nn.Module):
  """ReLU and a graph layer, as a scan over depth takes it."""

  layer: Callable[..., nn.Module]
  passing: graphs.MessagePassing

  @nn.compact
  def __call__(
      self, nodes: jax.Array, operations: jax.Array, wiring: jax.Array
  ) -> tuple[jax.Array, None]:
    layer = self.layer(_HIDDEN, self.passing, name='layer')
    return layer(nn.relu(nodes), operations, wiring), None


class _Stack(nn.Module):
  """Graph layers with ReLU between them.

  All but the first are one scan over stacked weights: a quarter of the time
  to compile.
  """

  layer: Callable[..., nn.Module]
  passing: graphs.MessagePassing

  @nn.compact
  def __call__(
      self,
      nodes: jax.Array,  # [V, H]
      operations: jax.Array,  # [V, K]
      wiring: jax.Array,  # [V, V]
  ) -> jax.Array:  # [V, _HIDDEN]
    first = self.layer(_HIDDEN, self.passing, name='first')
    deeper = nn.scan(
        _Step,
        variable_axes={'params': 0},
        split_rngs={'params': True},
        in_axes=nn.broadcast,
        length=_LAYERS - 1,
    )(self.layer, self.passing, name='deeper')
    hidden, _ = deeper(first(nodes, operations, wiring), operations, wiring)
    return hidden


class _Network(nn.Module):
  """The whole network for one architecture."""

  spec: types.SpaceSpec
  among: tuple[str, ...]
  layer: Callable[..., nn.Module]
  time_steps: int
  prune: bool
  num_sizes: int

  def setup(self) -> None:
    passing = graphs.matrix_passing()
    normal = nn.initializers.normal(1.0)
    zeros = nn.initializers.zeros
    self.forward = _Stack(self.layer, passing)
    self.kinds = nn.Dense(
        _OP_DIM, use_bias=False, kernel_init=normal
    )
    self.tokens = self.param('tokens', zeros, (len(self.among), _OP_DIM))
    self.liveness = self.param('liveness', zeros, (2, _OP_DIM))
    self.output = self.param('output', normal, (_OP_DIM,))
    self.start = self.param('start', normal, (_OP_DIM,))
    self.other = self.param('other', zeros, (_OP_DIM,))
    self.project = _layers.Linear(_NODE_DIM)
    self.places = nn.Dense(_NODE_DIM, use_bias=False)
    if self.time_steps > 1:
      self.backward = _Stack(self.layer, passing)
      self.feedback = _layers.Mlp((_HIDDEN,) * 3)
      self.update = _layers.Mlp((_HIDDEN, _OP_DIM))
    self.merge = _layers.Mlp((_HIDDEN, _HIDDEN))
    self.supplementary = _layers.Mlp(_SUPPLEMENTARY, _DROPOUT)
    self.sizes = _layers.Mlp(_SIZES)
    self.head = _layers.Mlp(_HEAD, _DROPOUT, activate_last=True)
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
      skips = _skips(spec)[architecture.ops[cell]]
      wiring = _contracted(wiring * live[:, None] * live[None, :], skips)
      used = used & live & ~skips
    used = used.at[-1].set(True)
    operations = self._operations(architecture.ops[cell], live)
    nodes = jnp.broadcast_to(
        self.project(self.other), (spec.num_nodes, _NODE_DIM)
    )
    nodes = nodes.at[0].set(self.project(self.start))
    nodes += self.places(jnp.asarray(_polynomials(spec)))

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
    token = spaces.space_token(self.spec.name, self.among)
    rows += token @ jnp.asarray(self.tokens)
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


def _skips(spec: types.SpaceSpec) -> jax.Array:  # [O]
  """True for operations that pass their input on."""
  return jnp.asarray([other.kind == 'skip' for other in spec.operators])


def _contracted(
    wiring: jax.Array,  # [V, V]
    skips: jax.Array,  # [V]
) -> jax.Array:  # [V, V]
  """Joins what a chain of skips joins, and unwires the skips.

  With `A = W D`, `D` the skips, `W + A W + A^2 W + ...` counts the paths whose
  inner nodes are skips. The series ends, as the graph has no cycle; it is
  `(I + A)(I + A^2)(I + A^4)... W`.
  """
  power = wiring * skips[None, :]
  paths = wiring
  for _ in range(max(wiring.shape[0] - 2, 1).bit_length()):
    paths = paths + power @ paths
    power = power @ power
  kept = ~(skips[:, None] | skips[None, :])
  return ((paths > 0) & kept).astype(wiring.dtype)


def _polynomials(spec: types.SpaceSpec) -> np.ndarray:
  """`[V, 4]` of a node's place in a chain; 0 in a cell.

  A cell's nodes may be numbered in several ways, which should not matter; a
  chain is longer than the graph layers reach.
  """
  if len(spec.edges) != spec.num_nodes - 1:
    return np.zeros((spec.num_nodes, _PLACES), np.float32)
  place = np.linspace(-1.0, 1.0, spec.num_nodes)
  values = np.polynomial.legendre.legvander(place, _PLACES)[:, 1:]
  return values.astype(np.float32)


def flan(
    spec: types.SpaceSpec,
    *,
    among: Sequence[str] = (),
    layer: Callable[..., nn.Module] = _layers.LayerEnsemble,
    time_steps: int = 2,
    prune: bool = True,
    num_sizes: int = 0,
) -> types.Predictor:
  """FLAN's predictor as an `(init, apply)` pair over batches.

  Widths are the reference's: operations 48, nodes 96, five graph layers of
  128, supplementary branch 128-128-48, head 3 x 200, dropout 0.1 in the last
  two. It serves one task, of accuracy or any other label, and ignores
  `devices`. Scores have no unit; they are higher where the labels that it was
  trained on are.

  The shapes of the parameters depend on `among`, `num_sizes` and the width of
  the encoding alone: what was trained in one space can be applied in another
  (`among` the same in both).

  Note:
    Deviations from the reference, each for accuracy or truth. An operation is
    embedded by its attributes (`spaces.operator_attributes`) plus a row of its
    space, so that a 3x3 convolution is the same in two spaces; the reference
    has a block of rows per space, and its number of the space is lost.
    Attention is masked and includes the node itself (`GraphAttention`).
    Nodes off every path, padding among them, are cut off and not read, and
    skips are contracted; the reference does so for NAS-Bench-201 alone and
    takes padding for a convolution elsewhere. Nodes of a chain know their
    place, by polynomials. A space of one cell passes it twice to the network
    that joins two cells, so that both kinds share weights.

  Args:
    spec: the search space.
    among: names of the spaces that one set of parameters may serve; empty is
      this space alone. See `copy_space`.
    layer: `dense_graph_flow`, `graph_attention` or `layer_ensemble`.
    time_steps: runs of the forward network; before each but the first, the
      backward network refines the operations.
    prune: whether nodes off every path are cut off and skips contracted, right
      for accuracy; if not, all stay and dead ones are marked, as latency asks
      for.
    num_sizes: how many of the last columns of `Architectures.encoding` are
      sizes of the network, such as its width over 32 and depth over 20, which
      have a small branch of their own.

  Returns:
    `Predictor`: `init(key, architectures, devices) -> params` and
    `apply(params, architectures, devices, *, key=None) -> scores [B]`.

  Raises:
    ValueError: `among` lacks the space or has it twice, `time_steps` is below
      1 or `num_sizes` below 0.
  """
  _gcn.check_sizes(time_steps=time_steps)
  if num_sizes < 0:
    raise ValueError(f'num_sizes must be 0 or more, got {num_sizes}')
  among = tuple(among) or (spec.name,)
  spaces.space_token(spec.name, among)  # raises
  network = _Network(spec, among, layer, time_steps, prune, num_sizes)

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


def copy_space(params: Any, source: int, target: int) -> chex.ArrayTree:
  """Copies one space's row of `flan` to another, before a transfer.

  Args:
    params: parameters of `flan`.
    source: number of the trained space in `among`.
    target: number of the space to go to.

  Returns:
    `params` with the row replaced.
  """
  rows = jnp.asarray(params['tokens'])
  return {**params, 'tokens': rows.at[target].set(rows[source])}
