"""The five cell spaces of NDS, with the width and depth of the network.

Radosavovic et al., ICCV 2019 (https://arxiv.org/abs/1905.13214), on CIFAR-10:
NASNet, AmoebaNet, PNAS, ENAS and DARTS. The edges of a step may have the same
input. NASNet, AmoebaNet and ENAS concatenate the steps that no step uses,
PNAS and DARTS all of them.

The first genes are width and depth; those of a cell are the wirings of its
steps, then the operations of its edges.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import functools
import json
from typing import Any

import chex
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _cell_rules
from nasflat_jax.spaces import _cell_space
from nasflat_jax.spaces import _codec

_CELLS = _cell_rules.CELLS
# Operations in the order of NDS, steps, loose ends.
_TABLE = {
    'nds_amoeba': (
        ('skip_connect', 'sep_conv_3x3', 'sep_conv_5x5', 'sep_conv_7x7',
         'avg_pool_3x3', 'max_pool_3x3', 'dil_sep_conv_3x3', 'conv_7x1_1x7'),
        5,
        True,
    ),
    'nds_darts': (
        ('none', 'max_pool_3x3', 'avg_pool_3x3', 'skip_connect',
         'sep_conv_3x3', 'sep_conv_5x5', 'dil_conv_3x3', 'dil_conv_5x5'),
        4,
        False,
    ),
    'nds_enas': (
        ('skip_connect', 'sep_conv_3x3', 'sep_conv_5x5', 'avg_pool_3x3',
         'max_pool_3x3'),
        5,
        True,
    ),
    'nds_nasnet': (
        ('skip_connect', 'conv_3x1_1x3', 'conv_7x1_1x7', 'dil_conv_3x3',
         'avg_pool_3x3', 'max_pool_3x3', 'max_pool_5x5', 'max_pool_7x7',
         'conv_1x1', 'conv_3x3', 'sep_conv_3x3', 'sep_conv_5x5',
         'sep_conv_7x7'),
        5,
        True,
    ),
    'nds_pnas': (
        ('sep_conv_3x3', 'sep_conv_5x5', 'sep_conv_7x7', 'conv_7x1_1x7',
         'skip_connect', 'avg_pool_3x3', 'max_pool_3x3', 'dil_conv_3x3'),
        5,
        False,
    ),
}  # fmt: skip
_RULES = {
    name: _cell_rules.CellRules(
        name=name,
        op_names=op_names,
        num_steps=num_steps,
        distinct=False,
        loose_ends=loose_ends,
        affine=True,
        pool_norm=False,
        widths=(16, 24, 32),
        depths=(4, 8, 12, 16, 20),
    )
    for name, (op_names, num_steps, loose_ends) in _TABLE.items()
}


def nds_genotype(
    space: types.SearchSpace, records: Iterable[Mapping[str, Any]]
) -> np.ndarray:
  """Host; the genotypes of records of NDS.

  Args:
    space: one of the five NDS spaces.
    records: `B` records, or their `net`: `genotype` with `normal`,
      `normal_concat`, `reduce`, `reduce_concat`, and `width` and `depth`;
      other entries are not read.

  Returns:
    `[B, G]` NumPy int32; the two edges of a step sorted by input.

  Raises:
    ValueError: if the space is not one of NDS, or naming the first record
      that is not of the space, where it is and what is wrong.
  """
  rules = _rules_of(space)
  rows = []
  for place, record in enumerate(records):
    try:
      rows.append(_genes(rules, record.get('net', record)))
    except (AttributeError, KeyError, TypeError) as error:
      raise ValueError(
          f'{rules.name}: record {place} has no readable network: {error!r}'
      ) from error
    except ValueError as error:
      raise ValueError(f'{rules.name}: record {place}: {error}') from error
  return np.array(rows, np.int32).reshape(len(rows), space.spec.num_genes)


def _rules_of(space: types.SearchSpace) -> _cell_rules.CellRules:
  if space.spec.name not in _RULES:
    raise ValueError(
        f'{space.spec.name!r} is no space of NDS; those are '
        + ', '.join(_RULES)
    )
  return _RULES[space.spec.name]


def _genes(rules: _cell_rules.CellRules, net: Mapping[str, Any]) -> list[int]:
  """Genes of one network; ValueError saying what is wrong."""
  plan = _cell_rules.layout(rules)
  genes = []
  for field, known, first in (
      ('width', rules.widths, plan.first_width),
      ('depth', rules.depths, plan.first_depth),
  ):
    if net[field] not in known:
      raise ValueError(f'{field} {net[field]!r} is not one of {known}')
    genes.append(first + known.index(net[field]))
  for cell in _CELLS:
    edges = net['genotype'][cell]
    unknown = [op for op, _ in edges if op not in rules.op_names]
    if unknown:
      raise ValueError(f'unknown operation {unknown[0]!r} in {cell}')
    coded = [(rules.op_names.index(op), source) for op, source in edges]
    cell_genes = _cell_space.cell_genes(rules, coded)
    if cell_genes is None:
      raise ValueError(
          f'{cell} has not {2 * rules.num_steps} edges from earlier nodes: '
          f'{edges!r}'
      )
    genes += cell_genes
  _check_concat(rules, genes, net['genotype'])
  return genes


def _check_concat(rules, genes, genotype) -> None:
  """Requires the concatenated nodes to be those of the space's rule."""
  for cell, wanted in zip(
      _CELLS, _concat(rules, np.array([genes]))[0], strict=True
  ):
    got = sorted(genotype[f'{cell}_concat'])
    if got != wanted:
      raise ValueError(f'{cell} concatenates {got}; by its rule {wanted}')


