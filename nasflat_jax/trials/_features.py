"""What a sampler sees of an architecture, by the name a person types."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np

from nasflat_jax import data
from nasflat_jax import encodings
from nasflat_jax import methods
from nasflat_jax import transfer

# `[N, F]` for all targets, or `device_name -> [N, F]`.
Features = np.ndarray | Callable[[str], np.ndarray]
Build = Callable[[methods.Problem, data.LatencyTable], Features]

# Architectures encoded at once; bounds memory.
_CHUNK = 4096

# Chooses by the very latencies that it is meant to save.
ORACLE = 'latency_oracle'


def sampler_features(
    sampler: str, encoding: str | None = None, *, flag: str = 'sampler_encoding'
) -> tuple[str, Build | None]:
  """The features that a sampler chooses by, and its name in the results.

  Args:
    sampler: the sampler's name, e.g. `d_optimal`.
    encoding: `flops`, `latency_oracle`, `one_hot`, `params`, `prior` or
      another public name of `encodings`; None is the sampler's default: `flops`
      for `stratified`, none for `random` and `costs` for the others.
    flag: the flag that names the encoding, for messages.

  Returns:
    The name, e.g. `d_optimal(costs)`, and `(problem, table) -> Features`, None
    for a sampler that looks at no features.

  Raises:
    ValueError: the encoding is unknown, or the sampler cannot use it.
  """
  if sampler == 'random':
    if encoding is not None:
      raise ValueError(f'--{flag}: random looks at no encoding; leave it out')
    return sampler, None
  if encoding is None:
    encoding = 'flops' if sampler == 'stratified' else 'costs'
  known = {**{name: _public(name) for name in _vectors()}, **_ENCODINGS}
  if encoding not in known:
    raise ValueError(
        f'--{flag}: unknown {encoding!r}; choose from '
        f'{", ".join(sorted(known))}'
    )
  if sampler == 'stratified' and encoding not in _ONE_COLUMN:
    raise ValueError(
        f'--{flag}: stratified sorts by one number, {encoding!r} has many; '
        f'choose from {", ".join(_ONE_COLUMN)}'
    )
  return f'{sampler}({encoding})', known[encoding]


def _vectors() -> list[str]:
  """Encodings that say something of an architecture."""
  return [name for name in encodings.__all__ if name != 'none']


def _public(name: str) -> Build:
  def build(problem: methods.Problem, table: data.LatencyTable) -> Features:
    del table
    encode = jax.jit(getattr(encodings, name)(problem.space))
    genotype, parts = problem.genotype, []
    for start in range(0, len(genotype), _CHUNK):
      # The last chunk reaches back: one shape, one compilation.
      first = max(min(start, len(genotype) - _CHUNK), 0)
      part = np.asarray(encode(genotype[first : first + _CHUNK]))
      parts.append(part[start - first :])
    return np.concatenate(parts)

  return build


def one_hot(problem: methods.Problem) -> np.ndarray:
  """One column for each gene and operation: `[N, G * O]` float32."""
  hot = problem.genotype[:, :, None] == np.arange(problem.num_ops)
  return hot.reshape(len(hot), -1).astype(np.float32)


def _network_cost(field: str) -> Build:
  def build(problem: methods.Problem, table: data.LatencyTable) -> Features:
    del table
    # NumPy in keeps the counts exact.
    costs = problem.space.costs(np.asarray(problem.genotype))
    return _standardised(np.asarray(getattr(costs, field), np.float64))

  return build


def _one_hot(problem: methods.Problem, table: data.LatencyTable) -> Features:
  del table
  return one_hot(problem)


def _latency_oracle(
    problem: methods.Problem, table: data.LatencyTable
) -> Features:
  del problem
  return lambda device: _standardised(table.row(device))


def _prior(problem: methods.Problem, table: data.LatencyTable) -> Features:
  del table
  sources = transfer.fit_sources(problem.space, *problem.source_rows)
  model = transfer.bayesian_model(problem.space, sources)
  return np.asarray(model.design_features(problem.genotype))


def _standardised(column: np.ndarray) -> np.ndarray:
  """`[N] -> [N, 1]` of order one, so that a unit prior on its weight is fair.

  Values that are not finite stay so.
  """
  known = column[np.isfinite(column)]
  spread = known.std()
  return ((column - known.mean()) / (spread if spread > 0 else 1.0))[:, None]


_ENCODINGS: dict[str, Build] = {
    'flops': _network_cost('flops'),
    ORACLE: _latency_oracle,
    'one_hot': _one_hot,
    'params': _network_cost('params'),
    'prior': _prior,
}
_ONE_COLUMN = ('flops', ORACLE, 'params')
