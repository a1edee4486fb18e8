"""NAS-Bench-201: one cell of six edges, five operations on each.

Dong & Yang, ICLR 2020 (https://arxiv.org/abs/2001.00326). The genes are the
operations on the edges 0->1, 0->2, 1->2, 0->3, 1->3, 2->3, in the order of
the benchmark's strings.
"""

from __future__ import annotations

from collections.abc import Iterable
import functools
import itertools
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _codec
from nasflat_jax.spaces import _edge_cell
from nasflat_jax.spaces import _layer_costs
from nasflat_jax.spaces import _nasbench201_costs as _costs
from nasflat_jax.spaces import _operators

_GENE_NAMES = (
    'none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3'
)
_OPERATORS = (
    types.Operator('none'),
    types.Operator('skip'),
    types.Operator('conv', (1, 1)),
    types.Operator('conv', (3, 3)),
    types.Operator('avg_pool', (3, 3)),
)
_NUM_GENES = _edge_cell.NUM_GENES
_NUM_OPS = len(_GENE_NAMES)
# Sorts before every other character of an expression; the count of classes
# depends on that.
_ZERO = '#'
_SIZE = _NUM_OPS**_NUM_GENES
_SOURCES = tuple(
    source for incoming in _edge_cell.INCOMING for source, _ in incoming
)


def _make_spec() -> types.SpaceSpec:
  costs = _layer_costs.features(_costs.tables('cifar10').ops)
  zero = (0.0,) * len(costs[0][0])
  ends = (zero,) * (_NUM_OPS + 2)
  return types.SpaceSpec(
      name='nasbench201',
      gene_names=_GENE_NAMES,
      op_names=(*_GENE_NAMES, 'input', 'output'),
      operators=_operators.with_ends(*_OPERATORS),
      num_genes=_NUM_GENES,
      num_cells=1,
      num_nodes=_NUM_GENES + 2,
      edges=_edge_cell.EDGES,
      node_features=((),) * (_NUM_GENES + 2),
      op_features=(ends, *((*edge, zero, zero) for edge in costs), ends),
      size=_SIZE,
  )


_SPEC = _make_spec()


def decode(genotype: chex.Array) -> types.Architectures:
  """Builds the operation-on-node graph of each cell.

  Node 0 is the input, nodes 1 to 6 are the edges in gene order, node 7 is the
  output. The wiring never changes: `none` is an operation, and `live_mask`
  tells which nodes it cuts off.

  Args:
    genotype: `[B, 6]` genes.

  Returns:
    `Architectures` with `C = 1`, `V = 8`, `E = 10`, `F = 0`. Input and output
    are live where a `none`-free path connects them.
  """
  return _edge_cell.decode(genotype, _NUM_OPS)


def is_valid(genotype: chex.Array) -> jax.Array:
  """`[B]` True where genes are in range and the output depends on the input.

  Of the 15,625 cells 15,284 are valid.
  """
  genotype = jnp.asarray(genotype)
  connected = _edge_cell.live_edges(genotype).any(-1)
  return _codec.in_range(genotype, _NUM_OPS) & connected


def index(genotype: chex.Array) -> jax.Array:
  """`[B]` int32 base-5 number of each genotype, first gene leading."""
  return _codec.to_index(genotype, _NUM_OPS)


def from_index(index: chex.Array) -> jax.Array:
  """`[B, 6]` genotype of each number in 0..15624; inverse of `index`."""
  return _codec.from_index(index, _NUM_GENES, _NUM_OPS)


def random(key: chex.PRNGKey, n: int) -> jax.Array:
  """Draws `[n, 6]` genotypes uniformly from the 15,284 valid ones."""
  valid = _valid_indices()
  drawn = jax.random.randint(key, (n,), 0, valid.size)
  return from_index(jnp.asarray(valid)[drawn])


def mutate(key: chex.PRNGKey, genotype: chex.Array) -> jax.Array:
  """Changes one gene of `[B, 6]`, uniformly among the valid neighbours."""
  return _codec.mutate_valid(
      key, genotype, num_ops=_NUM_OPS, is_valid=is_valid
  )


def crossover(
    key: chex.PRNGKey, a: chex.Array, b: chex.Array
) -> jax.Array:
  """Takes each gene from `a` or `b` `[B, 6]`; `a` where that is invalid."""
  return _codec.crossover(key, a, b, is_valid=is_valid)


