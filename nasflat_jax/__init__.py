"""Few-shot latency predictors for neural architecture search, in JAX.

Sub-packages and the names of `nasflat_jax.types` are resolved on first use
(PEP 562), so that importing the package, or asking a binary for `--help`, does
not import JAX.
"""

import importlib
from typing import Any

__version__ = '0.1.0'

_SUBPACKAGES = (
    'checkpoints',
    'data',
    'encodings',
    'graphs',
    'losses',
    'measure',
    'methods',
    'metrics',
    'partitions',
    'predictors',
    'reports',
    'samplers',
    'search',
    'spaces',
    'testing',
    'transfer',
    'trials',
    'types',
    'zero_cost',
)
_TYPES = (
    'Architectures',
    'Batch',
    'Budget',
    'Costs',
    'Device',
    'Devices',
    'Episode',
    'Operator',
    'Partition',
    'Prediction',
    'Predictor',
    'Sampler',
    'SearchSpace',
    'SpaceSpec',
    'TransferAlgorithm',
    'TransferInfo',
    'TransferState',
)

__all__ = [*_SUBPACKAGES, *_TYPES]


def __getattr__(name: str) -> Any:
  if name in _SUBPACKAGES:
    return importlib.import_module(f'{__name__}.{name}')
  if name in _TYPES:
    return getattr(importlib.import_module(f'{__name__}.types'), name)
  raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
  return sorted([*globals(), *__all__])
