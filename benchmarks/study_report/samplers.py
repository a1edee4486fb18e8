"""What chooses the measurements, and what it sees: a grid."""

from __future__ import annotations

from collections.abc import Sequence
import re

from task_report import detail
from task_report import markdown
from task_report.rows import ordered
from task_report.rows import Results
from task_report.rows import Row
from task_report.rows import select

from study_report import section

_TEXT = (
    'Spearman, mean over target devices and tasks ± the standard error over'
    ' trials of that mean; rows are samplers, columns what they see of an'
    ' architecture. Bold: the greatest. An oracle sees every latency of the'
    ' target: an upper bound, not a method, and never bold.'
)
_NOTHING = 'nothing'


def build(results: Results) -> section.Section:
  """A grid for each method, suite and number of measurements.

  Args:
    results: rows whose samplers are named like `k_means(arch2vec)`.

  Returns:
    The section.
  """
  lines = section.head('Samplers by encoding', results.metas, _TEXT)
  numbers: section.Numbers = []
  for suite, tasks in section.suites(results.rows).items():
    mine = [row for row in results.rows if row['task'] in tasks]
    for method in ordered(row['method'] for row in mine):
      of_method = select(mine, method=method)
      for size in detail.sizes_of(of_method):
        rows = select(of_method, num_support=size)
        lines += [f'### {method}; {suite} ({", ".join(tasks)}), n = {size}', '']
        table, found = _grid(rows, tasks)
        lines += table
        numbers += [
            {'method': method, 'num_support': size, **entry} for entry in found
        ]
  return section.Section('samplers', lines, numbers)


def split_sampler(name: str) -> tuple[str, str]:
  """A sampler's own name and the encoding that it sees.

  Example:
    >>> split_sampler('k_means(arch2vec)')
    ('k_means', 'arch2vec')
    >>> split_sampler('random')
    ('random', 'nothing')
  """
  match = re.fullmatch(r'(\w+)\((.+)\)', name)
  return (match[1], match[2]) if match else (name, _NOTHING)


def _grid(
    rows: Sequence[Row], tasks: Sequence[str]
) -> tuple[list[str], section.Numbers]:
  names = ordered(row['sampler'] for row in rows)
  means, numbers = {}, []
  for name in names:
    found = section.estimates(select(rows, sampler=name), tasks)
    means[name] = section.over_tasks(found, tasks)
    sampler, encoding = split_sampler(name)
    numbers += [
        section.record(
            sampler=sampler, encoding=encoding, task=task, spearman=value,
            is_oracle=detail.is_oracle(name),
        )
        for task, value in found.items()
    ]
  honest = [name for name in names if not detail.is_oracle(name)]
  marks = section.best([(means[name] or (None,))[0] for name in honest])
  is_best = dict(zip(honest, marks))
  pairs = {name: split_sampler(name) for name in names}
  columns = ordered(encoding for _, encoding in pairs.values())
  cells = []
  for sampler in ordered(own for own, _ in pairs.values()):
    line = [sampler]
    for encoding in columns:
      name = next((n for n in names if pairs[n] == (sampler, encoding)), None)
      mean = means[name] if name else None
      if mean is None:
        line.append(markdown.NONE)
      else:
        text = markdown.spread(*mean)
        line.append(
            f'{text} (oracle)' if detail.is_oracle(name or '')
            else section.bold(text, is_best[name])
        )
    cells.append(line)
  return markdown.table(['sampler', *columns], cells), numbers
