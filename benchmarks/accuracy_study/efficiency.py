"""Labels that ours needs for what a network from scratch reaches."""

from __future__ import annotations

import math

from accuracy_study import curves
import numpy as np

from nasflat_jax.trials import accuracy


def _needed(found, task, method, level) -> tuple[float, str]:
  """Labels to reach a level, by interpolation in the logarithm, and a mark."""
  sizes = sorted(n for t, m, n in found if t == task and m == method)
  means = [found[task, method, n].mean() for n in sizes]
  if means[0] >= level:
    return sizes[0], '≤'
  for low, high, a, b in zip(
      sizes, sizes[1:], means, means[1:], strict=False
  ):
    if b >= level:
      share = (level - a) / (b - a)
      return math.exp(
          math.log(low) + share * (math.log(high) - math.log(low))
      ), ''
  return sizes[-1], '>'


def efficiency(found, tasks) -> str:
  """Ratios of labels, by task and their geometric means."""
  methods = ('bayesian[sources=none]', 'bayesian', 'bayesian[sources=siblings]')
  ratios: dict[str, list[float]] = {m: [] for m in methods}
  harder: dict[str, list[float]] = {m: [] for m in methods}
  lines, done = [], []
  for task in tasks:
    sizes = [n for t, m, n in found if t == task and m == curves.SCRATCH]
    wanted = max(sizes)
    if wanted < 100 or not all((task, m, 5) in found for m in methods):
      continue
    level = found[task, curves.SCRATCH, wanted].mean()
    best = max(
        values.mean() for (t, m, _), values in found.items()
        if t == task and m in (curves.SCRATCH, *curves.RIVALS)
    )
    line = [task, str(wanted), f'{level:.3f}']
    for method in methods:
      number, mark = _needed(found, task, method, level)
      ratios[method].append(wanted / number)
      sign = {'≤': '≥ ', '>': '< ', '': ''}[mark]
      line.append(f'{mark} {number:.0f} ({sign}{wanted / number:.1f})'.strip())
      number, mark = _needed(found, task, method, best)
      harder[method].append(wanted / number)
    number, mark = _needed(found, task, 'bayesian', best)
    line.append(f'{best:.3f} {mark} {number:.0f} ({wanted / number:.1f})')
    lines.append(line)
    done.append(task in accuracy.COMPLETE)
  if not lines:
    return ''

  def mean(name, found, where) -> list[str]:
    values = [
        np.exp(np.log(np.array(found[m])[where]).mean()) for m in methods
    ]
    return [name, '', '', *(f'{value:.1f}' for value in values), '']

  every, complete = np.ones(len(done), bool), np.array(done)
  for name, found in (
      ('geometric mean', ratios),
      ('geometric mean, against the best baseline at any size', harder),
  ):
    lines.append(mean(name, found, every))
    if complete.any():
      lines.append(mean(f'{name}, the 13', found, complete))
  return '\n\n'.join([
      '## Sample efficiency',
      'Labels that ours needs for what a fresh Multi-Predict network reaches '
      'with 200 labels (100 on tables below 400 networks), and the ratio. '
      '"≤ 5" is the smallest number tried, so its ratio is a lower bound; ">" '
      'was not reached with the largest number tried, so its ratio, which '
      'counts as given, is an upper bound. The fresh network often fails to '
      'fit (a constant counts as 0), so the last column takes the best that '
      'it, ridge or one proxy by the labels reach with any number of labels.',
      curves.table(
          [
              'task', 'labels', 'reached', *(curves.NAMES[m] for m in methods),
              'best baseline, labels for ours',
          ],
          lines,
      ),
  ])
