"""Devices, learning curves, ablations, samplers, measurements and time."""

from __future__ import annotations

from collections.abc import Sequence
import statistics

from task_report import accuracy
from task_report import markdown
from task_report import reference
from task_report.rows import ordered
from task_report.rows import paired
from task_report.rows import Row
from task_report.rows import select
from task_report.rows import task_estimate


def sizes_of(rows: Sequence[Row]) -> list[int]:
  """Numbers of measurements, the largest first."""
  return sorted({row['num_support'] for row in rows}, reverse=True)


def device_table(
    rows: Sequence[Row], tasks: Sequence[str], methods: Sequence[str]
) -> list[str]:
  """Spearman of every target device; rows of one number of measurements."""
  cells = []
  for task in tasks:
    mine = select(rows, task=task)
    for device in ordered(row['device'] for row in mine):
      line = [task, device]
      for method in methods:
        value = task_estimate(
            select(mine, device=device, method=method), 'spearman'
        )
        line.append(
            markdown.spread(value.mean, value.std) if value else markdown.NONE
        )
      cells.append(line)
  return markdown.table(['task', 'device', *methods], cells)


def curve_table(
    rows: Sequence[Row], tasks: Sequence[str], methods: Sequence[str]
) -> list[str]:
  """Spearman against the number of measurements, and the ceiling."""
  cells = []
  for method in methods:
    for size in sorted(sizes_of(rows)):
      found = accuracy.means(
          select(rows, method=method, num_support=size), tasks
      )
      if found:
        cells.append([
            method, str(size),
            *(markdown.number(found.get(task)) for task in tasks),
            _mean(found, tasks),
        ])  # fmt: skip
  if any(task in reference.CEILING for task in tasks):
    cells.append([
        'one-hot ridge', '4,000',
        *(markdown.number(reference.CEILING.get(task)) for task in tasks),
        markdown.NONE,
    ])  # fmt: skip
  return markdown.table(['method', 'n', *tasks, 'mean'], cells)


def ablation_tables(
    rows: Sequence[Row], tasks: Sequence[str], subject: str
) -> list[str]:
  """Variants of the subject, and their paired differences from it.

  Args:
    rows: of one sampler; methods whose name starts with the subject's count.
    tasks: the columns.
    subject: the method's name.

  Returns:
    Lines; none without a variant.
  """
  rows = [
      row for row in rows
      if row['method'] == subject or row['method'].startswith(f'{subject}[')
  ]
  variants = ordered(row['method'] for row in rows)
  lines = []
  for size in sizes_of(rows):
    part = select(rows, num_support=size)
    cells = []
    for variant in variants:
      mine = select(part, method=variant)
      found = accuracy.means(mine, tasks)
      differences = {}
      for task in tasks:
        value = paired(
            select(mine, task=task), select(part, task=task, method=subject)
        )
        if value is not None:
          differences[task] = value.mean
      cells.append([
          variant,
          *(markdown.number(found.get(task)) for task in tasks),
          _mean(found, tasks),
          markdown.signed(statistics.mean(differences.values()))
          if len(differences) == len(tasks) and variant != subject
          else markdown.NONE,
      ])
    lines += markdown.table(
        [f'n = {size}', *tasks, 'mean', f'minus {subject}'], cells
    )
  return lines


def sampler_tables(
    rows: Sequence[Row], tasks: Sequence[str], subject: str
) -> list[str]:
  """The subject by sampler and number of measurements."""
  rows = select(rows, method=subject)
  lines = []
  for size in sizes_of(rows):
    part = select(rows, num_support=size)
    cells = []
    for sampler in ordered(row['sampler'] for row in rows):
      mine = select(part, sampler=sampler)
      found = accuracy.means(mine, tasks)
      if found:
        cells.append([
            sampler + (' (an oracle)' if is_oracle(sampler) else ''),
            str(len({row['trial'] for row in mine})),
            *(markdown.number(found.get(task)) for task in tasks),
            _mean(found, tasks),
        ])
    lines += markdown.table([f'n = {size}', 'trials', *tasks, 'mean'], cells)
  return lines


def time_table(rows: Sequence[Row], methods: Sequence[str]) -> list[str]:
  """Measurements consumed and the time that adaptation takes."""
  sizes = sizes_of(rows)
  cells = []
  for method in methods:
    mine = select(rows, method=method)
    source = sorted({row['budget']['source'] for row in mine})
    seconds = []
    for size in sizes:
      part = [r['adapt_seconds'] for r in select(mine, num_support=size)]
      seconds.append(f'{statistics.median(part):.3g}' if part else '–')
    cells.append([
        method,
        f'{source[0]:,}' if len(source) == 1
        else f'{source[0]:,} to {source[-1]:,}',
        *seconds,
        str(sum(row['degenerate'] for row in mine)),
    ])
  return markdown.table(
      ['method', 'source measurements', *(f'seconds, n = {n}' for n in sizes),
       'constant predictions'],
      cells,
  )  # fmt: skip


def is_oracle(sampler: str) -> bool:
  """Whether it chooses by the very latencies that it is meant to save."""
  return 'oracle' in sampler


def _mean(found: dict[str, float], tasks: Sequence[str]) -> str:
  """A mean over some of the tasks is not comparable with one over all."""
  if not tasks or len(found) < len(tasks):
    return markdown.NONE
  return f'**{statistics.mean(found.values()):.3f}**'
