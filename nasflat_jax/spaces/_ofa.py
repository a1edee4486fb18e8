"""Once-for-All's MobileNet-V3 space: a resolution and 20 blocks in a chain.

Cai et al., ICLR 2020 (https://arxiv.org/abs/1908.09791): five stages of two to
four blocks, a kernel of 3, 5 or 7 and an expansion of 3, 4 or 6 for each, and
images of 128 to 224 pixels in steps of 4, as in HELP's tables
(https://arxiv.org/abs/2106.08630). Widths are those of
`ofa_mbv3_d234_e346_k357_w1.2`, the network on which HELP validates.

The first gene is the resolution, as what the image meets first; the others are
the blocks in order, `skip` beyond the end of a stage. Codes of resolutions and
of blocks are disjoint, so that counting codes never mixes the two.
"""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _inverted
from nasflat_jax.spaces import _ofa_costs as _costs
from nasflat_jax.spaces import _operators
from nasflat_jax.spaces import _staged

_GENE_NAMES = _costs.GENE_NAMES
_NUM_GENES = 1 + _costs.NUM_BLOCKS
_SKIP = _costs.SKIP
_LOW, _HIGH = _costs.GENE_RANGES[0]
# Genes of the blocks that may be missing, one of each stage.
_THIRD = np.arange(3, _NUM_GENES, _costs.STAGE_DEPTH)
_STAGES = _staged.Stages(_costs.GENE_RANGES, _SKIP, _THIRD, _THIRD + 1)
_SPEC = _inverted.chain_spec(
    'ofa',
    gene_names=_GENE_NAMES,
    operators=[
        *(_operators.inverted_residual(*b) for b in _costs.BLOCKS),
        types.Operator('skip'),
        *(types.Operator('resolution', size=r) for r in _costs.RESOLUTIONS),
    ],
    # The resolution's node stands for the stem and the head, whose costs it
    # sets.
    nodes=_costs.node_features(),
    costs=_costs.op_features(),
    size=None,  # 25 * 7371^5 cannot be enumerated
    gene_ranges=_costs.GENE_RANGES,
)


def random(key: chex.PRNGKey, n: int) -> jax.Array:
  """Draws `[n, 21]` genotypes as Once-for-All does.

  Resolution, depth of each stage, kernel and expansion of each block are
  uniform and independent. Uniform members would nearly all be of full depth.
  """
  resolution_key, depth_key, block_key = jax.random.split(key, 3)
  resolution = jax.random.randint(
      resolution_key, (n, 1), _LOW, _HIGH, jnp.int32
  )
  blocks = _staged.random_blocks(
      depth_key, block_key, (n, _costs.NUM_STAGES), _SKIP
  )
  return jnp.concatenate([resolution, blocks], axis=1)


OFA = _staged.make_space(
    _SPEC,
    _STAGES,
    random=random,
    costs=_costs.costs,
    op_costs=_costs.op_costs,
    expected=(
        f'a resolution r128, r132 to r224 and {_costs.NUM_BLOCKS} '
        'blocks joined by |, each one of '
        + ', '.join(_GENE_NAMES[: _SKIP + 1])
        + f'; in a stage of {_costs.STAGE_DEPTH} only the last '
        f'{_costs.STAGE_DEPTH - _costs.MIN_DEPTH} may be skip'
    ),
)
