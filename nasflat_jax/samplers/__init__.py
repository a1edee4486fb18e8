"""Which architectures of a pool to measure on a new device.

No sampler knows which architectures are degenerate (no path from input to
output) or unmeasured: the caller leaves them out with `where`.
"""

from nasflat_jax.samplers._cosine import cosine
from nasflat_jax.samplers._design import d_optimal
from nasflat_jax.samplers._farthest_point import farthest_point
from nasflat_jax.samplers._k_means import k_means
from nasflat_jax.samplers._random import random
from nasflat_jax.samplers._stratified import stratified
from nasflat_jax.samplers._v_optimal import v_optimal

__all__ = (
    'cosine',
    'd_optimal',
    'farthest_point',
    'k_means',
    'random',
    'stratified',
    'v_optimal',
)
