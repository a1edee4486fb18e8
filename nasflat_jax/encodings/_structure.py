"""Blocks of features that say how a network is built, in every space alike.

They are read from the decoded graph and the operators' attributes, so that one
code serves cells of any size and chains. Scaled like the blocks of `_blocks`.
"""

from __future__ import annotations

from collections.abc import Callable
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.encodings import _blocks

Encode = Callable[[chex.Array], jax.Array]

# Larger than any length of a path.
_FAR = 1e3
_COSTS = ('multiply_adds', 'params', 'activation_bytes')
_OF_CELL = (
    'nodes', 'edges', 'small convolutions', 'large convolutions', 'poolings',
    'skips', 'longest path', 'convolutions on a path, most',
    'large convolutions on a path, most', 'shortest path',
    'convolutions on a path, fewest', 'paths, log', 'inputs of the output',
    'identity from input to output',
)  # fmt: skip
_OF_NETWORK = (*_COSTS, 'critical_path')


def _kinds(spec: types.SpaceSpec) -> np.ndarray:
  """`[4, O]` float: 1x1 convolution, larger one, pooling, skip."""
  convolution = [
      op.kind in ('conv', 'inverted_residual', 'residual')
      for op in spec.operators
  ]
  large = [max(op.kernel) > 1 for op in spec.operators]
  return np.array([
      [c and not big for c, big in zip(convolution, large, strict=True)],
      [c and big for c, big in zip(convolution, large, strict=True)],
      [op.kind.endswith('_pool') for op in spec.operators],
      [op.kind == 'skip' for op in spec.operators],
  ], np.float32)


def _adjacency(
    spec: types.SpaceSpec, graph: types.Architectures
) -> jax.Array:  # [B, C, V, V]
  """Wired slots between live nodes, sender first."""
  senders, receivers = np.array(spec.edges).T
  live = graph.live_mask
  wired = graph.edge_mask & live[..., senders] & live[..., receivers]
  shape = (*live.shape, spec.num_nodes)
  return jnp.zeros(shape).at[..., senders, receivers].set(wired * 1.0)


def _along_paths(
    adjacency: jax.Array,  # [B, C, V, V]
    source: jax.Array,  # [B, C, V]
    step: jax.Array,  # [B, C, V]
) -> tuple[jax.Array, jax.Array]:
  """Most and least sum of `step` over paths to the last node, `[B, C]`.

  0 where no path leads there.
  """
  most: list[jax.Array] = []
  least: list[jax.Array] = []
  for node in range(step.shape[-1]):
    into = adjacency[..., :node, node] > 0
    here = source[..., node]
    high = jnp.where(here, 0.0, -_FAR)
    low = jnp.where(here, 0.0, _FAR)
    if node:
      before = jnp.stack(most, -1), jnp.stack(least, -1)
      high = jnp.maximum(high, jnp.where(into, before[0], -_FAR).max(-1))
      low = jnp.minimum(low, jnp.where(into, before[1], _FAR).min(-1))
    most.append(high + step[..., node])
    least.append(low + step[..., node])
  is_reached = most[-1] > -_FAR / 2
  return (
      jnp.where(is_reached, most[-1], 0.0),
      jnp.where(is_reached, least[-1], 0.0),
  )


def _num_paths(adjacency: jax.Array, source: jax.Array) -> jax.Array:
  """Paths to the last node, `[B, C]`."""
  paths: list[jax.Array] = []
  for node in range(source.shape[-1]):
    here = source[..., node] * 1.0
    if node:
      here += (adjacency[..., :node, node] * jnp.stack(paths, -1)).sum(-1)
    paths.append(here)
  return paths[-1]


@functools.partial(jax.jit, static_argnums=0)
def cell_columns(
    space: types.SearchSpace, genotype: jax.Array
) -> jax.Array:  # [B, C, 14]
  """Counts, depths and widths of the live part of each cell."""
  spec = space.spec
  graph = space.decode(genotype)
  adjacency = _adjacency(spec, graph)
  live = graph.live_mask * 1.0
  kinds = jnp.asarray(_kinds(spec))[:, graph.ops] * live  # [4, B, C, V]
  small, large, pools, skips = kinds
  ends = len(spec.op_names) - 2
  source = (graph.ops == ends) & graph.live_mask
  inner = live * (graph.ops < ends)
  longest, shortest = _along_paths(adjacency, source, inner - skips)
  deepest, shallowest = _along_paths(adjacency, source, small + large)
  widest, _ = _along_paths(adjacency, source, large)
  paths = _num_paths(adjacency, source)
  columns = [
      inner.sum(-1), adjacency.sum((-1, -2)), *kinds.sum(-1), longest, deepest,
      widest, shortest, shallowest, jnp.log1p(paths),
      adjacency[..., -1].sum(-1), (paths > 0) & (shortest == 0),
  ]
  return jnp.stack([jnp.asarray(c, jnp.float32) for c in columns], axis=-1)


