"""MobileNet-V2, the space of OneProxy: 21 inverted residual blocks in a chain.

Lu et al., "One Proxy Device Is Enough for Hardware-Aware Neural Architecture
Search" (https://arxiv.org/abs/2111.01203) searches in the supernet
`ofa_proxyless_d234_e346_k357_w1.3` of Once-for-All
(https://arxiv.org/abs/1908.09791): five stages of two to four blocks and a
last one of a single block, a kernel of 3, 5 or 7 and an expansion of 3, 4 or 6
for each, at widths 1.3 times those of ProxylessNAS. No public table has
latencies or accuracies of its members.
"""

from __future__ import annotations

from collections.abc import Iterable
import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _codec
from nasflat_jax.spaces import _inverted
from nasflat_jax.spaces import _layer_costs as layers
from nasflat_jax.spaces import _operators
from nasflat_jax.spaces import _staged

_BLOCKS = tuple((kernel, ratio) for kernel in (3, 5, 7) for ratio in (3, 4, 6))
_SKIP = len(_BLOCKS)
_GENE_NAMES = (*(f'k{kernel}_e{ratio}' for kernel, ratio in _BLOCKS), 'skip')
_NUM_STAGES = 5
_NUM_GENES = 4 * _NUM_STAGES + 1
_RANGES = (
    *((0, _SKIP), (0, _SKIP), (0, _SKIP + 1), (0, _SKIP + 1)) * _NUM_STAGES,
    (0, _SKIP),
)
_THIRD = np.arange(2, 4 * _NUM_STAGES, 4)
_STAGES = _staged.Stages(_RANGES, _SKIP, _THIRD, _THIRD + 1)
# Multiples of 8 nearest to 1.3 times 32, 16, 24, 40, 80, 96, 192, 320, 1280.
_STEM, _FIRST, *_WIDTHS, _MIXED = 40, 24, 32, 56, 104, 128, 248, 416, 1664
_STRIDES = (2, 2, 2, 1, 2, 1)
_DEPTHS = (4, 4, 4, 4, 4, 1)
_CLASSES, _SIDE = 1000, 224
_SETTING = 'imagenet'


class _Tables(NamedTuple):
  fixed: np.ndarray  # [7]
  ops: np.ndarray  # [21, 10, 7]


@functools.cache
def _places() -> tuple[_inverted.Place, ...]:
  return _inverted.places(
      channels=_FIRST,
      size=_SIDE // 2,
      stages=zip(_WIDTHS, _DEPTHS, _STRIDES, strict=True),
  )


@functools.cache
def _tables(setting: str) -> _Tables:
  if setting != _SETTING:
    raise ValueError(
        f'mobilenet_v2: unknown setting {setting!r}; known: {_SETTING}'
    )
  half, last = _SIDE // 2, _places()[-1]
  elements = _MIXED * last.size_out**2
  fixed = (
      layers.conv(3, _STEM, 3, _SIDE, half)
      + layers.relu(_STEM * half**2)
      + _inverted.block(_inverted.Place(_STEM, _FIRST, 1, half, half), 3, 1)
      + layers.conv(last.channels_out, _MIXED, 1, last.size_out, last.size_out)
      + layers.relu(elements)
      + layers.elementwise(elements, _MIXED, elements)
      + layers.linear(_MIXED, _CLASSES)
  )
  blocks = [
      np.stack([*(_inverted.block(p, *b) for b in _BLOCKS), layers.vector()])
      for p in _places()
  ]
  return _Tables(fixed, np.stack(blocks))


def _make_spec() -> types.SpaceSpec:
  return _inverted.chain_spec(
      'mobilenet_v2',
      gene_names=_GENE_NAMES,
      operators=[
          *(_operators.inverted_residual(*b) for b in _BLOCKS),
          types.Operator('skip'),
      ],
      nodes=_inverted.node_features(_places()),
      costs=layers.features(_tables(_SETTING).ops),
      size=None,  # 9 * 7371^5 cannot be enumerated
      gene_ranges=_RANGES,
  )


