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

import chex
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


@functools.cache
def _tables(setting: str) -> tuple[np.ndarray, np.ndarray]:
  """`[7]` fixed costs and `[8, 3, 7]` of layers."""
  if setting != _SETTING:
    raise ValueError(
        f'nasbench_macro: unknown setting {setting!r}; known: {_SETTING}'
    )
  fixed = (
      layers.conv(3, _STEM, 3, _IMAGE, _IMAGE)
      + layers.relu(_STEM * _IMAGE**2)
      + _inverted.head(_places()[-1], _MIXED, _CLASSES)
  )
  ops = [
      np.stack([_skip(p), *(_inverted.block(p, *b) for b in _BLOCKS)])
      for p in _places()
  ]
  return fixed, np.stack(ops)


def _skip(place: _inverted.Place) -> np.ndarray:
  if place.stride == 1:
    return layers.vector()
  return layers.conv(
      place.channels_in, place.channels_out, 1, place.size_in, place.size_out
  )


_SPEC = _inverted.chain_spec(
    'nasbench_macro',
    gene_names=_GENE_NAMES,
    operators=[
        types.Operator('skip'),
        *(_operators.inverted_residual(*b) for b in _BLOCKS),
    ],
    nodes=_inverted.node_features(_places()),
    costs=layers.features(_tables(_SETTING)[1]),
    size=_NUM_OPS**_NUM_GENES,
)


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


# `params` and `multiply_adds` are the benchmark's parameters and FLOPs,
# exactly; `flops` adds the elementwise terms, as in the other spaces.
_COSTS, _OP_COSTS = layers.additive(_tables, _SETTING)
NASBENCH_MACRO = _codec.free_chain(
    _SPEC,
    costs=_COSTS,
    op_costs=_OP_COSTS,
    to_string=to_string,
    from_string=from_string,
)
