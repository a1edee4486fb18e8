"""TransNASBench-101, cell level: one cell of six edges, four operations each.

Duan et al., CVPR 2021 (https://arxiv.org/abs/2105.11871). The cell is that of
NAS-Bench-201 without its pooling; genes are in the order of the benchmark's
strings, `64-41414-a_bc_def`, and a genotype's number is its row in the
benchmark's list of 4,096 cells.
"""

from __future__ import annotations

from collections.abc import Iterable
import re

import chex
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _codec
from nasflat_jax.spaces import _edge_cell
from nasflat_jax.spaces import _edge_space
from nasflat_jax.spaces import _transnas_micro_costs as _costs

_GENE_NAMES = ('none', 'skip_connect', 'conv_1x1', 'conv_3x3')
_NUM_GENES = _edge_cell.NUM_GENES
_STRING = re.compile(r'64-41414-([0-3])_([0-3]{2})_([0-3]{3})')
_DIGITS = re.compile(r'\(([0-3](?:, [0-3]){5})\)')
# NASLib's codes skip, none, 3x3, 1x1, and its edges, sorted by source.
_FROM_NASLIB = np.array([1, 0, 3, 2], np.int32)
_NASLIB_PLACES = np.array([0, 1, 3, 2, 4, 5])
_SPEC = _edge_space.make_spec(
    'transnas_micro',
    gene_names=_GENE_NAMES,
    operators=(
        types.Operator('none'),
        types.Operator('skip'),
        types.Operator('conv', (1, 1)),
        types.Operator('conv', (3, 3)),
    ),
    op_costs=_costs.tables('class_scene').ops,
)


def to_string(genotype: chex.Array) -> list[str]:
  """Host; `[B, 6]` genotypes as the benchmark's strings.

  Raises:
    ValueError: if a genotype does not fit the space.

  Example:
    >>> to_string([[1, 0, 2, 3, 3, 3]])
    ['64-41414-1_02_333']
  """
  rows = _codec.host_genotype(_SPEC, genotype).tolist()
  return ['64-41414-{}_{}{}_{}{}{}'.format(*row) for row in rows]


def from_string(strings: Iterable[str]) -> np.ndarray:
  """Host; `[B, 6]` NumPy int32 genotypes of the benchmark's strings.

  A tuple of the six digits as text, as in zero-cost tables, is read too.

  Raises:
    ValueError: naming the first string that is not of the space, and where.

  Example:
    >>> from_string(['64-41414-1_02_333', '(1, 0, 2, 3, 3, 3)']).tolist()
    [[1, 0, 2, 3, 3, 3], [1, 0, 2, 3, 3, 3]]
  """
  strings = _codec.string_list(_SPEC, strings)
  genotype = np.zeros((len(strings), _NUM_GENES), np.int32)
  for place, string in enumerate(strings):
    match = _STRING.fullmatch(string) or _DIGITS.fullmatch(string)
    if match is None:
      raise ValueError(
          f'transnas_micro: string {place} is not an architecture: {string!r};'
          ' expected 64-41414-a_bc_def or (a, b, c, d, e, f) of digits 0 to 3'
      )
    genotype[place] = [
        int(digit) for digit in ''.join(match.groups()).replace(', ', '')
    ]
  return genotype


def transnas_micro_from_naslib(op_indices: chex.Array) -> np.ndarray:
  """Host; genotypes of NASLib's own codes, which are not the benchmark's.

  NASLib sorts edges by their source and has codes 0 skip, 1 none, 2 3x3 and
  3 1x1. NAS-Bench-Suite-Zero's records of ninapro, svhn and scifar100 are in
  these; those of the seven tasks are in the benchmark's own.

  Args:
    op_indices: `[B, 6]` codes of NASLib.

  Returns:
    `[B, 6]` NumPy int32 genotypes.

  Raises:
    ValueError: the shape or a code does not fit.

  Example:
    >>> transnas_micro_from_naslib([[0, 1, 2, 3, 2, 2]]).tolist()
    [[1, 0, 2, 3, 3, 3]]
  """
  codes = _codec.host_genotype(_SPEC, op_indices)
  return _FROM_NASLIB[codes][:, _NASLIB_PLACES]


# Of the 4,096 cells, all of which the benchmark trained, 3,927 are valid.
TRANSNAS_MICRO = _edge_space.make_space(
    _SPEC,
    costs=_costs.costs,
    op_costs=_costs.op_costs,
    to_string=to_string,
    from_string=from_string,
)
