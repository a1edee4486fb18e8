"""From source devices to a target: pretraining and adaptation."""

from nasflat_jax.transfer._accuracy import accuracy_model
from nasflat_jax.transfer._accuracy import AccuracyModel
from nasflat_jax.transfer._accuracy import adapt_accuracy
from nasflat_jax.transfer._accuracy_features import Networks
from nasflat_jax.transfer._accuracy_features import normal_scores
from nasflat_jax.transfer._accuracy_sources import accuracy_source
from nasflat_jax.transfer._accuracy_sources import AccuracySource
from nasflat_jax.transfer._accuracy_sources import same_space
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
from nasflat_jax.transfer._bayesian import fit_sources
from nasflat_jax.transfer._bayesian_prior import BLOCKS
from nasflat_jax.transfer._chunks import in_chunks
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
from nasflat_jax.transfer._ranker import fit_ranker
from nasflat_jax.transfer._ranker import no_device
from nasflat_jax.transfer._task_network import summed_error
from nasflat_jax.transfer._task_network import task_network
from nasflat_jax.transfer._task_network import TaskNetwork

__all__ = (
    'AccuracyModel',
    'AccuracySource',
    'AdaptedBayesian',
    'AdaptedDevices',
    'BLOCKS',
    'BayesianModel',
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
    'Networks',
    'Pretrained',
    'SourceData',
    'TaskNetwork',
    'Trunk',
    'accuracy_model',
    'accuracy_source',
    'adapt_accuracy',
    'adapt_bayesian',
    'adapt_device',
    'adapt_devices',
    'bayesian_model',
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
    'fit_ranker',
    'fit_sources',
    'fit_trunk',
    'help',
    'in_chunks',
    'init_modulator',
    'joint',
    'leave_one_out',
    'maml',
    'meta_train',
    'modulation',
    'monotonicity',
    'nearest_source',
    'network_sources',
    'no_device',
    'normal_scores',
    'pairs_needed',
    'pretrain',
    'pretrain_network',
    'ranking_and_regression',
    'reptile',
    'same_space',
    'scale_latency',
    'source_batch',
    'source_data',
    'standardise_log',
    'summed_error',
    'task_network',
    'trimmed',
)
