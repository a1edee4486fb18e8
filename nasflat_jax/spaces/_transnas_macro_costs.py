"""Analytic costs of TransNASBench-101's macro-level networks.

Four to six modules of two basic residual blocks of two 3x3 convolutions
(https://arxiv.org/abs/2105.11871). A module may double the channels, halve the
side, or both; its first block then has a 1x1 convolution on its shortcut. What
a module costs depends on the modules before it.
"""

from __future__ import annotations

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _layer_costs as layers
from nasflat_jax.spaces import _transnas_parts as parts

NUM_GENES = 6
# Code of a module: 0 there is none, then the benchmark's digits.
NUM_OPS = 5
DOUBLES = np.array([0, 0, 1, 0, 1])
HALVES = np.array([0, 0, 0, 1, 1])
_BLOCKS = 2


def _block(channels: int, wide: int, size: int, after: int) -> np.ndarray:
  elements = wide * after**2
  cost = (
      parts.relu_conv_norm(channels, wide, 3, size, after)
      + parts.relu_conv_norm(wide, wide, 3, after, after)
      + layers.elementwise(2 * elements, elements, 0)
  )
  if wide != channels or after != size:
    shortcut = layers.conv(channels, wide, 1, size, after)
    shortcut[layers.FIELDS.index('critical_path')] = 0
    cost = cost + shortcut
  return cost


@functools.cache
def tables(setting: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Costs of the parts, by how often channels doubled and sides halved.

  Returns:
    `[7]` of the stem; `[7, 7, 5, 7]` of a module after so many doublings and
    halvings, for each code; `[7, 7, 7]` of the head, zeros where the
    benchmark has no such network.

  Raises:
    ValueError: the setting is unknown.
  """
  parts.check_task('transnas_macro', setting, parts.TASKS)
  stem, side = parts.stem(parts.image_side(setting))
  count, fields = NUM_GENES + 1, len(layers.FIELDS)
  modules = np.zeros((count, count, NUM_OPS, fields))
  heads = np.zeros((count, count, fields))
  for doubled in range(count):
    for halved in range(count):
      channels = parts.BASE_CHANNELS << doubled
      size = max(side >> halved, 1)
      if 1 <= doubled <= 3 and 1 <= halved <= 4:
        heads[doubled, halved] = parts.head(setting, channels, size)
      for code in range(1, NUM_OPS):
        wide = channels << int(DOUBLES[code])
        after = max(size >> int(HALVES[code]), 1)
        modules[doubled, halved, code] = _block(channels, wide, size, after)
        modules[doubled, halved, code] += (_BLOCKS - 1) * _block(
            wide, wide, after, after
        )
  return (
      parts.repeated(setting, stem), parts.repeated(setting, modules), heads
  )


def totals(genotype: chex.Array) -> tuple[chex.Array, chex.Array]:
  """`[..., 6]` doublings and halvings up to and including each module."""
  xp = jnp if isinstance(genotype, jax.Array) else np
  return (
      xp.asarray(DOUBLES)[genotype].cumsum(-1),
      xp.asarray(HALVES)[genotype].cumsum(-1),
  )


def _per_gene(genotype: chex.Array, table: np.ndarray) -> chex.Array:
  """`[B, 6, 7]`, float64 for NumPy and float32 for JAX."""
  chex.assert_shape(genotype, (None, NUM_GENES))
  traced = isinstance(genotype, jax.Array)
  if not traced:
    bad = ((genotype < 0) | (genotype >= NUM_OPS)).any(1)
    if bad.any():
      row = int(bad.argmax())
      raise ValueError(
          f'row {row} has a gene outside 0..{NUM_OPS - 1}: '
          f'{genotype[row].tolist()}'
      )
  xp = jnp if traced else np
  doubled, halved = totals(genotype)
  return xp.asarray(table, xp.float32 if traced else xp.float64)[
      doubled - xp.asarray(DOUBLES)[genotype],
      halved - xp.asarray(HALVES)[genotype],
      genotype,
  ]


def op_costs(
    genotype: chex.Array, setting: str = 'class_scene'
) -> types.Costs:
  """Costs of each module, at the width and side its place in the network has.

  Args:
    genotype: `[B, 6]`. NumPy gives exact float64; JAX float32, jittable.
    setting: one of the seven tasks, e.g. `class_scene` or `autoencoder`.

  Returns:
    `Costs` with `[B, 6]` fields; a missing module costs nothing.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  return layers.as_costs(
      _per_gene(layers.as_array(genotype), tables(setting)[1])
  )


def costs(genotype: chex.Array, setting: str = 'class_scene') -> types.Costs:
  """Costs of whole networks, counted as those of `transnas_micro`.

  No public table here has them to compare with. `kernels`: one per
  convolution, one per residual addition, stem and head; `critical_path` leaves
  the shortcuts out.

  Args:
    genotype: `[B, 6]`. NumPy gives exact float64; JAX float32, jittable.
    setting: one of the seven tasks, e.g. `class_scene` or `autoencoder`.

  Returns:
    `Costs` with `[B]` fields.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  stem, modules, heads = tables(setting)
  genotype = layers.as_array(genotype)
  doubled, halved = (total[:, -1] for total in totals(genotype))
  summed = layers.total(stem, _per_gene(genotype, modules))
  if isinstance(genotype, jax.Array):
    return layers.as_costs(
        summed + jnp.asarray(heads, jnp.float32)[doubled, halved]
    )
  return layers.as_costs(summed + heads[doubled, halved])
