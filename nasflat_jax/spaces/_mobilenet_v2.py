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

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
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


@functools.cache
def _places() -> tuple[_inverted.Place, ...]:
  return _inverted.places(
      channels=_FIRST,
      size=_SIDE // 2,
      stages=zip(_WIDTHS, _DEPTHS, _STRIDES, strict=True),
  )


@functools.cache
def _tables(setting: str) -> tuple[np.ndarray, np.ndarray]:
  """`[7]` fixed costs and `[21, 10, 7]` of blocks."""
  if setting != _SETTING:
    raise ValueError(
        f'mobilenet_v2: unknown setting {setting!r}; known: {_SETTING}'
    )
  half = _SIDE // 2
  fixed = (
      layers.conv(3, _STEM, 3, _SIDE, half)
      + layers.relu(_STEM * half**2)
      + _inverted.block(_inverted.Place(_STEM, _FIRST, 1, half, half), 3, 1)
      + _inverted.head(_places()[-1], _MIXED, _CLASSES)
  )
  blocks = [
      np.stack([*(_inverted.block(p, *b) for b in _BLOCKS), layers.vector()])
      for p in _places()
  ]
  return fixed, np.stack(blocks)


_SPEC = _inverted.chain_spec(
    'mobilenet_v2',
    gene_names=_GENE_NAMES,
    operators=[
        *(_operators.inverted_residual(*b) for b in _BLOCKS),
        types.Operator('skip'),
    ],
    nodes=_inverted.node_features(_places()),
    costs=layers.features(_tables(_SETTING)[1]),
    size=None,  # 9 * 7371^5 cannot be enumerated
    gene_ranges=_RANGES,
)


def random(key: chex.PRNGKey, n: int) -> jax.Array:
  """Draws `[n, 21]` genotypes: depths, kernels and expansions uniform."""
  depth_key, block_key, last_key = jax.random.split(key, 3)
  blocks = _staged.random_blocks(
      depth_key, block_key, (n, _NUM_STAGES), _SKIP
  )
  last = jax.random.randint(last_key, (n, 1), 0, _SKIP, jnp.int32)
  return jnp.concatenate([blocks, last], axis=1)


# Images of 224 x 224, 1000 classes; counted as in the other spaces.
_COSTS, _OP_COSTS = layers.additive(_tables, _SETTING)
MOBILENET_V2 = _staged.make_space(
    _SPEC,
    _STAGES,
    random=random,
    costs=_COSTS,
    op_costs=_OP_COSTS,
    expected=(
        f'{_NUM_GENES} blocks joined by |, each one of '
        + ', '.join(_GENE_NAMES) + '; of the four blocks of each of '
        f'the first {_NUM_STAGES} stages only the last two may be skip'
    ),
)
