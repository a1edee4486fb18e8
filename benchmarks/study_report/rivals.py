"""Every method on every task, beside what it consumes and published numbers."""

from __future__ import annotations

from collections.abc import Sequence
import pathlib
import statistics

from task_report import detail
from task_report import markdown
from task_report import page
from task_report import plots
from task_report import reference
from task_report.rows import ordered
from task_report.rows import Results
from task_report.rows import Row
from task_report.rows import select

from study_report import section

PUBLISHED = {
    'NASFLAT': reference.NASFLAT,
    'HELP': reference.HELP,
    'MultiPredict': reference.MULTIPREDICT,
}
_TEXT = (
    'Spearman: mean over target devices ± standard deviation over trials. Bold:'
    ' the greatest of a column, published rows aside. Measurements: on all'
    ' sources together / at reference architectures / on each target device.'
    ' Published numbers are those of 20 samples whatever n is, under their own'
    ' protocol (the first 128 architectures, support included).'
)


def build(
    results: Results,
    *,
    plot_folder: pathlib.Path | None = None,
    page_folder: pathlib.Path | None = None,
) -> section.Section:
  """Tables of suite, sampler and number of measurements.

  Args:
    results: rows of all methods.
    plot_folder: where learning curves go; None draws none.
    page_folder: where the page will be, for its links.

  Returns:
    The section.
  """
  lines = section.head('Methods', results.metas, _TEXT)
  numbers: section.Numbers = []
  parts = section.by_suite_sampler_size(results.rows)
  for suite, tasks, sampler, size, rows in parts:
    lines += [f'### {suite}, sampler {sampler}, n = {size}', '']
    lines += section.method_table(rows, tasks, below=_published(tasks))
    numbers += _numbers(rows, tasks, sampler, size)
  if plot_folder is not None:
    for suite, sampler in ordered((p[0], p[2]) for p in parts):
      tasks = next(p[1] for p in parts if (p[0], p[2]) == (suite, sampler))
      rows = [
          r for r in select(results.rows, sampler=sampler) if r['task'] in tasks
      ]
      if len(detail.sizes_of(rows)) > 1:
        path = plot_folder / page.file_name('study', suite, sampler)
        methods = ordered(row['method'] for row in rows)
        plots.curves(path, rows, tasks, methods, methods[0])
        lines += [page.image(path, page_folder, f'{suite}, {sampler}'), '']
  return section.Section('rivals', lines, numbers)


def _published(tasks: Sequence[str]) -> list[list[str]]:
  """Rows of the published methods; none where a task has no number."""
  if not all(task in reference.NASFLAT for task in tasks):
    return []
  cells = []
  for name, known in PUBLISHED.items():
    values = [known[task] for task in tasks]
    cells.append([
        f'{name}, published, 20 samples',
        markdown.NONE,
        *map(markdown.number, values),
        markdown.number(statistics.mean(values)),
    ])
  return cells


def _numbers(
    rows: Sequence[Row], tasks: Sequence[str], sampler: str, size: int
) -> section.Numbers:
  numbers = []
  for method in ordered(row['method'] for row in rows):
    mine = select(rows, method=method)
    for task, value in section.estimates(mine, tasks).items():
      numbers.append(section.record(
          task=task, method=method, sampler=sampler, num_support=size,
          budget=select(mine, task=task)[0]['budget'], spearman=value,
      ))
  return numbers