_SPEC = _make_spec()


def decode(genotype: chex.Array) -> types.Architectures:
  """Builds the chain input -> 21 blocks -> output; a skip is an identity.

  Args:
    genotype: `[B, 21]` genes.

  Returns:
    `Architectures` with `C = 1`, `V = 23`, `E = 22`, `F = 0`, all nodes live.
  """
  return _codec.chain(_SPEC, genotype)


def is_valid(genotype: chex.Array) -> jax.Array:
  """`[B]` True where genes are in range and no block follows a skip."""
  return _staged.is_valid(genotype, _STAGES)


def random(key: chex.PRNGKey, n: int) -> jax.Array:
  """Draws `[n, 21]` genotypes: depths, kernels and expansions uniform."""
  depth_key, block_key, last_key = jax.random.split(key, 3)
  blocks = _staged.random_blocks(
      depth_key, block_key, (n, _NUM_STAGES), _SKIP
  )
  last = jax.random.randint(last_key, (n, 1), 0, _SKIP, jnp.int32)
  return jnp.concatenate([blocks, last], axis=1)


def mutate(key: chex.PRNGKey, genotype: chex.Array) -> jax.Array:
  """Changes one gene of `[B, 21]`, uniformly among the valid neighbours.

  A stage grows or shrinks at its end only: by its last block, one at a time.
  """
  return _staged.mutate(key, genotype, _STAGES)


def crossover(
    key: chex.PRNGKey, a: chex.Array, b: chex.Array
) -> jax.Array:
  """Takes each gene from `a` or `b` `[B, 21]`; children of valid are valid."""
  return _staged.crossover(key, a, b, _STAGES)


def op_costs(genotype: chex.Array, setting: str = _SETTING) -> types.Costs:
  """Costs of each block.

  Args:
    genotype: `[B, 21]`. NumPy gives exact float64; JAX float32, jittable.
    setting: `imagenet` (224 x 224, 1000 classes).

  Returns:
    `Costs` with `[B, 21]` fields; `critical_path` equals `kernels`.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  genotype = layers.as_array(genotype)
  return layers.as_costs(layers.gather(_tables(setting).ops, genotype))


def costs(genotype: chex.Array, setting: str = _SETTING) -> types.Costs:
  """Costs of whole networks, counted as those of the other spaces.

  Args:
    genotype: `[B, 21]`. NumPy gives exact float64; JAX float32, jittable.
    setting: `imagenet` (224 x 224, 1000 classes).

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
  """Host; the blocks of `[B, 21]` genotypes, joined by `|`.

  Raises:
    ValueError: if a genotype does not fit the space.
  """
  return _codec.joined_names(_SPEC, genotype)


def from_string(strings: Iterable[str]) -> np.ndarray:
  """Host; `[B, 21]` NumPy int32 genotypes of `|`-joined names.

  Raises:
    ValueError: naming the first string that is not of the space, and where.
  """
  strings = _codec.string_list(_SPEC, strings)
  codes = {name: code for code, name in enumerate(_GENE_NAMES)}
  genotype = np.full((len(strings), _NUM_GENES), -1, np.int32)
  for place, string in enumerate(strings):
    genes = [codes.get(name, -1) for name in string.split('|')]
    if len(genes) == _NUM_GENES:
      genotype[place] = genes
  bad = ~np.asarray(is_valid(genotype))
  if bad.any():
    place = int(bad.argmax())
    raise ValueError(
        f'mobilenet_v2: string {place} is not an architecture: '
        f'{strings[place]!r}; expected {_NUM_GENES} blocks joined by |, each '
        'one of ' + ', '.join(_GENE_NAMES) + '; of the four blocks of each of '
        f'the first {_NUM_STAGES} stages only the last two may be skip'
    )
  return genotype


MOBILENET_V2 = types.SearchSpace(
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
)
