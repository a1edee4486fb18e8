"""A whole experiment: methods crossed with tasks, kept as it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import jax

from nasflat_jax import data
from nasflat_jax import methods as methods_lib
from nasflat_jax import types
from nasflat_jax.trials import _across_spaces
from nasflat_jax.trials import _choose
from nasflat_jax.trials import _evaluate
from nasflat_jax.trials import _features
from nasflat_jax.trials import _pretraining
from nasflat_jax.trials import _protocol
from nasflat_jax.trials import _store

Progress = Callable[[int, int], None]


def run(
    tasks: Sequence[types.Partition],
    methods: Mapping[str, methods_lib.Method],
    tables: Mapping[str, data.LatencyTable],
    *,
    seed: int,
    num_support: Sequence[int],
    num_trials: int,
    store: _store.Store,
    num_source: int | None = None,
    sampler: types.Sampler | None = None,
    sampler_name: str = 'random',
    features: _features.Build | None = None,
    chooser: Callable[[methods_lib.Problem], _choose.Chooser] | None = None,
    pool_size: int | None = None,
    pretraining: _pretraining.Pretraining | None = None,
    other: data.LatencyTable | None = None,
    num_other: int | None = None,
    progress: Callable[[str, str], Progress] | None = None,
    on_task_end: Callable[[], None] | None = None,
) -> list[_evaluate.Row]:
  """Judges every method on every task and writes the results file.

  Pairs that the store already holds are not run again. The others are checked
  before the first of them is run, see `Method.check`.

  Args:
    tasks: the splits of devices.
    methods: methods by their names in the results.
    tables: the latency table of each split, by `Partition.table`, or by the
      space's name where that is None.
    seed: the seed of the experiment.
    num_support: measurements on each target device; several sizes.
    num_trials: independent repetitions for each size.
    store: keeps the rows; finished at the end.
    num_source: rows measured on each source device; None takes all.
    sampler: chooses the support; None is `samplers.random`.
    sampler_name: its name in the results, see `sampler_features`.
    features: `(problem, table) -> features`, what the sampler sees; None is
      the one-hot genotype.
    chooser: `problem -> chooser` in place of `sampler`, see `draw`.
    pool_size: size of the random pool of each trial; None takes all.
    pretraining: keeps what methods prepare on the sources; None keeps nothing.
    other: latencies in another space, of tasks with one target that was
      measured there, see `known_elsewhere` and `across_spaces`; or None.
    num_other: rows of it that are read; None is all.
    progress: `(task, method) -> (done, total) -> None`.
    on_task_end: called after each task that was run.

  Returns:
    The rows, see `evaluate`.

  Raises:
    ValueError: a method cannot serve a task, names both; or see `evaluate`.
  """
  key = jax.random.key(seed)
  problems, judged = {}, {}
  for task in tasks:
    left = [name for name in methods if (task.name, name) not in store.done]
    if left:
      table = tables[task.table or task.space]
      problems[task.name], judged[task.name] = (
          _across_spaces.across_spaces(
              key, other, table, *task.target,
              sources=task.source, num_other=num_other,
              num_source=num_source, name=task.name,
          )
          if other is not None
          else (
              _protocol.problem(key, table, task, num_source=num_source),
              table,
          )
      )
    for name in left:
      _check(problems[task.name], methods[name], name, pretraining)
  for task in tasks:
    if task.name not in problems:
      continue
    table, problem = judged[task.name], problems[task.name]
    seen = features(problem, table) if features else None
    choose = chooser(problem) if chooser else None
    draws = [
        _protocol.draw(
            key, problem, table, num_support=n, num_trials=num_trials,
            sampler=sampler, sampler_name=sampler_name, features=seen,
            chooser=choose, pool_size=pool_size,
        )
        for n in num_support
    ]
    for name, method in methods.items():
      if (task.name, name) not in store.done:
        store.add(task.name, name, _evaluate.evaluate(
            key, method, problem, draws, method_name=name,
            pretraining=pretraining,
            progress=progress(task.name, name) if progress else None,
        ))
    if on_task_end is not None:
      on_task_end()
  return store.finish([(t.name, name) for t in tasks for name in methods])


def _check(
    problem: methods_lib.Problem,
    method: methods_lib.Method,
    name: str,
    pretraining: _pretraining.Pretraining | None,
) -> None:
  """Refuses what would fail after other pairs have run for hours."""
  task = problem.partition.name if problem.partition else ''
  try:
    method.check(problem)
  except (ValueError, FileNotFoundError) as error:
    raise ValueError(f'method {name!r} on task {task}: {error}') from error
  if pretraining is not None and method.dump is not None:
    pretraining.check(problem, name)
