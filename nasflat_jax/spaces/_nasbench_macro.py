"""NAS-Bench-Macro: eight layers in a chain, three operations on each.

Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search",
CVPR 2021 (https://arxiv.org/abs/2103.11922). Three stages of two, three and
three layers; the first layer of a stage halves the side and doubles the
channels. A layer is an identity, or where shapes differ a 1x1 convolution with
normalisation, or an inverted residual of kernel 3 and expansion 3 or of kernel
5 and expansion 6. All 6,561 networks are trained on CIFAR-10.
"""

from __future__ import annotations

from collections.abc import Iterable
import functools
from typing import NamedTuple

import chex
import jax
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _codec
from nasflat_jax.spaces import _inverted
from nasflat_jax.spaces import _layer_costs as layers
from nasflat_jax.spaces import _operators

_BLOCKS = ((3, 3), (5, 6))  # kernel and expansion
_GENE_NAMES = ('skip', 'k3_e3', 'k5_e6')
_NUM_OPS = len(_GENE_NAMES)
_STAGES = (2, 3, 3)
_NUM_GENES = sum(_STAGES)
_IMAGE, _STEM, _MIXED, _CLASSES = 32, 32, 1280, 10
_SETTING = 'cifar10'


@functools.cache
def _places() -> tuple[_inverted.Place, ...]:
  return _inverted.places(
      channels=_STEM,
      size=_IMAGE,
      stages=[
          (_STEM << stage, depth, 2)
          for stage, depth in enumerate(_STAGES, start=1)
      ],
  )


class _Tables(NamedTuple):
  fixed: np.ndarray  # [7]
  ops: np.ndarray  # [8, 3, 7]


@functools.cache
def _tables(setting: str) -> _Tables:
  if setting != _SETTING:
    raise ValueError(
        f'nasbench_macro: unknown setting {setting!r}; known: {_SETTING}'
    )
  last = _places()[-1]
  elements = _MIXED * last.size_out**2
  fixed = (
      layers.conv(3, _STEM, 3, _IMAGE, _IMAGE)
      + layers.relu(_STEM * _IMAGE**2)
      + layers.conv(last.channels_out, _MIXED, 1, last.size_out, last.size_out)
      + layers.relu(elements)
      + layers.elementwise(elements, _MIXED, elements)
      + layers.linear(_MIXED, _CLASSES)
  )
  ops = [
      np.stack([_skip(p), *(_inverted.block(p, *b) for b in _BLOCKS)])
      for p in _places()
  ]
  return _Tables(fixed, np.stack(ops))


def _skip(place: _inverted.Place) -> np.ndarray:
  if place.stride == 1:
    return layers.vector()
  return layers.conv(
      place.channels_in, place.channels_out, 1, place.size_in, place.size_out
  )


def _make_spec() -> types.SpaceSpec:
  operators = [
      types.Operator('skip'),
      *(_operators.inverted_residual(*b) for b in _BLOCKS),
  ]
  return _inverted.chain_spec(
      'nasbench_macro',
      gene_names=_GENE_NAMES,
      operators=operators,
      nodes=_inverted.node_features(_places()),
      costs=layers.features(_tables(_SETTING).ops),
      size=_NUM_OPS**_NUM_GENES,
  )


_SPEC = _make_spec()


def decode(genotype: chex.Array) -> types.Architectures:
  """Builds the chain input -> 8 layers -> output of each network.

  Args:
    genotype: `[B, 8]` genes.

  Returns:
    `Architectures` with `C = 1`, `V = 10`, `E = 9`, `F = 0`, all nodes live.
  """
  return _codec.chain(_SPEC, genotype)


def is_valid(genotype: chex.Array) -> jax.Array:
  """`[B]` True where all genes are in range."""
  return _codec.in_range(genotype, _NUM_OPS)


def index(genotype: chex.Array) -> jax.Array:
  """`[B]` int32 base-3 number of each genotype, first gene leading."""
  return _codec.to_index(genotype, _NUM_OPS)


def from_index(index: chex.Array) -> jax.Array:
  """`[B, 8]` genotype of each number in 0..6560; inverse of `index`."""
  return _codec.from_index(index, _NUM_GENES, _NUM_OPS)


def random(key: chex.PRNGKey, n: int) -> jax.Array:
  """Draws `[n, 8]` genotypes uniformly."""
  return _codec.random(key, n, num_genes=_NUM_GENES, num_ops=_NUM_OPS)


def mutate(key: chex.PRNGKey, genotype: chex.Array) -> jax.Array:
  """Changes one gene of `[B, 8]`, uniformly among all neighbours."""
  return _codec.mutate(key, genotype, num_ops=_NUM_OPS)


def crossover(
    key: chex.PRNGKey, a: chex.Array, b: chex.Array
) -> jax.Array:
  """Takes each gene from `a` or `b` `[B, 8]` with equal chances."""
  return _codec.crossover(key, a, b)


def op_costs(genotype: chex.Array, setting: str = _SETTING) -> types.Costs:
  """Costs of each layer's operation.

  Args:
    genotype: `[B, 8]`. NumPy gives exact float64; JAX float32, jittable.
    setting: `cifar10`.

  Returns:
    `Costs` with `[B, 8]` fields; `critical_path` equals `kernels`.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  genotype = layers.as_array(genotype)
  return layers.as_costs(layers.gather(_tables(setting).ops, genotype))


def costs(genotype: chex.Array, setting: str = _SETTING) -> types.Costs:
  """Costs of whole networks.

  `params` and `multiply_adds` are the benchmark's parameters and FLOPs,
  exactly; `flops` adds the elementwise terms, as in the other spaces.

  Args:
    genotype: `[B, 8]`. NumPy gives exact float64; JAX float32, jittable.
    setting: `cifar10`.

  Returns:
    `Costs` with `[B]` fields; `critical_path` equals `kernels`.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  tables = _tables(setting)
  genotype = layers.as_array(genotype)
  per_gene = layers.gather(tables.ops, genotype)
  return layers.as_costs(layers.total(tables.fixed, per_gene))


def to_string(genotype: chex.Array) -> list[str]:
  """Host; `[B, 8]` genotypes as the benchmark's eight digits.

  Raises:
    ValueError: if a genotype does not fit the space.

  Example:
    >>> to_string([[0, 2, 0, 1, 2, 1, 0, 0]])
    ['02012100']
  """
  rows = _codec.host_genotype(_SPEC, genotype).tolist()
  return [''.join(map(str, row)) for row in rows]


def from_string(strings: Iterable[str]) -> np.ndarray:
  """Host; `[B, 8]` NumPy int32 genotypes of strings of eight digits.

  Raises:
    ValueError: naming the first string that is not of the space, and where.
  """
  strings = _codec.string_list(_SPEC, strings)
  for place, string in enumerate(strings):
    if len(string) != _NUM_GENES or not set(string) <= set('012'):
      raise ValueError(
          f'nasbench_macro: string {place} is not an architecture: '
          f'{string!r}; expected {_NUM_GENES} digits 0 (skip), 1 (k3_e3) or 2 '
          '(k5_e6)'
      )
  digits = [[int(digit) for digit in string] for string in strings]
  return np.array(digits, np.int32).reshape(-1, _NUM_GENES)


NASBENCH_MACRO = types.SearchSpace(
    spec=_SPEC,
    decode=decode,
    random=random,
    mutate=mutate,
    crossover=crossover,
    is_valid=is_valid,
    costs=costs,
    op_costs=op_costs,
    to_string=to_string,
    from_string=from_string,
    to_index=index,
    from_index=from_index,
)
