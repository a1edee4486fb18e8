"""Rounds in which a predictor says what to evaluate and learns from it."""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import encodings
from nasflat_jax import types
from nasflat_jax.search import _algorithm
from nasflat_jax.search import _exhaustive
from nasflat_jax.search import _surrogate

# FLAN evaluates so many of the best, and as many random ones, in each round.
FLAN_SCHEDULE = (2, 2, 2, 2, 4, 2, 2, 8, 8, 16, 16)
# The random ones come from the best half, quarter, ... but from so many.
_LEAST_POOL = 512

Surrogate = Callable[
    [jax.Array, jax.Array, jax.Array, jax.Array], jax.Array
]


class GuidedState(NamedTuple):
  """What was evaluated, and what is expected of the pool.

  Attributes:
    row: `[M]` int32, rows of the pool in the order of their evaluation.
    value: `[M]` what they scored; NaN where the evaluation failed, or is yet
      to come.
    asked: `[N]` bool, True for rows that were asked for.
    violation: `[N]` how much each is expected to break the constraints.
    score: `[N]` what each is expected to score, as of this round's start.
    step: `[]` int32, batches asked for.
  """

  row: jax.Array  # [M]
  value: jax.Array  # [M]
  asked: jax.Array  # [N]
  violation: jax.Array  # [N]
  score: jax.Array  # [N]
  step: jax.Array


def _encode(space: types.SearchSpace, genotype: np.ndarray) -> jax.Array:
  parts = [
      encode(space)(jnp.asarray(genotype))
      for encode in (
          encodings.one_hot,
          encodings.op_counts,
          encodings.total_costs,
          encodings.live_costs,
      )
  ]
  return jnp.concatenate(parts, axis=1)


def guided_rounds(schedule: tuple[int, ...] = FLAN_SCHEDULE) -> int:
  """Batches of `predictor_guided` that make up a schedule.

  Example:
    >>> guided_rounds()
    32
  """
  return sum(schedule) // math.gcd(*schedule)


def predictor_guided(
    space: types.SearchSpace,
    *,
    genotype: chex.Array | None = None,
    features: chex.Array | None = None,
    surrogate: Surrogate = _surrogate.gaussian_process,
    schedule: tuple[int, ...] = FLAN_SCHEDULE,
    violation: _algorithm.Violation | None = None,
) -> _algorithm.SearchAlgorithm:
  """Predictor-guided rounds on FLAN's schedule of 128 evaluations.

  Akhauri and Abdelfattah (2024, https://arxiv.org/abs/2403.02484). Round r
  evaluates the k architectures of the pool that the predictor puts first, and
  k random ones of its best `N / 2^r` (512 at least); then the predictor is
  fitted again to all that was evaluated. With `schedule` k is 2, 2, 2, 2, 4,
  2, 2, 8, 8, 16, 16. One objective.

  Note:
    Batches are all of the same size, twice the greatest common divisor of the
    schedule, so a round of FLAN's is one batch or several, within which the
    predictor rests. Its network, trained for minutes, is replaced by a Gaussian
    process that takes milliseconds; pass another `surrogate` to use one.

  Args:
    space: the search space.
    genotype: `[N, G]` the pool; None takes all valid members.
    features: `[N, F]` what the predictor sees of each; None takes one-hot
      genes, counts and costs.
    surrogate: `(features [n, F], value [n], where [n], query [N, F]) -> [N]`,
      jittable; smaller is better, as in `value`.
    schedule: k of each round.
    violation: `[B, G] -> [B]` what is known of constraints before evaluating;
      rows that break one come last. None for nothing.

  Returns:
    The algorithm; `guided_rounds(schedule)` rounds make up the schedule, and
    further ones go on as the last, forgetting the latest evaluations.

  Raises:
    ValueError: the space cannot be enumerated, a round of the schedule is below
      1 or there is none, or the pool is smaller than what it evaluates.
  """
  if not schedule or min(schedule) < 1:
    raise ValueError(f'schedule must be of numbers from 1, got {schedule}')
  pool_genes = (
      _exhaustive.all_members(space)
      if genotype is None
      else np.asarray(genotype)
  )
  size, total = len(pool_genes), 2 * sum(schedule)
  if size < total:
    raise ValueError(
        f'the schedule evaluates {total} architectures, the pool has {size}'
    )
  pool = jnp.asarray(pool_genes, jnp.int32)
  if features is None:
    features = _encode(space, pool_genes)
  columns = jnp.asarray(features, jnp.float32)
  chex.assert_shape(columns, (size, None))
  unit = math.gcd(*schedule)
  batches = [k // unit for k in schedule]
  round_of = jnp.asarray(np.repeat(np.arange(len(schedule)), batches))
  starts = np.concatenate([np.arange(n) == 0 for n in batches])
  starts[0] = False  # nothing is known yet
  is_start = jnp.asarray(starts)
  best_of = jnp.asarray([
      min(size, max(_LEAST_POOL, size >> r)) for r in range(len(schedule))
  ])

  def init(key):
    broken = jnp.zeros(size, jnp.float32)
    if violation is not None:
      broken = jnp.asarray(violation(pool), jnp.float32)
      broken = jnp.where(jnp.isnan(broken), jnp.inf, broken)
    return GuidedState(
        row=jnp.zeros(total, jnp.int32),
        value=jnp.full(total, jnp.nan, jnp.float32),
        asked=jnp.zeros(size, bool),
        violation=jnp.maximum(broken, 0.0),
        # Nothing is known yet.
        score=jax.random.uniform(key, (size,), jnp.float32),
        step=jnp.zeros((), jnp.int32),
    )

  def refit(state):
    known = ~jnp.isnan(state.value)
    score = surrogate(columns[state.row], state.value, known, columns)
    return jnp.where(known.any(), score, state.score).astype(jnp.float32)

  def ask(key, state):
    place = jnp.minimum(state.step, len(round_of) - 1)
    # By the step alone, which `vmap` over keys leaves as it is: else it would
    # turn the condition into a fit for every batch.
    score = jax.lax.cond(
        is_start[place], refit, lambda state: state.score, state
    )
    order = jnp.lexsort((score, state.violation))
    rank = jnp.zeros(size, jnp.int32).at[order].set(
        jnp.arange(size, dtype=jnp.int32)
    )
    # Those asked for already come last.
    _, first = jax.lax.top_k(jnp.where(state.asked, -2 * size, -rank), unit)
    asked = state.asked.at[first].set(True)
    luck = jax.random.uniform(key, (size,))
    luck = jnp.where(rank < best_of[round_of[place]], luck, luck - 1.0)
    _, others = jax.lax.top_k(jnp.where(asked, -2.0, luck), unit)
    rows = jnp.concatenate([first, others]).astype(jnp.int32)
    start = jnp.minimum(state.step * 2 * unit, total - 2 * unit)
    return pool[rows], state._replace(
        row=jax.lax.dynamic_update_slice(state.row, rows, (start,)),
        asked=asked.at[others].set(True),
        score=score,
        step=state.step + 1,
    )

  def tell(key, state, genotype, scores):
    del key
    _algorithm.require_one_objective(scores, 'predictor_guided')
    members = _algorithm.told(genotype, scores)
    value = members.objectives[:, 0]
    value = jnp.where(members.is_filled, value, jnp.nan)
    start = jnp.minimum((state.step - 1) * 2 * unit, total - 2 * unit)
    return state._replace(
        value=jax.lax.dynamic_update_slice(state.value, value, (start,))
    ), _algorithm.inform(members)

  return _algorithm.SearchAlgorithm(init, ask, tell)
