"""Finding architectures: Pareto fronts, algorithms, objectives.

Everything is minimised; `maximised` turns a property round. The exception is
`under_budget`, the search with few measurements, which takes accuracies.
"""

from nasflat_jax.search._adapters import adaproxy_adapter
from nasflat_jax.search._adapters import Adapter
from nasflat_jax.search._adapters import bayesian_adapter
from nasflat_jax.search._algorithm import Members
from nasflat_jax.search._algorithm import Scores
from nasflat_jax.search._algorithm import SearchAlgorithm
from nasflat_jax.search._algorithm import SearchInfo
from nasflat_jax.search._budget_run import UnderBudget
from nasflat_jax.search._candidates import Candidates
from nasflat_jax.search._candidates import candidates
from nasflat_jax.search._constrained import constrained_evolution
from nasflat_jax.search._evolution import regularised_evolution
from nasflat_jax.search._exhaustive import all_members
from nasflat_jax.search._exhaustive import exhaustive
from nasflat_jax.search._exhaustive import num_rounds
from nasflat_jax.search._guided import FLAN_SCHEDULE
from nasflat_jax.search._guided import guided_rounds
from nasflat_jax.search._guided import predictor_guided
from nasflat_jax.search._hypervolume import hypervolume
from nasflat_jax.search._latency import latency
from nasflat_jax.search._latency import latency_quantile
from nasflat_jax.search._latency import probability_within
from nasflat_jax.search._nsga2 import nsga2
from nasflat_jax.search._objectives import cost
from nasflat_jax.search._objectives import predicted
from nasflat_jax.search._objectives import table
from nasflat_jax.search._objectives import tabulate
from nasflat_jax.search._objectives import zero_cost_vote
from nasflat_jax.search._one_proxy import one_proxy
from nasflat_jax.search._one_proxy import OneProxyResult
from nasflat_jax.search._one_proxy import propose_by_proxy
from nasflat_jax.search._one_proxy import ProxyProposal
from nasflat_jax.search._one_proxy import verified_front
from nasflat_jax.search._pareto import non_dominated
from nasflat_jax.search._pareto import pareto_front
from nasflat_jax.search._problem import at_least
from nasflat_jax.search._problem import at_most
from nasflat_jax.search._problem import maximised
from nasflat_jax.search._problem import problem
from nasflat_jax.search._problem import total_violation
from nasflat_jax.search._proxy_decision import decide
from nasflat_jax.search._proxy_decision import ProxyDecision
from nasflat_jax.search._proxy_decision import THRESHOLD
from nasflat_jax.search._random import random
from nasflat_jax.search._relax import relax
from nasflat_jax.search._run import run
from nasflat_jax.search._run import run_on_host
from nasflat_jax.search._run import SearchResult
from nasflat_jax.search._surrogate import gaussian_process
from nasflat_jax.search._table_device import table_device
from nasflat_jax.search._under_budget import choose_within
from nasflat_jax.search._under_budget import next_measurement
from nasflat_jax.search._under_budget import under_budget

__all__ = (
    'Adapter',
    'Candidates',
    'FLAN_SCHEDULE',
    'Members',
    'OneProxyResult',
    'ProxyDecision',
    'ProxyProposal',
    'Scores',
    'SearchAlgorithm',
    'SearchInfo',
    'SearchResult',
    'THRESHOLD',
    'UnderBudget',
    'adaproxy_adapter',
    'all_members',
    'at_least',
    'at_most',
    'bayesian_adapter',
    'candidates',
    'choose_within',
    'constrained_evolution',
    'cost',
    'decide',
    'exhaustive',
    'gaussian_process',
    'guided_rounds',
    'hypervolume',
    'latency',
    'latency_quantile',
    'maximised',
    'next_measurement',
    'non_dominated',
    'nsga2',
    'num_rounds',
    'one_proxy',
    'pareto_front',
    'predicted',
    'predictor_guided',
    'probability_within',
    'problem',
    'propose_by_proxy',
    'random',
    'regularised_evolution',
    'relax',
    'run',
    'run_on_host',
    'table',
    'table_device',
    'tabulate',
    'total_violation',
    'under_budget',
    'verified_front',
    'zero_cost_vote',
)
