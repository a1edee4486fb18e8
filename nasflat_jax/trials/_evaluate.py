"""Runs one method on one task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
import time
from typing import Any

import chex
import jax
import numpy as np

from nasflat_jax import methods
from nasflat_jax import metrics
from nasflat_jax.trials import _judge
from nasflat_jax.trials import _pretraining
from nasflat_jax.trials import _protocol

Row = dict[str, Any]


def evaluate(
    key: chex.PRNGKey,
    method: methods.Method,
    problem: methods.Problem,
    draws: Sequence[_protocol.Draws],
    *,
    method_name: str,
    pretraining: _pretraining.Pretraining | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
  """Judges a method on every target device, trial and support size of a task.

  `prepare` runs once. Each element of `draws` is then predicted and judged on
  its own: nothing is carried from one device, size or trial to the next.

  Args:
    key: the PRNG key of the whole experiment.
    method: the method.
    problem: the task, without its targets.
    draws: one element for each support size, see `draw`.
    method_name: the method's name in the results.
    pretraining: keeps what is prepared; None prepares it anew.
    progress: called with the rows done and their total.

  Returns:
    Rows with the keys `task, space, device, method, sampler, num_support,
    budget, trial, spearman, kendall, mape, within_10pct, coverage_90,
    adapt_seconds, prepare_seconds, degenerate`. Figures are fractions from 0
    to 1 or None. `prepare_seconds` is the wall time of the work on the sources,
    the same in all rows of a call; of a kept state, when it was made.
    `adapt_seconds` is the wall time of adapting and of scoring all
    architectures, shared equally by the pairs of one call, compilation
    included. Scores that are not milliseconds are turned into them on the
    support rows (`metrics.calibrate`) for `mape` and `within_10pct`.

  Raises:
    ValueError: the method gives scores of a wrong shape, or not finite, or
      reads references that leave too few rows to judge; or a kept state is
      of another run.
  """
  draws = [drawn.for_method(method) for drawn in draws]
  state, prepare_seconds = (
      pretraining.prepare(key, method, problem, method_name)
      if pretraining is not None
      else _pretraining.prepare(key, method, problem)
  )
  total = sum(len(drawn.device) for drawn in draws)
  rows: list[Row] = []
  for drawn in draws:
    start = time.perf_counter()
    scores = method.predict(drawn.keys, problem, state, drawn.support)
    jax.block_until_ready([s for s in scores if isinstance(s, jax.Array)])
    seconds = (time.perf_counter() - start) / len(drawn.device)
    scores = _checked(scores, drawn, method_name)
    budget = dataclasses.asdict(method.budget(problem, drawn.num_support))
    for index in range(len(drawn.device)):
      figures = _judged(scores, drawn, index)
      degenerate = figures.pop('degenerate')
      rows.append({
          'task': drawn.task,
          'space': drawn.space,
          'device': drawn.device[index],
          'method': method_name,
          'sampler': drawn.sampler,
          'num_support': drawn.num_support,
          'budget': budget,
          'trial': drawn.trial[index],
          **figures,
          'adapt_seconds': seconds,
          'prepare_seconds': prepare_seconds,
          'degenerate': degenerate,
      })
      if progress is not None:
        progress(len(rows), total)
  return rows


def _judged(
    scores: methods.Scores, drawn: _protocol.Draws, index: int
) -> dict[str, float | bool | None]:
  """The figures of one (device, trial) pair."""
  row = np.asarray(scores.scores[index], np.float64)
  if scores.is_ms:
    pred_ms = row
  else:
    ids = drawn.support.ids[index]
    pred_ms = metrics.calibrate(row[ids], drawn.support.latency_ms[index])(row)
  interval_ms = None
  if scores.lower_ms is not None and scores.upper_ms is not None:
    interval_ms = (scores.lower_ms[index], scores.upper_ms[index])
  return _judge.judge(
      row, drawn.latency_ms[index], drawn.judged[index], pred_ms, interval_ms
  )


def _checked(
    scores: methods.Scores, drawn: _protocol.Draws, name: str
) -> methods.Scores:
  """Refuses what would be judged as if it were a prediction."""
  values = np.asarray(scores.scores)
  if values.shape != drawn.judged.shape:
    raise ValueError(
        f'method {name!r} gave scores {values.shape}, wanted [T, N] = '
        f'{drawn.judged.shape}'
    )
  bad = ~np.isfinite(values).all(axis=1)
  if bad.any():
    index = int(np.argmax(bad))
    raise ValueError(
        f'method {name!r} gave a score that is not finite on device '
        f'{drawn.device[index]!r}, trial {drawn.trial[index]}, num_support '
        f'{drawn.num_support}'
    )
  return scores._replace(scores=values)
