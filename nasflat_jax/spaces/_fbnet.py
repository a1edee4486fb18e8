"""FBNet: 22 layers in a chain, nine blocks for each.

Wu et al., CVPR 2019 (https://arxiv.org/abs/1812.03443), in the macro
architecture of HW-NAS-Bench (https://arxiv.org/abs/2103.10584).
"""

from __future__ import annotations

from collections.abc import Iterable

import chex
import jax
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _codec
from nasflat_jax.spaces import _fbnet_costs as _costs
from nasflat_jax.spaces import _layer_costs
from nasflat_jax.spaces import _operators

_GENE_NAMES = _costs.GENE_NAMES
_NUM_OPS = len(_GENE_NAMES)
_NUM_GENES = 22
_EDGES = tuple((node, node + 1) for node in range(_NUM_GENES + 1))
_SETTING = 'cifar100'


def _make_spec() -> types.SpaceSpec:
  nodes = _costs.node_features(_SETTING)
  costs = _layer_costs.features(_costs.tables(_SETTING)[1])
  no_node = (0.0,) * len(nodes[0])
  zero = (0.0,) * len(costs[0][0])
  ends = (zero,) * (_NUM_OPS + 2)
  return types.SpaceSpec(
      name='fbnet',
      gene_names=_GENE_NAMES,
      op_names=(*_GENE_NAMES, 'input', 'output'),
      operators=_operators.with_ends(
          *(_operators.inverted_residual(*b) for b in _costs.BLOCKS),
          types.Operator('skip'),
      ),
      num_genes=_NUM_GENES,
      num_cells=1,
      num_nodes=_NUM_GENES + 2,
      edges=_EDGES,
      node_features=(no_node, *nodes, no_node),
      op_features=(ends, *((*layer, zero, zero) for layer in costs), ends),
      size=None,  # 9^22 cannot be enumerated
  )


_SPEC = _make_spec()


def decode(genotype: chex.Array) -> types.Architectures:
  """Builds the chain input -> 22 layers -> output of each network.

  Args:
    genotype: `[B, 22]` genes.

  Returns:
    `Architectures` with `C = 1`, `V = 24`, `E = 23`, `F = 0`, all nodes live.
  """
  return _codec.chain(_SPEC, genotype)


def is_valid(genotype: chex.Array) -> jax.Array:
  """`[B]` True where all genes are in range."""
  return _codec.in_range(genotype, _NUM_OPS)


def random(key: chex.PRNGKey, n: int) -> jax.Array:
  """Draws `[n, 22]` genotypes uniformly."""
  return _codec.random(key, n, num_genes=_NUM_GENES, num_ops=_NUM_OPS)


def mutate(key: chex.PRNGKey, genotype: chex.Array) -> jax.Array:
  """Changes one gene of `[B, 22]`, uniformly among all neighbours."""
  return _codec.mutate(key, genotype, num_ops=_NUM_OPS)


def crossover(
    key: chex.PRNGKey, a: chex.Array, b: chex.Array
) -> jax.Array:
  """Takes each gene from `a` or `b` `[B, 22]` with equal chances."""
  return _codec.crossover(key, a, b)


def to_string(genotype: chex.Array) -> list[str]:
  """Host; the operations of `[B, 22]` genotypes, joined by `|`.

  Raises:
    ValueError: if a genotype does not fit the space.
  """
  return _codec.joined_names(_SPEC, genotype)


def from_string(strings: Iterable[str]) -> np.ndarray:
  """Host; `[B, 22]` NumPy int32 genotypes of `|`-joined operations.

  Raises:
    ValueError: naming the first string that is not of the space, and where.
  """
  return _codec.from_joined_names(_SPEC, strings)


FBNET = types.SearchSpace(
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
