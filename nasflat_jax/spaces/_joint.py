"""Networks of several spaces as graphs of one, for weights they can share.

`join` describes the joint space: its operations are the distinct operators of
the members, its edges the union of theirs. `unify` writes networks of one
member as graphs of the joint space, which a predictor takes in one batch with
those of another. Operations are known by their attributes, so the weights of a
3x3 convolution are the same wherever it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _namespace
from nasflat_jax.spaces import _operators

_ABSENT = types.Operator('absent')
_ENDS = ('input', 'output')


class JointSpace(NamedTuple):
  """Several spaces as one.

  Attributes:
    spec: the joint description, for the factories of predictors. `op_features`
      are the attributes of an operation, the same at every node; there are no
      `node_features`. Its codes are names of operations only: nothing draws,
      decodes or counts in the joint space itself.
    members: the spaces, in the order of the token.
  """

  spec: types.SpaceSpec
  members: tuple[types.SearchSpace, ...]


def join(members: Sequence[types.SearchSpace]) -> JointSpace:
  """The joint space of some search spaces.

  Args:
    members: the spaces, in the order in which tokens number them. Weights
      trained on the joint space belong to these spaces in this order.

  Returns:
    A description with the largest numbers of cells, nodes and genes of any
    member. The output is always the last node; slots that a member does not
    fill hold the operation `absent` and are masked.

  Raises:
    ValueError: there is no space, or one twice.

  Example:
    >>> from nasflat_jax import spaces
    >>> joint = join([spaces.NASBENCH201, spaces.FBNET])
    >>> joint.spec.num_nodes, len(joint.spec.edges), len(joint.spec.op_names)
    (24, 32, 16)
  """
  names = [space.spec.name for space in members]
  if not names or len(set(names)) != len(names):
    raise ValueError(f'join needs distinct search spaces, got {names}')
  specs = [space.spec for space in members]
  num_nodes = max(spec.num_nodes for spec in specs)
  every = [operator for spec in specs for operator in spec.operators]
  inner = [o for o in dict.fromkeys(every) if o.kind not in _ENDS]
  genes = tuple(dict.fromkeys([_ABSENT, *inner]))
  operators = _operators.with_ends(*genes)
  edges = {edge for spec in specs for edge in _edges(spec, num_nodes)}
  gene_names = tuple(_name(operator) for operator in genes)
  spec = types.SpaceSpec(
      name='+'.join(names),
      gene_names=gene_names,
      op_names=(*gene_names, *_ENDS),
      operators=operators,
      num_genes=max(spec.num_genes for spec in specs),
      num_cells=max(spec.num_cells for spec in specs),
      num_nodes=num_nodes,
      edges=tuple(sorted(edges)),
      node_features=((),) * num_nodes,
      op_features=(_operators.rows(operators),) * num_nodes,
      size=None,
  )
  return JointSpace(spec, tuple(members))


def unify(
    joint: JointSpace,
    space: types.SearchSpace,
    genotype: chex.Array,
    encoding: chex.Array | None = None,
) -> types.Architectures:
  """Networks of one space as graphs of the joint space.

  Join batches of several spaces with `jax.tree.map(lambda *x:
  jnp.concatenate(x), ...)`.

  Args:
    joint: of `join`.
    space: one of its members.
    genotype: `[B, G]` genes of that space, NumPy or JAX.
    encoding: `[B, F]` further numbers that mean the same in every space.

  Returns:
    `Architectures` of `joint.spec`, jittable. `genotype` is filled up with
    -1. `encoding` is `[B, S + F]`: the space's token, then what was given.

  Raises:
    ValueError: the space is not a member.
  """
  names = [member.spec.name for member in joint.members]
  token = _namespace.space_token(space, names)
  spec, target = space.spec, joint.spec
  graph = space.decode(genotype)
  rows = graph.ops.shape[0]
  known = {operator: code for code, operator in enumerate(target.operators)}
  codes = np.array([known[operator] for operator in spec.operators], np.int32)
  nodes = _slots(spec, target.num_nodes)
  places = {edge: place for place, edge in enumerate(target.edges)}
  edges = np.array([places[e] for e in _edges(spec, target.num_nodes)], int)
  cells = np.arange(spec.num_cells)
  shape = (rows, target.num_cells, target.num_nodes)
  nowhere = jnp.zeros(shape, bool)
  absent = jnp.full(shape, known[_ABSENT], jnp.int32)
  at_nodes = (slice(None), cells[:, None], nodes)
  present = jnp.where(
      graph.node_mask, jnp.asarray(codes)[graph.ops], known[_ABSENT]
  )
  unwired = jnp.zeros((*shape[:2], len(target.edges)), bool)
  width = target.num_genes - spec.num_genes
  parts = [jnp.broadcast_to(jnp.asarray(token), (rows, len(names)))]
  if encoding is not None:
    parts.append(jnp.asarray(encoding, jnp.float32))
  return types.Architectures(
      genotype=jnp.pad(
          graph.genotype, ((0, 0), (0, width)), constant_values=-1
      ),
      ops=absent.at[at_nodes].set(present),
      edge_mask=unwired.at[:, cells[:, None], edges].set(graph.edge_mask),
      node_mask=nowhere.at[at_nodes].set(graph.node_mask),
      live_mask=nowhere.at[at_nodes].set(graph.live_mask),
      encoding=jnp.concatenate(parts, axis=1),
  )


def node_costs(
    joint: JointSpace, space: types.SearchSpace, genotype: chex.Array
) -> jax.Array:
  """What the operation of each node costs, on the same scale in every space.

  The `op_features` of the space: log(1 + multiply-adds) / 20 and its like for
  parameters and activation bytes, and kernels over the most of any operation.

  Args:
    joint: of `join`.
    space: one of its members.
    genotype: `[B, G]` genes of that space.

  Returns:
    `[B, C, V, P]` float32, zero at slots without an operation; `P` is the
    largest number of features of a member, filled up with zeros.
  """
  spec, target = space.spec, joint.spec
  graph = space.decode(genotype)
  widths = [len(m.spec.op_features[0][0]) for m in joint.members]
  own = np.array(spec.op_features, np.float32)  # [V, O, P]
  table = np.zeros((*own.shape[:2], max(widths)), np.float32)
  table[..., : own.shape[-1]] = own
  found = jnp.asarray(table)[np.arange(spec.num_nodes), graph.ops]
  found = jnp.where(graph.node_mask[..., None], found, 0.0)
  cells = np.arange(spec.num_cells)[:, None]
  shape = (len(graph.ops), target.num_cells, target.num_nodes, max(widths))
  nodes = _slots(spec, target.num_nodes)
  return jnp.zeros(shape).at[:, cells, nodes].set(found)


def _slots(spec: types.SpaceSpec, num_nodes: int) -> np.ndarray:
  """`[V]` joint slot of each node: the output last, the others as they are."""
  return np.array([*range(spec.num_nodes - 1), num_nodes - 1])


def _edges(
    spec: types.SpaceSpec, num_nodes: int
) -> list[tuple[int, int]]:
  slots = _slots(spec, num_nodes).tolist()
  return [(slots[sender], slots[receiver]) for sender, receiver in spec.edges]


def _name(operator: types.Operator) -> str:
  """A name that no other operator has."""
  standard = vars(types.Operator(operator.kind))
  parts = [operator.kind]
  for field, value in vars(operator).items():
    if value != standard[field]:
      text = 'x'.join(map(str, value)) if field == 'kernel' else str(value)
      parts.append(text if field == 'kernel' else f'{field}{text}')
  return '_'.join(parts)
