"""Few-shot accuracy on the 28 tasks of NAS-Bench-Suite-Zero."""

from nasflat_jax.trials._accuracy_run import AccuracyDraws
from nasflat_jax.trials._accuracy_run import best_in_hindsight
from nasflat_jax.trials._accuracy_run import draw
from nasflat_jax.trials._accuracy_run import evaluate
from nasflat_jax.trials._accuracy_run import MIN_JUDGED
from nasflat_jax.trials._accuracy_run import rank_correlations
from nasflat_jax.trials._accuracy_run import run
from nasflat_jax.trials._accuracy_tasks import AccuracyTasks
from nasflat_jax.trials._accuracy_tasks import COMPLETE
from nasflat_jax.trials._accuracy_tasks import names
from nasflat_jax.trials._accuracy_tasks import parse
from nasflat_jax.trials._accuracy_tasks import POOLS

__all__ = (
    'COMPLETE',
    'MIN_JUDGED',
    'POOLS',
    'AccuracyDraws',
    'AccuracyTasks',
    'best_in_hindsight',
    'draw',
    'evaluate',
    'names',
    'parse',
    'rank_correlations',
    'run',
)
