"""Few-shot latency methods: source tables and support rows in, scores out."""

from nasflat_jax.methods._across_spaces import across_spaces
from nasflat_jax.methods._adaproxy import adaproxy
from nasflat_jax.methods._base import Elsewhere
from nasflat_jax.methods._base import Method
from nasflat_jax.methods._base import Problem
from nasflat_jax.methods._base import Scores
from nasflat_jax.methods._base import Support
from nasflat_jax.methods._bayesian import bayesian
from nasflat_jax.methods._brp_nas import brp_nas
from nasflat_jax.methods._flops import flops
from nasflat_jax.methods._hardware_latencies import hardware_latencies
from nasflat_jax.methods._hardware_latencies import ridge_latencies
from nasflat_jax.methods._lookup_table import lookup_table
from nasflat_jax.methods._meta import fomaml
from nasflat_jax.methods._meta import help
from nasflat_jax.methods._meta import maml
from nasflat_jax.methods._meta import meta_sgd
from nasflat_jax.methods._meta import reptile
from nasflat_jax.methods._multi_predict import multi_predict
from nasflat_jax.methods._nasflat import nasflat
from nasflat_jax.methods._ridge import ridge_costs
from nasflat_jax.methods._ridge import ridge_counts
from nasflat_jax.methods._ridge import ridge_onehot
from nasflat_jax.methods._sources import best_source
from nasflat_jax.methods._sources import linear_sources

__all__ = (
    'Elsewhere',
    'Method',
    'Problem',
    'Scores',
    'Support',
    'across_spaces',
    'adaproxy',
    'bayesian',
    'best_source',
    'brp_nas',
    'flops',
    'fomaml',
    'hardware_latencies',
    'help',
    'linear_sources',
    'lookup_table',
    'maml',
    'meta_sgd',
    'multi_predict',
    'nasflat',
    'reptile',
    'ridge_costs',
    'ridge_counts',
    'ridge_latencies',
    'ridge_onehot',
)
