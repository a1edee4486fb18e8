"""Message passing on the static edge template of a space. Unbatched.

The only file that imports jraph (archived upstream; its `GraphsTuple` and
segment operations still work on current JAX). Two interchangeable
implementations of the two primitives a graph layer needs: `jraph_passing`
works on edge lists, `dense_passing` on `V x V` matrices. They agree to
rounding; which one is faster depends on the backend and on `V`
(`benchmarks/message_passing.py`).
"""

from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import jraph
import numpy as np

from nasflat_jax import types


class MessagePassing(NamedTuple):
  """The two primitives of a graph layer, for one cell of one architecture.

  Attributes:
    aggregate: `(nodes [V, H], edge_mask [E]) -> [V, H]`, the sum over each
      node's predecessors.
    attend: `(queries [V, H], keys [V, H], values [V, H], edge_mask [E],
      activation) -> [V, H]`, the mean of `values` over each node and its
      predecessors, weighted by a softmax of `activation(query_i . key_j)`.
  """

  aggregate: Callable[..., jax.Array]
  attend: Callable[..., jax.Array]


def endpoints(spec: types.SpaceSpec) -> tuple[np.ndarray, np.ndarray]:
  """Senders and receivers `[E]` int32 of the space's edge template."""
  edges = np.asarray(spec.edges, np.int32).reshape(-1, 2)
  return edges[:, 0], edges[:, 1]


def adjacency(spec: types.SpaceSpec, edge_mask: jax.Array) -> jax.Array:
  """Matrix of one cell: entry `[i, j]` is 1 where node i feeds node j.

  Args:
    spec: the space.
    edge_mask: `[E]` bool, wired slots of the template.

  Returns:
    `[V, V]` float32, strictly upper triangular.
  """
  chex.assert_shape(edge_mask, (len(spec.edges),))
  senders, receivers = endpoints(spec)
  empty = jnp.zeros((spec.num_nodes, spec.num_nodes), jnp.float32)
  return empty.at[senders, receivers].set(edge_mask.astype(jnp.float32))


def to_graphs_tuple(
    spec: types.SpaceSpec, nodes: jax.Array, edge_mask: jax.Array
) -> jraph.GraphsTuple:
  """One cell as a jraph graph on the static edge list; vmap it over a batch.

  Args:
    spec: the space, whose template gives senders and receivers.
    nodes: `[V, H]` node features.
    edge_mask: `[E]` bool, kept as the edge feature.

  Returns:
    A `GraphsTuple` with `V` nodes and `E` edges.
  """
  chex.assert_rank([nodes, edge_mask], [2, 1])
  senders, receivers = endpoints(spec)
  return jraph.GraphsTuple(
      nodes=nodes,
      edges=edge_mask,
      senders=jnp.asarray(senders),
      receivers=jnp.asarray(receivers),
      globals=None,
      n_node=jnp.array([spec.num_nodes]),
      n_edge=jnp.array([len(spec.edges)]),
  )


def jraph_passing(spec: types.SpaceSpec) -> MessagePassing:
  """Message passing by jraph's segment operations over the edge template."""
  num_nodes = spec.num_nodes
  loops = jnp.arange(num_nodes)

  def aggregate(nodes: jax.Array, edge_mask: jax.Array) -> jax.Array:
    graph = to_graphs_tuple(spec, nodes, edge_mask)
    messages = graph.nodes[graph.senders] * graph.edges[:, None]
    return jraph.segment_sum(messages, graph.receivers, num_nodes)

  def attend(queries, keys, values, edge_mask, activation) -> jax.Array:
    graph = to_graphs_tuple(spec, values, edge_mask)
    senders = jnp.concatenate([graph.senders, loops])
    receivers = jnp.concatenate([graph.receivers, loops])
    mask = jnp.concatenate([graph.edges, jnp.ones(num_nodes, bool)])
    logits = activation(jnp.sum(queries[receivers] * keys[senders], axis=-1))
    logits = jnp.where(mask, logits, -jnp.inf)
    weights = jraph.segment_softmax(logits, receivers, num_nodes)
    return jraph.segment_sum(
        weights[:, None] * values[senders], receivers, num_nodes
    )

  return MessagePassing(aggregate, attend)


def dense_passing(spec: types.SpaceSpec) -> MessagePassing:
  """Message passing by `V x V` matrix products; the twin of `jraph_passing`."""

  def aggregate(nodes: jax.Array, edge_mask: jax.Array) -> jax.Array:
    chex.assert_rank([nodes, edge_mask], [2, 1])
    return adjacency(spec, edge_mask).T @ nodes

  def attend(queries, keys, values, edge_mask, activation) -> jax.Array:
    chex.assert_rank([queries, keys, values], 2)
    # Rows receive: a node sees its predecessors and itself, so no row is
    # empty and the softmax is defined everywhere.
    neighbours = adjacency(spec, edge_mask).T + jnp.eye(spec.num_nodes)
    logits = jnp.where(neighbours > 0, activation(queries @ keys.T), -jnp.inf)
    return jax.nn.softmax(logits, axis=-1) @ values

  return MessagePassing(aggregate, attend)


def matrix_passing() -> MessagePassing:
  """`dense_passing` for wiring that a template does not give.

  Both primitives take, in place of `edge_mask [E]`, a matrix `[V, V]` with 1
  where node i feeds node j: pruned, reversed or of another space's size.
  """

  def aggregate(nodes: jax.Array, wiring: jax.Array) -> jax.Array:
    chex.assert_rank([nodes, wiring], 2)
    return wiring.T @ nodes

  def attend(queries, keys, values, wiring, activation) -> jax.Array:
    chex.assert_rank([queries, keys, values, wiring], 2)
    neighbours = wiring.T + jnp.eye(wiring.shape[0])
    logits = jnp.where(neighbours > 0, activation(queries @ keys.T), -jnp.inf)
    return jax.nn.softmax(logits, axis=-1) @ values

  return MessagePassing(aggregate, attend)
