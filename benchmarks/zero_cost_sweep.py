"""What scores of our own say about accuracy, over all of NAS-Bench-201.

    NASFLAT_MIRROR=... python benchmarks/zero_cost_sweep.py

Reads `results/zero_cost_sweep_nasbench201.npz`, which `nasflat-zerocost` wrote
(its header has the command), and the test accuracies of all 15,625 networks.
Prints and writes `results/zero_cost_sweep.md`: Spearman correlation of single
proxies, votes and mean ranks with accuracy on three data sets, and beside it
that of the published scores on the 9,445 networks that have them.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys

import numpy as np
from zero_cost_study import records
from zero_cost_study import tables
import zero_cost_votes

from nasflat_jax import data
from nasflat_jax import zero_cost

_DATA_SETS = {
    'cifar10': 'CIFAR-10',
    'cifar100': 'CIFAR-100',
    'imagenet16': 'ImageNet16-120',
}


def rows(
    values: np.ndarray,  # [N, P]
    proxies: tuple[str, ...],
    accuracy: np.ndarray,  # [T, N]
) -> dict[str, list[float]]:
  """Correlations of proxies and of their combinations with T accuracies."""
  scores = {name: values[:, i] for i, name in enumerate(proxies)}
  for names in (*zero_cost_votes.SETS, proxies):
    columns = values[:, [proxies.index(name) for name in names]]
    title = 'all thirteen' if len(names) > 3 else ', '.join(names)
    scores[f'vote: {title}'] = zero_cost.vote(columns)
    scores[f'mean rank: {title}'] = zero_cost.rank_average(columns)
  return {
      name: [tables.spearman(column, row) for row in accuracy]
      for name, column in scores.items()
  }


def page(path: pathlib.Path, command: str) -> str:
  """The page of results."""
  table = data.load_zero_cost(path)
  header = json.loads(str(np.load(path, allow_pickle=False)['header']))
  accuracies = data.load_accuracy('nasbench201').join(table.genotype)
  names = tuple(
      next(task for task in accuracies.tasks if task.lower().startswith(key))
      for key in _DATA_SETS
  )
  accuracy = np.stack([accuracies.row(name, 'test') for name in names])
  ours = rows(table.values, table.proxies, accuracy)
  published = {}
  for place, name in ((0, 'cifar10'), (2, 'imagenet16')):
    known = tables.load(name)
    for proxy in known.proxies:
      published[proxy, place] = tables.spearman(
          known.column(proxy), known.accuracy
      )
  lines = [
      '# All of NAS-Bench-201 in the light setting',
      '',
      f'{table.num_architectures:,} networks, Gaussian images, '
      f'{header["date"][:10]}. Scores: `{header["command"]}` (unset flags at '
      'their defaults), which took '
      f'{header["seconds"]:.0f} s on {header["settings"]["num_devices"]} cores '
      f'(versions: jax {header["versions"]["jax"]}). Spearman correlation with '
      'the test accuracy of all networks; undefined scores count as worst. In '
      'brackets: published scores, in the full setting on real images, on the '
      f'9,445 networks that have them. Command: `{command}`.',
      '',
      f'| | {" | ".join(_DATA_SETS.values())} |',
      '|---|---|---|---|',
  ]
  for name, found in ours.items():
    cells = []
    for place, value in enumerate(found):
      other = published.get((name, place))
      cells.append(f'{value:.3f}' + (f' ({other:.3f})' if other else ''))
    lines.append(f'| {name} | {" | ".join(cells)} |')
  return '\n'.join(lines) + '\n'


def main() -> None:
  """Computes, prints and writes."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument(
      '--scores',
      type=pathlib.Path,
      default=records.RESULTS / 'zero_cost_sweep_nasbench201.npz',
  )
  parser.add_argument(
      '--out', type=pathlib.Path, default=records.RESULTS, help='folder'
  )
  options = parser.parse_args()
  try:
    text = page(options.scores, records.command(options))
  except (OSError, ValueError) as error:
    print(f'zero_cost_sweep.py: {error}', file=sys.stderr)
    sys.exit(2)
  print(text)
  (options.out / 'zero_cost_sweep.md').write_text(text)


if __name__ == '__main__':
  main()
