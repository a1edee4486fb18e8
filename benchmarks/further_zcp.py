"""What zero-cost proxies add to the few-shot predictor, as a page.

    python benchmarks/further_zcp.py further_zcp.json.gz --out further_zcp.md

Reads a result of `nasflat-evaluate` for `bayesian` and `bayesian[further=zcp]`,
which get the same measurements, and prints their paired difference.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import pathlib
import sys

from task_report import markdown
from task_report import pairs
from task_report import rows

_PLAIN, _MORE = 'bayesian', 'bayesian[further=zcp]'


def page(results: rows.Results) -> str:
  """The page.

  Raises:
    ValueError: a method is missing.
  """
  methods = {row['method'] for row in results.rows}
  if not {_PLAIN, _MORE} <= methods:
    raise ValueError(f'want {_PLAIN} and {_MORE}, got {sorted(methods)}')
  tasks = rows.ordered(row['task'] for row in results.rows)
  found = pairs.all_pairs(results.rows, tasks, _MORE)
  sizes = sorted({pair.size for pair in found})
  lines = []
  for task in tasks:
    cells = [task]
    for size in sizes:
      part = rows.select(results.rows, task=task, num_support=size)
      own = rows.select(part, method=_PLAIN)
      mean = sum(row['spearman'] for row in own) / len(own)
      cells.append(f'{mean:.3f}')
    cells += [
      pair.text for size in sizes for pair in found
      if pair.task == task and pair.size == size
    ]  # fmt: skip
    lines.append(cells)
  means = [
      sum(pair.value.mean for pair in found if pair.size == size) / len(tasks)
      for size in sizes
  ]
  lines.append(
      ['mean', *[''] * len(sizes), *(markdown.signed(mean) for mean in means)]
  )
  meta = results.metas[0]
  above = sum(
      pair.value.mean > 2 * (pair.value.error or float('inf'))
      for pair in found
  )
  behind = sum(pair.is_behind for pair in found)
  header = ['task', *(f'{_PLAIN}, n = {size}' for size in sizes),
            *(f'difference, n = {size}' for size in sizes)]
  return '\n'.join([
      '# Zero-cost proxies as further features',
      '',
      f'Spearman of `{_PLAIN}` and the paired difference of `{_MORE}` from it '
      '(mean over devices, then over trials ± standard error; ▼ below zero by '
      'more than two of them), random support, '
      f'{meta["settings"]["num_trials"]} trials, seed {meta["seed"]}. '
      'NAS-Bench-201: our own scores of all 15,625 networks on Gaussian '
      'images (`zero_cost_sweep_nasbench201.npz`); FBNet: the published table '
      '(5,000 networks). Proxies are of networks, not of devices: no '
      'measurement is seen that the plain method does not see.',
      '',
      '`NASFLAT_ZERO_COST=zero_cost_sweep_nasbench201.npz '
      f'{meta["command"]}`, {meta["date"][:10]}, '
      f'{meta["hardware"]["cpu_count"]} cores beside other work. Of '
      f'{len(found)} comparisons, {above} are above zero and {behind} below '
      'by more than two standard errors.',
      '',
      *markdown.table(header, lines),
  ])


def main(argv: Sequence[str]) -> int:
  """Runs the script; returns its exit code."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('result')
  parser.add_argument('--out', type=pathlib.Path, required=True)
  args = parser.parse_args(argv)
  try:
    text = page(rows.load([args.result]))
    args.out.write_text(text, encoding='utf-8')
  except (ValueError, OSError) as error:
    print(f'further_zcp.py: error: {error}', file=sys.stderr)
    return 2
  print(text)
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
