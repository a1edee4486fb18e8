"""Published counts of labels, and the matrix of transfer between tasks."""

from __future__ import annotations

import json
import pathlib

from accuracy_study import curves
import numpy as np

# FLAN with proxies, Kendall tau from scratch
# (https://arxiv.org/abs/2403.02484).
_FLAN = {8: 0.584, 40: 0.708, 80: 0.733, 7: 0.528, 39: 0.702, 78: 0.775}


def at_published_counts(rows: curves.Rows) -> str:
  """Kendall's tau beside FLAN's."""
  text = [
      '## NAS-Bench-201, CIFAR-10, at the counts of FLAN',
      'Kendall tau on all other networks of 15,625, labels drawn from all. '
      'FLAN + ZCP: its published figures, 8/40/80 on the split of TA-GATES, '
      'whose test half is another draw of the same table.',
  ]
  found = curves.by_key(rows, 'kendall')
  methods = [m for m in curves.NAMES if any(key[1] == m for key in found)]
  lines = []
  for size in sorted({n for _, _, n in found}):
    line = [str(size), f'{_FLAN[size]:.3f}' if size in _FLAN else '-']
    for method in methods:
      values = found.get(('nasbench201/cifar10', method, size))
      line.append(
          '-' if values is None
          else f'{values.mean():.3f} ±{curves.error(values):.3f}'
      )
    lines.append(line)
  text.append(curves.table(
      ['labels', 'FLAN + ZCP', *(curves.NAMES[m] for m in methods)], lines
  ))
  return '\n\n'.join(text)


def matrix(results: pathlib.Path) -> str:
  """What one source at a time changes."""
  path = results / 'accuracy_transfer.json'
  if not path.exists():
    return ''
  targets = json.loads(path.read_text())['targets']
  lines, same_gain, other_gain = [], [], []
  for target, row in targets.items():
    alone = np.mean(row['alone'])
    gain = {
        source: np.mean(values) - alone
        for source, values in row['with'].items()
    }
    space = target.split('/')[0]
    same = [g for s, g in gain.items() if s.split('/')[0] == space]
    other = [g for s, g in gain.items() if s.split('/')[0] != space]
    same_gain += same
    other_gain += other
    best, worst = max(gain, key=gain.get), min(gain, key=gain.get)
    lines.append([
        target, f'{alone:.3f}',
        f'{np.mean(same):+.3f}' if same else '-', f'{np.mean(other):+.3f}',
        f'{best} {gain[best]:+.3f}', f'{worst} {gain[worst]:+.3f}',
    ])
  return '\n\n'.join([
      '## Which task helps which',
      'One source at a time, 20 labels of the target, mean Spearman of '
      f'{len(next(iter(targets.values()))["alone"])} draws; `python '
      'benchmarks/accuracy_transfer.py`. Mean difference that a source makes: '
      f'{np.mean(same_gain):+.3f} of the same space '
      f'({np.mean(np.array(same_gain) < 0):.0%} of pairs below 0), '
      f'{np.mean(other_gain):+.3f} of another '
      f'({np.mean(np.array(other_gain) < 0):.0%}).',
      '![transfer matrix](accuracy_transfer.png)',
      curves.table(
          [
              'target', 'alone', 'same space, mean', 'other space, mean',
              'best source', 'worst source',
          ],
          lines,
      ),
  ])
