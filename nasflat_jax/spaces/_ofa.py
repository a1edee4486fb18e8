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

_GENE_NAMES = _costs.GENE_NAMES
_NUM_OPS = len(_GENE_NAMES)
_NUM_GENES = 1 + _costs.NUM_BLOCKS
_SKIP = _costs.SKIP
_EDGES = tuple((node, node + 1) for node in range(_NUM_GENES + 1))
_LOW, _HIGH = np.array(_costs.GENE_RANGES).T
_IN_RANGE = (np.arange(_NUM_OPS) >= _LOW[:, None]) & (
    np.arange(_NUM_OPS) < _HIGH[:, None]
)  # [G, O]
_IS_SKIP = np.arange(_NUM_OPS) == _SKIP
# Genes of the blocks that may be missing, one of each stage.
_THIRD = np.arange(3, _NUM_GENES, _costs.STAGE_DEPTH)
_FOURTH = _THIRD + 1


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
  genotype = jnp.asarray(genotype)
  in_range = ((genotype >= _LOW) & (genotype < _HIGH)).all(-1)
  revived = (genotype[..., _THIRD] == _SKIP) & (genotype[..., _FOURTH] != _SKIP)
  return in_range & ~revived.any(-1)


def random(key: chex.PRNGKey, n: int) -> jax.Array:
  """Draws `[n, 21]` genotypes as Once-for-All does.

  Resolution, depth of each stage, kernel and expansion of each block are
  uniform and independent. Uniform members would nearly all be of full depth.
  """
  resolution_key, depth_key, block_key = jax.random.split(key, 3)
  resolution = jax.random.randint(
      resolution_key, (n, 1), _LOW[0], _HIGH[0], jnp.int32
  )
  shape = (n, _costs.NUM_STAGES, _costs.STAGE_DEPTH)
  depth = jax.random.randint(
      depth_key, (*shape[:2], 1), _costs.MIN_DEPTH, _costs.STAGE_DEPTH + 1
  )
  block = jax.random.randint(block_key, shape, 0, _SKIP, jnp.int32)
  block = jnp.where(jnp.arange(_costs.STAGE_DEPTH) < depth, block, _SKIP)
  return jnp.concatenate([resolution, block.reshape(n, -1)], axis=1)


def mutate(key: chex.PRNGKey, genotype: chex.Array) -> jax.Array:
  """Changes one gene of `[B, 21]`, uniformly among the valid neighbours.

  A stage grows or shrinks at its end only: by its last block, one at a time.
  """
  genotype = jnp.asarray(genotype, jnp.int32)
  rows = genotype.shape[0]
  skipped = (genotype == _SKIP)[..., None]  # [B, G, 1]
  allowed = jnp.broadcast_to(_IN_RANGE, (rows, *_IN_RANGE.shape))
  allowed &= genotype[..., None] != jnp.arange(_NUM_OPS)
  allowed = allowed.at[:, _THIRD].set(
      allowed[:, _THIRD] & (skipped[:, _FOURTH] | ~_IS_SKIP)
  )
  allowed = allowed.at[:, _FOURTH].set(
      allowed[:, _FOURTH] & (~skipped[:, _THIRD] | _IS_SKIP)
  )
  logits = jnp.where(allowed.reshape(rows, -1), 0.0, -jnp.inf)
  choice = jax.random.categorical(key, logits, axis=-1)[:, None]
  changed = jnp.arange(_NUM_GENES) == choice // _NUM_OPS
  return jnp.where(changed, (choice % _NUM_OPS).astype(jnp.int32), genotype)


def crossover(
    key: chex.PRNGKey, a: chex.Array, b: chex.Array
) -> jax.Array:
  """Takes each gene from `a` or `b` `[B, 21]` with equal chances.

  Where the third block of a stage is a skip, the fourth comes from the same
  parent, in which it is one too: children of valid parents are valid.
  """
  a, b = jnp.asarray(a, jnp.int32), jnp.asarray(b, jnp.int32)
  chex.assert_equal_shape([a, b])
  from_a = jax.random.bernoulli(key, 0.5, a.shape)
  child = jnp.where(from_a, a, b)
  tied = child[:, _THIRD] == _SKIP
  from_a = from_a.at[:, _FOURTH].set(
      jnp.where(tied, from_a[:, _THIRD], from_a[:, _FOURTH])
  )
  return jnp.where(from_a, a, b)


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
