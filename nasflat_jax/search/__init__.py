"""Finding architectures: Pareto fronts, algorithms, objectives.

Everything is minimised; negate what is to be large.
"""

from nasflat_jax.search._candidates import Candidates
from nasflat_jax.search._candidates import candidates
from nasflat_jax.search._hypervolume import hypervolume
from nasflat_jax.search._pareto import non_dominated
from nasflat_jax.search._pareto import pareto_front
from nasflat_jax.search._table_device import table_device
from nasflat_jax.search._under_budget import choose_within
from nasflat_jax.search._under_budget import under_budget
from nasflat_jax.search._under_budget import UnderBudget

__all__ = (
    'Candidates',
    'UnderBudget',
    'candidates',
    'choose_within',
    'hypervolume',
    'non_dominated',
    'pareto_front',
    'table_device',
    'under_budget',
)
