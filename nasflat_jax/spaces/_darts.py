"""DARTS on CIFAR-10, the space of NAS-Bench-301: two cells of four steps.

Liu et al., ICLR 2019 (https://arxiv.org/abs/1806.09055); Zela et al., ICLR
2022 (https://arxiv.org/abs/2008.09777). Seven operations; the two edges of a
step have different inputs, and a cell concatenates its four steps. Networks
have eight cells and 32 channels, as those that NAS-Bench-301 trains.

The genes of a cell are the wirings of steps 1 to 3 (the first step takes both
inputs), then the operations of the eight edges.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

import chex
import numpy as np

from nasflat_jax.spaces import _cell_rules
from nasflat_jax.spaces import _cell_space
from nasflat_jax.spaces import _codec

# In the order of NASLib's codes.
_RULES = _cell_rules.CellRules(
    name='darts',
    op_names=(
        'max_pool_3x3', 'avg_pool_3x3', 'skip_connect', 'sep_conv_3x3',
        'sep_conv_5x5', 'dil_conv_3x3', 'dil_conv_5x5',
    ),
    num_steps=4,
    distinct=True,
    loose_ends=False,
    affine=False,
    pool_norm=True,
    widths=(32,),
    depths=(8,),
)  # fmt: skip


def to_string(genotype: chex.Array) -> list[str]:
  """Host; `[B, 22]` genotypes as NASLib's tuples.

  The normal and the reduction cell, each eight pairs of an input and an
  operation, two of each step, sorted by input.

  Raises:
    ValueError: if a genotype does not fit the space.
  """
  rows = _cell_space.edges_of(
      _RULES, _codec.host_genotype(DARTS.spec, genotype)
  )
  return [
      str(tuple(tuple((i, op) for op, i in cell) for cell in row))
      for row in rows
  ]


def from_string(strings: Iterable[str]) -> np.ndarray:
  """Host; `[B, 22]` NumPy int32 genotypes of NASLib's tuples.

  The two edges of a step may come in any order.

  Raises:
    ValueError: naming the first string that is not of the space, and where.
  """
  strings = _codec.string_list(DARTS.spec, strings)
  genotype = np.zeros((len(strings), DARTS.spec.num_genes), np.int32)
  for place, string in enumerate(strings):
    genes = _parsed(string)
    if genes is None:
      raise ValueError(
          f'darts: string {place} is not an architecture: {string!r}; '
          'expected (normal, reduce), each eight pairs (input, operation), '
          'two of each step with different inputs, 0 and 1 for those of the '
          'cell and from 2 for earlier steps; operations are 0 to 6 for '
          + ', '.join(_RULES.op_names)
      )
    genotype[place] = genes
  return genotype


def _parsed(string: str) -> list[int] | None:
  """22 genes of a tuple; None if it is no architecture."""
  try:
    cells: Any = ast.literal_eval(string)
    pairs = [[(int(op), int(i)) for i, op in cell] for cell in cells]
    same = all(
        type(value) is int for cell in cells for pair in cell for value in pair
    )
  except (SyntaxError, TypeError, ValueError):
    return None
  count = len(_RULES.op_names)
  if not same or len(pairs) != len(_cell_rules.CELLS):
    return None
  if not all(0 <= op < count for cell in pairs for op, _ in cell):
    return None
  genes = [_cell_space.cell_genes(_RULES, cell) for cell in pairs]
  if genes[0] is None or genes[1] is None:
    return None
  return genes[0] + genes[1]


DARTS = _cell_space.make_space(
    _RULES, to_string=to_string, from_string=from_string
)
