"""Latency predictors as pairs of pure functions."""

from nasflat_jax.predictors._layers import dense_graph_flow
from nasflat_jax.predictors._layers import graph_attention
from nasflat_jax.predictors._layers import layer_ensemble
from nasflat_jax.predictors._nasflat import copy_device
from nasflat_jax.predictors._nasflat import nasflat
from nasflat_jax.predictors._nasflat import num_parameters
from nasflat_jax.predictors._score import score

__all__ = [
    'copy_device',
    'dense_graph_flow',
    'graph_attention',
    'layer_ensemble',
    'nasflat',
    'num_parameters',
    'score',
]
