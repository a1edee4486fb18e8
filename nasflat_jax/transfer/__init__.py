"""From source devices to a target: pretraining and adaptation."""

from nasflat_jax.transfer._fine_tune import fine_tune
from nasflat_jax.transfer._fine_tune import nearest_source
from nasflat_jax.transfer._fine_tune import ranking_and_regression
from nasflat_jax.transfer._pretrain import pretrain
from nasflat_jax.transfer._pretrain import source_batch
from nasflat_jax.transfer._pretrain import source_data
from nasflat_jax.transfer._pretrain import SourceData
from nasflat_jax.transfer._pretrain import standardise_log

__all__ = [
    'SourceData',
    'fine_tune',
    'nearest_source',
    'pretrain',
    'ranking_and_regression',
    'source_batch',
    'source_data',
    'standardise_log',
]
