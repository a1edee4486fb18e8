"""Training losses: unbatched, jittable, with a `where` mask."""

from nasflat_jax.losses._pairwise_hinge import pairwise_hinge
from nasflat_jax.losses._regression import huber
from nasflat_jax.losses._regression import mean_squared_error

__all__ = ('huber', 'mean_squared_error', 'pairwise_hinge')
