"""Rank architectures by the operations they compute; no measurement at all."""

from __future__ import annotations

from typing import Any

import chex
import numpy as np

from nasflat_jax import types
from nasflat_jax.methods import _base


def flops() -> _base.Method:
  """Scores are the analytic count of floating-point operations.

  `Budget.target` counts the support all the same: it turns the unitless scores
  into milliseconds where errors in percent are asked for. The order of the
  scores depends on no measurement.
  """

  def prepare(key: chex.PRNGKey, problem: _base.Problem) -> np.ndarray:
    del key
    # NumPy in keeps the counts exact: float32 would tie distinct networks.
    costs = problem.space.costs(np.asarray(problem.genotype))
    return np.asarray(costs.flops, np.float64)

  def predict(
      keys: chex.PRNGKey,
      problem: _base.Problem,
      state: Any,
      support: _base.Support,
  ) -> _base.Scores:
    del keys, problem
    scores = np.broadcast_to(state, (len(support.ids), len(state)))
    return _base.Scores(scores=scores, is_ms=False)

  def budget(problem: _base.Problem, num_support: int) -> types.Budget:
    del problem
    return types.Budget(source=0, reference=0, target=num_support)

  return _base.Method(prepare, predict, budget)
