"""Few-shot trials: draw support, adapt, score, judge and keep the rows."""

from nasflat_jax.trials._across_spaces import across_spaces
from nasflat_jax.trials._across_spaces import known_elsewhere
from nasflat_jax.trials._choose import Chooser
from nasflat_jax.trials._evaluate import evaluate
from nasflat_jax.trials._features import sampler_features
from nasflat_jax.trials._judge import judge
from nasflat_jax.trials._names import keywords_of
from nasflat_jax.trials._names import make
from nasflat_jax.trials._names import make_named
from nasflat_jax.trials._names import public
from nasflat_jax.trials._names import split
from nasflat_jax.trials._pretraining import Pretraining
from nasflat_jax.trials._protocol import draw
from nasflat_jax.trials._protocol import Draws
from nasflat_jax.trials._protocol import problem
from nasflat_jax.trials._run import run
from nasflat_jax.trials._sequential import sequential
from nasflat_jax.trials._store import metadata
from nasflat_jax.trials._store import Store
from nasflat_jax.trials._summary import summarize
from nasflat_jax.trials._table import format_summary
from nasflat_jax.trials._table import print_summary

__all__ = (
    'Chooser',
    'Draws',
    'Pretraining',
    'Store',
    'across_spaces',
    'draw',
    'evaluate',
    'format_summary',
    'judge',
    'keywords_of',
    'known_elsewhere',
    'make',
    'make_named',
    'metadata',
    'print_summary',
    'problem',
    'public',
    'run',
    'sampler_features',
    'sequential',
    'split',
    'summarize',
)
