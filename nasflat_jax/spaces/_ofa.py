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

from collections.abc import Iterable

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _codec
from nasflat_jax.spaces import _ofa_costs as _costs
from nasflat_jax.spaces import _operators
from nasflat_jax.spaces import _staged

_GENE_NAMES = _costs.GENE_NAMES
_NUM_OPS = len(_GENE_NAMES)
_NUM_GENES = 1 + _costs.NUM_BLOCKS
_SKIP = _costs.SKIP
_EDGES = tuple((node, node + 1) for node in range(_NUM_GENES + 1))
_LOW, _HIGH = _costs.GENE_RANGES[0]
# Genes of the blocks that may be missing, one of each stage.
_THIRD = np.arange(3, _NUM_GENES, _costs.STAGE_DEPTH)
_STAGES = _staged.Stages(_costs.GENE_RANGES, _SKIP, _THIRD, _THIRD + 1)


def _make_spec() -> types.SpaceSpec:
  nodes = _costs.node_features()
  costs = _costs.op_features()
  no_node = (0.0,) * len(nodes[0])
  zero = (0.0,) * len(costs[0][0])
  ends = (zero,) * (_NUM_OPS + 2)
  return types.SpaceSpec(
      name='ofa',
      gene_names=_GENE_NAMES,
      op_names=(*_GENE_NAMES, 'input', 'output'),
      operators=_operators.with_ends(
          *(_operators.inverted_residual(*b) for b in _costs.BLOCKS),
          types.Operator('skip'),
          *(types.Operator('resolution', size=r) for r in _costs.RESOLUTIONS),
      ),
      num_genes=_NUM_GENES,
      num_cells=1,
      num_nodes=_NUM_GENES + 2,
      edges=_EDGES,
      node_features=(no_node, *nodes, no_node),
      op_features=(ends, *((*gene, zero, zero) for gene in costs), ends),
      size=None,  # 25 * 7371^5 cannot be enumerated
      gene_ranges=_costs.GENE_RANGES,
  )


_SPEC = _make_spec()


def decode(genotype: chex.Array) -> types.Architectures:
  """Builds the chain input -> resolution -> 20 blocks -> output.

  The resolution's node stands for the stem and the head, whose costs it sets.
  A skip is an identity, as in FBNet, so every node is live.

  Args:
    genotype: `[B, 21]` genes.

  Returns:
    `Architectures` with `C = 1`, `V = 23`, `E = 22`, `F = 0`.
  """
  return _codec.chain(_SPEC, genotype)


def is_valid(genotype: chex.Array) -> jax.Array:
  """`[B]` True where genes are in range and no block follows a skip."""
  return _staged.is_valid(genotype, _STAGES)


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


def to_string(genotype: chex.Array) -> list[str]:
  """Host; resolution and blocks of `[B, 21]` genotypes, joined by `|`.

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
        f'ofa: string {place} is not an architecture: {strings[place]!r}; '
        f'expected a resolution r128, r132 to r224 and {_costs.NUM_BLOCKS} '
        'blocks joined by |, each one of '
        + ', '.join(_GENE_NAMES[: _SKIP + 1])
        + f'; in a stage of {_costs.STAGE_DEPTH} only the last '
        f'{_costs.STAGE_DEPTH - _costs.MIN_DEPTH} may be skip'
    )
  return genotype


OFA = types.SearchSpace(
    spec=_SPEC,
    decode=decode,
    random=random,
    mutate=mutate,
    crossover=crossover,
    is_valid=is_valid,
    costs=_costs.costs,
    op_costs=_costs.op_costs,
    to_string=to_string,
    from_string=from_string,
)
