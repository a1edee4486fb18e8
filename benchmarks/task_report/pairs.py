"""Paired differences: the subject minus each rival on the same measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from task_report import markdown
from task_report.rows import Estimate
from task_report.rows import ordered
from task_report.rows import paired
from task_report.rows import Row
from task_report.rows import select

# How many of the most negative differences are listed.
_NUM_WORST = 12


class Pair(NamedTuple):
  """Subject minus rival.

  Attributes:
    task: the task.
    size: measurements on each target device.
    rival: the other method.
    value: mean over devices for each trial, and its spread over trials.
  """

  task: str
  size: int
  rival: str
  value: Estimate

  @property
  def is_behind(self) -> bool:
    """The mean is below zero by more than two standard errors."""
    error = self.value.error
    return error is not None and self.value.mean < -2 * error

  @property
  def text(self) -> str:
    """`mean ±standard error`, marked where the subject is behind."""
    error = self.value.error
    text = markdown.signed(self.value.mean)
    text += '' if error is None else f' ±{error:.3f}'
    return f'{text} ▼' if self.is_behind else text


def all_pairs(
    rows: Sequence[Row], tasks: Sequence[str], subject: str
) -> list[Pair]:
  """Every task, number of measurements and rival that can be paired.

  Args:
    rows: of one sampler.
    tasks: the tasks.
    subject: the method that the others are compared with.

  Returns:
    The pairs, largest number of measurements first.
  """
  sizes = sorted({row['num_support'] for row in rows}, reverse=True)
  rivals = [m for m in ordered(r['method'] for r in rows) if m != subject]
  found = []
  for size in sizes:
    for rival in rivals:
      for task in tasks:
        part = select(rows, task=task, num_support=size)
        value = paired(
            select(part, method=subject), select(part, method=rival)
        )
        if value is not None:
          found.append(Pair(task, size, rival, value))
  return found


def pairs_section(
    pairs: Sequence[Pair], tasks: Sequence[str], subject: str
) -> list[str]:
  """The differences as tables, the worst of them, and the exceptions.

  Args:
    pairs: see `all_pairs`.
    tasks: the columns.
    subject: the method's name.

  Returns:
    Lines; none without pairs.
  """
  if not pairs:
    return []
  lines = [
      f'### {subject} minus each rival, paired: Spearman',
      '',
      'Mean over devices of the difference, on the same measurements; its mean'
      ' over trials ± the standard error. ▼: below zero by more than two'
      ' standard errors. Where a sampler chooses the same architectures in'
      ' every trial, trials are repetitions: their standard error is near zero'
      ' and says nothing about other choices.',
      '',
  ]
  for size in ordered(pair.size for pair in pairs):
    of_size = [pair for pair in pairs if pair.size == size]
    cells = []
    for rival in ordered(pair.rival for pair in of_size):
      by_task = {p.task: p.text for p in of_size if p.rival == rival}
      cells.append([rival, *(by_task.get(t, markdown.NONE) for t in tasks)])
    lines += markdown.table([f'n = {size}, minus', *tasks], cells)
  worst = sorted(pairs, key=lambda pair: pair.value.mean)[:_NUM_WORST]
  lines += ['The lowest:', '']
  lines += markdown.table(
      ['task', 'n', 'rival', 'difference', 'trials'],
      [[p.task, str(p.size), p.rival, p.text, str(p.value.num)] for p in worst],
  )
  behind = [pair for pair in pairs if pair.is_behind]
  unjudged = sum(pair.value.error is None for pair in pairs)
  lines += [
      f'Behind by more than two standard errors: {len(behind)} of'
      f' {len(pairs) - unjudged} comparisons'
      + (f' ({unjudged} more have one trial only)' if unjudged else '')
      + ('.' if not behind else ':'),
      '',
      *(f'- {p.task}, n = {p.size}, {p.rival}: {p.text}' for p in behind),
  ]
  return [*lines, ''] if behind else lines
