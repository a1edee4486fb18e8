"""One search under a budget: its measurements, its answer and its clock."""

from __future__ import annotations

import dataclasses
import time

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import predictors
from nasflat_jax import transfer
from nasflat_jax.search import _candidates
from nasflat_jax.search import _local
from nasflat_jax.search import _table_device

# Of the prior's, a Sobol sequence: more make a search slower, not better.
_HYPOTHESES = 128
# Sizes that fits and scorings are padded to: few programs for all numbers.
_FIT_SIZE = 20
_SCORE_SIZES = (256, 1024, 4096, 16384)


@dataclasses.dataclass(frozen=True, eq=False)
class UnderBudget:
  """What a search under a budget found.

  Attributes:
    row: the answer, a row of the candidates: the most accurate one measured
      within the budget. Without any, the unmeasured one that holds it most
      probably, or, where all were measured, the fastest.
    latency_ms: its measured latency, or the predicted median.
    within: True where that was measured and holds the budget, False where it
      was measured and does not, None where the answer was not measured.
    rows: `[m]` int32 rows measured, in order.
    measured_ms: `[m]` their latencies, milliseconds.
    answers: `[m]` int32 the answer after each measurement; -1 while none was
      within the budget.
    certain: whether it stopped before all measurements were spent, because
      nothing better was left that might hold the budget.
    adapted: the model adapted to all measurements, without what alike
      architectures share beyond it.
    seconds: wall-clock by part: `design`, `fit`, `predict`, `choose` and
      `measure`.
  """

  row: int
  latency_ms: float
  within: bool | None
  rows: np.ndarray  # [m]
  measured_ms: np.ndarray  # [m]
  answers: np.ndarray  # [m]
  certain: bool
  adapted: transfer.AdaptedBayesian
  seconds: dict[str, float]


@jax.jit
def _fit(
    prior: predictors.BayesianPrior,
    features: jax.Array,  # [N, F]
    genotype: jax.Array,  # [N, G]
    rows: jax.Array,  # [n]
    latency_ms: jax.Array,  # [n]
    num: jax.Array,
    alike: jax.Array,
) -> _local.LocalPosterior:
  return _local.fit_local(
      prior, features[rows], genotype[rows], latency_ms,
      jnp.arange(len(rows)) < num, alike,
  )


@jax.jit
def _probability(
    posterior: _local.LocalPosterior,
    features: jax.Array,  # [N, F]
    genotype: jax.Array,  # [N, G]
    rows: jax.Array,  # [B]
    budget_ms: jax.Array,
    surprise: jax.Array,
) -> jax.Array:  # [B]
  return _local.probability_within(
      posterior, features[rows], genotype[rows], budget_ms, surprise
  )


