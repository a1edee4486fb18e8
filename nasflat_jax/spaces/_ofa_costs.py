"""Analytic costs of Once-for-All's MobileNet-V3 networks, 1.2 times as wide.

Cai et al., ICLR 2020 (https://arxiv.org/abs/1908.09791). A stem, a fixed block
without expansion, five stages of two to four blocks, a 1x1 expansion, global
pooling, a 1x1 convolution on the pooled vector and a classifier. A block is a
1x1 expansion, a depthwise convolution that carries the stride,
squeeze-and-excitation in stages two, four and five, and a 1x1 projection;
equal shapes add a residual. Hard swish and hard sigmoid count as a ReLU does.
"""

from __future__ import annotations

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _inverted
from nasflat_jax.spaces import _layer_costs as layers

# Kernel and expansion of all block operations but `skip`.
BLOCKS = tuple((kernel, ratio) for kernel in (3, 5, 7) for ratio in (3, 4, 6))
RESOLUTIONS = tuple(range(128, 225, 4))
GENE_NAMES = (
    *(f'k{kernel}_e{ratio}' for kernel, ratio in BLOCKS),
    'skip',
    *(f'r{resolution}' for resolution in RESOLUTIONS),
)
SKIP = len(BLOCKS)
FIRST_RESOLUTION = SKIP + 1
NUM_STAGES = 5
STAGE_DEPTH = 4
NUM_BLOCKS = NUM_STAGES * STAGE_DEPTH
MIN_DEPTH = 2
# The first code of each gene, and one past its last. Skips end a stage.
GENE_RANGES = (
    (FIRST_RESOLUTION, len(GENE_NAMES)),
    *((*[(0, SKIP)] * MIN_DEPTH, *[(0, SKIP + 1)] * (STAGE_DEPTH - MIN_DEPTH))
      * NUM_STAGES),
)  # fmt: skip

_DIVISOR = 8
_STRIDES = (2, 2, 2, 1, 2)
_SQUEEZE = (False, True, False, True, True)
_CLASSES = 1000
_SETTING = 'imagenet'
# Of the features that cannot depend on the genotype.
_FEATURE_RESOLUTION = 176


def _divisible(channels: float) -> int:
  """The multiple of 8 nearest to a width, and not 10 % below it."""
  rounded = max(
      _DIVISOR, int(channels + _DIVISOR / 2) // _DIVISOR * _DIVISOR
  )
  return rounded + _DIVISOR * (rounded < 0.9 * channels)


# 24, 24, 32, 48, 96, 136, 192, 1152 and 1536.
_STEM, _FIRST, *_STAGES, _EXPANDED, _MIXED = (
    _divisible(1.2 * width)
    for width in (16, 16, 24, 40, 80, 112, 160, 960, 1280)
)


def _half(size: int) -> int:
  return (size + 1) // 2


def positions(resolution: int) -> tuple[_inverted.Place, ...]:
  """The 20 blocks in order, for square images of that side."""
  return _inverted.places(
      channels=_FIRST,
      size=_half(resolution),
      stages=[
          (wide, STAGE_DEPTH, stride)
          for wide, stride in zip(_STAGES, _STRIDES, strict=True)
      ],
  )


def fixed_costs(resolution: int) -> np.ndarray:
  """`[7]` costs of stem, first block, expansion, pooling, mix, classifier."""
  size = _half(resolution)
  last = positions(resolution)[-1].size_out
  pixels = size**2
  return (
      layers.conv(3, _STEM, 3, resolution, size)
      + layers.relu(_STEM * pixels)
      + layers.conv(_STEM, _STEM, 3, size, size, groups=_STEM)
      + layers.relu(_STEM * pixels)
      + layers.conv(_STEM, _FIRST, 1, size, size)
      + layers.elementwise(2 * _FIRST * pixels, _FIRST * pixels, 0)
      + layers.conv(_STAGES[-1], _EXPANDED, 1, last, last)
      + layers.relu(_EXPANDED * last**2)
      + layers.elementwise(
          _EXPANDED * last**2, _EXPANDED, _EXPANDED * last**2
      )
      + layers.conv(_EXPANDED, _MIXED, 1, 1, 1, norm=False)
      + layers.relu(_MIXED)
      + layers.linear(_MIXED, _CLASSES)
  )


def block_costs(resolution: int) -> np.ndarray:
  """`[20, 10, 7]` costs of each block's operations; `skip` is free."""
  squeezed = np.repeat(_SQUEEZE, STAGE_DEPTH)
  return np.stack([
      np.stack([
          *(_block(place, squeeze, *b) for b in BLOCKS), layers.vector()
      ])
      for place, squeeze in zip(positions(resolution), squeezed, strict=True)
  ])


