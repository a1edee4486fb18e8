"""Columns that say how a network is built, before they are scaled.

`encodings.topology`, `positions` and `placed_costs` are encodings of them.
"""

from nasflat_jax.encodings._structure import cell_columns
from nasflat_jax.encodings._structure import live_counts
from nasflat_jax.encodings._structure import shared_columns

__all__ = ['cell_columns', 'live_counts', 'shared_columns']
