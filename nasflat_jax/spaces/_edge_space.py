"""Spaces of a cell of four nodes with an operation on each of its six edges.

What NAS-Bench-201 and TransNASBench-101 micro share beside the graph of the
cell (`_edge_cell`): description, moves and numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _codec
from nasflat_jax.spaces import _edge_cell
from nasflat_jax.spaces import _layer_costs
from nasflat_jax.spaces import _operators

_NUM_GENES = _edge_cell.NUM_GENES


def make_spec(
    name: str,
    *,
    gene_names: tuple[str, ...],
    operators: Iterable[types.Operator],
    op_costs: np.ndarray,
) -> types.SpaceSpec:
  """The description of a space of such cells.

  Args:
    name: the space's name.
    gene_names: the operations, `none` first.
    operators: theirs, in that order.
    op_costs: `[6, O, 7]` costs of each operation on each edge.
  """
  costs = _layer_costs.features(op_costs)
  zero = (0.0,) * len(costs[0][0])
  ends = (zero,) * (len(gene_names) + 2)
  return types.SpaceSpec(
      name=name,
      gene_names=gene_names,
      op_names=(*gene_names, 'input', 'output'),
      operators=_operators.with_ends(*operators),
      num_genes=_NUM_GENES,
      num_cells=1,
      num_nodes=_NUM_GENES + 2,
      edges=_edge_cell.EDGES,
      node_features=((),) * (_NUM_GENES + 2),
      op_features=(ends, *((*edge, zero, zero) for edge in costs), ends),
      size=len(gene_names) ** _NUM_GENES,
  )


@functools.cache
def members(num_ops: int) -> np.ndarray:
  """`[O^6, 6]` int32 of all cells in the order of their numbers."""
  cells = np.indices((num_ops,) * _NUM_GENES, np.int32)
  return np.ascontiguousarray(cells.reshape(_NUM_GENES, -1).T)


@functools.cache
def _valid_indices(num_ops: int) -> np.ndarray:
  """Numbers of the cells whose output depends on the input, int32."""
  connected = _edge_cell.live_edges(members(num_ops)).any(-1)
  return np.flatnonzero(connected).astype(np.int32)


def make_space(
    spec: types.SpaceSpec,
    *,
    costs: Callable[..., types.Costs],
    op_costs: Callable[..., types.Costs],
    to_string: Callable[[chex.Array], list[str]],
    from_string: Callable[[Iterable[str]], np.ndarray],
) -> types.SearchSpace:
  """The space: valid where the output depends on the input.

  Draws are uniform over valid cells; a mutation changes one gene, uniformly
  among the valid neighbours; a crossover takes each gene of either parent, the
  first one's cell where the child is invalid. A cell's number is that of its
  genes as base-`O` digits, the first one leading.
  """
  num_ops = len(spec.gene_names)

  def is_valid(genotype: chex.Array) -> jax.Array:
    genotype = jnp.asarray(genotype)
    connected = _edge_cell.live_edges(genotype).any(-1)
    return _codec.in_range(genotype, num_ops) & connected

  def from_index(index: chex.Array) -> jax.Array:
    return _codec.from_index(index, _NUM_GENES, num_ops)

  def random(key: chex.PRNGKey, n: int) -> jax.Array:
    valid = _valid_indices(num_ops)
    drawn = jax.random.randint(key, (n,), 0, valid.size)
    return from_index(jnp.asarray(valid)[drawn])

  return types.SearchSpace(
      spec=spec,
      decode=functools.partial(_edge_cell.decode, num_ops=num_ops),
      random=random,
      mutate=functools.partial(
          _codec.mutate_valid, num_ops=num_ops, is_valid=is_valid
      ),
      crossover=functools.partial(_codec.crossover, is_valid=is_valid),
      is_valid=is_valid,
      costs=costs,
      op_costs=op_costs,
      to_string=to_string,
      from_string=from_string,
      to_index=functools.partial(_codec.to_index, num_ops=num_ops),
      from_index=from_index,
  )
