"""`nasflat-evaluate --target=accuracy`: the run behind the flags."""

from __future__ import annotations

from collections.abc import Sequence
import pathlib

from nasflat_jax.cli import _main


def evaluate(
    *,
    tasks: str,
    methods: str,
    num_support: Sequence[int],
    num_trials: int,
    num_source: int,
    pool: str,
    seed: int,
    out: pathlib.Path,
    resume: bool,
    command: str,
) -> None:
  """Judges accuracy methods and prints the table.

  Raises:
    ValueError: a wrong flag, by its name.
  """
  # Deferred: they import JAX, which --help and wrong flags need not wait for.
  import jax

  from nasflat_jax import trials
  from nasflat_jax.methods import accuracy as methods_lib
  from nasflat_jax.trials import accuracy
  try:
    names = accuracy.parse(tasks)
  except ValueError as error:
    raise ValueError(f'--tasks: {error}') from error
  chosen = {
      name: trials.make_named(methods_lib, name, {}, flag='methods')
      for name in trials.split(methods)
  }
  if len(chosen) < len(trials.split(methods)):
    raise ValueError(f'--methods takes distinct values, got {methods!r}')
  key = jax.random.key(seed)
  tables = accuracy.AccuracyTasks(key, num_source=num_source, pool=pool)
  fewest = min(num_support)
  for name in names:
    size = tables.table(name).num_architectures
    if fewest > size - accuracy.MIN_JUDGED:
      raise ValueError(
          f'--num_support: {fewest} leaves too few of the {size} networks of '
          f'{name} to judge'
      )
  meta = trials.metadata(
      command=command,
      seed=seed,
      data_sha256={name: tables.fingerprint(name) for name in names},
      settings={
          'target': 'accuracy', 'num_support': list(num_support),
          'num_trials': num_trials, 'num_source_labels': num_source,
          'pool': pool,
      },
  )
  rows = accuracy.run(
      names, chosen, tables, num_support=num_support, num_trials=num_trials,
      store=trials.Store(out, meta, resume=resume),
      progress=lambda task, name: _main.Progress(f'{task} {name}'),
  )
  trials.print_summary(trials.summarize(rows))
