"""Pretrained predictors: reading, writing, and those that ship."""

from nasflat_jax.checkpoints._format import Checkpoint
from nasflat_jax.checkpoints._format import load
from nasflat_jax.checkpoints._format import load_arrays
from nasflat_jax.checkpoints._format import names
from nasflat_jax.checkpoints._format import save
from nasflat_jax.checkpoints._format import save_arrays
from nasflat_jax.checkpoints._named import fitted
from nasflat_jax.checkpoints._named import named
from nasflat_jax.checkpoints._state import restore_state
from nasflat_jax.checkpoints._state import save_state

__all__ = [
    'Checkpoint',
    'fitted',
    'load',
    'load_arrays',
    'named',
    'names',
    'restore_state',
    'save',
    'save_arrays',
    'save_state',
]
