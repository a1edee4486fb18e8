"""What encodings of all spaces see of a network, and how they sum it up.

One encoder for every space, as FLAN's joint arch2vec and CATE
(https://arxiv.org/abs/2403.02484): operations are known by their attributes,
the wiring by each network's own matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.encodings import _graph

# Stands for all spaces where weights name the one they were trained on.
SPACE = 'unified'
_WIDTH = 32
_DEGREE = 3


class Cells(NamedTuple):
  """Cells as graphs, of one space or padded to one size.

  Attributes:
    inputs: `[..., V, K]` attributes of each operation, polynomials of its
      place and which cell it is of (-1 or 1; 0 where there is one).
    wiring: `[..., V, V]` 1 where node i feeds node j.
    mask: `[..., V]` True where there is a node.
  """

  inputs: chex.Array
  wiring: chex.Array
  mask: chex.Array


def cells(space: types.SearchSpace, genotype: chex.Array) -> Cells:
  """The cells of networks `[B, G]`; leading axes `[B, C]`. Jittable."""
  spec = space.spec
  graph = space.decode(jnp.asarray(genotype, jnp.int32))
  attributes = jnp.asarray(spaces.operator_attributes(spec))[graph.ops]
  own = np.pad(_place(spec.num_nodes), ((0, 0), (0, 1)))
  own = np.tile(own[None], (spec.num_cells, 1, 1)).astype(np.float32)
  if spec.num_cells > 1:
    own[..., -1] = np.linspace(-1.0, 1.0, spec.num_cells)[:, None]
  tiled = jnp.broadcast_to(own, (*graph.ops.shape, own.shape[-1]))
  slots = np.zeros((len(spec.edges), spec.num_nodes, spec.num_nodes))
  for slot, (sender, receiver) in zip(slots, spec.edges, strict=True):
    slot[sender, receiver] = 1.0
  flat = jnp.asarray(slots.reshape(len(spec.edges), -1), jnp.float32)
  wiring = graph.edge_mask.astype(jnp.float32) @ flat
  return Cells(
      jnp.concatenate([attributes, tiled], axis=-1),
      wiring.reshape(*graph.ops.shape, spec.num_nodes),
      graph.node_mask,
  )


def moments(states: jax.Array, mask: jax.Array) -> jax.Array:
  """Sums up a network: means of its nodes, plain and weighted.

  Means of each cell, weighted by polynomials of degree 0 to 3 of a node's
  place; then the mean of the cells, and half the difference of the first and
  the last in their plain means.

  Args:
    states: `[B, C, V, F]` of every node.
    mask: `[B, C, V]` True where there is a node.

  Returns:
    `[B, 5 * F]`.
  """
  place = np.linspace(-1.0, 1.0, states.shape[2])
  weights = np.polynomial.legendre.legvander(place, _DEGREE)
  weights *= np.sqrt(2.0 * np.arange(_DEGREE + 1) + 1.0)
  masked = mask[..., None] * weights.astype(np.float32)
  count = jnp.maximum(mask.sum(axis=-1), 1)[..., None, None]
  means = jnp.einsum('bcvf,bcvd->bcdf', states, masked) / count
  contrast = 0.5 * (means[:, 0, :1] - means[:, -1, :1])
  whole = jnp.concatenate([means.mean(axis=1), contrast], axis=1)
  return whole.reshape(len(states), -1)


def encoder(
    columns: Callable[[Cells], jax.Array],
    space: types.SearchSpace,
    projection: np.ndarray,  # [M, F]
    mean: np.ndarray,  # [F]
    spread: np.ndarray,  # [F]
) -> Callable[[chex.Array], jax.Array]:
  """The encoding `[B, G] -> [B, F]` that moments and their scale make.

  Args:
    columns: `Cells` of leading axes `[B, C]` to states `[B, C, V, F]`.
    space: any space whose operators have known kinds.
    projection: to the components.
    mean: of the components over all spaces.
    spread: standard deviation of the components within a space.
  """
  scaled = (projection / spread).astype(np.float32)
  shift = (mean / spread).astype(np.float32)

  def encode(genotype: chex.Array) -> jax.Array:
    chex.assert_rank(genotype, 2)
    graph = cells(space, genotype)
    return moments(columns(graph), graph.mask) @ scaled - shift

  return encode


def reduction(
    found: Sequence[np.ndarray],  # [S][N, M]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Principal components of the moments of several spaces.

  Of the differences within spaces: those between them would take the first
  components, and tell no two networks of a space apart.

  Args:
    found: moments of random networks of each space, as many of each.

  Returns:
    Projection `[M, 32]`, then, of what it gives, the mean over all and the
    standard deviation within spaces, `[32]` each.
  """
  inner = np.concatenate([np.float64(x) - x.mean(axis=0) for x in found])
  _, _, axes = np.linalg.svd(inner, full_matrices=False)
  axes = axes[:_WIDTH].T
  axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
  mean = np.mean([x.mean(axis=0) for x in found], axis=0)
  return axes, mean @ axes, np.maximum((inner @ axes).std(axis=0), 1e-6)


