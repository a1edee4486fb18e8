"""Tables of correlation, error and coverage: one row for each method."""

from __future__ import annotations

from collections.abc import Sequence
import statistics

from task_report import markdown
from task_report import reference
from task_report.rows import geometric_mean
from task_report.rows import ordered
from task_report.rows import Row
from task_report.rows import select
from task_report.rows import task_estimate


def means(
    rows: Sequence[Row], tasks: Sequence[str], figure: str = 'spearman'
) -> dict[str, float]:
  """The mean over devices and trials of each task that has one."""
  found = {
      task: task_estimate(select(rows, task=task), figure) for task in tasks
  }
  return {task: value.mean for task, value in found.items() if value}


def figure_table(
    rows: Sequence[Row],
    tasks: Sequence[str],
    methods: Sequence[str],
    figure: str,
    extra: Sequence[Sequence[str]] = (),
) -> list[str]:
  """A method a row, a task a column, means over the tasks at the end.

  Args:
    rows: of one sampler and one number of measurements.
    tasks: the columns.
    methods: the rows.
    figure: the key of the figure.
    extra: rows to put below.

  Returns:
    Lines; none where no method has the figure.
  """
  lines = []
  for method in methods:
    mine = select(rows, method=method)
    cells, known = [], []
    for task in tasks:
      value = task_estimate(select(mine, task=task), figure)
      cells.append(
          markdown.spread(value.mean, value.std) if value else markdown.NONE
      )
      known += [value.mean] if value else []
    if known:
      lines.append([method, *cells, *_over_tasks(known, len(tasks))])
  if not lines:
    return []
  header = ['method', *tasks, 'mean', 'geometric mean']
  return markdown.table(header, [*lines, *extra])


def reference_rows(
    ours: dict[str, float], tasks: Sequence[str], size: int, subject: str
) -> list[list[str]]:
  """Published numbers and the targets, and how far the subject is from them.

  Args:
    ours: the subject's mean for each task; empty where it was not run.
    tasks: the columns.
    size: measurements on each target device.
    subject: the method's name.

  Returns:
    Table rows; none where a task has no published number.
  """
  if not all(task in reference.NASFLAT for task in tasks):
    return []
  lines = [
      _row('NASFLAT, published, 20 samples', reference.NASFLAT, tasks),
      _row('HELP, published, 20 samples', reference.HELP, tasks),
      _row('MultiPredict, published, 20 samples', reference.MULTIPREDICT,
           tasks),
  ]  # fmt: skip
  targets = reference.TARGETS.get(size)
  if targets:
    lines.append(_row('target set in advance', targets, tasks))
  if not all(task in ours for task in tasks):
    return lines
  lines.append(_difference(
      f'{subject} − NASFLAT, published', ours, reference.NASFLAT, tasks
  ))
  if targets:
    lines.append(_difference(
        f'{subject} − target set in advance', ours, targets, tasks
    ))
  for label, rival in (
      ('', reference.RIVAL),
      (' (from the CSV files)', reference.RIVAL_CSV),
  ):
    gains = [100 * (ours[task] / rival[task] - 1) for task in tasks]
    lines.append([
        f'{subject}: gain over the better of HELP and MultiPredict{label}, %',
        *(markdown.signed(gain, 1) for gain in gains),
        markdown.signed(statistics.mean(gains), 1),
        markdown.NONE,
    ])
  return lines


def coverage_table(
    rows: Sequence[Row], tasks: Sequence[str], sizes: Sequence[int]
) -> list[str]:
  """Share of judged architectures inside the 90 % intervals.

  Args:
    rows: of one sampler.
    tasks: the columns.
    sizes: numbers of measurements.

  Returns:
    Lines; none where no method gives intervals.
  """
  lines = []
  for method in ordered(row['method'] for row in rows):
    for size in sizes:
      found = means(
          select(rows, method=method, num_support=size), tasks, 'coverage_90'
      )
      if found:
        lines.append([
            method,
            str(size),
            *(markdown.number(found.get(task), 2) for task in tasks),
            markdown.number(statistics.mean(found.values())),
            markdown.number(min(found.values())),
        ])
  if not lines:
    return []
  return markdown.table(['method', 'n', *tasks, 'mean', 'minimum'], lines)


def _over_tasks(values: Sequence[float], wanted: int) -> list[str]:
  """Arithmetic and geometric mean; a mean over some tasks says nothing."""
  if len(values) < wanted:
    return [markdown.NONE, markdown.NONE]
  return [
      f'**{statistics.mean(values):.3f}**',
      markdown.number(geometric_mean(values)),
  ]


def _row(
    label: str, known: dict[str, float], tasks: Sequence[str]
) -> list[str]:
  values = [known[task] for task in tasks]
  return [
      label, *map(markdown.number, values), *_over_tasks(values, len(values))
  ]


def _difference(
    label: str,
    ours: dict[str, float],
    other: dict[str, float],
    tasks: Sequence[str],
) -> list[str]:
  values = [ours[task] - other[task] for task in tasks]
  return [
      label,
      *map(markdown.signed, values),
      markdown.signed(statistics.mean(values)),
      markdown.NONE,
  ]
