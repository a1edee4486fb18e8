"""Tables of results: one line for each task, method and support size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_FIGURES = ('spearman', 'kendall', 'mape', 'within_10pct', 'coverage_90')
_OVERALL = 'all'


def summarize(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
  """Means over devices and trials, and their spread over trials.

  Args:
    rows: results of `evaluate`, of any number of tasks and methods.

  Returns:
    One entry for each task, method, sampler and support size, in the order of
    `rows`, then one for each method over the tasks, called `all`: the mean of
    the task means. Keys: `task, method, sampler, num_support, num_devices,
    num_trials, num_degenerate, budget` (measurements on `source`, `reference`
    and `target`, None where they differ within the entry), the mean of each
    figure under its name, and `spearman_std`, the standard deviation over
    trials of the mean over devices (None with fewer than two trials).
  """
  groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
  for row in rows:
    name = row['task'], row['method'], row['sampler'], row['num_support']
    groups.setdefault(name, []).append(row)
  entries = [_entry(name, group) for name, group in groups.items()]
  tasks = {entry['task'] for entry in entries}
  if len(tasks) < 2:
    return entries
  overall: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
  for entry in entries:
    overall.setdefault(
        (entry['method'], entry['sampler'], entry['num_support']), []
    ).append(entry)
  # A mean over some of the tasks is not comparable with one over all.
  return entries + [
      _overall_entry(name, group)
      for name, group in overall.items()
      if len(group) == len(tasks)
  ]


def _entry(
    name: tuple[Any, ...], group: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
  task, method, sampler, num_support = name
  trials = sorted({row['trial'] for row in group})
  per_trial = [
      _mean([r['spearman'] for r in group if r['trial'] == t]) for t in trials
  ]
  return {
      'task': task,
      'method': method,
      'sampler': sampler,
      'num_support': num_support,
      'num_devices': len({row['device'] for row in group}),
      'num_trials': len(trials),
      'num_degenerate': sum(bool(row['degenerate']) for row in group),
      'budget': _budget([row['budget'] for row in group]),
      **{figure: _mean([row[figure] for row in group]) for figure in _FIGURES},
      'spearman_std': _std(per_trial),
  }


def _overall_entry(
    name: tuple[Any, ...], group: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
  method, sampler, num_support = name
  spread = [entry['spearman_std'] for entry in group]
  known = [value for value in spread if value is not None]
  return {
      'task': _OVERALL,
      'method': method,
      'sampler': sampler,
      'num_support': num_support,
      'num_devices': sum(entry['num_devices'] for entry in group),
      'num_trials': min(entry['num_trials'] for entry in group),
      'num_degenerate': sum(entry['num_degenerate'] for entry in group),
      'budget': _budget([entry['budget'] for entry in group]),
      **{figure: _mean([e[figure] for e in group]) for figure in _FIGURES},
      # Tasks are drawn independently, so their variances add.
      'spearman_std': (
          float(np.sqrt(np.sum(np.square(known))) / len(known))
          if len(known) == len(group) else None
      ),
  }


def _budget(
    budgets: Sequence[Mapping[str, int | None]],
) -> dict[str, int | None]:
  """The counts that are the same in all of them, None for the others."""
  return {
      name: count if all(b[name] == count for b in budgets) else None
      for name, count in budgets[0].items()
  }


def _mean(values: Sequence[float | None]) -> float | None:
  """Mean of what is defined; None where nothing is."""
  known = [value for value in values if value is not None]
  return float(np.mean(known)) if known else None


def _std(values: Sequence[float | None]) -> float | None:
  """Sample standard deviation; None for fewer than two values."""
  known = [value for value in values if value is not None]
  return float(np.std(known, ddof=1)) if len(known) > 1 else None