def cost_columns(space: types.SearchSpace, genotype: jax.Array) -> jax.Array:
  """`[B, 4]` logarithms of whole-network costs."""
  costs = space.costs(genotype)
  columns = [jnp.asarray(getattr(costs, name)) for name in _OF_NETWORK]
  return jnp.log1p(jnp.stack(columns, axis=1))


@functools.partial(jax.jit, static_argnums=0)
def _topology(space: types.SearchSpace, genotype: jax.Array) -> jax.Array:
  cells = cell_columns(space, genotype).reshape(len(genotype), -1)
  return jnp.concatenate([cells, cost_columns(space, genotype)], axis=1)


@functools.partial(jax.jit, static_argnums=0)
def shared_columns(space: types.SearchSpace, genotype: jax.Array) -> jax.Array:
  """`[B, 18]` columns that mean the same in every space, cells averaged."""
  cells = cell_columns(space, genotype).mean(axis=1)
  return jnp.concatenate([cells, cost_columns(space, genotype)], axis=1)


@functools.partial(jax.jit, static_argnums=0)
def live_counts(space: types.SearchSpace, genotype: jax.Array) -> jax.Array:
  """`[B, O]` live nodes of each operation."""
  graph = space.decode(genotype)
  uses = jax.nn.one_hot(graph.ops, len(space.spec.op_names))
  return (uses * graph.live_mask[..., None]).sum(axis=(1, 2))


@functools.partial(jax.jit, static_argnums=0)
def position_columns(
    space: types.SearchSpace, genotype: jax.Array
) -> jax.Array:
  """`[B, C V O + C E]` which operation each live node has; live edges."""
  spec = space.spec
  graph = space.decode(genotype)
  senders, receivers = np.array(spec.edges).T
  adjacency = _adjacency(spec, graph)[..., senders, receivers]
  ops = jax.nn.one_hot(graph.ops, len(spec.op_names))
  ops *= graph.live_mask[..., None]
  rows = len(genotype)
  return jnp.concatenate(
      [ops.reshape(rows, -1), adjacency.reshape(rows, -1)], axis=1
  )


@functools.partial(jax.jit, static_argnums=0)
def _placed_costs(space: types.SearchSpace, genotype: jax.Array) -> jax.Array:
  costs = space.op_costs(genotype)
  columns = [jnp.asarray(getattr(costs, name)) for name in _COSTS]
  return jnp.log1p(jnp.concatenate(columns, axis=1))


def topology(space: types.SearchSpace) -> Encode:
  """How deep, wide and costly a network is, `genotype [B, G] -> [B, F]`.

  Of the live part of each cell: nodes, edges, convolutions of one pixel and
  larger, poolings and skips; longest and shortest paths from input to output,
  counted in operations, convolutions and large convolutions; the number of
  paths; the inputs of the output; whether skips alone lead there. Then the
  logarithms of multiply-adds, parameters, activation bytes and critical path.
  Standardised; constant columns are left out.

  Args:
    space: the search space.

  Returns:
    A jittable encoding, rows of mean squared length 1.

  Example:
    >>> from nasflat_jax import spaces
    >>> topology(spaces.NASBENCH201)(jnp.zeros((2, 6), jnp.int32)).shape
    (2, 18)
  """
  return _blocks._block(_topology, space, standardise=True)


def positions(space: types.SearchSpace) -> Encode:
  """Which live operation stands where, `genotype [B, G] -> [B, F]`.

  One-hot operations of live nodes, and live edges. Networks that differ in
  nothing but what cannot reach the output have one encoding.

  Args:
    space: the search space.

  Returns:
    A jittable encoding, rows of mean squared length 1.
  """
  return _blocks._block(position_columns, space, standardise=True)


def placed_costs(space: types.SearchSpace) -> Encode:
  """Logarithmic costs of each gene's operation, `[B, G] -> [B, F]`.

  Multiply-adds, parameters and activation bytes, standardised: where in a
  network its width and resolution change.

  Args:
    space: the search space.

  Returns:
    A jittable encoding, rows of mean squared length 1.
  """
  return _blocks._block(_placed_costs, space, standardise=True)
