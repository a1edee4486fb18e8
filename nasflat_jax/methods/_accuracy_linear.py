"""What every accuracy method has to beat: one proxy, and a line through all."""

from __future__ import annotations

import numpy as np
from scipy import stats

from nasflat_jax.methods import _accuracy_base as _base


def _prepare(key, problem: _base.AccuracyProblem) -> np.ndarray:
  """`[N, P]` normal scores of the proxies, 0 where absent."""
  del key
  proxies = problem.networks.proxies
  return np.nan_to_num(proxies[:, np.isfinite(proxies).any(axis=0)])


def ridge(*, shrinkage: float = 0.1) -> _base.AccuracyMethod:
  """Ridge regression of the accuracy on all proxies.

  Args:
    shrinkage: penalty of squared weights, over the number of labels; accuracy
      and proxies are standardised.

  Returns:
    The method.

  Raises:
    ValueError: the shrinkage is not above 0.
  """
  if not shrinkage > 0.0:
    raise ValueError(f'shrinkage must be above 0, got {shrinkage}')

  def predict(keys, problem, proxies, ids, accuracy) -> np.ndarray:
    del keys, problem
    scores = []
    for rows, values in zip(ids, accuracy, strict=True):
      known = proxies[rows] - proxies[rows].mean(axis=0)
      spread = values.std() or 1.0
      penalty = shrinkage * len(rows) * np.eye(proxies.shape[1])
      weights = np.linalg.solve(
          known.T @ known + penalty, known.T @ (values - values.mean()) / spread
      )
      scores.append(proxies @ weights)
    return np.stack(scores)

  return _base.AccuracyMethod(_prepare, predict, _base.target_budget)


def best_proxy() -> _base.AccuracyMethod:
  """The proxy that orders the few labels best, upside down where it must be.

  By the absolute Spearman correlation with the labels; the first of equals.

  Returns:
    The method.
  """

  def predict(keys, problem, proxies, ids, accuracy) -> np.ndarray:
    del keys, problem
    scores = []
    for rows, values in zip(ids, accuracy, strict=True):
      rank = stats.rankdata(values)
      ranks = stats.rankdata(proxies[rows], axis=0)
      rank, ranks = rank - rank.mean(), ranks - ranks.mean(axis=0)
      length = np.sqrt((rank**2).sum() * (ranks**2).sum(axis=0))
      rho = rank @ ranks / np.where(length > 0.0, length, np.inf)
      chosen = int(np.abs(rho).argmax())
      scores.append(np.sign(rho[chosen]) * proxies[:, chosen])
    return np.stack(scores)

  return _base.AccuracyMethod(_prepare, predict, _base.target_budget)
