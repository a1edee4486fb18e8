"""NAS-Bench-101: a cell of up to seven vertices and nine edges.

Ying et al., ICML 2019 (https://arxiv.org/abs/1902.09635). Vertex 0 is the
input, vertex 6 the output; the five between carry operations. The first 21
genes are the upper triangle of the adjacency matrix, row by row, the last five
the operations of vertices 1 to 5. A cell of fewer vertices leaves the last
inner ones `absent`.

A genotype is the unpruned cell, as the benchmark samples and mutates it; graph,
costs and hash are those of the pruned one, which is what the benchmark trains.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _codec
from nasflat_jax.spaces import _layer_costs
from nasflat_jax.spaces import _nasbench101_costs as _costs
from nasflat_jax.spaces import _operators

_OPERATORS = (
    types.Operator('conv', (3, 3)),
    types.Operator('conv', (1, 1)),
    types.Operator('max_pool', (3, 3)),
    *(types.Operator('absent'),) * 3,
)
_NUM_GENES = _costs.NUM_GENES
_NUM_VERTICES = _costs.NUM_VERTICES
_OUTPUT = _costs.OUTPUT
_EDGES = _costs.EDGES
_NUM_EDGES = len(_EDGES)
_MAX_EDGES = 9
_NUM_OPS = 3
_LOW, _HIGH = np.array(_costs.GENE_RANGES).T
# NASLib's codes of input, output and, by our codes, the operations.
_NASLIB_INPUT, _NASLIB_OUTPUT = 0, 1
_NASLIB_OPS = (4, 3, 2)
_ABSENT, _NO_EDGE, _EDGE = _costs.ABSENT, _costs.NO_EDGE, _costs.EDGE
# Which inner vertices an edge touches, [21, 5].
_ENDS = (np.array(_EDGES)[:, :, None] == np.arange(1, _OUTPUT)).any(1)
# Children that crossover tries before it gives up and returns a parent.
_TRIES = 8


def _make_spec() -> types.SpaceSpec:
  costs = _layer_costs.features(_costs.op_table())
  zero = (0.0,) * len(costs[0][0])
  return types.SpaceSpec(
      name='nasbench101',
      gene_names=_costs.GENE_NAMES,
      op_names=(*_costs.GENE_NAMES, 'input', 'output'),
      operators=_operators.with_ends(*_OPERATORS),
      num_genes=_NUM_GENES,
      num_cells=1,
      num_nodes=_NUM_VERTICES,
      edges=_EDGES,
      node_features=((),) * _NUM_VERTICES,
      op_features=tuple((*vertex, zero, zero) for vertex in costs),
      size=None,  # 423,624 cells, but 2^31 genotypes
      gene_ranges=_costs.GENE_RANGES,
  )


_SPEC = _make_spec()


@jax.jit
def decode(genotype: chex.Array) -> types.Architectures:
  """Builds the pruned cells.

  Vertices on no path from input to output are `absent`, as the benchmark
  drops them before it builds the network.

  Args:
    genotype: `[B, 26]` genes.

  Returns:
    `Architectures` with `C = 1`, `V = 7`, `E = 21`, `F = 0`.
  """
  genotype = jnp.asarray(genotype, jnp.int32)
  chex.assert_shape(genotype, (None, _NUM_GENES))
  edges, live = _costs.pruned(genotype)
  ends = jnp.full((genotype.shape[0], 1), len(_costs.GENE_NAMES), jnp.int32)
  inner = jnp.where(live[:, 1:-1], genotype[:, _NUM_EDGES:], _ABSENT)
  ops = jnp.concatenate([ends, inner, ends + 1], axis=1)
  senders, receivers = np.transpose(_EDGES)
  return types.Architectures(
      genotype=genotype,
      ops=ops[:, None],
      edge_mask=edges[:, senders, receivers][:, None],
      node_mask=live[:, None],
      live_mask=live[:, None],
      encoding=jnp.zeros((genotype.shape[0], 0), jnp.float32),
  )


@jax.jit
def is_valid(genotype: chex.Array) -> jax.Array:
  """`[B]` True for cells of the benchmark.

  Genes are in range, absent vertices come last and have no edges, the output
  depends on the input, and at most nine edges are left after pruning.
  """
  genotype = jnp.asarray(genotype)
  chex.assert_shape(genotype, (None, _NUM_GENES))
  in_range = ((genotype >= _LOW) & (genotype < _HIGH)).all(-1)
  absent = genotype[:, _NUM_EDGES:] == _ABSENT
  revived = (absent[:, :-1] & ~absent[:, 1:]).any(-1)
  touched = ((genotype[:, :_NUM_EDGES, None] == _EDGE) & _ENDS).any(1)
  edges, live = _costs.pruned(genotype)
  return (
      in_range
      & ~revived
      & ~(absent & touched).any(-1)
      & live[:, 0]
      & (edges.sum((1, 2)) <= _MAX_EDGES)
  )


@functools.partial(jax.jit, static_argnames='n')
def random(key: chex.PRNGKey, n: int) -> jax.Array:
  """Draws `[n, 26]` genotypes as the benchmark does.

  All seven vertices are there; each possible edge is drawn with probability
  one half and each operation uniformly, until the cell is valid. Cells are
  not uniform: those with many genotypes come more often.
  """

  def draw(key: chex.PRNGKey) -> jax.Array:
    edge_key, op_key = jax.random.split(key)
    edges = jax.random.randint(
        edge_key, (n, _NUM_EDGES), _NO_EDGE, _EDGE + 1, jnp.int32
    )
    ops = jax.random.randint(
        op_key, (n, _NUM_VERTICES - 2), 0, _NUM_OPS, jnp.int32
    )
    return jnp.concatenate([edges, ops], axis=1)

  def redraw(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
    key, genotype = state
    key, draw_key = jax.random.split(key)
    kept = is_valid(genotype)[:, None]
    return key, jnp.where(kept, genotype, draw(draw_key))

  key, first_key = jax.random.split(key)
  return jax.lax.while_loop(
      lambda state: ~is_valid(state[1]).all(), redraw, (key, draw(first_key))
  )[1]


def _moves() -> tuple[np.ndarray, np.ndarray]:
  """`[M]` gene and `[M]` shift of every change of one gene."""
  moves = [
      (gene, shift)
      for gene, (low, high) in enumerate(_costs.GENE_RANGES)
      for shift in range(1, high - low)
  ]
  genes, shifts = np.array(moves, np.int32).T
  return genes, shifts


@jax.jit
def mutate(key: chex.PRNGKey, genotype: chex.Array) -> jax.Array:
  """Changes one gene of `[B, 26]`, uniformly among the valid neighbours.

  One edge is flipped or one operation changed. The cell may stay the same
  after pruning, as with the benchmark's own mutation, which flips every edge
  and changes every operation with a probability of its own.
  """
  genotype = jnp.asarray(genotype, jnp.int32)
  chex.assert_shape(genotype, (None, _NUM_GENES))
  rows = genotype.shape[0]
  genes, shifts = _moves()
  moved = np.eye(_NUM_GENES, dtype=np.int32)[genes] * shifts[:, None]
  length = _HIGH - _LOW
  neighbours = (genotype[:, None] - _LOW + moved) % length + _LOW  # [B, M, G]
  valid = is_valid(neighbours.reshape(-1, _NUM_GENES)).reshape(rows, -1)
  logits = jnp.where(valid, 0.0, -jnp.inf)
  choice = jax.random.categorical(key, logits, axis=-1)
  child = jnp.take_along_axis(neighbours, choice[:, None, None], 1)[:, 0]
  return jnp.where(valid.any(-1, keepdims=True), child, genotype).astype(
      jnp.int32
  )


@jax.jit
def crossover(
    key: chex.PRNGKey, a: chex.Array, b: chex.Array
) -> jax.Array:
  """Takes each gene from `a` or `b` `[B, 26]` with equal chances.

  The first valid one of eight such children; `a` where none is.
  """
  keys = jax.random.split(key, _TRIES)
  children = jnp.stack([_codec.crossover(each, a, b) for each in keys])
  valid = is_valid(children.reshape(-1, _NUM_GENES)).reshape(_TRIES, -1)
  first = valid.argmax(0)[None, :, None]
  child = jnp.take_along_axis(children, first, 0)[0]
  return jnp.where(valid.any(0)[:, None], child, jnp.asarray(a, jnp.int32))


def to_string(genotype: chex.Array) -> list[str]:
  """Host; `[B, 26]` genotypes as NASLib's tuples.

  The adjacency matrix of the present vertices, row by row, then their
  operations: 0 input, 1 output, 2 max pooling, 3 and 4 convolutions of 1x1 and
  3x3.

  Raises:
    ValueError: if a genotype does not fit the space.
  """
  rows = _codec.host_genotype(_SPEC, genotype)
  strings = []
  for row in rows:
    matrix, ops = present(row)
    codes = [_NASLIB_INPUT, *(_NASLIB_OPS[op] for op in ops), _NASLIB_OUTPUT]
    strings.append(str((*matrix.ravel().tolist(), *codes)))
  return strings


def present(row: np.ndarray) -> tuple[np.ndarray, list[int]]:
  """`[n, n]` adjacency of the present vertices and the inner operations."""
  matrix = np.zeros((_NUM_VERTICES, _NUM_VERTICES), np.int64)
  matrix[tuple(np.transpose(_EDGES))] = row[:_NUM_EDGES] == _EDGE
  ops = row[_NUM_EDGES:]
  kept = np.flatnonzero(np.concatenate([[0], ops, [0]]) != _ABSENT)
  return matrix[np.ix_(kept, kept)], ops[ops != _ABSENT].tolist()


def from_string(strings: Iterable[str]) -> np.ndarray:
  """Host; `[B, 26]` NumPy int32 genotypes of NASLib's tuples.

  Raises:
    ValueError: naming the first string that is not of the space, and where.

  Example:
    >>> int(from_string(['(0, 1, 0, 0, 0, 1)'])[0, 5])  # input to output
    5
  """
  strings = _codec.string_list(_SPEC, strings)
  genotype = np.full((len(strings), _NUM_GENES), -1, np.int32)
  for place, string in enumerate(strings):
    genes = _parsed(string)
    if genes is not None:
      genotype[place] = genes
  bad = ~np.asarray(is_valid(genotype))
  if bad.any():
    place = int(bad.argmax())
    raise ValueError(
        f'nasbench101: string {place} is not an architecture: '
        f'{strings[place]!r}; expected a tuple of the n x n upper triangular '
        'adjacency matrix, row by row, and n operations, 0 input, 1 output, 2 '
        'max pooling, 3 conv 1x1, 4 conv 3x3, with 2 <= n <= 7, a path from '
        'input to output and at most 9 edges on such paths'
    )
  return genotype


def _parsed(string: str) -> np.ndarray | None:
  """`[26]` genes of a tuple; None if it is no upper triangular cell."""
  try:
    values = ast.literal_eval(string)
  except (SyntaxError, ValueError):
    return None
  if not isinstance(values, (tuple, list)):
    return None
  count = next(
      (n for n in range(2, _NUM_VERTICES + 1) if n * n + n == len(values)), 0
  )
  if not count or not all(type(value) is int for value in values):
    return None
  matrix = np.array(values[: count**2]).reshape(count, count)
  ops = list(values[count**2 :])
  ends = (_NASLIB_INPUT, _NASLIB_OUTPUT)
  if not np.isin(matrix, (0, 1)).all() or np.tril(matrix).any():
    return None
  if (ops[0], ops[-1]) != ends or not set(ops[1:-1]) <= set(_NASLIB_OPS):
    return None
  place = [*range(count - 1), _OUTPUT]
  whole = np.zeros((_NUM_VERTICES, _NUM_VERTICES), np.int32)
  whole[np.ix_(place, place)] = matrix
  inner = [_NASLIB_OPS.index(op) for op in ops[1:-1]]
  inner += [_ABSENT] * (_NUM_VERTICES - 2 - len(inner))
  return np.array([*(whole[tuple(np.transpose(_EDGES))] + _NO_EDGE), *inner])


NASBENCH101 = types.SearchSpace(
    spec=_SPEC,
    decode=decode,
    random=random,
    mutate=mutate,
    crossover=crossover,
    is_valid=is_valid,
    costs=_costs.costs,
    op_costs=_costs.op_costs,
    to_string=to_string,
    from_string=from_string,
)
