"""What a space of two cells of steps allows, and how its genes are laid out.

A cell (https://arxiv.org/abs/1707.07012) has two inputs, the outputs of the
two cells before it. Each step applies one operation to each of two of the
inputs and earlier steps, and adds the results. The cell's output concatenates
steps. A network repeats a normal cell and has a reduction cell in two places.

The two edges of a step have no order, so they are kept sorted by input, and
which two inputs a step takes is one gene, its wiring.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

CELLS = ('normal', 'reduce')
INPUTS = 2


class CellRules(NamedTuple):
  """The rules of one space. Static: hashes by value.

  Attributes:
    name: the space's name.
    op_names: operations of an edge.
    num_steps: S.
    distinct: whether the two edges of a step have different inputs.
    loose_ends: whether a cell concatenates the steps that no step uses, or
      all of them.
    affine: whether normalisations inside operations have parameters.
    pool_norm: whether a normalisation without parameters follows a pooling.
    widths: channels of the first normal cell; a gene where more than one.
    depths: numbers of cells; a gene where more than one.
  """

  name: str
  op_names: tuple[str, ...]
  num_steps: int
  distinct: bool
  loose_ends: bool
  affine: bool
  pool_norm: bool
  widths: tuple[int, ...]
  depths: tuple[int, ...]

  @property
  def has_macro(self) -> bool:
    """Whether width and depth are genes, the first two."""
    return len(self.widths) > 1


class Layout(NamedTuple):
  """Where things are in a genotype and what codes mean.

  Attributes:
    gene_names: names of the codes: operations, wirings, widths, depths.
    gene_ranges: first code of each gene and one past its last.
    pairs: `[P, 2]` the two inputs of each wiring, the smaller first.
    first_pair: code of the first wiring.
    first_width: code of the first width.
    first_depth: code of the first depth.
    pair_genes: `[2, S']` genes of the wirings of each cell, those of the last
      S' steps; a first step with one wiring has no gene.
    op_genes: `[2, 2 S]` genes of the operations of each cell.
  """

  gene_names: tuple[str, ...]
  gene_ranges: tuple[tuple[int, int], ...]
  pairs: np.ndarray
  first_pair: int
  first_width: int
  first_depth: int
  pair_genes: np.ndarray
  op_genes: np.ndarray


@functools.cache
def layout(rules: CellRules) -> Layout:
  """The layout of the genotypes of a space."""
  gap = int(rules.distinct)
  pairs = [
      (first, second)
      for second in range(INPUTS + rules.num_steps - 1)
      for first in range(second + 1 - gap)
  ]
  first_pair = len(rules.op_names)
  names = [*rules.op_names, *(f'in_{a}_{b}' for a, b in pairs)]
  first_width = first_depth = len(names)
  ranges = []
  if rules.has_macro:
    first_depth = first_width + len(rules.widths)
    names += [f'w{width}' for width in rules.widths]
    names += [f'd{depth}' for depth in rules.depths]
    ranges = [(first_width, first_depth), (first_depth, len(names))]
  # Wirings are in order of their second input, so a step takes the first few.
  counts = [
      sum(second < INPUTS + step for _, second in pairs)
      for step in range(rules.num_steps)
  ]
  wired = [(first_pair, first_pair + n) for n in counts if n > 1]
  cell = wired + [(0, first_pair)] * (2 * rules.num_steps)
  starts = len(ranges) + len(cell) * np.arange(len(CELLS))[:, None]
  return Layout(
      gene_names=tuple(names),
      gene_ranges=(*ranges, *cell * len(CELLS)),
      pairs=np.array(pairs, np.int32),
      first_pair=first_pair,
      first_width=first_width,
      first_depth=first_depth,
      pair_genes=starts + np.arange(len(wired)),
      op_genes=starts + np.arange(len(wired), len(cell)),
  )


def inputs(rules: CellRules, genotype, xp):
  """`[B, 2, 2 S]` input of every edge: 0 and 1, then earlier steps from 2."""
  plan = layout(rules)
  wiring = genotype[:, plan.pair_genes] - plan.first_pair  # [B, 2, S']
  fixed = rules.num_steps - plan.pair_genes.shape[1]
  first = xp.zeros((*wiring.shape[:2], fixed), wiring.dtype)
  wiring = xp.concatenate([first, wiring], axis=-1)
  chosen = xp.asarray(plan.pairs)[wiring]  # [B, 2, S, 2]
  return chosen.reshape(*wiring.shape[:2], -1)


def concatenated(rules: CellRules, edge_inputs, xp):
  """`[B, 2, S]` True for the steps that a cell concatenates."""
  steps = INPUTS + np.arange(rules.num_steps)
  used = (edge_inputs[..., None] == steps).any(2)
  return ~used if rules.loose_ends else xp.ones_like(used)


def live_edges(rules: CellRules, genotype, edge_inputs, xp):
  """`[B, 2, 2 S]` True for edges that carry something from a cell's input."""
  plan = layout(rules)
  ops = genotype[:, plan.op_genes]
  if 'none' not in rules.op_names:
    return xp.ones_like(ops, dtype=bool)
  wired = ops != rules.op_names.index('none')
  arrived = xp.ones((*ops.shape[:2], INPUTS), dtype=bool)
  live = []
  for step in range(rules.num_steps):
    edges = slice(2 * step, 2 * step + 2)
    source = xp.take_along_axis(arrived, edge_inputs[..., edges], axis=-1)
    live.append(wired[..., edges] & source)
    arrived = xp.concatenate(
        [arrived, live[-1].any(-1, keepdims=True)], axis=-1
    )
  return xp.concatenate(live, axis=-1)
