"""Few-shot latency of a device that was measured in another search space."""

from __future__ import annotations

from typing import Any, NamedTuple

import chex
import numpy as np

from nasflat_jax import transfer
from nasflat_jax import types
from nasflat_jax.methods import _base

_KNOWN = ('devices', 'costs')


class _State(NamedTuple):
  """What is believed before the target is measured in the task's space."""

  expected: transfer.Expectation
  model: transfer.BayesianModel


def elsewhere_of(problem: _base.Problem) -> _base.Elsewhere:
  """The other space of a problem.

  Args:
    problem: the task.

  Returns:
    `Problem.elsewhere`.

  Raises:
    ValueError: there is none.
  """
  if problem.elsewhere is None:
    raise ValueError(
        'the method reads latencies of the target in another search space, '
        'and the problem has none'
    )
  return problem.elsewhere


def check_elsewhere(problem: _base.Problem) -> None:
  """A ValueError for a problem without another space."""
  elsewhere_of(problem)


def across_spaces(*, known: str = 'devices') -> _base.Method:
  """The Bayesian predictor, told what another search space says of the target.

  The expected latency (`transfer.expect_by_devices` or `expect_by_costs`) is
  the prior mean of `transfer.bayesian_model`. No network that is predicted is
  measured on any device. Without a measurement, `num_support` 0, the scores are
  the expectation itself.

  Args:
    known: what is read beside the target's own latencies in the other space.
      `devices`: the source devices' latencies there and, in the task's space,
      at `Problem.source_ids`; `costs`: nothing.

  Returns:
    A method whose scores are milliseconds with 90 % intervals; without a
    measurement, an order.

  Raises:
    ValueError: an unknown choice; in use, a problem without another space.
  """
  if known not in _KNOWN:
    raise ValueError(
        f'known: unknown {known!r}; choose from {", ".join(_KNOWN)}'
    )

  def prepare(key: chex.PRNGKey, problem: _base.Problem) -> _State:
    del key
    other, sources = elsewhere_of(problem), None
    if known == 'devices':
      sources = transfer.fit_sources(problem.space, *problem.source_rows)
      expected = transfer.expect_by_devices(
          other.space,
          transfer.fit_sources(
              other.space, other.genotype, other.source_latency_ms
          ),
          other.genotype,
          other.target_latency_ms,
          problem.space,
          sources,
      )
    else:
      expected = transfer.expect_by_costs(
          other.space, other.genotype, other.target_latency_ms, problem.space
      )
    model = transfer.bayesian_model(problem.space, sources, expected=expected)
    return _State(expected, model)

  def predict(
      keys: chex.PRNGKey,
      problem: _base.Problem,
      state: Any,
      support: _base.Support,
  ) -> _base.Scores:
    del keys
    num_pairs, num_support = support.ids.shape
    if not num_support:
      scores = np.asarray(state.expected(problem.genotype), np.float64)
      scores = np.broadcast_to(scores, (num_pairs, len(scores)))
      return _base.Scores(scores=scores, is_ms=False)
    adapted = transfer.adapt_bayesian(
        state.model, problem.genotype[support.ids], support.latency_ms
    )
    prediction = adapted.predict(problem.genotype)
    return _base.Scores(
        scores=np.asarray(prediction.latency_ms),
        is_ms=True,
        lower_ms=prediction.lower_ms,
        upper_ms=prediction.upper_ms,
    )

  def budget(problem: _base.Problem, num_support: int) -> types.Budget:
    other = elsewhere_of(problem)
    read = int(np.isfinite(other.target_latency_ms).sum())
    if known == 'devices':
      read += int(np.isfinite(other.source_latency_ms).sum())
      read += _base.source_rows_budget(problem, 0).source
    return types.Budget(source=read, reference=0, target=num_support)

  return _base.Method(prepare, predict, budget, check=check_elsewhere)