def _padded(rows: np.ndarray, sizes: tuple[int, ...]) -> np.ndarray:
  """The rows, repeated up to the next of the sizes (or of the last's)."""
  size = next(
      (size for size in sizes if size >= len(rows)),
      -(-len(rows) // sizes[-1]) * sizes[-1],
  )
  return np.resize(rows, size)


class Run:
  """One search: the measurements so far, and the clock."""

  def __init__(
      self,
      candidates: _candidates.Candidates,
      measure: _table_device.Measure,
      budget_ms: float,
      caution: float,
      alike: float,
      surprise: float,
      least_probability: float,
  ) -> None:
    if not caution > 0.0:
      raise ValueError(f'caution must be above 0, got {caution}')
    if not 0.0 <= alike < 1.0:
      raise ValueError(f'alike must be from 0 to below 1, got {alike}')
    if not 0.0 <= surprise <= 1.0:
      raise ValueError(f'surprise must be from 0 to 1, got {surprise}')
    if not 0.0 <= least_probability <= 1.0:
      raise ValueError(
          f'least_probability must be from 0 to 1, got {least_probability}'
      )
    self.candidates = candidates
    self._may_be_chosen = np.zeros(len(candidates.accuracy), bool)
    self._may_be_chosen[candidates.ranking] = True
    prior = candidates.model.prior
    self.prior = prior._replace(
        variance=prior.variance[:_HYPOTHESES],
        noise=prior.noise[:_HYPOTHESES],
        mean=None if prior.mean is None else prior.mean[:_HYPOTHESES],
    )
    self.codes = jnp.asarray(candidates.genotype)
    self.budget_ms = budget_ms
    self.caution = caution
    self.alike = alike
    self.surprise = surprise
    self.least_probability = least_probability
    self.rows: list[int] = []
    self.measured_ms: list[float] = []
    self.answers: list[int] = []
    self.seconds = dict.fromkeys(
        ('design', 'fit', 'predict', 'choose', 'measure'), 0.0
    )
    self._measure = measure

  def timed(self, part: str) -> _Clock:
    """Adds the time inside to a part's."""
    return _Clock(self.seconds, part)

  def take(self, row: int) -> None:
    """Measures a row."""
    with self.timed('measure'):
      latency_ms = float(self._measure(self.candidates.genotype[row]))
    self.record(row, latency_ms)

  def record(self, row: int, latency_ms: float) -> None:
    """Takes in a measurement."""
    if not (np.isfinite(latency_ms) and latency_ms > 0.0):
      raise ValueError(
          f'the measured latency must be above 0, got {latency_ms} for row '
          f'{row}'
      )
    self.rows.append(row)
    self.measured_ms.append(latency_ms)
    answer = self.answers[-1] if self.answers else -1
    accuracy = self.candidates.accuracy
    # By hand, a row may be measured that is not to be chosen.
    if self._may_be_chosen[row] and latency_ms <= self.budget_ms and (
        answer < 0 or accuracy[row] > accuracy[answer]
    ):
      answer = row
    self.answers.append(answer)

  def posterior(self) -> _local.LocalPosterior:
    """What the measurements say."""
    with self.timed('fit'):
      rows = _padded(np.array(self.rows, np.int32), (_FIT_SIZE,))
      latency_ms = np.resize(np.array(self.measured_ms, np.float32), len(rows))
      return jax.block_until_ready(_fit(
          self.prior, self.candidates.features, self.codes,
          jnp.asarray(rows), jnp.asarray(latency_ms),
          jnp.asarray(len(self.rows)),
          jnp.asarray(self.alike, jnp.float32),
      ))

  def probability(self, rows: np.ndarray) -> np.ndarray:
    """Of holding the budget, for some rows."""
    posterior = self.posterior()
    with self.timed('predict'):
      return np.asarray(_probability(
          posterior, self.candidates.features, self.codes,
          jnp.asarray(_padded(rows, _SCORE_SIZES)),
          jnp.asarray(self.budget_ms, jnp.float32),
          jnp.asarray(self.surprise, jnp.float32),
      ))[: len(rows)]

  def _better(self) -> tuple[np.ndarray, np.ndarray]:
    """Unmeasured rows that would improve the answer, and by how much."""
    accuracy = self.candidates.accuracy[self.candidates.ranking]
    answer = self.answers[-1]
    floor = self.candidates.accuracy[answer] if answer >= 0 else accuracy[-1]
    num = np.searchsorted(-accuracy, -floor, 'left' if answer >= 0 else 'right')
    rows = self.candidates.ranking[:num]
    fresh = ~np.isin(rows, self.rows)
    return rows[fresh], (accuracy[:num] - floor)[fresh]

  def next_row(self) -> int | None:
    """What to measure next; None where nothing is worth it."""
    with self.timed('choose'):
      rows, gain = self._better()
    if not len(rows):
      return None
    probability = self.probability(rows)
    with self.timed('choose'):
      if self.answers[-1] >= 0 and probability.max() < self.least_probability:
        return None
      promise = gain * probability**self.caution
      # Where no accuracy is above the least, the likeliest is worth it.
      return int(rows[np.argmax(promise if promise.any() else probability)])

  def finish(self, certain: bool) -> UnderBudget:
    """The answer."""
    row, latency_ms, within = self.answers[-1], None, None
    posterior = _local.global_part(
        self.posterior(), self.candidates.features.shape[1]
    )
    adapted = transfer.AdaptedBayesian(
        model=self.candidates.model,
        posterior=jax.tree.map(lambda x: x[None], posterior),
    )
    if row >= 0:
      within = True
    else:
      unmeasured = np.setdiff1d(self.candidates.ranking, self.rows)
      if len(unmeasured):
        row = int(unmeasured[np.argmax(self.probability(unmeasured))])
        prediction = adapted.predict(self.candidates.genotype[row][None])
        latency_ms = float(prediction.latency_ms[0, 0])
      else:
        row, within = self.rows[int(np.argmin(self.measured_ms))], False
    if latency_ms is None:
      latency_ms = self.measured_ms[self.rows.index(row)]
    return UnderBudget(
        row=row,
        latency_ms=latency_ms,
        within=within,
        rows=np.array(self.rows, np.int32),
        measured_ms=np.array(self.measured_ms),
        answers=np.array(self.answers, np.int32),
        certain=certain,
        adapted=adapted,
        seconds=self.seconds,
    )


class _Clock:
  """Adds the time between entry and exit to an entry of a dictionary."""

  def __init__(self, seconds: dict[str, float], part: str) -> None:
    self._seconds, self._part = seconds, part

  def __enter__(self) -> None:
    self._start = time.perf_counter()

  def __exit__(self, *unused) -> None:
    self._seconds[self._part] += time.perf_counter() - self._start
