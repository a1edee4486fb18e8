"""A cell of four nodes and six edges, with an operation on each edge.

The cell of NAS-Bench-201 and of TransNASBench-101: genes are the operations on
the edges 0->1, 0->2, 1->2, 0->3, 1->3, 2->3, and code 0 is `none`.
"""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _layer_costs as layers

NUM_GENES = 6
# Of the graph whose nodes are the cell's input, its edges and its output.
EDGES = (
    (0, 1), (0, 2), (0, 4), (1, 3), (1, 5), (2, 6), (3, 6), (4, 7), (5, 7),
    (6, 7),
)
# Sources and edges that enter nodes 1, 2 and 3 of the cell.
INCOMING: tuple[tuple[tuple[int, int], ...], ...] = (
    ((0, 0),),
    ((0, 1), (1, 2)),
    ((0, 3), (1, 4), (2, 5)),
)


def decode(genotype: chex.Array, num_ops: int) -> types.Architectures:
  """Builds the operation-on-node graph of each cell.

  Node 0 is the input, nodes 1 to 6 are the edges in gene order, node 7 is the
  output. The wiring never changes: `none` is an operation, and `live_mask`
  tells which nodes it cuts off.

  Args:
    genotype: `[B, 6]` genes.
    num_ops: operations a gene may be; the next two are input and output.

  Returns:
    `Architectures` with `C = 1`, `V = 8`, `E = 10`, `F = 0`. Input and output
    are live where a `none`-free path connects them.
  """
  genotype = jnp.asarray(genotype, jnp.int32)
  chex.assert_shape(genotype, (None, NUM_GENES))
  rows = genotype.shape[0]
  ends = jnp.full((rows, 1), num_ops, jnp.int32)
  live = live_edges(genotype)
  connected = live.any(-1, keepdims=True)
  ops = jnp.concatenate([ends, genotype, ends + 1], axis=1)
  live = jnp.concatenate([connected, live, connected], axis=1)
  return types.Architectures(
      genotype=genotype,
      ops=ops[:, None],
      edge_mask=jnp.ones((rows, 1, len(EDGES)), bool),
      node_mask=jnp.ones((rows, 1, NUM_GENES + 2), bool),
      live_mask=live[:, None],
      encoding=jnp.zeros((rows, 0), jnp.float32),
  )


def live_edges(genotype: chex.Array) -> chex.Array:
  """Marks the edges on a `none`-free path from the cell's input to its output.

  Args:
    genotype: `[B, 6]`, NumPy or JAX; the result is of the same kind.

  Returns:
    `[B, 6]` bool.
  """
  genotype = layers.as_array(genotype)
  xp = jnp if isinstance(genotype, jax.Array) else np
  wired = [genotype[..., edge] != 0 for edge in range(6)]
  always = xp.ones_like(wired[0])
  reached = [always]
  for incoming in INCOMING:
    node = xp.zeros_like(always)
    for source, edge in incoming:
      node = node | (reached[source] & wired[edge])
    reached.append(node)
  reaching = [xp.zeros_like(always)] * 3 + [always]
  for target in (3, 2, 1):
    for source, edge in INCOMING[target - 1]:
      reaching[source] = reaching[source] | (reaching[target] & wired[edge])
  live = [always] * 6
  for target, incoming in enumerate(INCOMING, start=1):
    for source, edge in incoming:
      live[edge] = wired[edge] & reached[source] & reaching[target]
  return xp.stack(live, axis=-1)


def additions(genotype: chex.Array) -> chex.Array:
  """`[B]` additions of a cell, dead edges included."""
  xp = jnp if isinstance(genotype, jax.Array) else np
  wired = (genotype != 0).astype(xp.int32)
  return sum(
      xp.maximum(sum(wired[:, edge] for _, edge in incoming) - 1, 0)
      for incoming in INCOMING
  )


def longest_chain(genotype: chex.Array, launches: np.ndarray) -> chex.Array:
  """Kernels on the longest chain through the live edges of a cell.

  A node sums its live inputs in order of their source, one after the other.

  Args:
    genotype: `[B, 6]`, NumPy or JAX.
    launches: `[6, O]` int, kernels in a row of each operation on each edge.

  Returns:
    `[B]` int32, 0 where the output does not depend on the input.
  """
  xp = jnp if isinstance(genotype, jax.Array) else np
  live = live_edges(genotype)
  launched = xp.asarray(launches, xp.int32)[np.arange(NUM_GENES), genotype]
  finish = [xp.zeros_like(launched[:, 0])]
  for incoming in INCOMING:
    node = xp.full_like(finish[0], -1)  # -1: nothing has arrived yet.
    for source, edge in incoming:
      arrival = finish[source] + launched[:, edge]
      summed = xp.where(node < 0, arrival, xp.maximum(node, arrival) + 1)
      node = xp.where(live[:, edge], summed, node)
    finish.append(node)
  return xp.maximum(finish[-1], 0)
