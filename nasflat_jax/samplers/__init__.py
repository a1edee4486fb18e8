"""Which architectures of a pool to measure on a new device."""

from nasflat_jax.samplers._design import d_optimal
from nasflat_jax.samplers._random import random

__all__ = ('d_optimal', 'random')
