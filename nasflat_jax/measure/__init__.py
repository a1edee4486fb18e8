"""Latency of real networks on the local JAX backend."""

from nasflat_jax.measure._backend import backend_info
from nasflat_jax.measure._collect import collect
from nasflat_jax.measure._collect import Measurements
from nasflat_jax.measure._layers import Network
from nasflat_jax.measure._layers import num_params
from nasflat_jax.measure._networks import network
from nasflat_jax.measure._networks import settings
from nasflat_jax.measure._timer import Latency
from nasflat_jax.measure._timer import measure_latency
from nasflat_jax.measure._timer import NoisyMachineError

__all__ = (
    'Latency',
    'Measurements',
    'Network',
    'NoisyMachineError',
    'backend_info',
    'collect',
    'measure_latency',
    'network',
    'num_params',
    'settings',
)
