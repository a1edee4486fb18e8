"""From source devices to a target: pretraining and adaptation."""

from nasflat_jax.transfer._adapt_devices import adapt_devices
from nasflat_jax.transfer._adapt_devices import AdaptedDevices
from nasflat_jax.transfer._adapt_devices import decoder
from nasflat_jax.transfer._adapt_devices import Pretrained
from nasflat_jax.transfer._bayesian import adapt_bayesian
from nasflat_jax.transfer._bayesian import AdaptedBayesian
from nasflat_jax.transfer._bayesian import bayesian_model
from nasflat_jax.transfer._bayesian import BayesianModel
from nasflat_jax.transfer._bayesian import BLOCKS
from nasflat_jax.transfer._bayesian import fit_sources
from nasflat_jax.transfer._device_model import adapt_device
from nasflat_jax.transfer._device_model import choose_support
from nasflat_jax.transfer._device_model import DeviceModel
from nasflat_jax.transfer._device_model import distinct_sources
from nasflat_jax.transfer._device_model import leave_one_out
from nasflat_jax.transfer._device_model import METHODS
from nasflat_jax.transfer._device_model import network_sources
from nasflat_jax.transfer._fine_tune import fine_tune
from nasflat_jax.transfer._fine_tune import nearest_source
from nasflat_jax.transfer._fine_tune import ranking_and_regression
from nasflat_jax.transfer._pretrain import pretrain
from nasflat_jax.transfer._pretrain import source_batch
from nasflat_jax.transfer._pretrain import source_data
from nasflat_jax.transfer._pretrain import SourceData
from nasflat_jax.transfer._pretrain import standardise_log
from nasflat_jax.transfer._pretrain_network import pretrain_network

__all__ = (
    'BLOCKS',
    'AdaptedBayesian',
    'BayesianModel',
    'adapt_bayesian',
    'bayesian_model',
    'fit_sources',
    'AdaptedDevices',
    'DeviceModel',
    'METHODS',
    'Pretrained',
    'SourceData',
    'adapt_device',
    'adapt_devices',
    'choose_support',
    'decoder',
    'distinct_sources',
    'fine_tune',
    'leave_one_out',
    'nearest_source',
    'network_sources',
    'pretrain',
    'pretrain_network',
    'ranking_and_regression',
    'source_batch',
    'source_data',
    'standardise_log',
)