class Pool(NamedTuple):
  """Cells of networks of several spaces, padded to one number of nodes.

  Attributes:
    cells: leading axis `M`.
    codes: `[M, V]` number of each operation among `operators`.
    space: `[M]` number of the space.
    params: `[M]` parameters of the network.
    operators: `O` distinct operators.
    attributes: `[O, A]` of these.
  """

  cells: Cells
  codes: np.ndarray  # [M, V]
  space: np.ndarray  # [M]
  params: np.ndarray  # [M]
  operators: tuple[types.Operator, ...]
  attributes: np.ndarray  # [O, A]


def pool(
    members: Sequence[types.SearchSpace], genotypes: Sequence[np.ndarray]
) -> Pool:
  """Puts networks of several spaces together; the output is the last node."""
  joint = spaces.join(members).spec
  known = {operator: code for code, operator in enumerate(joint.operators)}
  parts = []
  for number, (space, genotype) in enumerate(
      zip(members, genotypes, strict=True)
  ):
    graph = jax.tree.map(np.asarray, cells(space, genotype))
    spec = space.spec
    slots = np.array([*range(spec.num_nodes - 1), joint.num_nodes - 1])
    rows = len(genotype) * spec.num_cells
    inputs = np.zeros((rows, joint.num_nodes, graph.inputs.shape[-1]))
    inputs[:, slots] = graph.inputs.reshape(rows, spec.num_nodes, -1)
    wiring = np.zeros((rows, joint.num_nodes, joint.num_nodes))
    wiring[:, slots[:, None], slots] = graph.wiring.reshape(
        rows, spec.num_nodes, spec.num_nodes
    )
    mask = np.zeros((rows, joint.num_nodes), bool)
    mask[:, slots] = graph.mask.reshape(rows, -1)
    codes = np.zeros((rows, joint.num_nodes), np.int32)
    own = np.array([known[operator] for operator in spec.operators])
    ops = np.asarray(_graph.ops(space, genotype)).reshape(rows, -1)
    codes[:, slots] = own[ops]
    params = np.repeat(np.asarray(space.costs(genotype).params), spec.num_cells)
    parts.append((
        inputs.astype(np.float32), wiring.astype(np.float32), mask, codes,
        np.full(rows, number), params,
    ))
  inputs, wiring, mask, codes, member, params = (
      np.concatenate(part) for part in zip(*parts, strict=True)
  )
  return Pool(
      Cells(inputs, wiring, mask), codes, member, params, joint.operators,
      spaces.operator_attributes(joint),
  )


def _place(num_nodes: int) -> np.ndarray:
  """`[V, 3]` polynomials of degree 1 to 3 of a node's number."""
  place = np.linspace(-1.0, 1.0, num_nodes)
  return np.polynomial.legendre.legvander(place, _DEGREE)[:, 1:]
