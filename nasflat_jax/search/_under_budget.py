"""The best architecture under a latency budget, with few measurements.

One designed measurement tells how fast the device is; what sources and costs
say of latency does the rest. Every further one goes to the architecture that
promises most: expected improvement in accuracy, counted only if the budget is
held (Schonlau, Welch and Jones, 1998,
https://doi.org/10.1214/lnms/1215456182; Gardner and others, 2014), here

    (accuracy - best measured within the budget) * P(latency <= budget)^caution.

With caution above 1 a surer gain goes first and leaves the larger one for a
later measurement, when more is known. Accuracy is known, so that the posterior
of the latency is all that is uncertain: measurements go where the decision is,
as in HiFi-LLP, and the answer is an architecture that was measured within the
budget. Architectures that are alike share what the features do not explain,
see `_local`. A share of all measurements is taken to be surprises: when nothing
is left that the posterior believes in, they say where a chance is best spent.
"""

from __future__ import annotations

import chex
import jax
import numpy as np

from nasflat_jax import samplers
from nasflat_jax.search import _budget_run
from nasflat_jax.search import _candidates
from nasflat_jax.search import _table_device

# Chosen on devices that are a target in none of the published tasks, nor in the
# table of the benchmark.
_NUM_SUPPORT = 1
_CAUTION = 2.0
# Latencies of some devices have tails that no architecture explains.
_SURPRISE = 0.02
# What costs, genes and sources leave unexplained is mostly not noise.
_ALIKE = 0.8
# A measurement more never makes the answer worse.
_LEAST_PROBABILITY = 0.0
# Random candidates that the design chooses from.
_POOL = 1000


def under_budget(
    key: chex.PRNGKey,
    candidates: _candidates.Candidates,
    measure: _table_device.Measure,
    budget_ms: float,
    *,
    num_measurements: int,
    num_support: int = _NUM_SUPPORT,
    caution: float = _CAUTION,
    alike: float = _ALIKE,
    surprise: float = _SURPRISE,
    least_probability: float = _LEAST_PROBABILITY,
) -> _budget_run.UnderBudget:
  """Finds the most accurate architecture that holds a latency budget.

  Args:
    key: typed PRNG key: the pool of the design and its ties.
    candidates: from `candidates`, for this or another budget.
    measure: the device: `genotype [G] -> milliseconds`, above 0. It is called
      once for each row, one after another; see `table_device`.
    budget_ms: milliseconds that the answer must not exceed.
    num_measurements: measurements in all, those of finalists among them.
    num_support: of these, the designed ones that come first.
    caution: exponent of the probability of holding the budget; 1 is expected
      improvement, more prefers a smaller gain that is surer.
    alike: share of what the features do not explain that architectures share
      which are alike, from 0 to below 1.
    surprise: share of measurements that have nothing to do with the
      architecture, see `predictors.probability_within`.
    least_probability: the search stops early once every better candidate
      holds the budget with less than this probability; 0 spends all
      measurements, or measures all that is better. 0.01 saves those that could
      only help by a surprise.

  Returns:
    The answer and how it was found. Runs with fewer measurements are the
    beginnings of runs with more.

  Raises:
    ValueError: a number is out of range, or a measurement is not above 0.
  """
  budget_ms = _checked(budget_ms)
  if num_measurements < 1 or num_support < 1:
    raise ValueError(
        'num_measurements and num_support must be 1 or more, got '
        f'{num_measurements} and {num_support}'
    )
  run = _budget_run.Run(
      candidates, measure, budget_ms, caution, alike, surprise,
      least_probability,
  )
  total = min(num_measurements, len(candidates.ranking))
  with run.timed('design'):
    first = _design(key, candidates, min(num_support, total))
  for row in first:
    run.take(int(row))
  certain = False
  while len(run.rows) < total and not certain:
    row = run.next_row()
    certain = row is None
    if row is not None:
      run.take(row)
  return run.finish(certain)


def next_measurement(
    candidates: _candidates.Candidates,
    rows: chex.Array,
    measured_ms: chex.Array,
    budget_ms: float,
    *,
    caution: float = _CAUTION,
    alike: float = _ALIKE,
    surprise: float = _SURPRISE,
    least_probability: float = _LEAST_PROBABILITY,
) -> int | None:
  """What `under_budget` would measure next, for devices measured by hand.

  Args:
    candidates: from `candidates`.
    rows: `[m]` rows measured so far, at least one. Those that may not be chosen
      tell of latency, and are no answer.
    measured_ms: `[m]` their latencies, milliseconds, above 0.
    budget_ms: milliseconds.
    caution: as for `under_budget`.
    alike: as for `under_budget`.
    surprise: as for `under_budget`.
    least_probability: as for `under_budget`.

  Returns:
    The row, or None where nothing better is left that may hold the budget.

  Raises:
    ValueError: there is no measurement, one is not above 0, a row is none of
      the candidates, or a number is out of range.
  """
  rows, measured_ms = np.asarray(rows), np.asarray(measured_ms)
  if rows.ndim != 1 or rows.shape != measured_ms.shape or not len(rows):
    raise ValueError(
        'rows and measured_ms must be [m] with m of 1 or more, got '
        f'{rows.shape} and {measured_ms.shape}'
    )
  total = len(candidates.genotype)
  if not ((rows >= 0) & (rows < total)).all():
    raise ValueError(f'rows must be from 0 to {total - 1}, got {rows.tolist()}')
  run = _budget_run.Run(
      candidates, _not_measured, _checked(budget_ms), caution, alike,
      surprise, least_probability,
  )
  for row, latency_ms in zip(rows, measured_ms, strict=True):
    run.record(int(row), float(latency_ms))
  return run.next_row()


def _not_measured(genotype: np.ndarray) -> float:
  raise ValueError(f'{genotype} is measured by hand')


def _checked(budget_ms: float) -> float:
  if not (np.isfinite(budget_ms) and budget_ms > 0.0):
    raise ValueError(f'budget_ms must be above 0, got {budget_ms}')
  return float(budget_ms)


def choose_within(
    accuracy: chex.Array, probability: chex.Array, *, level: float = 0.95
) -> int:
  """The choice without a further measurement.

  Args:
    accuracy: `[N]` larger is better.
    probability: `[N]` of holding the budget.
    level: the least probability that is enough.

  Returns:
    The row with the best accuracy among those that reach the level, or, where
    none does, the one with the highest probability.
  """
  accuracy, probability = np.asarray(accuracy), np.asarray(probability)
  enough = probability >= level
  if not enough.any():
    return int(np.argmax(probability))
  return int(np.argmax(np.where(enough, accuracy, -np.inf)))


def _design(
    key: chex.PRNGKey, candidates: _candidates.Candidates, num: int
) -> np.ndarray:  # [num]
  """A D-optimal design among random candidates."""
  pool_key, tie_key = jax.random.split(key)
  pool = candidates.ranking
  size = min(_POOL, len(pool))
  pool = np.asarray(jax.random.choice(pool_key, pool, (size,), replace=False))
  return pool[np.asarray(_d_optimal(
      tie_key, candidates.features[pool] * candidates.scale, num_samples=num
  ))]


_d_optimal = jax.jit(samplers.d_optimal, static_argnames='num_samples')
