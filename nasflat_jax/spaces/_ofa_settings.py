"""Once-for-All's own description of a network, to genotypes and back."""

from __future__ import annotations

from typing import NamedTuple

import chex
import numpy as np

from nasflat_jax.spaces import _codec
from nasflat_jax.spaces import _ofa
from nasflat_jax.spaces import _ofa_costs as _costs

_KERNELS, _RATIOS = np.array(_costs.BLOCKS).T
# Kernel and expansion of each block code; zeros for `skip`.
_BY_CODE = np.array([*_costs.BLOCKS, (0, 0)], np.int32)


class OfaSettings(NamedTuple):
  """Networks in the words of Once-for-All. Host only.

  Attributes:
    kernel: `[B, 20]` 3, 5 or 7; of four blocks for each stage.
    expansion: `[B, 20]` 3, 4 or 6.
    depth: `[B, 5]` blocks of each stage, 2 to 4; the rest of its four blocks
      do not exist.
    resolution: `[B]` side of the image, 128 to 224 in steps of 4.
  """

  kernel: np.ndarray  # [B, 20]
  expansion: np.ndarray  # [B, 20]
  depth: np.ndarray  # [B, 5]
  resolution: np.ndarray  # [B]


def ofa_genotype(settings: OfaSettings) -> np.ndarray:
  """Host; `[B, 21]` NumPy int32 genotypes of networks given in full.

  What is said of blocks beyond a stage's depth is ignored.

  Raises:
    ValueError: a shape is wrong, or a value none of the space's; names it.

  Example:
    >>> import numpy as np
    >>> from nasflat_jax import spaces
    >>> settings = OfaSettings(
    ...     np.full((1, 20), 7), np.full((1, 20), 6), np.full((1, 5), 2),
    ...     np.array([160]))
    >>> spaces.OFA.to_string(ofa_genotype(settings))[0][:34]
    'r160|k7_e6|k7_e6|skip|skip|k7_e6|k'
  """
  kernel, expansion, depth, resolution = map(np.asarray, settings)
  rows = len(resolution)
  for name, value, shape in (
      ('kernel', kernel, (rows, _costs.NUM_BLOCKS)),
      ('expansion', expansion, (rows, _costs.NUM_BLOCKS)),
      ('depth', depth, (rows, _costs.NUM_STAGES)),
      ('resolution', resolution, (rows,)),
  ):
    if value.shape != shape:
      raise ValueError(f'ofa: {name} has shape {value.shape}, want {shape}')
  kept = (
      np.arange(_costs.STAGE_DEPTH) < depth[:, :, None]
  ).reshape(rows, -1)
  depths = range(_costs.MIN_DEPTH, _costs.STAGE_DEPTH + 1)
  for name, value, choices in (
      ('kernel', kernel[kept], _KERNELS),
      ('expansion', expansion[kept], _RATIOS),
      ('depth', depth, depths),
      ('resolution', resolution, _costs.RESOLUTIONS),
  ):
    wrong = value[~np.isin(value, choices)]
    if wrong.size:
      raise ValueError(
          f'ofa: {name} {wrong[0]} is not one of '
          + ', '.join(map(str, sorted({int(choice) for choice in choices})))
      )
  same = (kernel[..., None] == _KERNELS) & (expansion[..., None] == _RATIOS)
  block = np.where(kept, same.argmax(-1), _costs.SKIP)
  first = _costs.FIRST_RESOLUTION + np.searchsorted(
      _costs.RESOLUTIONS, resolution
  )
  return np.concatenate([first[:, None], block], axis=1).astype(np.int32)


def ofa_settings(genotype: chex.Array) -> OfaSettings:
  """Host; the networks of `[B, 21]` genotypes, zeros for missing blocks.

  Raises:
    ValueError: if a genotype does not fit the space.
  """
  genotype = _codec.host_genotype(_ofa.OFA.spec, genotype)
  block = genotype[:, 1:]
  kernel, expansion = np.moveaxis(_BY_CODE[block], -1, 0)
  stages = block.reshape(-1, _costs.NUM_STAGES, _costs.STAGE_DEPTH)
  depth = (stages != _costs.SKIP).sum(-1).astype(np.int32)
  resolutions = np.array(_costs.RESOLUTIONS, np.int32)
  return OfaSettings(
      kernel, expansion, depth,
      resolutions[genotype[:, 0] - _costs.FIRST_RESOLUTION],
  )
