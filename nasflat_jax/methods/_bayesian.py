"""The Bayesian predictor as a few-shot method."""

from __future__ import annotations

from typing import Any

import chex
import numpy as np

from nasflat_jax import encodings
from nasflat_jax import transfer
from nasflat_jax import types
from nasflat_jax.methods import _base
from nasflat_jax.methods import _nasflat

_SOURCES = ('linear', 'network', 'none')


def bayesian(
    *,
    sources: str = 'linear',
    without: str = '',
    further: str = '',
    network: _base.Method | None = None,
) -> _base.Method:
  """Closed-form Bayesian transfer, see `transfer.bayesian_model`.

  Args:
    sources: what stands for the source devices: `linear`, a look-up table
      fitted to each one's rows `Problem.source_ids`; `network`, the scores of
      the network that `nasflat` pretrains on the same rows; or `none`.
    without: names of blocks to leave out, joined by `+`, for ablations.
    further: names of encodings, joined by `+`, that are blocks beside these:
      `zcp`, `arch2vec`, `cate`, `caz`.
    network: the `nasflat` method whose pretraining is used with
      `sources='network'`; None is `nasflat()`.

  Returns:
    A method whose scores are milliseconds with 90 % intervals.

  Raises:
    ValueError: an unknown choice.
  """
  if sources not in _SOURCES:
    raise ValueError(
        f'sources: unknown {sources!r}; choose from {", ".join(_SOURCES)}'
    )
  known = tuple(transfer.BLOCKS)
  dropped = tuple(without.split('+')) if without else ()
  for name in dropped:
    if name not in known:
      raise ValueError(
          f'unknown block {name!r}; choose from {", ".join(known)}'
      )
  added = tuple(further.split('+')) if further else ()
  for name in added:
    if name in known or name not in encodings.__all__:
      raise ValueError(
          f'further: no encoding {name!r} that is not a block already'
      )
  if network is not None and sources != 'network':
    raise ValueError(f'a network has no use with sources={sources!r}')
  chosen = tuple(name for name in known if name not in dropped)

  def prepare(
      key: chex.PRNGKey, problem: _base.Problem
  ) -> transfer.BayesianModel:
    known = None
    if sources == 'linear':
      known = transfer.fit_sources(problem.space, *problem.source_rows)
    elif sources == 'network':
      known = transfer.network_sources(
          (network or _nasflat.nasflat()).prepare(key, problem)
      )
    return transfer.bayesian_model(
        problem.space,
        known,
        blocks=chosen,
        further={
            name: getattr(encodings, name)(problem.space) for name in added
        },
    )

  def predict(
      keys: chex.PRNGKey,
      problem: _base.Problem,
      state: Any,
      support: _base.Support,
  ) -> _base.Scores:
    del keys
    adapted = transfer.adapt_bayesian(
        state, problem.genotype[support.ids], support.latency_ms
    )
    prediction = adapted.predict(problem.genotype)
    return _base.Scores(
        scores=np.asarray(prediction.latency_ms),
        is_ms=True,
        lower_ms=prediction.lower_ms,
        upper_ms=prediction.upper_ms,
    )

  def budget(problem: _base.Problem, num_support: int) -> types.Budget:
    if sources == 'none':
      return types.Budget(source=0, reference=0, target=num_support)
    return _base.source_rows_budget(problem, num_support)

  return _base.Method(prepare, predict, budget)

