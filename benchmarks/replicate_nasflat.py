"""Replicates NASFLAT's published rows, and judges the same recipe cleanly.

    python benchmarks/replicate_nasflat.py --tasks=ND,N1 --num_trials=3

The published protocol judges on the first 128 architectures and never resets
the network between transfer sizes and target devices; the network is the
authors', too (`published_protocol/`). Beside it stands the same pretrained
network in the clean protocol: reset for every device, judged on all other
architectures. Finished tasks are kept in the JSON file: the same command goes
on where it stopped. Needs the latency tables (nasflat-data).

Departures: an item is scored once per step, not once per pair, so copies of it
share a dropout mask; support rows are measured ones; with zcp the sampler is
random, not k-means on CAZ.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import statistics
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from published_protocol import network
from published_protocol import published
from published_protocol import trial

import nasflat_jax
from nasflat_jax import data
from nasflat_jax import encodings
from nasflat_jax import measure
from nasflat_jax import partitions
from nasflat_jax import reports
from nasflat_jax import spaces

_COLUMNS = ('published_protocol', 'reset_first_128', 'clean')


def _setting(task: str, recipe_name: str, pretrain_epochs: int):
  partition = partitions.get(task)
  recipe = published.recipe(recipe_name, partition.space)
  table = data.load_latency(partition.space)
  space = spaces.get(partition.space)
  encoding = np.asarray(getattr(encodings, recipe.encoding)(space)(
      jnp.asarray(table.genotype, jnp.int32)
  ))
  old = task == 'FD' and recipe_name != 'zcp'
  return trial.Setting(
      table=table,
      predictor=network.predictor(
          space, len(table.devices), recipe.hardware_embedding
      ),
      architectures=network.architectures(space, table.genotype, encoding),
      recipe=recipe,
      source=partition.source,
      target=published.OLD_FD_TARGETS if old else partition.target,
      pretrain_epochs=pretrain_epochs,
  )


def _summary(task: str, recipe: str, rows: list[dict[str, Any]]):
  """Means over devices, and their spread over trials."""
  trials = sorted({row['trial'] for row in rows})
  summary: dict[str, Any] = {
      'task': task, 'recipe': recipe, 'num_trials': len(trials),
      'published': published.SPEARMAN[recipe][task],
  }
  for column in _COLUMNS:
    means = [
        statistics.fmean(r[column] for r in rows if r['trial'] == number)
        for number in trials
    ]
    summary[column] = round(statistics.fmean(means), 4)
    spread = statistics.stdev(means) if len(means) > 1 else None
    summary[f'{column}_std'] = None if spread is None else round(spread, 4)
  gap = abs(summary['published_protocol'] - summary['published'])
  summary['within_two_published_std'] = bool(gap <= 2 * published.STD[task])
  return summary


def _print(summaries: list[dict[str, Any]]) -> None:
  print('| task | recipe | published | replicated | reset, first 128 | clean |')
  print('|---|---|---|---|---|---|')
  for row in summaries:
    cells = [f'{row[c]:.3f}' for c in ('published', *_COLUMNS)]
    print(f'| {row["task"]} | {row["recipe"]} | {" | ".join(cells)} |')


def _options() -> argparse.Namespace:
  parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
  parser.add_argument('--tasks', default='ND,NA,N1,N2,N3,N4')
  parser.add_argument(
      '--recipe', default='op_init', choices=sorted(published.SPEARMAN)
  )
  parser.add_argument('--num_trials', type=int, default=3)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
      '--pretrain_epochs', type=int, default=150,
      help='fewer than the published 150 where time is short',
  )
  parser.add_argument(
      '--out', type=pathlib.Path,
      default=pathlib.Path(__file__).parent / 'results/replicate_nasflat.json',
  )
  return parser.parse_args()


def main() -> None:
  """Runs the tasks that are not in the file yet; prints and writes all."""
  options = _options()
  record: dict[str, Any] = {'benchmark': 'replicate_nasflat', 'tasks': []}
  if options.out.exists():
    record = json.loads(options.out.read_text())
  same = ('recipe', 'num_trials', 'seed', 'pretrain_epochs')
  wanted = {name: getattr(options, name) for name in same}
  for task in options.tasks.split(','):
    if any(
        done['task'] == task
        and {name: done['settings'][name] for name in same} == wanted
        for done in record['tasks']
    ):
      continue
    setting = _setting(task, options.recipe, options.pretrain_epochs)
    start, load, rows = time.perf_counter(), os.getloadavg()[0], []
    for number in range(options.num_trials):
      key = jax.random.fold_in(jax.random.key(options.seed), number)
      for row in trial.run(key, setting):
        rows.append({'trial': number, **row})
        seconds = time.perf_counter() - start
        print(f'{task} {seconds:.0f} s {rows[-1]}', file=sys.stderr)
    record['tasks'].append({
        'task': task,
        'settings': wanted,
        'command': ' '.join([
            'python benchmarks/replicate_nasflat.py', f'--tasks={task}',
            *(f'--{name}={value}' for name, value in wanted.items()),
        ]),
        'date': datetime.datetime.now(datetime.UTC).isoformat('T', 'seconds'),
        'nasflat_jax': nasflat_jax.__version__,
        'hardware': measure.backend_info(),
        'load_before_and_after': [load, os.getloadavg()[0]],
        'seconds': round(time.perf_counter() - start, 1),
        'data_sha256': data.fingerprint(setting.table),
        'num_devices': len(setting.target),
        'summary': _summary(task, options.recipe, rows),
        'rows': rows,
    })
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with reports.atomic_path(options.out) as partial:
      partial.write_text(json.dumps(record, indent=1) + '\n')
  _print([done['summary'] for done in record['tasks']])


if __name__ == '__main__':
  main()
