"""Simpler searches with the same measurements, and the oracle.

Each sees `accuracy [N]` of the candidates and measures rows of `latency_ms
[N]`; each answers with a row, or -1 where it has none.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import samplers
from nasflat_jax import search
from nasflat_jax import transfer

_POOL = 1000
_WALK = 3  # HELP keeps the first three of the list


class Answer(NamedTuple):
  """What a search answers.

  Attributes:
    row: the network; -1 where there is none.
    measured: whether it was measured.
  """

  row: int
  measured: bool


def oracle(
    accuracy: np.ndarray, latency_ms: np.ndarray, budget_ms: float
) -> int:
  """The best feasible row, with all latencies known; -1 without any."""
  feasible = np.isfinite(latency_ms) & (latency_ms <= budget_ms)
  if not feasible.any():
    return -1
  return int(np.argmax(np.where(feasible, accuracy, -np.inf)))


def _best_measured(
    rows: np.ndarray,
    accuracy: np.ndarray,
    latency_ms: np.ndarray,
    budget_ms: float,
) -> Answer:
  held = rows[latency_ms[rows] <= budget_ms]
  if not len(held):
    return Answer(-1, False)
  return Answer(int(held[np.argmax(accuracy[held])]), True)


def random_search(
    rng: np.random.Generator,
    accuracy: np.ndarray,
    latency_ms: np.ndarray,
    budget_ms: float,
    num: int,
) -> Answer:
  """The best of `num` random networks."""
  pool = np.flatnonzero(np.isfinite(latency_ms))
  rows = rng.choice(pool, min(num, len(pool)), replace=False)
  return _best_measured(rows, accuracy, latency_ms, budget_ms)


def flops_calibrated(
    rng: np.random.Generator,
    flops: np.ndarray,
    accuracy: np.ndarray,
    latency_ms: np.ndarray,
    budget_ms: float,
    num: int,
) -> Answer:
  """FLOPs made milliseconds by a line through `num` random measurements."""
  pool = np.flatnonzero(np.isfinite(latency_ms))
  rows = rng.choice(pool, num, replace=False)
  predicted = _line(flops[rows], latency_ms[rows], flops)
  allowed = np.isfinite(latency_ms) & (predicted <= budget_ms)
  if not allowed.any():
    return Answer(-1, False)
  row = int(np.argmax(np.where(allowed, accuracy, -np.inf)))
  return Answer(row, row in rows)


def flops_verified(
    rng: np.random.Generator,
    flops: np.ndarray,
    accuracy: np.ndarray,
    latency_ms: np.ndarray,
    budget_ms: float,
    num: int,
) -> Answer:
  """Half the measurements calibrate FLOPs, half go to the best it predicts.

  After each, the line is fitted anew; the answer was measured within the
  budget.
  """
  pool = np.flatnonzero(np.isfinite(latency_ms))
  rows = list(rng.choice(pool, max(2, num // 2), replace=False))
  while len(rows) < num:
    predicted = _line(flops[rows], latency_ms[rows], flops)
    allowed = np.isfinite(latency_ms) & (predicted <= budget_ms)
    allowed[rows] = False
    if not allowed.any():
      allowed = np.isfinite(latency_ms)
      allowed[rows] = False
      rows.append(int(np.argmin(np.where(allowed, predicted, np.inf))))
    else:
      rows.append(int(np.argmax(np.where(allowed, accuracy, -np.inf))))
  return _best_measured(np.array(rows), accuracy, latency_ms, budget_ms)


def _line(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
  if np.ptp(x) == 0.0:
    return np.full(len(at), y.mean())
  slope, intercept = np.polyfit(x, y, 1)
  return slope * at + intercept


class Adapted(NamedTuple):
  """Predictions after a design of `n` measurements, for `T` seeds."""

  rows: np.ndarray  # [T, n] measured
  latency_ms: np.ndarray  # [T, N] median
  upper_ms: np.ndarray  # [T, N] 95th percentile


def adapt(
    candidates: search.Candidates,
    latency_ms: np.ndarray,
    num: int,
    seeds: range,
) -> Adapted:
  """All measurements go to a design among random candidates."""
  design = np.asarray(candidates.features * candidates.scale)
  pool = candidates.ranking
  rows = []
  for seed in seeds:
    rng = np.random.default_rng((seed, num))
    part = rng.choice(pool, min(_POOL, len(pool)), replace=False)
    chosen = _d_optimal(
        jax.random.key(seed), jnp.asarray(design[part]), num_samples=num
    )
    rows.append(part[np.asarray(chosen)])
  rows = np.array(rows)
  adapted = transfer.adapt_bayesian(
      candidates.model, candidates.genotype[rows], latency_ms[rows]
  )
  got = adapted.predict(candidates.genotype[pool])
  everywhere = np.full((2, len(rows), len(candidates.genotype)), np.inf)
  everywhere[:, :, pool] = got.latency_ms, got.upper_ms
  return Adapted(rows, *everywhere)


_d_optimal = jax.jit(samplers.d_optimal, static_argnames='num_samples')


def unverified(
    candidates: search.Candidates, adapted: Adapted, budget_ms: float
) -> list[Answer]:
  """The most accurate network that holds the budget with 95 % probability.

  One answer for each seed, by the posterior alone; where no network is that
  likely, the one whose 95th percentile is least.
  """
  allowed = candidates.ranking  # best first
  answers = []
  for rows, upper_ms in zip(adapted.rows, adapted.upper_ms, strict=True):
    fit = np.flatnonzero(upper_ms[allowed] <= budget_ms)
    place = fit[0] if len(fit) else np.argmin(upper_ms[allowed])
    row = int(allowed[place])
    answers.append(Answer(row, row in rows))
  return answers


def help_rule(
    candidates: search.Candidates,
    adapted: Adapted,
    score: np.ndarray,  # [N]
    budget_ms: float,
) -> list[Answer]:
  """HELP's rule with this predictor: of the first three that fit, the best.

  Candidates are walked by falling score; they fit where the median holds the
  budget.
  """
  order = candidates.ranking[np.argsort(-score[candidates.ranking])]
  answers = []
  for rows, median_ms in zip(adapted.rows, adapted.latency_ms, strict=True):
    fit = order[median_ms[order] <= budget_ms][:_WALK]
    if not len(fit):
      fit = order[[np.argmin(median_ms[order])]]
    row = int(fit[np.argmax(candidates.accuracy[fit])])
    answers.append(Answer(row, row in rows))
  return answers
