"""How good predictions are: rank correlations and errors, with a `where` mask.

Unbatched and jittable, except `calibrate`, which runs on the host.
"""

from nasflat_jax.metrics._calibration import calibrate
from nasflat_jax.metrics._error import coverage
from nasflat_jax.metrics._error import mape
from nasflat_jax.metrics._error import within_percent
from nasflat_jax.metrics._rank import kendall
from nasflat_jax.metrics._rank import spearman

__all__ = (
    'calibrate',
    'coverage',
    'kendall',
    'mape',
    'spearman',
    'within_percent',
)
