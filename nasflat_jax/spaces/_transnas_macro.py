"""TransNASBench-101, macro level: four to six modules in a chain.

Duan et al., CVPR 2021 (https://arxiv.org/abs/2105.11871). A module keeps its
input's shape, doubles the channels, halves the side, or both; a network doubles
one to three times and halves one to four times: 3,256 members. A genotype's
number is its place in the benchmark's list.
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
from nasflat_jax.spaces import _layer_costs
from nasflat_jax.spaces import _operators
from nasflat_jax.spaces import _transnas_macro_costs as _costs

_GENE_NAMES = ('absent', 'same', 'wide', 'half', 'wide_half')
_NUM_OPS = _costs.NUM_OPS
_NUM_GENES = _costs.NUM_GENES
_DEPTHS = (4, 5, 6)
_DOUBLINGS = (1, 2, 3)
_HALVINGS = (1, 2, 3, 4)
_SIZE = 3256
_RANGES = ((1, _NUM_OPS),) * _DEPTHS[0] + ((0, _NUM_OPS),) * 2
_LOW, _HIGH = np.array(_RANGES).T
# A chain, and ways out of it after the fourth and the fifth module.
_EDGES = (*((node, node + 1) for node in range(_NUM_GENES + 1)), (4, 7), (5, 7))
_STRING = re.compile(r'64-([1-4]{4,6})-basic')
_DIGITS = re.compile(r'\(([1-4](?:, [1-4]){3,5})\)')


def _make_spec() -> types.SpaceSpec:
  # Costs at the width and side of a module that nothing has changed before:
  # what changed them is in the graph.
  table = np.broadcast_to(
      _costs.tables('class_scene')[1][0, 0],
      (_NUM_GENES, _NUM_OPS, len(_layer_costs.FIELDS)),
  )
  costs = _layer_costs.features(table)
  zero = (0.0,) * len(costs[0][0])
  ends = (zero,) * (_NUM_OPS + 2)
  depth = tuple((round((g + 1) / _NUM_GENES, 6),) for g in range(_NUM_GENES))
  modules = [
      types.Operator('residual', (3, 3), expansion=wide, stride=stride)
      for stride in (1, 2) for wide in (1, 2)
  ]
  return types.SpaceSpec(
      name='transnas_macro',
      gene_names=_GENE_NAMES,
      op_names=(*_GENE_NAMES, 'input', 'output'),
      operators=_operators.with_ends(types.Operator('absent'), *modules),
      num_genes=_NUM_GENES,
      num_cells=1,
      num_nodes=_NUM_GENES + 2,
      edges=_EDGES,
      node_features=((0.0,), *depth, (0.0,)),
      op_features=(ends, *((*gene, zero, zero) for gene in costs), ends),
      size=_SIZE,
      gene_ranges=_RANGES,
  )


_SPEC = _make_spec()


def decode(genotype: chex.Array) -> types.Architectures:
  """Builds the chain input -> modules -> output of each network.

  Args:
    genotype: `[B, 6]` genes.

  Returns:
    `Architectures` with `C = 1`, `V = 8`, `E = 9`, `F = 0`. Nodes of missing
    modules are unused, and the last module leads to the output.
  """
  genotype = jnp.asarray(genotype, jnp.int32)
  chex.assert_shape(genotype, (None, _NUM_GENES))
  rows = genotype.shape[0]
  ends = jnp.full((rows, 1), _NUM_OPS, jnp.int32)
  end = jnp.ones((rows, 1), bool)
  nodes = jnp.concatenate([end, genotype != 0, end], axis=1)
  leaves = jnp.stack([~nodes[:, 5], nodes[:, 5] & ~nodes[:, 6]], axis=1)
  edges = jnp.concatenate([nodes[:, 1:-1], nodes[:, 6:7], leaves], axis=1)
  ops = jnp.concatenate([ends, genotype, ends + 1], axis=1)
  return types.Architectures(
      genotype=genotype,
      ops=ops[:, None],
      edge_mask=edges[:, None],
      node_mask=nodes[:, None],
      live_mask=nodes[:, None],
      encoding=jnp.zeros((rows, 0), jnp.float32),
  )


def is_valid(genotype: chex.Array) -> jax.Array:
  """`[B]` True where the benchmark has the network, of 3,256."""
  genotype = jnp.asarray(genotype)
  in_range = ((genotype >= _LOW) & (genotype < _HIGH)).all(-1)
  gap = (genotype[..., 4] == 0) & (genotype[..., 5] != 0)
  doubled, halved = _costs.totals(jnp.clip(genotype, 0, _NUM_OPS - 1))
  doubled, halved = doubled[..., -1], halved[..., -1]
  counts = (
      (doubled >= min(_DOUBLINGS)) & (doubled <= max(_DOUBLINGS))
      & (halved >= min(_HALVINGS)) & (halved <= max(_HALVINGS))
  )
  return in_range & ~gap & counts


def index(genotype: chex.Array) -> jax.Array:
  """`[B]` int32 place in the benchmark's list; -1 for what is not in it."""
  number = _codec.to_index(genotype, _NUM_OPS)
  return jnp.asarray(_places())[number]


