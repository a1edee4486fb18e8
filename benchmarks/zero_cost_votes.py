"""Votes, mean ranks and learned combinations of the published proxies.

    NASFLAT_MIRROR=... python benchmarks/zero_cost_votes.py

On the 9,445 cells of NAS-Bench-201 with published scores and accuracies,
CIFAR-10 and ImageNet16-120: Spearman correlation with accuracy of single
proxies, of majorities and mean ranks of sets, and of a ridge regression on
ranks fitted to a few labelled networks and judged on the others. Ranks are
those among all networks, which needs no labels. Writes
`results/zero_cost_votes.json` and `results/zero_cost_votes.md`.
"""

from __future__ import annotations

import argparse
import itertools
import pathlib
import sys
from typing import Any

import numpy as np
from scipy import stats
from zero_cost_study import records
from zero_cost_study import tables

from nasflat_jax import predictors
from nasflat_jax import zero_cost

SETS = (
    ('synflow', 'jacov', 'snip'),  # Abdelfattah et al.
    ('synflow', 'jacov', 'nwot'),
    ('flops', 'params', 'l2_norm'),
    ('flops', 'jacov', 'nwot'),
)
_DATA_SETS = ('cifar10', 'imagenet16')


def singles(table: tables.Table) -> dict[str, float]:
  """Correlation of each proxy."""
  return {
      name: tables.spearman(table.column(name), table.accuracy)
      for name in table.proxies
  }


def combined(table: tables.Table) -> list[dict[str, Any]]:
  """Vote and mean rank of fixed sets, and of all thirteen."""
  rows = []
  for names in (*SETS, table.proxies):
    scores = np.stack([table.column(name) for name in names], axis=1)
    rows.append({
        'proxies': list(names),
        'vote': tables.spearman(zero_cost.vote(scores), table.accuracy),
        'rank_average': tables.spearman(
            zero_cost.rank_average(scores), table.accuracy
        ),
    })
  return rows


def hindsight(table: tables.Table, other: tables.Table) -> list[dict[str, Any]]:
  """The best mean rank of one, two and three proxies, all sets tried.

  Chosen on `table`'s accuracies and judged there and on `other`'s.
  """
  rows = []
  for size in (1, 2, 3):
    found = {}
    for places in itertools.combinations(range(len(table.proxies)), size):
      mean = zero_cost.rank_average(table.values[:, places])
      found[places] = tables.spearman(mean, table.accuracy)
    best = max(found, key=lambda places: found[places])
    rows.append({
        'proxies': [table.proxies[place] for place in best],
        'here': found[best],
        'there': tables.spearman(
            zero_cost.rank_average(other.values[:, best]), other.accuracy
        ),
        'sets': len(found),
    })
  return rows


def learned(
    table: tables.Table, num_labels: int, num_seeds: int, seed: int
) -> dict[str, Any]:
  """Ridge on ranks, and the proxy that is best on the labels.

  Ranks are scaled to mean 0 and variance 1. The regression's target are the
  ranks of the accuracies of the labelled networks among themselves, for a few
  networks that hardly learn would dominate the accuracies.
  """
  features = np.stack(
      [zero_cost.rank_average(column[:, None]) for column in table.values.T],
      axis=1,
  )
  features = (features - features.mean(axis=0)) / features.std(axis=0)
  ridge, best = [], []
  for number in range(num_seeds):
    order = np.random.default_rng((seed, number)).permutation(len(features))
    rows, others = order[:num_labels], order[num_labels:]
    target = stats.rankdata(table.accuracy[rows]) / num_labels
    model = predictors.fit_ridge(features[rows], target)
    scores = features[others] @ model.weights + model.intercept
    ridge.append(tables.spearman(scores, table.accuracy[others]))
    shown = [
        tables.spearman(column, table.accuracy[rows])
        for column in features[rows].T
    ]
    place = int(np.nanargmax(np.abs(shown)))
    best.append(
        np.sign(shown[place])
        * tables.spearman(features[others, place], table.accuracy[others])
    )
  return {
      'num_labels': num_labels,
      'ridge': _summary(ridge),
      'best_on_labels': _summary(best),
  }


