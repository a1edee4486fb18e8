"""From source devices to a target: pretraining and adaptation."""

from nasflat_jax.transfer._across_spaces import expect_by_costs
from nasflat_jax.transfer._across_spaces import expect_by_devices
from nasflat_jax.transfer._across_spaces import Expectation
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
from nasflat_jax.transfer._episodes import draw_episodes
from nasflat_jax.transfer._episodes import embed_reference
from nasflat_jax.transfer._episodes import episode_data
from nasflat_jax.transfer._episodes import EpisodeData
from nasflat_jax.transfer._episodes import meta_train
from nasflat_jax.transfer._episodes import scale_latency
from nasflat_jax.transfer._episodes import trimmed
from nasflat_jax.transfer._fine_tune import fine_tune
from nasflat_jax.transfer._fine_tune import nearest_source
from nasflat_jax.transfer._fine_tune import ranking_and_regression
from nasflat_jax.transfer._help import divergence
from nasflat_jax.transfer._help import help
from nasflat_jax.transfer._help import HelpParams
from nasflat_jax.transfer._help import init_modulator
from nasflat_jax.transfer._help import Modulation
from nasflat_jax.transfer._help import modulation
from nasflat_jax.transfer._joint import fit_trunk
from nasflat_jax.transfer._joint import Joint
from nasflat_jax.transfer._joint import joint
from nasflat_jax.transfer._joint import JointPosterior
from nasflat_jax.transfer._joint import Trunk
from nasflat_jax.transfer._maml import descend
from nasflat_jax.transfer._maml import maml
from nasflat_jax.transfer._maml import MetaParams
from nasflat_jax.transfer._maml import reptile
from nasflat_jax.transfer._monotonicity import LEAST_PAIRS
from nasflat_jax.transfer._monotonicity import Monotonicity
from nasflat_jax.transfer._monotonicity import monotonicity
from nasflat_jax.transfer._monotonicity import pairs_needed
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
    'fit_trunk',
    'joint',
    'AdaptedDevices',
    'DeviceModel',
    'EpisodeData',
    'Expectation',
    'HelpParams',
    'Joint',
    'JointPosterior',
    'LEAST_PAIRS',
    'METHODS',
    'MetaParams',
    'Modulation',
    'Monotonicity',
    'Pretrained',
    'SourceData',
    'Trunk',
    'adapt_device',
    'adapt_devices',
    'choose_support',
    'decoder',
    'descend',
    'distinct_sources',
    'divergence',
    'draw_episodes',
    'embed_reference',
    'episode_data',
    'expect_by_costs',
    'expect_by_devices',
    'fine_tune',
    'help',
    'init_modulator',
    'leave_one_out',
    'maml',
    'meta_train',
    'modulation',
    'monotonicity',
    'nearest_source',
    'network_sources',
    'pairs_needed',
    'pretrain',
    'pretrain_network',
    'ranking_and_regression',
    'reptile',
    'scale_latency',
    'source_batch',
    'source_data',
    'standardise_log',
    'trimmed',
)
