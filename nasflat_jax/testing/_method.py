"""The contract of a few-shot method."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from nasflat_jax import methods
from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.testing import _require

_ROWS = 60
_SOURCES = 3
_SUPPORT = 8
_ELSEWHERE = 40


def _problem() -> tuple[methods.Problem, np.ndarray]:
  """A made-up table: one time per gene and operation, and device."""
  rng = np.random.default_rng(0)
  space = spaces.NASBENCH201
  genotype = np.asarray(space.random(jax.random.key(0), 4 * _ROWS))
  genotype = np.unique(genotype, axis=0)[:_ROWS]
  hot = (genotype[:, :, None] == np.arange(5)).reshape(_ROWS, -1)
  times = rng.uniform(0.1, 2.0, (_SOURCES + 1, hot.shape[1]))
  latency_ms = 1.0 + times @ hot.T
  source = latency_ms[:-1]
  source[0, :5] = np.nan  # unmeasured rows are normal in real tables
  other = np.asarray(spaces.FBNET.random(jax.random.key(1), _ELSEWHERE))
  elsewhere_ms = 5.0 + rng.uniform(size=(_SOURCES + 1, 9))[:, other].sum(-1)
  problem = methods.Problem(
      space=space,
      genotype=genotype,
      source_names=tuple(f'source_{i}' for i in range(_SOURCES)),
      source_latency_ms=source,
      source_ids=np.arange(_ROWS - 10),
      reference_ids=np.arange(_ROWS - 10, _ROWS - 4),
      elsewhere=methods.Elsewhere(
          space=spaces.FBNET,
          genotype=other,
          source_latency_ms=elsewhere_ms[:-1],
          target_latency_ms=elsewhere_ms[-1],
      ),
  )
  return problem, latency_ms[-1]


def check_method(method: methods.Method, *, name: str = 'method') -> None:
  """Checks `(prepare, predict, budget)` on a small made-up table.

  Shapes, finite scores, one key one result, pairs that do not see each other,
  inputs left as they were, a budget that counts, no source row read that the
  budget does not pay for, and a dumped state that comes back whole.

  Args:
    method: the method. Give a trained one few steps.
    name: the component's name in messages.

  Raises:
    AssertionError: the method breaks its contract.
  """
  contract = _require.Contract(name)
  problem, target_ms = _problem()
  before = tuple(a.copy() for a in _arrays(problem))
  ids = np.stack([
      np.random.default_rng(seed).choice(_ROWS, _SUPPORT, replace=False)
      for seed in range(2)
  ]).astype(np.int32)
  slower = np.array([[1.0], [3.0]]) * target_ms[ids]
  support = methods.Support(ids.copy(), slower.copy())
  if method.reads_references:
    seen = np.array([[1.0], [3.0]]) * target_ms[problem.reference_ids]
    support = support._replace(reference_ms=seen)
  keys = jax.random.split(jax.random.key(1))
  state = method.prepare(jax.random.key(0), problem)
  scores = method.predict(keys, problem, state, support)
  _check_scores(contract, scores)
  again = method.predict(keys, problem, state, support)
  contract.same(scores, again, 'predict: one key, two results')
  method.check(problem)
  if method.dump is not None and method.restore is not None:
    kept = method.restore(problem, method.dump(state))
    again = method.predict(keys, problem, kept, support)
    contract.same(scores, again, 'restore: not the state that was dumped')
  _check_budget(contract, method, problem)
  paid = _paid_only(method, problem)
  fresh = method.prepare(jax.random.key(0), paid)
  again = method.predict(keys, paid, fresh, support)
  contract.same(
      scores,
      again,
      'prepare: one key, two results, or a source row beyond the budget',
  )
  # Pair 0 keeps its key and support, pair 1 gets those of another device.
  other = methods.Support(ids[[0, 0]], np.stack([slower[0], slower[0][::-1]]))
  if support.reference_ms is not None:
    first = support.reference_ms[0]
    other = other._replace(reference_ms=np.stack([first, first[::-1]]))
  beside = method.predict(keys, problem, state, other)
  contract.close(
      scores.scores[0],
      beside.scores[0],
      'a (device, trial) pair depends on the other pairs',
  )
  contract.require(
      all(
          np.array_equal(a, b, equal_nan=True)
          for a, b in zip(before, _arrays(problem), strict=True)
      ),
      'the method changes the problem it is given',
  )
  contract.require(
      np.array_equal(support.latency_ms, slower)
      and np.array_equal(support.ids, ids),
      'the method changes the support it is given',
  )


def _paid_only(
    method: methods.Method, problem: methods.Problem
) -> methods.Problem:
  """Without source rows beyond `source_ids` and references, if not counted."""
  paid = np.zeros(_ROWS, bool)
  counted = method.budget(problem, _SUPPORT).source
  if counted:
    paid[problem.source_ids] = True
    if method.reads_references:
      paid[problem.reference_ids] = True
  if counted > np.isfinite(problem.source_latency_ms[:, paid]).sum():
    return problem
  hidden = np.where(paid, problem.source_latency_ms, np.nan)
  return dataclasses.replace(problem, source_latency_ms=hidden)


def _arrays(problem: methods.Problem) -> tuple[np.ndarray, ...]:
  return (
      problem.genotype,
      problem.source_latency_ms,
      problem.source_ids,
      problem.reference_ids,
  )


def _check_scores(
    contract: _require.Contract, scores: methods.Scores
) -> None:
  contract.require(
      isinstance(scores, methods.Scores), 'predict must give Scores'
  )
  contract.require(isinstance(scores.is_ms, bool), 'is_ms must be a bool')
  ends = scores.lower_ms, scores.upper_ms
  contract.require(
      (ends[0] is None) == (ends[1] is None), 'an interval has two ends'
  )
  for field, values in (
      ('scores', scores.scores), ('lower_ms', ends[0]), ('upper_ms', ends[1])
  ):
    if values is None:
      contract.require(field != 'scores', 'predict must give scores')
      continue
    contract.require(
        values.shape == (2, _ROWS),
        f'{field} must be [T, N] = (2, {_ROWS}), got {values.shape}',
    )
    contract.finite(values, field)
  if ends[0] is not None and ends[1] is not None:
    contract.require(
        (np.asarray(ends[0]) <= np.asarray(ends[1])).all(),
        'an interval ends before it starts',
    )
  contract.require(
      np.ptp(np.asarray(scores.scores), axis=1).min() > 0,
      'every architecture has the same score',
  )


def _check_budget(
    contract: _require.Contract,
    method: methods.Method,
    problem: methods.Problem,
) -> None:
  budget = method.budget(problem, _SUPPORT)
  contract.require(
      isinstance(budget, types.Budget), 'budget must give a Budget'
  )
  counts = dataclasses.asdict(budget)
  contract.require(
      all(isinstance(n, int) and n >= 0 for n in counts.values()),
      f'budget must count measurements, got {counts}',
  )
  contract.require(
      budget.target == _SUPPORT,
      f'budget must count {_SUPPORT} support rows, got {budget.target}',
  )
  wanted = len(problem.reference_ids) if method.reads_references else 0
  contract.require(
      budget.reference == wanted,
      f'budget must count {wanted} references, got {budget.reference}',
  )