def _block(
    place: _inverted.Place, squeeze: bool, kernel: int, ratio: int
) -> np.ndarray:
  cost = _inverted.block(place, kernel, ratio)
  if squeeze:
    cost = cost + _squeeze(ratio * place.channels_in, place.size_out)
  return cost


def _squeeze(channels: int, size: int) -> np.ndarray:
  """Pooling, two dense layers with their activations, and the product."""
  elements = channels * size**2
  squeezed = _divisible(channels // 4)
  return (
      layers.elementwise(elements, channels, elements)
      + layers.linear(channels, squeezed)
      + layers.relu(squeezed)
      + layers.linear(squeezed, channels)
      + layers.relu(channels)
      + layers.elementwise(elements + channels, elements, 0)
  )


@functools.cache
def tables(setting: str) -> tuple[np.ndarray, np.ndarray]:
  """`[25, 7]` fixed costs and `[25, 20, 10, 7]` of blocks, by resolution.

  Raises:
    ValueError: the setting is unknown.
  """
  if setting != _SETTING:
    raise ValueError(f'ofa: unknown setting {setting!r}; known: {_SETTING}')
  fixed = np.stack([fixed_costs(resolution) for resolution in RESOLUTIONS])
  blocks = np.stack([block_costs(resolution) for resolution in RESOLUTIONS])
  return fixed, blocks


def _per_gene(genotype: chex.Array, setting: str) -> chex.Array:
  """`[B, 21, 7]`, float64 for NumPy and float32 for JAX."""
  fixed, blocks = tables(setting)
  genotype = layers.as_array(genotype)
  chex.assert_shape(genotype, (None, 1 + NUM_BLOCKS))
  places = np.arange(NUM_BLOCKS)
  row = genotype[:, 0] - FIRST_RESOLUTION
  if isinstance(genotype, jax.Array):
    first = jnp.asarray(fixed, jnp.float32)[row]
    rest = jnp.asarray(blocks, jnp.float32)[
        row[:, None], places, genotype[:, 1:]
    ]
    return jnp.concatenate([first[:, None], rest], axis=1)
  low, high = np.array(GENE_RANGES).T
  bad = ((genotype < low) | (genotype >= high)).any(1)
  if bad.any():
    wrong = int(bad.argmax())
    raise ValueError(
        f'row {wrong} has a gene outside its range: '
        f'{genotype[wrong].tolist()}'
    )
  rest = blocks[row[:, None], places, genotype[:, 1:]]
  return np.concatenate([fixed[row][:, None], rest], axis=1)


def op_costs(genotype: chex.Array, setting: str = _SETTING) -> types.Costs:
  """Costs of each gene's part of the network; they add up to `costs`.

  Args:
    genotype: `[B, 21]`. NumPy gives exact float64; JAX float32, jittable.
    setting: `imagenet` (1000 classes); the resolution is a gene.

  Returns:
    `Costs` with `[B, 21]` fields: the parts every network has at the chosen
    resolution (stem, first block, head), then the 20 blocks.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  return layers.as_costs(_per_gene(genotype, setting))


def costs(genotype: chex.Array, setting: str = _SETTING) -> types.Costs:
  """Costs of whole networks at their own resolution.

  `multiply_adds` and `params` are those of the authors' published networks.
  `kernels`: one per convolution (with its normalisation and activation), four
  for squeeze-and-excitation (pooling, two dense layers, product), one per
  residual addition; 8 for stem, first block and head; a skip has none. The
  network is a chain, so `critical_path` equals `kernels`.

  Args:
    genotype: `[B, 21]`. NumPy gives exact float64; JAX float32, jittable.
    setting: `imagenet` (1000 classes); the resolution is a gene.

  Returns:
    `Costs` with `[B]` fields.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  return layers.as_costs(_per_gene(genotype, setting).sum(1))


def node_features() -> tuple[tuple[float, ...], ...]:
  """`[21][5]`: log channels in and out, stride, log size, relative depth.

  The first row is the stem's. Sizes are those of 176 x 176 images, as a spec
  knows no genotype; `op_features` of the first node tell the resolution.
  """
  size = _FEATURE_RESOLUTION
  stem = _inverted.Place(3, _STEM, 2, size, _half(size))
  return _inverted.node_features([stem, *positions(size)])


def op_features() -> tuple[tuple[tuple[float, ...], ...], ...]:
  """`[21][35][4]` features of each code at each gene, zeros where it cannot be.

  Blocks are those of 176 x 176 images.
  """
  table = np.zeros((1 + NUM_BLOCKS, len(GENE_NAMES), len(layers.FIELDS)))
  for code, resolution in enumerate(RESOLUTIONS, start=FIRST_RESOLUTION):
    table[0, code] = fixed_costs(resolution)
  table[1:, :FIRST_RESOLUTION] = block_costs(_FEATURE_RESOLUTION)
  return layers.features(table)
