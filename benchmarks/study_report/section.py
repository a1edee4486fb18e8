"""What a section is made of, and what several of them need."""

from __future__ import annotations

from collections.abc import Sequence
import math
import re
import statistics
from typing import Any, NamedTuple

from task_report import detail
from task_report import markdown
from task_report import page
from task_report import reference
from task_report.rows import Estimate
from task_report.rows import ordered
from task_report.rows import paired
from task_report.rows import Row
from task_report.rows import select
from task_report.rows import task_estimate

Numbers = list[dict[str, Any]]


class Section(NamedTuple):
  """A part of the page.

  Attributes:
    name: its key in `study.json`.
    lines: Markdown.
    numbers: the aggregated figures, one record for each.
  """

  name: str
  lines: list[str]
  numbers: Numbers


def head(title: str, metas: Sequence[dict[str, Any]], text: str) -> list[str]:
  """The title of a section, the commands behind it and what it shows."""
  commands = page.provenance(metas)
  return [f'## {title}', '', *commands, *([''] if commands else []), text, '']


def estimates(
    rows: Sequence[Row], tasks: Sequence[str], figure: str = 'spearman'
) -> dict[str, Estimate]:
  """The estimate of each task that has one."""
  found = {
      task: task_estimate(select(rows, task=task), figure) for task in tasks
  }
  return {task: value for task, value in found.items() if value}


def differences(
    ours: Sequence[Row], theirs: Sequence[Row], tasks: Sequence[str]
) -> dict[str, Estimate]:
  """The paired difference of each task that both have."""
  found = {
      task: paired(select(ours, task=task), select(theirs, task=task))
      for task in tasks
  }
  return {task: value for task, value in found.items() if value}


def over_tasks(
    found: dict[str, Estimate], tasks: Sequence[str]
) -> tuple[float, float | None] | None:
  """Mean over all tasks and its standard error; None if one is missing.

  The error is that of the trials, the tasks being as they are: tasks are
  independent of each other, so their squared errors add up.
  """
  if not tasks or len(found) < len(tasks):
    return None
  errors = [value.error for value in found.values()]
  error = None
  if None not in errors:
    error = math.sqrt(sum(e * e for e in errors if e)) / len(errors)
  return statistics.mean(value.mean for value in found.values()), error


def best(values: Sequence[float | None]) -> list[bool]:
  """Which values are the greatest, as the page rounds them."""
  rounded = [None if v is None else round(v, 3) for v in values]
  top = max((v for v in rounded if v is not None), default=None)
  return [v is not None and v == top for v in rounded]


def bold(text: str, is_best: bool) -> str:
  """Bold where it is the best."""
  return f'**{text}**' if is_best else text


def suites(rows: Sequence[Row]) -> dict[str, list[str]]:
  """The tasks of each suite among the rows, in published order."""
  tasks = ordered(row['task'] for row in rows)
  names = ordered(reference.suite_of(task) for task in tasks)
  return {name: reference.ordered_tasks(name, tasks) for name in names}


def by_suite_sampler_size(
    rows: Sequence[Row],
) -> list[tuple[str, list[str], str, int, list[Row]]]:
  """Suite, its tasks, sampler, number of measurements and their rows."""
  found = []
  for suite, tasks in suites(rows).items():
    mine = [row for row in rows if row['task'] in tasks]
    for sampler in ordered(row['sampler'] for row in mine):
      part = select(mine, sampler=sampler)
      present = [t for t in tasks if any(r['task'] == t for r in part)]
      for size in detail.sizes_of(part):
        found.append(
            (suite, present, sampler, size, select(part, num_support=size))
        )
  return found


def budget_text(rows: Sequence[Row]) -> str:
  """Measurements consumed: on sources, at references, on the target.

  Where tasks differ, the least and the most.
  """
  cells = []
  for name in ('source', 'reference', 'target'):
    values = sorted({row['budget'][name] for row in rows})
    if values:
      text = f'{values[0]:,}'
      cells.append(
          text if len(values) == 1 else f'{text} to {values[-1]:,}'
      )
  return ' / '.join(cells)


def spread_cells(
    found: dict[str, Estimate], tasks: Sequence[str]
) -> list[str]:
  """`mean ±std` of each task, a dash where there is none."""
  return [
      markdown.spread(found[task].mean, found[task].std)
      if task in found
      else markdown.NONE
      for task in tasks
  ]


def method_table(
    rows: Sequence[Row],
    tasks: Sequence[str],
    *,
    above: Sequence[Sequence[str]] = (),
    below: Sequence[Sequence[str]] = (),
) -> list[str]:
  """A method a row, with what it consumes; the best of a column is bold.

  Args:
    rows: of one sampler and one number of measurements.
    tasks: the columns.
    above: rows of other things, cells for measurements and mean included.
    below: the same, behind the methods.

  Returns:
    Lines.
  """
  methods = ordered(row['method'] for row in rows)
  found = {m: estimates(select(rows, method=m), tasks) for m in methods}
  means = [over_tasks(found[method], tasks) for method in methods]
  marks = {
      task: best([
          found[m][task].mean if task in found[m] else None for m in methods
      ])
      for task in tasks
  }
  mean_marks = best([mean and mean[0] for mean in means])
  cells = []
  for index, method in enumerate(methods):
    mean = means[index]
    spreads = spread_cells(found[method], tasks)
    cells.append([
        method,
        budget_text(select(rows, method=method)),
        *(bold(s, marks[task][index]) for task, s in zip(tasks, spreads)),
        bold(markdown.number(mean and mean[0]), mean_marks[index]),
    ])
  header = ['method', 'measurements', *tasks, 'mean']
  return markdown.table(header, [*above, *cells, *below])


def record(**fields: Any) -> dict[str, Any]:
  """A record of `study.json`: estimates become their parts."""
  result: dict[str, Any] = {}
  for name, value in fields.items():
    if isinstance(value, Estimate):
      result |= {name: value.mean, 'std': value.std, 'num_trials': value.num}
    else:
      result[name] = value
  return result


def split_options(method: str) -> tuple[str, dict[str, str]]:
  """A method's name, and its options: `nasflat[predictor=gcn]`.

  Example:
    >>> split_options('nasflat[predictor=gcn]')
    ('nasflat', {'predictor': 'gcn'})
  """
  match = re.fullmatch(r'([^\[\]]+)\[(.*)\]', method)
  if not match:
    return method, {}
  options = (part.partition('=') for part in match[2].split(','))
  return match[1], {name.strip(): value.strip() for name, _, value in options}
