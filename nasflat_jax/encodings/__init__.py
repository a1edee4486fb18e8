"""Encodings: fixed vectors of architectures, `[B, G] -> [B, F]`."""

from nasflat_jax.encodings._blocks import live_costs
from nasflat_jax.encodings._blocks import live_op_counts
from nasflat_jax.encodings._blocks import one_hot
from nasflat_jax.encodings._blocks import op_counts
from nasflat_jax.encodings._blocks import roofline
from nasflat_jax.encodings._blocks import total_costs
from nasflat_jax.encodings._costs import costs
from nasflat_jax.encodings._costs import none

__all__ = [
    'costs',
    'live_costs',
    'live_op_counts',
    'none',
    'one_hot',
    'op_counts',
    'roofline',
    'total_costs',
]
