"""Few-shot latency methods: source tables and support rows in, scores out."""

from nasflat_jax.methods._base import Method
from nasflat_jax.methods._base import Problem
from nasflat_jax.methods._base import Scores
from nasflat_jax.methods._base import Support
from nasflat_jax.methods._bayesian import bayesian
from nasflat_jax.methods._flops import flops
from nasflat_jax.methods._lookup_table import lookup_table
from nasflat_jax.methods._nasflat import nasflat
from nasflat_jax.methods._ridge import ridge_costs
from nasflat_jax.methods._ridge import ridge_counts
from nasflat_jax.methods._ridge import ridge_onehot
from nasflat_jax.methods._sources import best_source
from nasflat_jax.methods._sources import linear_sources

__all__ = (
    'Method',
    'Problem',
    'Scores',
    'Support',
    'bayesian',
    'best_source',
    'flops',
    'linear_sources',
    'lookup_table',
    'nasflat',
    'ridge_costs',
    'ridge_counts',
    'ridge_onehot',
)
