"""Latency predictors as pairs of pure functions."""

from nasflat_jax.predictors._adaproxy import fit_adaproxy
from nasflat_jax.predictors._adaproxy import fit_proxy
from nasflat_jax.predictors._adaproxy_norms import adaproxy_path
from nasflat_jax.predictors._adaproxy_norms import AdaProxyFit
from nasflat_jax.predictors._adaproxy_norms import NORMS as ADAPROXY_NORMS
from nasflat_jax.predictors._bayesian import BayesianPosterior
from nasflat_jax.predictors._bayesian import BayesianPrior
from nasflat_jax.predictors._bayesian import fit_bayesian
from nasflat_jax.predictors._bayesian import predict_bayesian
from nasflat_jax.predictors._bayesian_propose import propose
from nasflat_jax.predictors._bayesian_tail import bayesian_quantile
from nasflat_jax.predictors._bayesian_tail import probability_within
from nasflat_jax.predictors._encoding_mlp import encoding_mlp
from nasflat_jax.predictors._flan import copy_space
from nasflat_jax.predictors._flan import flan
from nasflat_jax.predictors._gcn import gcn
from nasflat_jax.predictors._help import help
from nasflat_jax.predictors._help import modulate
from nasflat_jax.predictors._help import MODULATION_SIZE
from nasflat_jax.predictors._kernels import fit_kernels
from nasflat_jax.predictors._kernels import gaussian_kernel
from nasflat_jax.predictors._kernels import KernelPosterior
from nasflat_jax.predictors._kernels import KernelPrior
from nasflat_jax.predictors._kernels import linear_kernel
from nasflat_jax.predictors._kernels import predict_kernels
from nasflat_jax.predictors._layers import dense_graph_flow
from nasflat_jax.predictors._layers import graph_attention
from nasflat_jax.predictors._layers import layer_ensemble
from nasflat_jax.predictors._linear import fit_non_negative
from nasflat_jax.predictors._linear import fit_ridge
from nasflat_jax.predictors._linear import LinearModel
from nasflat_jax.predictors._linear import one_hot
from nasflat_jax.predictors._linear import op_counts
from nasflat_jax.predictors._linear import predict as predict_linear
from nasflat_jax.predictors._multi_predict import multi_predict
from nasflat_jax.predictors._nasflat import copy_device
from nasflat_jax.predictors._nasflat import nasflat
from nasflat_jax.predictors._nasflat import num_parameters
from nasflat_jax.predictors._proxy_mlp import proxy_mlp
from nasflat_jax.predictors._score import score
from nasflat_jax.predictors._shapes import param_shapes

__all__ = [
    'ADAPROXY_NORMS',
    'AdaProxyFit',
    'BayesianPosterior',
    'BayesianPrior',
    'KernelPosterior',
    'KernelPrior',
    'LinearModel',
    'MODULATION_SIZE',
    'adaproxy_path',
    'bayesian_quantile',
    'copy_device',
    'copy_space',
    'dense_graph_flow',
    'encoding_mlp',
    'fit_adaproxy',
    'fit_bayesian',
    'fit_kernels',
    'fit_non_negative',
    'fit_proxy',
    'fit_ridge',
    'flan',
    'gaussian_kernel',
    'gcn',
    'graph_attention',
    'help',
    'layer_ensemble',
    'linear_kernel',
    'modulate',
    'multi_predict',
    'nasflat',
    'num_parameters',
    'one_hot',
    'op_counts',
    'param_shapes',
    'predict_bayesian',
    'predict_kernels',
    'predict_linear',
    'probability_within',
    'propose',
    'proxy_mlp',
    'score',
]