def from_index(index: chex.Array) -> jax.Array:
  """`[B, 6]` genotype of each number in 0..3255; inverse of `index`."""
  return jnp.asarray(_members())[jnp.asarray(index, jnp.int32)]


def random(key: chex.PRNGKey, n: int) -> jax.Array:
  """Draws `[n, 6]` genotypes uniformly from the 3,256."""
  return from_index(jax.random.randint(key, (n,), 0, _SIZE))


def to_string(genotype: chex.Array) -> list[str]:
  """Host; `[B, 6]` genotypes as the benchmark's strings.

  Raises:
    ValueError: if a genotype does not fit the space.

  Example:
    >>> to_string([[2, 3, 1, 1, 0, 0]])
    ['64-2311-basic']
  """
  rows = _codec.host_genotype(_SPEC, genotype).tolist()
  digits = [''.join(str(gene) for gene in row if gene) for row in rows]
  return [f'64-{row}-basic' for row in digits]


def from_string(strings: Iterable[str]) -> np.ndarray:
  """Host; `[B, 6]` NumPy int32 genotypes of the benchmark's strings.

  A tuple of the digits as text, as in zero-cost tables, is read too.

  Raises:
    ValueError: naming the first string that is not of the space, and where.

  Example:
    >>> from_string(['64-2311-basic', '(2, 3, 1, 1, 4)']).tolist()
    [[2, 3, 1, 1, 0, 0], [2, 3, 1, 1, 4, 0]]
  """
  strings = _codec.string_list(_SPEC, strings)
  genotype = np.zeros((len(strings), _NUM_GENES), np.int32)
  for place, string in enumerate(strings):
    match = _STRING.fullmatch(string) or _DIGITS.fullmatch(string)
    digits = match.group(1).replace(', ', '') if match else ''
    genotype[place, : len(digits)] = [int(digit) for digit in digits]
  bad = ~np.asarray(is_valid(genotype))
  if bad.any():
    place = int(bad.argmax())
    raise ValueError(
        f'transnas_macro: string {place} is not an architecture: '
        f'{strings[place]!r}; expected 64-DIGITS-basic of four to six digits '
        '1 (same), 2 (channels doubled), 3 (side halved) and 4 (both), with '
        'one to three doublings and one to four halvings'
    )
  return genotype


@functools.cache
def _members() -> np.ndarray:
  """`[3256, 6]` int32 in the benchmark's order.

  By depth, number of doublings, number of halvings; then by the places of the
  doublings, then of the halvings, each in lexicographic order.
  """
  rows = []
  for depth, doubled, halved in itertools.product(
      _DEPTHS, _DOUBLINGS, _HALVINGS
  ):
    for wide in itertools.combinations(range(depth), doubled):
      for half in itertools.combinations(range(depth), halved):
        row = np.zeros(_NUM_GENES, np.int32)
        row[:depth] = 1
        row[list(wide)] += 1
        row[list(half)] += 2
        rows.append(row)
  return np.stack(rows)


@functools.cache
def _places() -> np.ndarray:
  """`[15625]` int32 place of each base-5 number; -1 for what is no member."""
  members = _members()
  places = np.full(_NUM_OPS**_NUM_GENES, -1, np.int32)
  powers = _NUM_OPS ** np.arange(_NUM_GENES)[::-1]
  places[members @ powers] = np.arange(len(members))
  return places


TRANSNAS_MACRO = types.SearchSpace(
    spec=_SPEC,
    decode=decode,
    random=random,
    # The last module may go, and one may be added.
    mutate=functools.partial(
        _codec.mutate_valid, num_ops=_NUM_OPS, is_valid=is_valid
    ),
    crossover=functools.partial(_codec.crossover, is_valid=is_valid),
    is_valid=is_valid,
    costs=_costs.costs,
    op_costs=_costs.op_costs,
    to_string=to_string,
    from_string=from_string,
    to_index=index,
    from_index=from_index,
)
