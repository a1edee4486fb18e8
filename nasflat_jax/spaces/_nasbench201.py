"""NAS-Bench-201: one cell of six edges, five operations on each.

Dong & Yang, ICLR 2020 (https://arxiv.org/abs/2001.00326). The genes are the
operations on the edges 0->1, 0->2, 1->2, 0->3, 1->3, 2->3, in the order of
the benchmark's strings.
"""

from __future__ import annotations

from collections.abc import Iterable
import functools
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _codec
from nasflat_jax.spaces import _edge_cell
from nasflat_jax.spaces import _edge_space
from nasflat_jax.spaces import _nasbench201_costs as _costs

_GENE_NAMES = (
    'none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3'
)
_NUM_GENES = _edge_cell.NUM_GENES
_NUM_OPS = len(_GENE_NAMES)
# Sorts before every other character of an expression; the count of classes
# depends on that.
_ZERO = '#'
_SOURCES = tuple(
    source for incoming in _edge_cell.INCOMING for source, _ in incoming
)
_SPEC = _edge_space.make_spec(
    'nasbench201',
    gene_names=_GENE_NAMES,
    operators=(
        types.Operator('none'),
        types.Operator('skip'),
        types.Operator('conv', (1, 1)),
        types.Operator('conv', (3, 3)),
        types.Operator('avg_pool', (3, 3)),
    ),
    op_costs=_costs.tables('cifar10').ops,
)


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
  return jnp.asarray(_classes()[0])[_index(genotype)]


def canonical(genotype: chex.Array) -> jax.Array:
  """`[B, 6]` the member of smallest index of each cell's isomorphism class."""
  classes, first = _classes()
  smallest = jnp.asarray(first[classes])[_index(genotype)]
  return _codec.from_index(smallest, _NUM_GENES, _NUM_OPS)


def _index(genotype: chex.Array) -> jax.Array:
  return _codec.to_index(genotype, _NUM_OPS)


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
def _classes() -> tuple[np.ndarray, np.ndarray]:
  """`[15625]` class of each index; `[6466]` smallest index of each class."""
  numbers: dict[str, int] = {}
  cells = _edge_space.members(_NUM_OPS)
  classes = np.zeros(len(cells), np.int32)
  first = []
  for place, genotype in enumerate(cells.tolist()):
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


# Of the 15,625 cells 15,284 are valid.
NASBENCH201 = _edge_space.make_space(
    _SPEC,
    costs=_costs.costs,
    op_costs=_costs.op_costs,
    to_string=to_string,
    from_string=from_string,
)
