"""How long methods take."""

from __future__ import annotations

from collections.abc import Sequence
import statistics

from task_report import detail
from task_report import markdown
from task_report.rows import ordered
from task_report.rows import Results
from task_report.rows import select

from study_report import section

_TEXT = (
    'Sources: the median over tasks of all work on the sources, pretraining'
    ' included. Adapting: the median over pairs of device and trial of adapting'
    ' and of scoring all architectures; pairs that are adapted in one call'
    ' share its time equally. Seconds, compilation included.'
)


def build(files: Sequence[Results]) -> section.Section:
  """A row for each file and method: files differ in hardware.

  Args:
    files: results, each of one file.

  Returns:
    The section.
  """
  metas = [meta for results in files for meta in results.metas]
  lines = section.head('Time', metas, _TEXT)
  numbers: section.Numbers = []
  sizes = sorted({
      size for results in files for size in detail.sizes_of(results.rows)
  })
  cells = []
  for results in files:
    hardware = results.metas[0].get('hardware', {})
    place = str(hardware.get('backend_device', hardware.get('backend', '?')))
    if place == 'cpu':
      place += f', {hardware.get("cpu_count", "?")} cores'
    for method in ordered(row['method'] for row in results.rows):
      rows = select(results.rows, method=method)
      # The same in all rows of a task; older files do not know it.
      prepare = {
          (r['task'], r['sampler']): r['prepare_seconds']
          for r in rows
          if r.get('prepare_seconds') is not None
      }
      prepared = statistics.median(prepare.values()) if prepare else None
      adapted = {
          size: statistics.median(
              r['adapt_seconds'] for r in select(rows, num_support=size)
          )
          for size in detail.sizes_of(rows)
      }
      suites = ', '.join(section.suites(rows))
      cells.append([
          method, suites, place, _seconds(prepared),
          *(_seconds(adapted.get(size)) for size in sizes),
      ])  # fmt: skip
      numbers.append({
          'method': method, 'suites': suites, 'hardware': hardware,
          'prepare_seconds': prepared,
          'adapt_seconds': {str(n): value for n, value in adapted.items()},
      })
  lines += markdown.table(
      ['method', 'tasks', 'on', 'sources',
       *(f'adapting, n = {n}' for n in sizes)],
      cells,
  )  # fmt: skip
  return section.Section('times', lines, numbers)


def _seconds(value: float | None) -> str:
  return markdown.NONE if value is None else f'{value:.3g}'
