"""Methods that borrow the source devices' latencies without training."""

from __future__ import annotations

from typing import Any

import chex
import numpy as np
from scipy import stats

from nasflat_jax import predictors
from nasflat_jax import types
from nasflat_jax.methods import _base
from nasflat_jax.methods import _ridge


def best_source() -> _base.Method:
  """Scores are the latencies of the source device most like the target.

  The one with the highest Spearman correlation on the support rows is chosen,
  the first of them on a tie. Needs the source's table at every architecture.
  Where the source was not measured, a ridge on the one-hot genotype, fitted to
  the rest of its own table, stands in.
  """

  def prepare(key: chex.PRNGKey, problem: _base.Problem) -> np.ndarray:
    del key
    hot = predictors.one_hot(problem.genotype, problem.num_ops)
    rows = []
    for row in problem.source_latency_ms:
      missing = np.isnan(row)
      if missing.any():
        model = predictors.fit_ridge(hot[~missing], row[~missing])
        row = np.where(missing, predictors.predict_linear(model, hot), row)
      rows.append(row)
    return np.stack(rows)  # [S, N]

  def predict(
      keys: chex.PRNGKey,
      problem: _base.Problem,
      state: Any,
      support: _base.Support,
  ) -> _base.Scores:
    del keys, problem
    likeness = _spearman(
        np.moveaxis(state[:, support.ids], 0, 1),  # [T, S, n]
        support.latency_ms[:, None],
    )
    return _base.Scores(scores=state[likeness.argmax(axis=-1)], is_ms=False)

  def budget(problem: _base.Problem, num_support: int) -> types.Budget:
    measured = int(np.isfinite(problem.source_latency_ms).sum())
    return types.Budget(source=measured, reference=0, target=num_support)

  return _base.Method(prepare, predict, budget)


def _spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """Batched over leading axes; 0 where a side is constant."""
  a, b = (stats.rankdata(x, axis=-1) for x in (a, b))
  a, b = (x - x.mean(axis=-1, keepdims=True) for x in (a, b))
  scale = np.sqrt(np.square(a).sum(axis=-1) * np.square(b).sum(axis=-1))
  product = (a * b).sum(axis=-1)
  return np.divide(product, scale, out=np.zeros_like(scale), where=scale > 0)


def linear_sources() -> _base.Method:
  """A ridge combination of the source devices' linear models.

  One ridge on the one-hot genotype for each source device, fitted to its rows
  `Problem.source_ids`; then a ridge of the target's support latencies on these
  models' predictions. Latencies are fitted in milliseconds.
  """

  def prepare(key: chex.PRNGKey, problem: _base.Problem) -> np.ndarray:
    del key
    hot = predictors.one_hot(problem.genotype, problem.num_ops)
    columns = []
    for name, row in zip(
        problem.source_names, problem.source_latency_ms, strict=True
    ):
      ids = problem.source_ids[np.isfinite(row[problem.source_ids])]
      if not ids.size:
        raise ValueError(f'source device {name!r} has no measured rows')
      model = predictors.fit_ridge(hot[ids], row[ids])
      columns.append(predictors.predict_linear(model, hot))
    features = np.stack(columns, axis=-1)  # [N, S]
    # One penalty for all: slow and fast devices must weigh the same.
    spread = features.std(axis=0)
    return features / np.where(spread > 0.0, spread, 1.0)

  return _base.Method(
      prepare, _ridge.predict_by_ridge, _base.source_rows_budget
  )
