"""Few-shot accuracy methods: other tasks and a few labels in, scores out."""

from nasflat_jax.methods._accuracy_base import AccuracyMethod
from nasflat_jax.methods._accuracy_base import AccuracyProblem
from nasflat_jax.methods._accuracy_bayesian import bayesian
from nasflat_jax.methods._accuracy_flan import flan
from nasflat_jax.methods._accuracy_linear import best_proxy
from nasflat_jax.methods._accuracy_linear import ridge
from nasflat_jax.methods._accuracy_mlp import zcp_mlp

__all__ = (
    'AccuracyMethod',
    'AccuracyProblem',
    'bayesian',
    'best_proxy',
    'flan',
    'ridge',
    'zcp_mlp',
)
