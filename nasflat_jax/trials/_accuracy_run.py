"""Trials of few-shot accuracy: draw labels, predict, judge, keep the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import time
from typing import Any, NamedTuple
import zlib

import chex
import jax
import numpy as np
from scipy import stats

from nasflat_jax.methods import accuracy
from nasflat_jax.trials import _accuracy_tasks as _tasks
from nasflat_jax.trials import _store

Row = dict[str, Any]
# Fewer rows have no rank correlation to speak of.
MIN_JUDGED = 10


class AccuracyDraws(NamedTuple):
  """Labels of `T` trials, and who is left to judge.

  Attributes:
    ids: `[T, n]` rows that are labelled.
    judged: `[T, N]` False for labelled rows and for other genotypes of the
      same networks.
    keys: `[T]` typed PRNG keys.
  """

  ids: np.ndarray  # [T, n]
  judged: np.ndarray  # [T, N]
  keys: chex.PRNGKey  # [T]


def draw(
    key: chex.PRNGKey,
    tasks: _tasks.AccuracyTasks,
    name: str,
    *,
    num_support: int,
    num_trials: int,
) -> AccuracyDraws:
  """Uniform labels, the same for whatever else runs beside.

  Args:
    key: of the run.
    tasks: the tables.
    name: the target.
    num_support: labels, n.
    num_trials: T.

  Raises:
    ValueError: too few networks would be left to judge.
  """
  task = tasks.table(name)
  networks = task.networks()
  size = task.num_architectures
  if num_support > size - MIN_JUDGED:
    raise ValueError(
        f'task {name}: num_support {num_support} leaves fewer than '
        f'{MIN_JUDGED} of {size} networks to judge'
    )
  text = f'{name} {num_support}'
  key = jax.random.fold_in(key, zlib.crc32(text.encode()) >> 1)
  keys = jax.random.split(key, num_trials)
  ids = np.stack([
      np.random.default_rng(np.asarray(jax.random.key_data(each)))
      .permutation(size)[:num_support]
      for each in keys
  ])
  judged = np.stack([~np.isin(networks, networks[rows]) for rows in ids])
  return AccuracyDraws(ids, judged, keys)


def rank_correlations(
    scores: np.ndarray, accuracy: np.ndarray
) -> tuple[float, float, bool]:
  """Spearman, Kendall tau-b, and whether the scores are one value.

  A constant orders nothing and counts as 0.
  """
  if np.ptp(scores) <= 1e-12 * max(1.0, float(np.abs(scores).max())):
    return 0.0, 0.0, True
  return (
      float(stats.spearmanr(scores, accuracy)[0]),
      float(stats.kendalltau(scores, accuracy)[0]),
      False,
  )


def best_in_hindsight(
    proxies: np.ndarray, accuracy: np.ndarray
) -> tuple[float, float]:
  """The greatest absolute Spearman and Kendall of a single proxy.

  Not a method: it is chosen by the very accuracies that judge it.
  """
  best = [0.0, 0.0]
  for column in np.nan_to_num(proxies).T:
    if np.ptp(column) > 0:
      found = rank_correlations(column, accuracy)
      best = [max(b, abs(f)) for b, f in zip(best, found[:2], strict=True)]
  return best[0], best[1]


def evaluate(
    key: chex.PRNGKey,
    method: accuracy.AccuracyMethod,
    problem: accuracy.AccuracyProblem,
    draws: Sequence[AccuracyDraws],
    labels: np.ndarray,  # [N]
    *,
    method_name: str,
    hindsight: tuple[float, float],
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
  """Judges a method on every trial and number of labels of a task.

  Args:
    key: of the run.
    method: the method.
    problem: the task without its labels.
    draws: one element for each number of labels.
    labels: `[N]` accuracies, for support and judgement.
    method_name: the method's name in the rows.
    hindsight: `best_in_hindsight` over all networks of the task.
    progress: called with the rows done and their total.

  Returns:
    Rows like those of `trials.evaluate`, whose latency figures are None; and
    `hindsight_spearman`, `hindsight_kendall` of the best single proxy.

  Raises:
    ValueError: scores of a wrong shape, or not finite.
  """
  start = time.perf_counter()
  state = method.prepare(key, problem)
  prepare_seconds = time.perf_counter() - start
  total = sum(len(drawn.ids) for drawn in draws)
  rows: list[Row] = []
  for drawn in draws:
    start = time.perf_counter()
    scores = np.asarray(method.predict(
        drawn.keys, problem, state, drawn.ids, labels[drawn.ids]
    ), np.float64)
    seconds = (time.perf_counter() - start) / len(drawn.ids)
    if scores.shape != drawn.judged.shape or not np.isfinite(scores).all():
      raise ValueError(
          f'method {method_name!r} on {problem.name}: scores must be [T, N] = '
          f'{drawn.judged.shape} and finite, got {scores.shape}'
      )
    size = drawn.ids.shape[1]
    budget = dataclasses.asdict(method.budget(problem, size))
    for trial, judged in enumerate(drawn.judged):
      spearman, kendall, degenerate = rank_correlations(
          scores[trial, judged], labels[judged]
      )
      rows.append({
          'task': problem.name,
          'space': problem.networks.space.spec.name,
          'device': problem.name,
          'method': method_name,
          'sampler': 'random',
          'num_support': size,
          'budget': budget,
          'trial': trial,
          'spearman': spearman,
          'kendall': kendall,
          'mape': None,
          'within_10pct': None,
          'coverage_90': None,
          'hindsight_spearman': hindsight[0],
          'hindsight_kendall': hindsight[1],
          'adapt_seconds': seconds,
          'prepare_seconds': prepare_seconds,
          'degenerate': degenerate,
      })
      if progress is not None:
        progress(len(rows), total)
  return rows


def run(
    names: Sequence[str],
    methods: Mapping[str, accuracy.AccuracyMethod],
    tasks: _tasks.AccuracyTasks,
    *,
    num_support: Sequence[int],
    num_trials: int,
    store: _store.Store,
    progress: Callable[[str, str], Callable[[int, int], None]] | None = None,
) -> list[Row]:
  """Judges every method on every task and writes the results file.

  Args:
    names: the targets, `space/task`.
    methods: by their names in the results.
    tasks: the tables of the run.
    num_support: numbers of labels; those that leave too few networks of a task
      to judge are left out there.
    num_trials: draws of each.
    store: keeps the rows; finished at the end.
    progress: `(task, method) -> (done, total) -> None`.

  Raises:
    ValueError: no number of labels fits a task.
  """
  for name in names:
    left = [m for m in methods if (name, m) not in store.done]
    if not left:
      continue
    table = tasks.table(name)
    possible = [
        n for n in num_support if n <= table.num_architectures - MIN_JUDGED
    ]
    if not possible:
      raise ValueError(
          f'task {name} has {table.num_architectures} networks, too few for '
          f'num_support {min(num_support)}'
      )
    draws = [
        draw(tasks.key, tasks, name, num_support=n, num_trials=num_trials)
        for n in possible
    ]
    proxies, labels = tasks.networks(name).proxies, table.accuracy
    hindsight = best_in_hindsight(proxies, labels)
    problem = tasks.problem(name)
    for method_name in left:
      store.add(name, method_name, evaluate(
          tasks.key, methods[method_name], problem, draws, labels,
          method_name=method_name, hindsight=hindsight,
          progress=progress(name, method_name) if progress else None,
      ))
  return store.finish([(name, method) for name in names for method in methods])
