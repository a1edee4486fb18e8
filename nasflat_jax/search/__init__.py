"""Finding architectures: Pareto fronts, algorithms, objectives.

Everything is minimised; negate what is to be large.
"""

from nasflat_jax.search._adapters import adaproxy_adapter
from nasflat_jax.search._adapters import Adapter
from nasflat_jax.search._adapters import bayesian_adapter
from nasflat_jax.search._hypervolume import hypervolume
from nasflat_jax.search._one_proxy import decide
from nasflat_jax.search._one_proxy import one_proxy
from nasflat_jax.search._one_proxy import OneProxyResult
from nasflat_jax.search._one_proxy import propose_by_proxy
from nasflat_jax.search._one_proxy import ProxyDecision
from nasflat_jax.search._one_proxy import ProxyProposal
from nasflat_jax.search._one_proxy import THRESHOLD
from nasflat_jax.search._one_proxy import verified_front
from nasflat_jax.search._pareto import non_dominated
from nasflat_jax.search._pareto import pareto_front

__all__ = (
    'Adapter',
    'OneProxyResult',
    'ProxyDecision',
    'ProxyProposal',
    'THRESHOLD',
    'adaproxy_adapter',
    'bayesian_adapter',
    'decide',
    'hypervolume',
    'non_dominated',
    'one_proxy',
    'pareto_front',
    'propose_by_proxy',
    'verified_front',
)
