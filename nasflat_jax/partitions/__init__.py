"""Source and target devices of transfer tasks.

`ALL` are the twelve published splits. `OFA` is on a space of its own;
`ONEPROXY` is on NAS-Bench-201 with other devices and many of the same.
`bisection` makes splits from a table; `load_suite` and `save_suite` keep them.
"""

from nasflat_jax.partitions._bisection import bisect
from nasflat_jax.partitions._bisection import bisection
from nasflat_jax.partitions._bisection import Diagnostics
from nasflat_jax.partitions._bisection import OBJECTIVES
from nasflat_jax.partitions._bisection import trim
from nasflat_jax.partitions._correlation import correlation_matrix
from nasflat_jax.partitions._correlation import cross_correlation
from nasflat_jax.partitions._correlation import CrossCorrelation
from nasflat_jax.partitions._correlation import random_split
from nasflat_jax.partitions._further import OFA
from nasflat_jax.partitions._further import ONEPROXY
from nasflat_jax.partitions._lookup import get
from nasflat_jax.partitions._lookup import non_target_devices
from nasflat_jax.partitions._lookup import parse
from nasflat_jax.partitions._proxies import choose_proxies
from nasflat_jax.partitions._proxies import choose_proxy
from nasflat_jax.partitions._proxies import coverage_by_chance
from nasflat_jax.partitions._proxies import proxy_coverage
from nasflat_jax.partitions._published import ALL
from nasflat_jax.partitions._published import F1
from nasflat_jax.partitions._published import F2
from nasflat_jax.partitions._published import F3
from nasflat_jax.partitions._published import F4
from nasflat_jax.partitions._published import FA
from nasflat_jax.partitions._published import FD
from nasflat_jax.partitions._published import N1
from nasflat_jax.partitions._published import N2
from nasflat_jax.partitions._published import N3
from nasflat_jax.partitions._published import N4
from nasflat_jax.partitions._published import NA
from nasflat_jax.partitions._published import ND
from nasflat_jax.partitions._references import references
from nasflat_jax.partitions._suite import load_suite
from nasflat_jax.partitions._suite import save_suite

__all__ = (
    'ALL',
    'CrossCorrelation',
    'Diagnostics',
    'F1',
    'F2',
    'F3',
    'F4',
    'FA',
    'FD',
    'N1',
    'N2',
    'N3',
    'N4',
    'NA',
    'ND',
    'OBJECTIVES',
    'OFA',
    'ONEPROXY',
    'bisect',
    'bisection',
    'choose_proxies',
    'choose_proxy',
    'correlation_matrix',
    'coverage_by_chance',
    'cross_correlation',
    'get',
    'load_suite',
    'non_target_devices',
    'parse',
    'proxy_coverage',
    'random_split',
    'references',
    'save_suite',
    'trim',
)
