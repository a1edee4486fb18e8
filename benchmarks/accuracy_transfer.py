"""Which task helps which: the 28 x 28 matrix of few-shot accuracy.

    python benchmarks/accuracy_transfer.py --num_trials=10

For every target and every single source of the 28 tasks of
NAS-Bench-Suite-Zero: mean Spearman correlation with 20 labels of the target
without the source, with it, and the difference, on networks without a label. A
source of the same space never speaks of a network that it was fitted on, one of
another space speaks through what means the same in both; none is chosen, none
left out. The prior is not learned, for one source cannot teach it. Writes
`results/accuracy_transfer.json` and a heat map beside it.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import time

import jax
import numpy as np
from scipy import stats

from nasflat_jax import reports
from nasflat_jax import transfer
from nasflat_jax import trials
from nasflat_jax.trials import accuracy

_RESULTS = pathlib.Path(__file__).parent / 'results'


def main() -> None:
  """Runs what is missing and draws the picture."""
  parser = argparse.ArgumentParser(
      description=__doc__,
      formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  parser.add_argument('--num_support', type=int, default=20)
  parser.add_argument('--num_trials', type=int, default=10)
  parser.add_argument('--num_source_labels', type=int, default=300)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
      '--targets', default='all', help='tasks, see nasflat-evaluate'
  )
  parser.add_argument(
      '--out', type=pathlib.Path, default=_RESULTS / 'accuracy_transfer.json'
  )
  parser.add_argument(
      '--join', type=pathlib.Path, nargs='*', default=(),
      help='results of other --targets, of the same settings, to put into --out'
  )
  args = parser.parse_args()
  key = jax.random.key(args.seed)
  tasks = accuracy.AccuracyTasks(key, num_source=args.num_source_labels)
  settings = {
      name: getattr(args, name)
      for name in ('num_support', 'num_trials', 'num_source_labels')
  }
  found = json.loads(args.out.read_text()) if args.out.exists() else {}
  if found.get('meta', {}).get('settings') != settings:
    found = {'targets': {}}
  found['meta'] = trials.metadata(
      command='python benchmarks/accuracy_transfer.py '
      f'--num_trials={args.num_trials} --seed={args.seed}',
      seed=args.seed, data_sha256={}, settings=settings,
  )
  for path in args.join:
    part = json.loads(path.read_text())
    if part['meta']['settings'] != settings:
      raise SystemExit(f'{path} is of settings {part["meta"]["settings"]}')
    found['targets'] |= part['targets']
  names = accuracy.names()
  for target in accuracy.parse(args.targets):
    if target not in found['targets']:
      start = time.perf_counter()
      found['targets'][target] = _row(key, tasks, target, names, settings)
      found['targets'][target]['seconds'] = time.perf_counter() - start
      with reports.atomic_path(args.out) as partial:
        partial.write_text(json.dumps(found, indent=1) + '\n')
      print(target, round(found['targets'][target]['seconds'], 1), flush=True)
  with reports.atomic_path(args.out) as partial:
    partial.write_text(json.dumps(found, indent=1) + '\n')
  if len(found['targets']) == len(names):
    _draw(found, names, args.out.with_suffix('.png'))


def _row(key, tasks, target, names, settings) -> dict:
  """Means over trials, alone and with each source, of one target."""
  drawn = accuracy.draw(
      key, tasks, target, num_support=settings['num_support'],
      num_trials=settings['num_trials'],
  )
  networks, labels = tasks.networks(target), tasks.table(target).accuracy
  rank = [stats.rankdata(labels[judged]) for judged in drawn.judged]

  def judged_with(sources) -> np.ndarray:
    model = transfer.accuracy_model(networks, sources, learn_prior=False)
    scores = transfer.adapt_accuracy(model, drawn.ids, labels[drawn.ids])
    return np.array([
        0.0 if np.ptp(row[judged]) == 0.0
        else np.corrcoef(stats.rankdata(row[judged]), known)[0, 1]
        for row, judged, known in zip(scores, drawn.judged, rank, strict=True)
    ])

  alone = judged_with(())
  row = {'alone': alone.tolist(), 'with': {}}
  for source in names:
    if source != target:
      row['with'][source] = judged_with((tasks.source(source),)).tolist()
  return row


def _draw(found, names, path) -> None:
  alone = np.array([np.mean(found['targets'][n]['alone']) for n in names])
  beside = np.array([
      [
          np.nan if source == target
          else np.mean(found['targets'][target]['with'][source])
          for target in names
      ]
      for source in names
  ])
  without = np.broadcast_to(alone, beside.shape)
  reports.plot_matrix(
      path,
      [
          ('without a source', np.where(np.isnan(beside), np.nan, without)),
          ('with the source', beside),
          ('difference', beside - without),
      ],
      row_names=names,
      column_names=names,
      row_label='source',
      column_label='target, 20 labels',
  )


if __name__ == '__main__':
  main()
