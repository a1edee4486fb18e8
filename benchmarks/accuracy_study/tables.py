"""Means over tasks, every task, and where ours loses."""

from __future__ import annotations

import math

from accuracy_study import curves
import numpy as np

from nasflat_jax.trials import accuracy


def means(found, methods, hindsight, tasks) -> str:
  """Means over tasks of every method."""
  groups = (
      ('the 13 tasks with all proxies', accuracy.COMPLETE),
      ('the other 15', [t for t in tasks if t not in accuracy.COMPLETE]),
      ('all 28', tasks),
  )
  text = ['## Means over tasks']
  for name, group in groups:
    group = [t for t in group if t in tasks]
    lines = []
    for method in methods:
      line = [curves.NAMES[method]]
      for size in curves.SIZES:
        values = [
            found[task, method, size] for task in group
            if (task, method, size) in found
        ]
        if len(values) < len(group) or not values:
          line.append('-')
          continue
        squares = sum(curves.error(v) ** 2 for v in values)
        error = math.sqrt(squares) / len(values)
        line.append(f'{np.mean([v.mean() for v in values]):.3f} ±{error:.3f}')
      lines.append(line)
    bound = np.mean([hindsight[task] for task in group]) if group else 0.0
    lines.append(
        ['one proxy, hindsight'] + [f'{bound:.3f}'] * len(curves.SIZES)
    )
    text.append(f'{name[0].upper()}{name[1:]} ({len(group)} run); ± one '
                'standard error over draws.')
    text.append(curves.table(
        ['method', *(f'{size} labels' for size in curves.SIZES)], lines
    ))
  return '\n\n'.join(text)


def by_task(found, methods, hindsight, tasks) -> str:
  """Every task, a table for each number of labels."""
  text = ['## Every task']
  for size in curves.SIZES:
    lines = []
    for task in tasks:
      line = [f'{task}{"" if task in accuracy.COMPLETE else " °"}']
      for method in methods:
        values = found.get((task, method, size))
        line.append(
            '-' if values is None
            else f'{values.mean():.3f} ±{curves.error(values):.3f}'
        )
      lines.append([*line, f'{hindsight[task]:.3f}'])
    text.append(f'{size} labels (° not all proxies):')
    text.append(curves.table(
        ['task', *(curves.NAMES[m] for m in methods), 'one proxy, hindsight'],
        lines,
    ))
  return '\n\n'.join(text)


def losses(found, hindsight, tasks) -> str:
  """Where ours is more than a standard error below a baseline."""
  ours = 'bayesian'
  rivals = (*curves.RIVALS, 'one proxy in hindsight')
  count = {rival: [0, 0] for rival in rivals}
  lines = []
  for task in tasks:
    for size in curves.SIZES:
      mine = found.get((task, ours, size))
      if mine is None:
        continue
      for rival in count:
        if rival in curves.RIVALS:
          theirs = found.get((task, rival, size))
          if theirs is None:
            continue
          difference = mine - theirs
        else:
          theirs = np.full(len(mine), hindsight[task])
          difference = mine - theirs
        count[rival][1] += 1
        if difference.mean() < -curves.error(difference):
          count[rival][0] += 1
          lines.append([
              task, str(size), rival, f'{mine.mean():.3f}',
              f'{theirs.mean():.3f}',
              f'{difference.mean():+.3f} ±{curves.error(difference):.3f}',
          ])
  summary = '; '.join(
      f'{rival}: {worse} of {total}' for rival, (worse, total) in count.items()
  )
  return '\n\n'.join([
      '## Where ours loses',
      'Pairs of task and number of labels where `bayesian` (no siblings) is '
      f'more than one standard error of the difference below. {summary}.',
      curves.table(
          ['task', 'labels', 'against', 'ours', 'theirs', 'difference'], lines
      ) if lines else 'None.',
  ])
