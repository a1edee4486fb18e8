"""AdaProxy: one source device's linear model, adapted to the target."""

from __future__ import annotations

from typing import Any

import chex
import numpy as np

from nasflat_jax import predictors
from nasflat_jax import types
from nasflat_jax.methods import _base
from nasflat_jax.methods import _likeness


def adaproxy(*, proxy: str = '') -> _base.Method:
  """OneProxy's latency adaptation, https://arxiv.org/abs/2111.01203.

  Every source gets a linear model of its rows `Problem.source_ids`
  (`predictors.fit_proxy`); the proxy's is bent to the support
  (`predictors.fit_adaproxy`). The result is in milliseconds.

  Note:
    The paper names no rule for choosing the proxy. Here it is the source whose
    linear model orders the support best, so that no source measurement beyond
    `source_ids` is read. Those of every source are counted: the choice needs
    them. The paper measures until the proxy correlates at 0.9; here the number
    of measurements is given.

  Args:
    proxy: name of the source device to adapt; empty chooses for each target.

  Returns:
    The method.

  Raises:
    ValueError: in `check`, `prepare` and `budget`, `proxy` is no source device
      of the task; in `prepare`, a source has no measured rows.
  """

  def check(problem: _base.Problem) -> None:
    if proxy and proxy not in problem.source_names:
      raise ValueError(
          f'proxy: {proxy!r} is no source device of this task; choose from '
          f'{", ".join(problem.source_names)}'
      )

  def prepare(
      key: chex.PRNGKey, problem: _base.Problem
  ) -> list[predictors.LinearModel]:
    del key
    check(problem)
    genotype, latency_ms = problem.source_rows
    models = []
    for name, row in zip(problem.source_names, latency_ms, strict=True):
      if proxy and name != proxy:
        continue
      measured = np.isfinite(row)
      if not measured.any():
        raise ValueError(f'source device {name!r} has no measured rows')
      models.append(
          predictors.fit_proxy(
              genotype[measured], row[measured], problem.num_ops
          )
      )
    return models

  def predict(
      keys: chex.PRNGKey,
      problem: _base.Problem,
      state: Any,
      support: _base.Support,
  ) -> _base.Scores:
    del keys
    hot = predictors.one_hot(problem.genotype, problem.num_ops)
    rows = hot[support.ids]  # [T, n, F]
    predicted = np.stack(
        [predictors.predict_linear(model, rows) for model in state], axis=1
    )
    nearest = _likeness.likeness(predicted, support.latency_ms).argmax(axis=1)
    adapted = [
        predictors.fit_adaproxy(state[source], row, latency_ms)
        for source, row, latency_ms in zip(
            nearest, rows, support.latency_ms, strict=True
        )
    ]
    scores = [predictors.predict_linear(model, hot) for model in adapted]
    return _base.Scores(scores=np.stack(scores), is_ms=True)

  def budget(problem: _base.Problem, num_support: int) -> types.Budget:
    if not proxy:
      return _base.source_rows_budget(problem, num_support)
    check(problem)
    row = problem.source_names.index(proxy)
    measured = int(np.isfinite(problem.source_rows[1][row]).sum())
    return types.Budget(source=measured, reference=0, target=num_support)

  return _base.Method(prepare, predict, budget, check=check)
