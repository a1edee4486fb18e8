"""Encodings: fixed vectors of architectures, `[B, G] -> [B, F]`.

Every public name is the factory of one. `encodings.training` makes the weights
of the learned ones.
"""

from nasflat_jax.encodings._blocks import live_costs
from nasflat_jax.encodings._blocks import live_op_counts
from nasflat_jax.encodings._blocks import one_hot
from nasflat_jax.encodings._blocks import op_counts
from nasflat_jax.encodings._blocks import roofline
from nasflat_jax.encodings._blocks import total_costs
from nasflat_jax.encodings._costs import costs
from nasflat_jax.encodings._costs import none
from nasflat_jax.encodings._help_bits import help_bits
from nasflat_jax.encodings._learned import arch2vec
from nasflat_jax.encodings._learned import cate
from nasflat_jax.encodings._learned import caz
from nasflat_jax.encodings._learned import unified_arch2vec
from nasflat_jax.encodings._learned import unified_cate
from nasflat_jax.encodings._structure import placed_costs
from nasflat_jax.encodings._structure import positions
from nasflat_jax.encodings._structure import topology
from nasflat_jax.encodings._zero_cost import zcp

__all__ = [
    'arch2vec',
    'cate',
    'caz',
    'costs',
    'help_bits',
    'live_costs',
    'live_op_counts',
    'none',
    'one_hot',
    'op_counts',
    'placed_costs',
    'positions',
    'roofline',
    'topology',
    'total_costs',
    'unified_arch2vec',
    'unified_cate',
    'zcp',
]
