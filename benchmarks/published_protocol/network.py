"""NASFLAT's network as its authors ran it, where the package departs from it.

The reference, https://github.com/abdelfattah-lab/nasflat_latency, prunes the
wiring of NAS-Bench-201, gives FBNet an identity matrix for a graph (whose first
and last layers it overwrites with input and output embeddings), and multiplies
the logits of its attention by the adjacency instead of masking them. All three
enter here through the arguments of `predictors.nasflat`: a space description
without analytic costs and positions, graphs of its own, and its own attention.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import graphs
from nasflat_jax import predictors
from nasflat_jax import types

# NAS-Bench-201's template, node 0 the input, 1 to 6 the edges, 7 the output.
_WIRING = {0: (1, 2, 4), 1: (3, 5), 2: (6,), 3: (6,), 4: (7,), 5: (7,), 6: (7,)}
_NONE, _SKIP = 0, 1


def simplified_adjacency(genotype: np.ndarray) -> np.ndarray:
  """`[N, 8, 8]` bool, entry `[i, j]` where node i feeds node j.

  In the order of the operations: `none` is cut off, `skip_connect` is replaced
  by edges from each predecessor to each successor. Then nodes that are not on
  a path from input to output lose their edges.
  """
  rows = np.zeros((len(genotype), 8, 8), bool)
  for sender, receivers in _WIRING.items():
    rows[:, sender, receivers] = True
  for node in range(1, 7):
    op = genotype[:, node - 1]
    through = rows[:, :, node, None] & rows[:, node, None, :]
    rows |= through & (op == _SKIP)[:, None, None]
    cut = (op == _NONE) | (op == _SKIP)
    rows[cut, node, :] = rows[cut, :, node] = False
  reach = (rows | np.eye(8, dtype=bool)).astype(np.int64)
  for _ in range(3):  # paths of up to 8 edges
    reach = np.minimum(reach @ reach, 1)
  on_path = (reach[:, 0] * reach[:, :, 7]).astype(bool)
  return rows & on_path[:, :, None] & on_path[:, None, :]


def spec(space: types.SearchSpace) -> types.SpaceSpec:
  """The space without costs and positions, and with the reference's edges."""
  if space.spec.name == 'nasbench201':
    nodes = 8
    edges = tuple((i, j) for j in range(nodes) for i in range(j))
  else:
    nodes = space.spec.num_genes
    edges = tuple((i, i) for i in range(nodes))
  return dataclasses.replace(
      space.spec,
      num_nodes=nodes,
      edges=edges,
      node_features=(),
      op_features=(),
  )


def architectures(
    space: types.SearchSpace,
    genotype: np.ndarray,  # [N, G]
    encoding: np.ndarray | None = None,  # [N, F]
) -> types.Architectures:
  """The table's architectures as the reference's graphs."""
  described = spec(space)
  size, nodes = len(genotype), described.num_nodes
  if space.spec.name == 'nasbench201':
    ops = np.pad(genotype, ((0, 0), (1, 1)))  # the ends are never looked up
    senders, receivers = graphs.endpoints(described)
    edge_mask = simplified_adjacency(genotype)[:, senders, receivers]
  else:
    ops = genotype
    edge_mask = np.ones((size, nodes), bool)
  if encoding is None:
    encoding = np.zeros((size, 0))
  return types.Architectures(
      genotype=jnp.asarray(genotype, jnp.int32),
      ops=jnp.asarray(ops, jnp.int32)[:, None],
      edge_mask=jnp.asarray(edge_mask)[:, None],
      node_mask=jnp.ones((size, 1, nodes), bool),
      live_mask=jnp.zeros((size, 1, nodes), bool),
      encoding=jnp.asarray(encoding, jnp.float32),
  )


def unmasked_passing(described: types.SpaceSpec) -> graphs.MessagePassing:
  """Dense passing whose softmax runs over all nodes, strangers at logit 0."""

  def attend(queries, keys, values, edge_mask, activation) -> jax.Array:
    feeds = graphs.adjacency(described, edge_mask).T
    logits = activation(queries @ keys.T) * feeds
    return jax.nn.softmax(logits, axis=-1) @ values

  aggregate = graphs.dense_passing(described).aggregate
  return graphs.MessagePassing(aggregate, attend)


@functools.cache
def predictor(
    space: types.SearchSpace, num_devices: int, hardware_embedding: str
) -> types.Predictor:
  """The ensemble network of the published tables.

  The same object for the same arguments, which keys compiled programs.
  """
  return predictors.nasflat(
      spec(space),
      num_devices=num_devices,
      message_passing=unmasked_passing,
      hardware_embedding=hardware_embedding,  # type: ignore[arg-type]
  )