def isomorphism_class(genotype: chex.Array) -> jax.Array:
  """Numbers the cells so that isomorphic ones share a number.

  The paper's count of 6,466 classes. A cell is written as the expression of
  its output. A node is the sum of its edges, sorted as text; an edge is
  `(source)@op`, the bare source for `skip_connect`, and zero, `#`, for `none`
  or where the source is the one term `#`.

  Note:
    Cells of one class compute the same function, but not the reverse: zeros
    stay in the sums, so `x + #` and `x` differ, and a sum that a skip passes
    on is sorted as one term, so some orders of a sum differ. Dropping zeros
    and flattening sums would leave 4,930 classes. Members of a class may
    differ in `costs`, by operations on dead edges.

  Args:
    genotype: `[B, 6]` genes.

  Returns:
    `[B]` int32 in 0..6465, in order of the first member.
  """
  return jnp.asarray(_classes()[0])[index(genotype)]


def canonical(genotype: chex.Array) -> jax.Array:
  """`[B, 6]` the member of smallest index of each cell's isomorphism class."""
  classes, first = _classes()
  return from_index(jnp.asarray(first[classes])[index(genotype)])


def to_string(genotype: chex.Array) -> list[str]:
  """Host; `[B, 6]` genotypes as the benchmark's strings.

  Raises:
    ValueError: if a genotype does not fit the space.

  Example:
    >>> to_string([[3, 0, 1, 0, 0, 2]])[0]
    '|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|'
  """
  rows = _codec.host_genotype(_SPEC, genotype).tolist()
  terms = [[f'{op}~{s}|' for op in _GENE_NAMES] for s in _SOURCES]
  strings = []
  for row in rows:
    a, b, c, d, e, f = (terms[i][gene] for i, gene in enumerate(row))
    strings.append(f'|{a}+|{b}{c}+|{d}{e}{f}')
  return strings


def from_string(strings: Iterable[str]) -> np.ndarray:
  """Host; `[B, 6]` NumPy int32 genotypes of the benchmark's strings.

  Raises:
    ValueError: naming the first string that is not of the space, and where.
  """
  strings = _codec.string_list(_SPEC, strings)
  codes = {name: code for code, name in enumerate(_GENE_NAMES)}
  genotype = np.zeros((len(strings), _NUM_GENES), np.int32)
  for place, string in enumerate(strings):
    match = _pattern().fullmatch(string)
    if match is None:
      raise ValueError(
          f'nasbench201: string {place} is not an architecture: {string!r}; '
          'expected |op~0|+|op~0|op~1|+|op~0|op~1|op~2| with op one of '
          + ', '.join(_GENE_NAMES)
      )
    genotype[place] = [codes[name] for name in match.groups()]
  return genotype


@functools.cache
def _pattern() -> re.Pattern[str]:
  op = '(' + '|'.join(_GENE_NAMES) + ')'
  a, b, c, d, e, f = (rf'{op}~{source}\|' for source in _SOURCES)
  return re.compile(rf'\|{a}\+\|{b}{c}\+\|{d}{e}{f}')


@functools.cache
def _all_genotypes() -> np.ndarray:
  """`[15625, 6]` int32, row = index."""
  return np.array(
      list(itertools.product(range(_NUM_OPS), repeat=_NUM_GENES)), np.int32
  )


@functools.cache
def _valid_indices() -> np.ndarray:
  """`[15284]` int32 indices of the valid cells."""
  connected = _edge_cell.live_edges(_all_genotypes()).any(-1)
  return np.flatnonzero(connected).astype(np.int32)


@functools.cache
def _classes() -> tuple[np.ndarray, np.ndarray]:
  """`[15625]` class of each index; `[6466]` smallest index of each class."""
  numbers: dict[str, int] = {}
  classes = np.zeros(_SIZE, np.int32)
  first = []
  for place, genotype in enumerate(_all_genotypes().tolist()):
    expression = _expression(genotype)
    if expression not in numbers:
      numbers[expression] = len(numbers)
      first.append(place)
    classes[place] = numbers[expression]
  return classes, np.array(first, np.int32)


def _expression(genotype: list[int]) -> str:
  """The cell's output as a canonical expression of its input."""
  nodes = ['x']
  for incoming in _edge_cell.INCOMING:
    terms = []
    for source, edge in incoming:
      op, value = genotype[edge], nodes[source]
      if op == 0 or value == _ZERO:
        terms.append(_ZERO)
      else:
        terms.append(value if op == 1 else f'({value})@{op}')
    nodes.append('+'.join(sorted(terms)))
  return nodes[-1]


NASBENCH201 = types.SearchSpace(
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
    to_index=index,
    from_index=from_index,
)
