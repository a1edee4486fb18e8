"""The bits by which HELP describes the networks of a chain."""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types

_FBNET_KINDS = 4  # expansions and groups
_KERNELS = {3: 0, 5: 1, 7: 2}
_EXPANSIONS = {3: 0, 4: 1, 6: 2}


def _fbnet(spec: types.SpaceSpec) -> np.ndarray:
  """`[22, 9, 132]`: for each layer two kernels, then four kinds of block."""
  width = 2 + _FBNET_KINDS
  table = np.zeros((spec.num_genes, len(spec.gene_names), width), np.float32)
  for code, operator in enumerate(spec.operators[: len(spec.gene_names)]):
    if operator.kind != 'skip':
      table[:, code, _KERNELS[operator.kernel[0]]] = 1.0
      table[:, code, 2 + code % _FBNET_KINDS] = 1.0
  places = np.eye(spec.num_genes, dtype=np.float32)
  # Each gene's bits at its own place among those of all genes.
  spread = table[:, :, None] * places[:, None, :, None]
  return spread.reshape(spec.num_genes, len(spec.gene_names), -1)


def _ofa(spec: types.SpaceSpec) -> np.ndarray:
  """`[21, 35, 145]`: kernels, expansions of 20 blocks, then 25 resolutions."""
  blocks = spec.num_genes - 1
  table = np.zeros((spec.num_genes, len(spec.gene_names), 145), np.float32)
  first = next(
      code for code, o in enumerate(spec.operators) if o.kind == 'resolution'
  )
  for code, operator in enumerate(spec.operators[: len(spec.gene_names)]):
    if operator.kind == 'resolution':
      table[0, code, 6 * blocks + code - first] = 1.0
    elif operator.kind != 'skip':
      for block in range(blocks):
        kernel = 3 * block + _KERNELS[operator.kernel[0]]
        ratio = 3 * (blocks + block) + _EXPANSIONS[operator.expansion]
        table[1 + block, code, [kernel, ratio]] = 1.0
  return table


_TABLES = {'fbnet': _fbnet, 'ofa': _ofa}


def help_bits(space: types.SearchSpace) -> Callable[[chex.Array], jax.Array]:
  """HELP's description of a network, zeros and ones, `[B, G] -> [B, F]`.

  Lee et al., NeurIPS 2021 (https://arxiv.org/abs/2106.08630). Of FBNet 132
  bits: for each layer its kernel, of two, and its expansion and groups, of
  four. Of Once-for-All 145: the kernels of 20 blocks, their expansions, and the
  resolution. A missing block is all zeros.

  Args:
    space: FBNet or Once-for-All.

  Returns:
    A jittable encoding, float32, neither centred nor scaled.

  Raises:
    ValueError: HELP has no such description of the space.

  Example:
    >>> from nasflat_jax import spaces
    >>> help_bits(spaces.FBNET)(jnp.zeros((2, 22), jnp.int32)).sum(axis=1)
    Array([44., 44.], dtype=float32)
  """
  if space.spec.name not in _TABLES:
    raise ValueError(
        f'HELP describes no {space.spec.name} by bits; known: '
        + ', '.join(_TABLES)
    )
  table = _TABLES[space.spec.name](space.spec)
  genes = np.arange(space.spec.num_genes)

  def encode(genotype: chex.Array) -> jax.Array:
    chex.assert_shape(genotype, (None, space.spec.num_genes))
    return jnp.asarray(table)[genes, jnp.asarray(genotype)].sum(axis=1)

  return encode