def _concat(
    rules: _cell_rules.CellRules, genotype: np.ndarray
) -> list[list[list[int]]]:
  """`[B][2]` concatenated nodes of each cell."""
  edge_inputs = _cell_rules.inputs(rules, genotype, np)
  joined = _cell_rules.concatenated(rules, edge_inputs, np)
  return [
      [(np.flatnonzero(cell) + _cell_rules.INPUTS).tolist() for cell in row]
      for row in joined
  ]


def _to_string(
    rules: _cell_rules.CellRules, genotype: chex.Array
) -> list[str]:
  """Host; `[B, G]` genotypes as `net` of NDS, compact JSON.

  Raises:
    ValueError: if a genotype does not fit the space.
  """
  genotype = _codec.host_genotype(SPACES[rules.name].spec, genotype)
  plan = _cell_rules.layout(rules)
  strings = []
  for row, edges, concat in zip(
      genotype.tolist(),
      _cell_space.edges_of(rules, genotype),
      _concat(rules, genotype),
      strict=True,
  ):
    cells: dict[str, Any] = {}
    for cell, pairs, nodes in zip(_CELLS, edges, concat, strict=True):
      cells[cell] = [[rules.op_names[op], source] for op, source in pairs]
      cells[f'{cell}_concat'] = nodes
    net = {
        'genotype': cells,
        'width': rules.widths[row[0] - plan.first_width],
        'depth': rules.depths[row[1] - plan.first_depth],
    }
    strings.append(json.dumps(net, separators=(',', ':')))
  return strings


def _from_string(
    rules: _cell_rules.CellRules, strings: Iterable[str]
) -> np.ndarray:
  """Host; `[B, G]` NumPy int32 genotypes of `net` of NDS as JSON.

  Raises:
    ValueError: naming the first string that is not of the space, and where.
  """
  space = SPACES[rules.name]
  genotype = []
  for place, string in enumerate(_codec.string_list(space.spec, strings)):
    try:
      genotype.append(nds_genotype(space, [json.loads(string)])[0])
    except ValueError as error:
      raise ValueError(
          f'{rules.name}: string {place} is not an architecture: {string!r}; '
          f'{error}'
      ) from error
  return np.array(genotype, np.int32).reshape(-1, space.spec.num_genes)


SPACES = {
    name: _cell_space.make_space(
        rules,
        to_string=functools.partial(_to_string, rules),
        from_string=functools.partial(_from_string, rules),
    )
    for name, rules in _RULES.items()
}
NDS_AMOEBA = SPACES['nds_amoeba']
NDS_DARTS = SPACES['nds_darts']
NDS_ENAS = SPACES['nds_enas']
NDS_NASNET = SPACES['nds_nasnet']
NDS_PNAS = SPACES['nds_pnas']
