"""Which device to take as proxy, and which few as a set of proxies.

OneProxy (https://arxiv.org/abs/2111.01203) takes the device at hand. Where
tables of several devices are there, their rank correlations say which of them
stands best for the others, and so for one that is not measured yet.
"""

from __future__ import annotations

import math

import numpy as np


def choose_proxies(
    correlation: np.ndarray,  # [S, S]
    num_proxies: int = 1,
) -> tuple[int, ...]:
  """Chooses devices that stand for all others: greedy facility location.

  Each step adds the device that most raises the mean over all devices of the
  correlation with the nearest one chosen, see `proxy_coverage`. The first is
  the medoid, the device with the highest mean correlation. What is maximised,
  counted from -1, is monotone and submodular, so the greedy set reaches at
  least 1 - 1/e of the best one's (Nemhauser, Wolsey and Fisher 1978,
  https://doi.org/10.1007/BF01588971).

  Args:
    correlation: `[S, S]` rank correlations, see `correlation_matrix`.
    num_proxies: how many to choose.

  Returns:
    `num_proxies` distinct rows, in the order chosen.

  Raises:
    ValueError: not a square matrix, a correlation is not defined, or there are
      fewer devices than asked for.

  Example:
    >>> correlation = np.array([[1., .9, .1], [.9, 1., .2], [.1, .2, 1.]])
    >>> choose_proxies(correlation, 2)
    (1, 2)
  """
  correlation = _checked(correlation)
  size = len(correlation)
  if not 1 <= num_proxies <= size:
    raise ValueError(f'cannot choose {num_proxies} proxies of {size} devices')
  chosen: list[int] = []
  covered = np.full(size, -1.0)
  for _ in range(num_proxies):
    gain = np.maximum(correlation, covered).sum(axis=1)
    gain[chosen] = -np.inf
    chosen.append(int(gain.argmax()))
    covered = np.maximum(covered, correlation[chosen[-1]])
  return tuple(chosen)


def proxy_coverage(
    correlation: np.ndarray,  # [S, T]
    proxies: tuple[int, ...],
) -> float:
  """Mean over devices of the correlation with the nearest proxy.

  Args:
    correlation: `[S, T]` of the devices to choose from and those to stand for.
    proxies: rows chosen.

  Returns:
    The mean.
  """
  return float(np.asarray(correlation)[list(proxies)].max(axis=0).mean())


def coverage_by_chance(
    correlation: np.ndarray,  # [S, T]
    num_proxies: int,
) -> np.ndarray:  # [T]
  """Correlation with the nearest of a random set of proxies, in expectation.

  Exact: of `S` values in increasing order, the i-th is the greatest of a random
  `m` with probability C(i - 1, m - 1) / C(S, m).

  Args:
    correlation: `[S, T]` of the devices to choose from and those to stand for.
    num_proxies: the size of the set, m.

  Returns:
    `[T]` expectations; their mean compares with `proxy_coverage`.

  Raises:
    ValueError: there are fewer devices than the set has.

  Example:
    >>> coverage_by_chance(np.array([[0.2], [0.8]]), 1)
    array([0.5])
  """
  ordered = np.sort(np.asarray(correlation, np.float64), axis=0)
  size = len(ordered)
  if not 1 <= num_proxies <= size:
    raise ValueError(f'cannot choose {num_proxies} proxies of {size} devices')
  sets = math.comb(size, num_proxies)
  prob = [math.comb(i, num_proxies - 1) / sets for i in range(size)]
  return np.array(prob) @ ordered


def choose_proxy(
    correlation: np.ndarray,  # [S, S]
    measured: np.ndarray,  # [S]
) -> int:
  """Chooses the proxy of a target of which a few architectures are measured.

  The source that orders them most like the target. Of five architectures many
  sources are equally like it: the one most like the other sources is taken.

  Note:
    Drawing the measured correlations to the sources' own, by Fisher's z or by a
    kernel of the sources, was tried on devices that are targets of no published
    task, and was worse: the errors of one sample are common to all sources.

  Args:
    correlation: `[S, S]` rank correlations of the sources.
    measured: `[S]` Spearman's correlation of each source with the target on the
      measured architectures; NaN where it is not defined.

  Returns:
    The row chosen.

  Raises:
    ValueError: the shapes do not fit, a correlation of sources is not defined,
      or there are no sources.

  Example:
    >>> correlation = np.array([[1., .9, .1], [.9, 1., .2], [.1, .2, 1.]])
    >>> choose_proxy(correlation, np.array([0.8, 0.8, 0.5]))
    1
  """
  correlation = _checked(correlation)
  measured = np.asarray(measured, np.float64)
  if measured.shape != correlation.shape[:1]:
    raise ValueError(
        f'measured must be [{len(correlation)}], got {measured.shape}'
    )
  likeness = np.where(np.isfinite(measured), measured, -1.0)
  # Equal correlations may differ by rounding.
  best = np.flatnonzero(likeness >= likeness.max() - 1e-6)
  return int(best[correlation[best].mean(axis=1).argmax()])


def _checked(correlation: np.ndarray) -> np.ndarray:
  correlation = np.asarray(correlation, np.float64)
  if correlation.ndim != 2 or len(set(correlation.shape)) != 1:
    raise ValueError(
        f'correlation must be [S, S] with S >= 1, got {correlation.shape}'
    )
  if not len(correlation) or not np.isfinite(correlation).all():
    raise ValueError('every two devices must have a rank correlation')
  return correlation
