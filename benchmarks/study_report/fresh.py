"""Splits made by `nasflat-partition`, and how methods fare on them."""

from __future__ import annotations

from collections.abc import Sequence
import json
import pathlib
from typing import Any

from task_report import detail
from task_report import markdown
from task_report.rows import ordered
from task_report.rows import Results
from task_report.rows import Row
from task_report.rows import select

from study_report import section

_TEXT = (
    'Cross-set correlation: Spearman between the latencies of sources and'
    ' targets, mean over pairs (least to greatest). The lower, the less the'
    ' sources tell.'
)


def build(
    results: Results | None, suite_paths: Sequence[str]
) -> section.Section:
  """The splits, and a table for each sampler and number of measurements.

  Args:
    results: rows of `nasflat-evaluate --tasks=SUITE.json`; None for the
      splits alone.
    suite_paths: the files of the splits.

  Returns:
    The section.

  Raises:
    ValueError: a file is not one of splits, or results are of other splits
      of the same name.
  """
  metas = results.metas if results else ()
  lines = section.head('Fresh splits', metas, _TEXT)
  cross: dict[str, float] = {}
  numbers: section.Numbers = []
  for path in suite_paths:
    try:
      suite = json.loads(pathlib.Path(path).read_text('utf-8'))
      lines += _splits(suite, cross, numbers)
      _check_same(suite, metas, path)
    except (KeyError, TypeError, json.JSONDecodeError) as error:
      raise ValueError(
          f'{path}: not a file of nasflat-partition ({error!r})'
      ) from error
  rows = results.rows if results else ()
  for sampler in ordered(row['sampler'] for row in rows):
    of_sampler = select(rows, sampler=sampler)
    for size in detail.sizes_of(of_sampler):
      lines += [f'### Fresh splits, sampler {sampler}, n = {size}', '']
      lines += _table(
          select(of_sampler, num_support=size), cross, numbers, sampler, size
      )
  return section.Section('fresh', lines, numbers)


def _splits(
    suite: dict[str, Any], cross: dict[str, float], numbers: section.Numbers
) -> list[str]:
  lines = [f'`{suite["command"]}`', '']
  cells = []
  for split in suite['partitions']:
    found = split['cross_correlation']
    cross[split['name']] = found['mean']
    numbers.append({
        'task': split['name'], 'source': split['source'],
        'target': split['target'], 'cross_correlation': found,
    })
    cells.append([
        split['name'], _range(found),
        ', '.join(split['source']), ', '.join(split['target']),
    ])  # fmt: skip
  lines += markdown.table(['task', 'cross-set', 'sources', 'targets'], cells)
  others = [
      f'{name} {found["mean"]:.3f}'
      for name, found in suite.get('published_correlation', {}).items()
  ]
  if others:
    lines += [f'Tasks known already: {", ".join(others)}.', '']
  return lines


def _check_same(
    suite: dict[str, Any], metas: Sequence[dict[str, Any]], path: str
) -> None:
  for meta in metas:
    judged = meta.get('settings', {}).get('partitions', {})
    for split in suite['partitions']:
      other = judged.get(split['name'])
      if other and any(other[k] != split[k] for k in ('source', 'target')):
        raise ValueError(
            f'{path}: {split["name"]} has other devices than in the results of'
            f' {meta["command"]}'
        )


def _range(found: dict[str, float]) -> str:
  return (
      f'{found["mean"]:.3f} ({found["minimum"]:.3f} to {found["maximum"]:.3f})'
  )


def _table(
    rows: Sequence[Row],
    cross: dict[str, float],
    numbers: section.Numbers,
    sampler: str,
    size: int,
) -> list[str]:
  tasks = ordered(row['task'] for row in rows)
  for method in ordered(row['method'] for row in rows):
    found = section.estimates(select(rows, method=method), tasks)
    numbers += [
        section.record(
            task=task, method=method, sampler=sampler, num_support=size,
            spearman=value, cross_correlation_mean=cross.get(task),
        )
        for task, value in found.items()
    ]
  return section.method_table(rows, tasks, above=[[
      'cross-set correlation', markdown.NONE,
      *(markdown.number(cross.get(task)) for task in tasks), markdown.NONE,
  ]])  # fmt: skip