def _summary(values: list[float]) -> dict[str, Any]:
  return {
      'mean': float(np.mean(values)),
      'std': float(np.std(values, ddof=1)),
      'min': float(np.min(values)),
      'values': [float(value) for value in values],
  }


def page(record: dict[str, Any]) -> str:
  """The page of results."""
  found = record['tables']
  titles = [found[name]['title'].split(', ')[1] for name in _DATA_SETS]
  proxies = found[_DATA_SETS[0]]['singles']
  lines = [
      '# Combining the published proxies',
      '',
      'Spearman correlation with accuracy on the 9,445 cells of '
      'NAS-Bench-201 with published scores; undefined scores count as worst. '
      f'The accuracy is the suite\'s. Command: `{record["command"]}`.',
      '',
      _row('', *titles),
      '|---|---|---|',
  ]
  for name in sorted(proxies, key=lambda n: -abs(proxies[n])):
    lines.append(
        _row(name, *(f'{found[t]["singles"][name]:.3f}' for t in _DATA_SETS))
    )
  blocks = [found[name]['combined'] for name in _DATA_SETS]
  for pair in zip(*blocks):
    names = pair[0]['proxies']
    title = 'all thirteen' if len(names) > 3 else ', '.join(names)
    for kind, label in ('vote', 'vote'), ('rank_average', 'mean rank'):
      lines.append(
          _row(f'{label}: {title}', *(f'{block[kind]:.3f}' for block in pair))
      )
  for pair in zip(*(found[name]['learned'] for name in _DATA_SETS)):
    num = pair[0]['num_labels']
    for kind, label in (
        ('best_on_labels', 'best proxy on the labels'),
        ('ridge', 'ridge on the ranks'),
    ):  # fmt: skip
      lines.append(
          _row(
              f'{label}, {num} labels',
              *(
                  f'{block[kind]["mean"]:.3f} ± {block[kind]["std"]:.3f}'
                  for block in pair
              ),
          )
      )
  lines += [
      '',
      f'With labels: mean and deviation over {record["settings"]["num_seeds"]} '
      'draws of labelled networks, judged on all others.',
      '',
      'The best mean ranks in hindsight, of all sets of a size, and the same '
      'sets on the other data set (not attainable without labels):',
      '',
      '| chosen on | proxies | there | on the other |',
      '|---|---|---|---|',
  ]
  for name, title in zip(_DATA_SETS, titles):
    for row in found[name]['hindsight']:
      names = ', '.join(row['proxies'])
      lines.append(
          _row(title, names, f'{row["here"]:.3f}', f'{row["there"]:.3f}')
      )
  return '\n'.join(lines) + '\n'


def _row(*cells: str) -> str:
  return f'| {" | ".join(cells)} |'


def main() -> None:
  """Computes, prints and writes."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--num_labels', default='10,50,100')
  parser.add_argument('--num_seeds', type=int, default=10)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
      '--out', type=pathlib.Path, default=records.RESULTS, help='folder'
  )
  options = parser.parse_args()
  try:
    loaded = {name: tables.load(name) for name in _DATA_SETS}
    numbers = [int(num) for num in options.num_labels.split(',')]
  except (OSError, ValueError) as error:
    print(f'zero_cost_votes.py: {error}', file=sys.stderr)
    sys.exit(2)
  record = records.header('zero_cost_votes', options)
  record['command'] = records.command(options)
  record['tables'] = {}
  for name, table in loaded.items():
    (other,) = (loaded[key] for key in loaded if key != name)
    record['tables'][name] = {
        'title': table.title,
        'num_networks': len(table.genotype),
        'singles': singles(table),
        'combined': combined(table),
        'learned': [
            learned(table, num, options.num_seeds, options.seed)
            for num in numbers
        ],
        'hindsight': hindsight(table, other),
    }
  text = page(record)
  print(text)
  records.write(options.out / 'zero_cost_votes.json', record)
  (options.out / 'zero_cost_votes.md').write_text(text)


if __name__ == '__main__':
  main()
