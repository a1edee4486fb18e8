"""Finding architectures: Pareto fronts, algorithms, objectives.

Everything is minimised; negate what is to be large.
"""

from nasflat_jax.search._hypervolume import hypervolume
from nasflat_jax.search._pareto import non_dominated
from nasflat_jax.search._pareto import pareto_front

__all__ = (
    'hypervolume',
    'non_dominated',
    'pareto_front',
)
