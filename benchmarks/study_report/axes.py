"""A method's choices, one at a time, against its defaults."""

from __future__ import annotations

from collections.abc import Sequence

from task_report import markdown
from task_report.rows import Estimate
from task_report.rows import ordered
from task_report.rows import Results
from task_report.rows import Row
from task_report.rows import select

from study_report import section

_TEXT = (
    'One choice of a method is changed at a time. Spearman, and in brackets the'
    ' paired difference from the default on the same measurements ± its'
    ' standard error over trials; the error of the mean over tasks takes the'
    ' tasks as they are.'
)
_SEVERAL = 'several at once'


def build(results: Results) -> section.Section:
  """A table for each method, axis and number of measurements.

  Args:
    results: rows of methods such as `nasflat` and `nasflat[predictor=gcn]`.

  Returns:
    The section. Variants of a method that was not run itself are left out.
  """
  lines = section.head('Choices, one at a time', results.metas, _TEXT)
  numbers: section.Numbers = []
  defaults: dict[str, object] = {}
  for meta in results.metas:
    defaults |= meta.get('settings', {})
  winners = []
  for part in section.by_suite_sampler_size(results.rows):
    suite, tasks, sampler, size, rows = part
    for base in _bases(rows):
      for axis, variants in _axes(rows, base).items():
        known = f' ({defaults[axis]})' if axis in defaults else ''
        values = {base: f'default{known}', **variants}
        if axis == 'predictor':
          values |= {name: name for name in _alone(rows)}
        lines += [
            f'### {base}: {axis}; {suite}, sampler {sampler}, n = {size}', '',
        ]  # fmt: skip
        table, found, winner = _table(rows, tasks, base, values, axis)
        lines += table
        for entry in found:
          numbers.append({
              'method': base, 'axis': axis, 'sampler': sampler,
              'num_support': size, **entry,
          })
        if winner is not None:
          text = values[winner]
          lines += [f'Best: {text}.', '']
          winners.append([base, axis, suite, sampler, str(size), text])
  if winners:
    lines += ['### The best of each', '']
    lines += markdown.table(
        ['method', 'axis', 'suite', 'sampler', 'n', 'best'], winners
    )
  return section.Section('axes', lines, numbers)


def _bases(rows: Sequence[Row]) -> list[str]:
  """Methods whose options all other variants of the method have too."""
  found = []
  variants = ordered(row['method'] for row in rows)
  for method in variants:
    name, options = section.split_options(method)
    others = [
        more for other, more in map(section.split_options, variants)
        if other == name
    ]
    if all(options.items() <= more.items() for more in others):
      found.append(method)
  return found


def _alone(rows: Sequence[Row]) -> list[str]:
  """Methods without variants: predictors of another kind."""
  return [base for base in _bases(rows) if not _axes(rows, base)]


def _axes(rows: Sequence[Row], base: str) -> dict[str, dict[str, str]]:
  """For each option, the methods that change it and the values they give it."""
  found: dict[str, dict[str, str]] = {}
  base_name, shared = section.split_options(base)
  for method in ordered(row['method'] for row in rows):
    name, options = section.split_options(method)
    options = {k: v for k, v in options.items() if k not in shared}
    if name != base_name or not options:
      continue
    if len(options) == 1:
      ((axis, value),) = options.items()
    else:
      axis = _SEVERAL
      value = ', '.join(f'{k}={v}' for k, v in options.items())
    found.setdefault(axis, {})[method] = value
  return found


def _table(
    rows: Sequence[Row],
    tasks: Sequence[str],
    base: str,
    values: dict[str, str],
    axis: str,
) -> tuple[list[str], section.Numbers, str | None]:
  """Lines, numbers and the method that is best over all tasks."""
  cells, numbers, means = [], [], {}
  plain = select(rows, method=base)
  for method, value in values.items():
    mine = select(rows, method=method)
    found = section.estimates(mine, tasks)
    gaps = {} if method == base else section.differences(mine, plain, tasks)
    mean = section.over_tasks(found, tasks)
    gap = section.over_tasks(gaps, tasks)
    if mean:
      means[method] = mean[0]
    cells.append([
        value,
        *(
            _cell(found[task].mean, gaps.get(task)) if task in found
            else markdown.NONE
            for task in tasks
        ),
        _with_error(mean[0], gap) if mean else markdown.NONE,
    ])
    for task in found:
      gap_of_task = gaps.get(task)
      numbers.append(section.record(
          value=value, task=task, spearman=found[task],
          difference=gap_of_task and gap_of_task.mean,
          difference_error=gap_of_task and gap_of_task.error,
      ))
    numbers.append({
        'value': value, 'task': 'mean', 'spearman': mean and mean[0],
        'difference': gap and gap[0], 'difference_error': gap and gap[1],
    })
  winner = max(means, key=lambda m: means[m]) if len(means) > 1 else None
  is_best = section.best([means.get(method) for method in values])
  for line, mark in zip(cells, is_best):
    line[-1] = section.bold(line[-1], mark and winner is not None)
  return markdown.table([axis, *tasks, 'mean'], cells), numbers, winner


def _cell(mean: float, gap: Estimate | None) -> str:
  return _with_error(mean, gap and (gap.mean, gap.error))


def _with_error(mean: float, gap: tuple[float, float | None] | None) -> str:
  text = markdown.number(mean)
  if gap is None:
    return text
  error = '' if gap[1] is None else f' ±{gap[1]:.3f}'
  return f'{text} ({markdown.signed(gap[0])}{error})'
