"""Analytic costs of FBNet networks, as HW-NAS-Bench and NASFLAT build them.

A block is a 1x1 expansion (a convolution even where the expansion is 1), a
depthwise convolution that carries the stride, and a 1x1 projection; the 1x1
convolutions of `g2` blocks have two groups, with a channel shuffle after the
first. Equal shapes add a residual. `skip` is the identity, or a 1x1
convolution with normalisation and ReLU where width or stride changes.
HW-NAS-Bench: https://arxiv.org/abs/2103.10584.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import chex
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _inverted
from nasflat_jax.spaces import _layer_costs as layers

GENE_NAMES = (
    'k3_e1', 'k3_e1_g2', 'k3_e3', 'k3_e6',
    'k5_e1', 'k5_e1_g2', 'k5_e3', 'k5_e6', 'skip',
)  # fmt: skip
# Kernel, expansion and groups of all operations but `skip`.
BLOCKS = (
    (3, 1, 1), (3, 1, 2), (3, 3, 1), (3, 6, 1),
    (5, 1, 1), (5, 1, 2), (5, 3, 1), (5, 6, 1),
)  # fmt: skip
_DEPTHS = (1, 4, 4, 4, 4, 4, 1)
_CHANNELS = (16, 24, 32, 64, 112, 184, 352)
_STEM_CHANNELS = 16


class _Setting(NamedTuple):
  size: int
  stem_stride: int
  strides: tuple[int, ...]
  header: int
  classes: int


_SETTINGS = {
    'cifar100': _Setting(32, 1, (1, 1, 2, 2, 1, 2, 1), 1504, 100),
    'imagenet': _Setting(224, 2, (1, 2, 2, 2, 1, 2, 1), 1984, 1000),
}


def _setting(name: str) -> _Setting:
  if name not in _SETTINGS:
    raise ValueError(
        f'fbnet: unknown setting {name!r}; known: ' + ', '.join(_SETTINGS)
    )
  return _SETTINGS[name]


@functools.cache
def positions(setting: str) -> tuple[_inverted.Place, ...]:
  """The 22 layers in order; `ValueError` for an unknown setting."""
  config = _setting(setting)
  return _inverted.places(
      channels=_STEM_CHANNELS,
      size=config.size // config.stem_stride,
      stages=zip(_CHANNELS, _DEPTHS, config.strides, strict=True),
  )


@functools.cache
def tables(setting: str) -> tuple[np.ndarray, np.ndarray]:
  """`[7]` costs of stem, header and classifier; `[22, 9, 7]` of operations."""
  config = _setting(setting)
  places = positions(setting)
  first, last = places[0], places[-1]
  stem = layers.conv(
      3, _STEM_CHANNELS, 3, config.size, first.size_in
  ) + layers.relu(_STEM_CHANNELS * first.size_in**2)
  fixed = stem + _inverted.head(last, config.header, config.classes)
  ops = np.stack(
      [
          np.stack([*(_block(p, *b) for b in BLOCKS), _skip(p)])
          for p in places
      ]
  )
  return fixed, ops


def _block(
    place: _inverted.Place, kernel: int, expansion: int, groups: int
) -> np.ndarray:
  narrow, wide = place.channels_in, place.channels_in * expansion
  size_in, size_out = place.size_in, place.size_out
  cost = (
      layers.conv(narrow, wide, 1, size_in, size_in, groups=groups)
      + layers.conv(wide, wide, kernel, size_in, size_out, groups=wide)
      # The reference counts the ReLU its block shares once: the last call.
      + layers.relu(wide * size_out**2)
      + layers.conv(
          wide, place.channels_out, 1, size_out, size_out, groups=groups
      )
  )
  if groups > 1:
    cost = cost + layers.elementwise(wide * size_in**2, wide * size_in**2, 0)
  if place.stride == 1 and narrow == place.channels_out:
    elements = narrow * size_out**2
    cost = cost + layers.elementwise(2 * elements, elements, 0)
  return cost


def _skip(place: _inverted.Place) -> np.ndarray:
  if place.stride == 1 and place.channels_in == place.channels_out:
    return layers.vector()
  return layers.conv(
      place.channels_in, place.channels_out, 1, place.size_in, place.size_out
  ) + layers.relu(place.channels_out * place.size_out**2)


def op_costs(genotype: chex.Array, setting: str = 'cifar100') -> types.Costs:
  """Costs of each layer's operation.

  Args:
    genotype: `[B, 22]`. NumPy gives exact float64; JAX float32, jittable.
    setting: `cifar100` (32x32 images) or `imagenet` (224x224).

  Returns:
    `Costs` with `[B, 22]` fields; `critical_path` equals `kernels`.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  genotype = layers.as_array(genotype)
  return layers.as_costs(layers.gather(tables(setting)[1], genotype))


def costs(genotype: chex.Array, setting: str = 'cifar100') -> types.Costs:
  """Costs of whole networks.

  `params` and `flops` of `cifar100` are NASFLAT's, exactly: the two ReLUs of
  a block count once there, with the elements of the second.

  `kernels`: one per convolution (with its normalisation and ReLU), one per
  channel shuffle and one per residual addition; 4 for stem, header, pooling
  and classifier; an identity has none. The network is a chain, so
  `critical_path` equals `kernels`.

  Args:
    genotype: `[B, 22]`. NumPy gives exact float64; JAX float32, jittable.
    setting: `cifar100` (32x32 images) or `imagenet` (224x224).

  Returns:
    `Costs` with `[B]` fields.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  fixed, ops = tables(setting)
  genotype = layers.as_array(genotype)
  return layers.as_costs(layers.total(fixed, layers.gather(ops, genotype)))
