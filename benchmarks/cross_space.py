"""A device's latency in one search space, learned from another.

python benchmarks/cross_space.py --out=benchmarks/results

Between NAS-Bench-201 and FBNet, both ways, on the 22 devices of both tables, in
Multi-Predict's setting (https://arxiv.org/abs/2306.02459): the source space is
measured, the new space at n = 0 to 40 networks. Every method meets the same
draws and is judged on the same networks, none of which is in the draw or among
those that may be read of other devices. `--devices=six` are the six whose
figures are published; `all` are the 22, of which the other 16 set the
constants. Tasks that are in the file already are not run again.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import json
import pathlib
import statistics
import sys
import time

import jax
import numpy as np
from scipy import stats

import nasflat_jax
from nasflat_jax import data
from nasflat_jax import measure
from nasflat_jax import methods
from nasflat_jax import reports
from nasflat_jax import trials

DEVICES = (
    'fpga', 'raspi4', 'eyeriss', 'pixel2', 'silver_4210r', 'titanx_1',
    'titan_rtx_32', 'samsung_s7', 'titan_rtx_1', '1080ti_1',
    'essential_ph_1', 'silver_4114', 'gold_6240', 'titanxp_32', 'gold_6226',
    'titanxp_1', '2080ti_1', 'samsung_a50', '2080ti_32', 'titanx_32', 'pixel3',
    '1080ti_32',
)  # fmt: skip
SIX = ('pixel2', 'raspi4', 'eyeriss', 'fpga', 'titan_rtx_1', 'silver_4114')
DIRECTIONS = (('nasbench201', 'fbnet'), ('fbnet', 'nasbench201'))
SIZES = (0, 2, 5, 10, 20, 40)
_NUM_LEAST_LIKE = 16  # Multi-Predict's number of other devices
# Rows of each other device in the source space, and in the new one.
_NUM_OTHER, _NUM_SOURCE = 900, 1000
# Those of the target alone: as many as Multi-Predict trains on.
_NUM_OWN = 100

# Name in the results -> method, other devices, rows of the source space,
# whether it has an order before a measurement.
METHODS = {
    'own table': (
        lambda: methods.across_spaces(known='costs'), 0, _NUM_OWN, True
    ),
    '16 devices': (methods.across_spaces, 16, _NUM_OTHER, True),
    '21 devices': (methods.across_spaces, 21, _NUM_OTHER, True),
    'new space alone': (
        lambda: methods.bayesian(sources='none'), 0, _NUM_OWN, False
    ),
    'HWL network': (methods.hardware_latencies, 16, None, True),
    'HWL ridge': (methods.ridge_latencies, 16, None, False),
    'best of 16': (methods.best_source, 16, None, False),
    'FLOPs': (methods.flops, 0, _NUM_OWN, True),
}


def least_like(table, target, num):
  """The devices whose order of the source space is least like the target's.

  Multi-Predict's choice; on the table of the source space in either direction,
  where the published code takes NAS-Bench-201 in both.
  """
  if num == 21:
    return tuple(name for name in DEVICES if name != target)
  own = table.row(target)
  rho = {
      name: stats.spearmanr(table.row(name), own, nan_policy='omit')[0]
      for name in DEVICES
      if name != target
  }
  return tuple(sorted(rho, key=rho.__getitem__)[:num])


def empty_support(num_pairs):
  """No measurement of the new space."""
  return methods.Support(
      np.zeros((num_pairs, 0), np.int32), np.zeros((num_pairs, 0))
  )


def run_method(key, name, tables, direction, target, sizes, num_trials):
  """`{n: [spearman of each draw]}`, budgets and seconds of one method."""
  make, num_devices, num_other, at_zero = METHODS[name]
  other, table = (tables[space] for space in direction)
  sources = least_like(other, target, num_devices or _NUM_LEAST_LIKE)
  problem, masked = trials.across_spaces(
      key, other, table, target,
      sources=sources, num_other=num_other, num_source=_NUM_SOURCE,
  )
  # The networks that are judged do not depend on the method: those that are
  # read of one set of devices are read of the others.
  start = time.process_time()
  method = make()
  state = method.prepare(key, problem)
  row = masked.row(target)
  found = {}
  for size in sizes:
    if size == 0 and not at_zero:
      continue
    keys = jax.random.split(jax.random.fold_in(key, size), num_trials)
    if size == 0:
      judged = np.isfinite(row)[None].repeat(1, axis=0)
      keys, support = keys[:1], empty_support(1)
    else:
      drawn = trials.draw(
          key, problem, masked, num_support=size, num_trials=num_trials
      )
      keys, support, judged = drawn.keys, drawn.support, drawn.judged
    scores = method.predict(keys, problem, state, support)
    rows = [
        trials.judge(
            np.asarray(score, np.float64), row, where,
            np.asarray(score, np.float64),
            None if scores.lower_ms is None
            else (scores.lower_ms[index], scores.upper_ms[index]),
        )
        for index, (score, where) in enumerate(
            zip(scores.scores, judged, strict=True)
        )
    ]
    budget = method.budget(problem, size)
    found[size] = {
        'spearman': [round(r['spearman'], 4) for r in rows],
        'mape': (
            round(statistics.mean(r['mape'] for r in rows), 4)
            if scores.is_ms else None
        ),
        'coverage_90': (
            round(statistics.mean(r['coverage_90'] for r in rows), 4)
            if scores.lower_ms is not None else None
        ),
        'source': budget.source,
    }
  return {
      'from': direction[0], 'to': direction[1], 'device': target,
      'method': name, 'sizes': found,
      'cpu_seconds': round(time.process_time() - start, 1),
  }


def mean_of(rows, direction, method, devices, size):
  """Mean over devices of the mean over draws, and the spread over draws."""
  values = [
      r['sizes'][str(size)]['spearman']
      for r in rows
      if (r['from'], r['to']) == direction and r['method'] == method
      and r['device'] in devices and str(size) in r['sizes']
  ]
  if len(values) < len(devices):
    return None
  spread = [statistics.stdev(v) for v in values if len(v) > 1]
  return (
      statistics.mean(statistics.mean(v) for v in values),
      statistics.mean(spread) if spread else 0.0,
  )


def new_measurements(name, size):
  """Measured in the new space for the first prediction, all devices."""
  _, num_devices, num_other, _ = METHODS[name]
  if name in ('16 devices', '21 devices'):
    return size + num_devices * _NUM_SOURCE
  return size


def page(record):
  """The results as Markdown."""
  rows, lines = record['rows'], []
  lines += [
      '# Latency across search spaces', '',
      f'`{record["command"]}`, {record["date"][:10]}, '
      f'{record["hardware"]["cores"]} cores {record["hardware"]["cpu"]} '
      f'(shared), jax {record["hardware"]["jax"]}, seed {record["seed"]}, '
      f'{record["num_trials"]} draws a device and size.', '',
      (
          'Spearman on all networks of the new space that are neither in the '
          f'draw nor among the {_NUM_SOURCE} that may be read of other '
          'devices; mean over devices, in brackets the spread (standard '
          'deviation) over draws. n random networks of the new space are '
          'measured on the target.'
      ), '',
      (
          f'- `own table`: {_NUM_OWN} networks of the source space on the '
          'target, no other device (`methods.across_spaces(known="costs")`).'
      ),
      (
          f'- `16 devices`, `21 devices`: {_NUM_OTHER} networks of the source '
          f'space on the target and the others, {_NUM_SOURCE} of the new space '
          'on the others (`methods.across_spaces()`). The 16 are those least '
          'like the target in the source space, as in Multi-Predict.'
      ),
      (
          '- `HWL network`, `HWL ridge`, `best of 16`: **every network that is '
          'predicted is measured** on the 16 devices. The network is '
          "Multi-Predict's, weights restored before each draw."
      ),
      '- `new space alone`: the Bayesian predictor without any source.', '',
  ]
  for title, devices in (
      ('Six devices', SIX),
      ('16 development devices', tuple(d for d in DEVICES if d not in SIX)),
      ('All 22 devices', DEVICES),
  ):
    for direction in DIRECTIONS:
      block = []
      for name in METHODS:
        cells = [mean_of(rows, direction, name, devices, n) for n in SIZES]
        if any(cells):
          block.append(
              f'| {name} | '
              + ' | '.join(
                  f'{c[0]:.3f} ({c[1]:.3f})' if c else '-' for c in cells
              )
              + ' |'
          )
      if block:
        lines += [
            f'## {title}, {direction[0]} -> {direction[1]}', '',
            '| method | ' + ' | '.join(f'n = {n}' for n in SIZES) + ' |',
            '|---|' + '---|' * len(SIZES), *block, '',
        ]
  lines += ['## Device by device', '']
  shown = ('own table', '16 devices', '21 devices', 'HWL network', 'HWL ridge')
  for direction in DIRECTIONS:
    lines += [
        f'{direction[0]} -> {direction[1]}, n = 5 / 10 / 20:', '',
        '| device | ' + ' | '.join(shown) + ' |', '|---|' + '---|' * len(shown),
    ]
    for device in DEVICES:
      cells = []
      for name in shown:
        got = [
            mean_of(rows, direction, name, (device,), n) for n in (5, 10, 20)
        ]
        cells.append(
            ' / '.join(f'{g[0]:.3f}' for g in got) if all(got) else '-'
        )
      if cells != ['-'] * len(shown):
        lines.append(f'| {device} | ' + ' | '.join(cells) + ' |')
    lines.append('')
  seconds = collections.Counter()
  count = collections.Counter()
  for r in rows:
    seconds[r['method']] += r['cpu_seconds']
    count[r['method']] += 1
  lines += [
      '## Time', '',
      'CPU seconds of a device and direction, all sizes and draws, compilation '
      'included: '
      + ', '.join(f'{n} {seconds[n] / count[n]:.0f}' for n in seconds)
      + '.',
      '',
  ]
  return '\n'.join(lines)


def plot(record, path):
  """Spearman against n, one panel a direction."""
  import matplotlib

  matplotlib.use('Agg')
  from matplotlib import pyplot as plt

  figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
  for axis, direction in zip(axes, DIRECTIONS, strict=True):
    for name in METHODS:
      points = [
          (n, mean_of(record['rows'], direction, name, SIX, n)) for n in SIZES
      ]
      points = [(n, p[0]) for n, p in points if p]
      if points:
        axis.plot(
            *zip(*points, strict=True), label=name,
            marker='.', linestyle='-' if 'HWL' not in name else '--',
        )
    axis.set_title(f'{direction[0]} to {direction[1]}')
    axis.set_xlabel('measurements in the new space')
    axis.grid(alpha=0.3)
    axis.set_ylim(0.5, 1.0)
  axes[0].set_ylabel('Spearman, mean of six devices')
  axes[1].legend(fontsize=8)
  figure.tight_layout()
  figure.savefig(path, dpi=120)


def main() -> None:
  """Runs the tasks that are missing; writes JSON, Markdown and a picture."""
  parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
  parser.add_argument('--devices', choices=('six', 'all'), default='six')
  parser.add_argument('--methods', default=','.join(METHODS))
  parser.add_argument('--to', choices=DIRECTIONS[0], default=None)
  parser.add_argument('--num_trials', type=int, default=10)
  parser.add_argument('--sizes', default=','.join(map(str, SIZES)))
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--out', type=pathlib.Path, required=True)
  options = parser.parse_args()
  path = options.out / 'cross_space.json'
  record = {
      'benchmark': 'cross_space',
      'date': datetime.datetime.now(datetime.UTC).isoformat('T', 'seconds'),
      'command': ' '.join(['python', *sys.argv]),
      'nasflat_jax': nasflat_jax.__version__,
      'hardware': measure.backend_info(),
      'seed': options.seed,
      'num_trials': options.num_trials,
      'rows': [],
  }
  if path.exists():
    kept = json.loads(path.read_text())
    same = ('seed', 'num_trials')
    if any(kept[name] != record[name] for name in same):
      raise SystemExit(f'{path} is of another {" or ".join(same)}')
    record['rows'] = kept['rows']
  done = {(r['to'], r['device'], r['method']) for r in record['rows']}
  tables = {name: data.load_latency(name) for name in DIRECTIONS[0]}
  key = jax.random.key(options.seed)
  sizes = tuple(int(n) for n in options.sizes.split(','))
  devices = SIX if options.devices == 'six' else DEVICES
  for device in devices:
    for direction in DIRECTIONS:
      for name in options.methods.split(','):
        if options.to not in (None, direction[1]):
          continue
        if (direction[1], device, name) in done:
          continue
        row = run_method(
            key, name, tables, direction, device, sizes, options.num_trials
        )
        # As JSON gives it back.
        row = json.loads(json.dumps(row))
        record['rows'].append(row)
        print(
            direction[1], device, name, row['cpu_seconds'],
            {
                n: round(statistics.mean(v['spearman']), 3)
                for n, v in row['sizes'].items()
            },
            flush=True,
        )
        with reports.atomic_path(path) as partial:
          partial.write_text(json.dumps(record) + '\n')
  with reports.atomic_path(options.out / 'cross_space.md') as partial:
    partial.write_text(page(record) + '\n')
  plot(record, options.out / 'cross_space.png')
  print(f'wrote {path}')


if __name__ == '__main__':
  main()
