"""Several proxies together, by the order alone. Host only."""

from __future__ import annotations

import numpy as np
from scipy import stats

_BLOCK = 512  # rows of the pairs' matrix at a time


def vote(scores: np.ndarray) -> np.ndarray:
  """Majority of the proxies on every pair of architectures.

  Of two architectures the one that more proxies put higher wins, as in
  Abdelfattah et al. (https://arxiv.org/abs/2101.08134), who let synflow, jacov
  and snip vote. The result is the number of pairs won less the number lost
  (Copeland's score): it has an order also where majorities go in a circle.

  Args:
    scores: `[N, P]`, higher is better; NaN is below all else.

  Returns:
    `[N]` float64, from `1 - N` to `N - 1`.

  Raises:
    ValueError: scores are not `[N, P]` with a proxy at least.

  Example:
    >>> vote(np.array([[3.0, 0.1, 7.0], [1.0, 0.2, 5.0], [2.0, 0.3, 6.0]]))
    array([ 2., -2.,  0.])
  """
  ranks = _ranks(scores)
  total = np.zeros(len(ranks))
  for start in range(0, len(ranks), _BLOCK):
    rows = ranks[start : start + _BLOCK]
    margin = np.zeros((len(rows), len(ranks)), np.int32)
    for mine, all_of in zip(rows.T, ranks.T):
      margin += mine[:, None] > all_of
      margin -= mine[:, None] < all_of
    total[start : start + _BLOCK] = np.sign(margin).sum(axis=1)
  return total


def rank_average(scores: np.ndarray) -> np.ndarray:
  """Mean rank over the proxies.

  Args:
    scores: `[N, P]`, higher is better; NaN is below all else.

  Returns:
    `[N]` float64 from 1 to N, ties sharing their mean rank.

  Raises:
    ValueError: scores are not `[N, P]` with a proxy at least.

  Example:
    >>> rank_average(np.array([[3.0, 0.1], [1.0, 0.2], [2.0, np.nan]]))
    array([2.5, 2. , 1.5])
  """
  return _ranks(scores).mean(axis=1)


def _ranks(scores: np.ndarray) -> np.ndarray:
  """`[N, P]` ranks from 1 in each column."""
  scores = np.asarray(scores, np.float64)
  if scores.ndim != 2 or not scores.shape[1]:
    raise ValueError(f'scores: got shape {scores.shape}, want [N, P], P >= 1')
  if not len(scores):
    return scores
  return stats.rankdata(np.where(np.isnan(scores), -np.inf, scores), axis=0)
