"""Turns the results of `nasflat-evaluate` into a Markdown page.

python benchmarks/report_tasks.py benchmarks/results/twelve_tasks.json \
    > benchmarks/results/twelve_tasks.md
"""

from collections.abc import Callable, Iterable
import json
import math
import statistics
import sys
from typing import Any

Row = dict[str, Any]

# Spearman at 20 samples: first 128 architectures, support included, weights
# carried from device to device, 16 (NAS-Bench-201) and 800 (FBNet) source
# measurements per device.
_PUBLISHED = {
    'ND': 0.959, 'N1': 0.967, 'N2': 0.857, 'N3': 0.962, 'N4': 0.959,
    'NA': 0.893, 'FD': 0.961, 'F1': 0.809, 'F2': 0.871, 'F3': 0.814,
    'F4': 0.734, 'FA': 0.577,
}  # fmt: skip


def _ordered(values: Iterable[Any]) -> list[Any]:
  return list(dict.fromkeys(values))


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
  lines = ['| ' + ' | '.join(header) + ' |', '|---' * len(header) + '|']
  return [*lines, *('| ' + ' | '.join(row) + ' |' for row in rows), '']


def _task_mean(rows: list[Row], figure: str) -> tuple[float, float]:
  """Mean over a task's target devices, and its spread over trials."""
  trials = []
  for trial in _ordered(row['trial'] for row in rows):
    values = [
        row[figure]
        for row in rows
        if row['trial'] == trial and row[figure] is not None
    ]
    trials.append(statistics.mean(values) if values else math.nan)
  spread = statistics.stdev(trials) if len(trials) > 1 else 0.0
  return statistics.mean(trials), spread


def _figures(
    rows: list[Row],
    tasks: list[str],
    methods: list[str],
    figure: str,
    fmt: Callable[[float, float], str],
) -> list[str]:
  lines = []
  for method in methods:
    cells, means = [method], []
    for task in tasks:
      chosen = [
          r for r in rows if r['task'] == task and r['method'] == method
      ]
      mean, spread = _task_mean(chosen, figure)
      means.append(mean)
      cells.append(fmt(mean, spread))
    lines.append([*cells, f'**{statistics.mean(means):.3f}**'])
  if figure == 'spearman' and rows[0]['num_support'] == 20:
    known = [_PUBLISHED[t] for t in tasks if t in _PUBLISHED]
    if len(known) == len(tasks):
      lines.append([
          'NASFLAT as published (first 128 architectures, support included,'
          ' weights carried over)',
          *(f'{p:.3f}' for p in known),
          f'{statistics.mean(known):.3f}',
      ])
  return _table(['method', *tasks, 'mean'], lines)


def report(results: dict[str, Any]) -> str:
  """The page as Markdown.

  Args:
    results: what `nasflat-evaluate` wrote.

  Returns:
    Markdown.
  """
  meta, rows = results['meta'], results['rows']
  tasks = _ordered(row['task'] for row in rows)
  methods = _ordered(row['method'] for row in rows)
  sizes = sorted({row['num_support'] for row in rows}, reverse=True)
  trials = len({row['trial'] for row in rows})
  lines = [
      '# Few-shot latency prediction on the NASFLAT device tasks',
      '',
      f'Command: `{meta["command"]}`',
      '',
      f'{meta["date"]}; {json.dumps(meta["hardware"])};'
      f' {json.dumps(meta["versions"])}.',
      '',
      'Clean protocol: the state is reset for every device, size and trial;'
      ' all architectures but the support are judged; sources are fitted on'
      f' source data only; {trials} trials, each a new random support, shared'
      ' by all methods. A cell is the mean over the target devices and the'
      ' standard deviation over trials of that mean.',
      '',
  ]
  for size in sizes:
    part = [row for row in rows if row['num_support'] == size]
    lines += [f'## {size} measurements: Spearman', '']
    lines += _figures(
        part, tasks, methods, 'spearman', lambda m, s: f'{m:.3f} ±{s:.3f}'
    )
    lines += [f'## {size} measurements: share within 10 %', '']
    lines += _figures(
        part, tasks, methods, 'within_10pct', lambda m, s: f'{m:.2f}'
    )
  size = sizes[0]
  lines += [f'## Every target device, {size} measurements: Spearman', '']
  cells = []
  for task in tasks:
    mine = [
        r for r in rows if r['task'] == task and r['num_support'] == size
    ]
    for device in _ordered(r['device'] for r in mine):
      line = [task, device]
      for method in methods:
        chosen = [
            r for r in mine if r['device'] == device and r['method'] == method
        ]
        mean, spread = _task_mean(chosen, 'spearman')
        line.append(f'{mean:.3f} ±{spread:.3f}')
      cells.append(line)
  lines += _table(['task', 'device', *methods], cells)
  lines += ['## Measurements and time', '']
  cells = []
  for method in methods:
    mine = [
        r for r in rows if r['method'] == method and r['num_support'] == size
    ]
    source = sorted({r['budget']['source'] for r in mine})
    seconds = statistics.median(r['adapt_seconds'] for r in mine)
    cells.append([
        method,
        f'{source[0]:,} to {source[-1]:,}',
        str(size),
        f'{seconds:.2f}',
        str(sum(r['degenerate'] for r in mine)),
    ])
  lines += _table(
      ['method', 'source measurements', 'target measurements',
       'seconds per device and trial (median)', 'constant predictions'],
      cells,
  )  # fmt: skip
  return '\n'.join(lines).rstrip() + '\n'


if __name__ == '__main__':
  with open(sys.argv[1], encoding='utf-8') as file:
    sys.stdout.write(report(json.load(file)))
