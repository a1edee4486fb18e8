"""Repeats OneProxy's adaptation of a Myriad VPU's model to 16 devices.

    NASFLAT_MIRROR=... python benchmarks/replicate_oneproxy.py

OneProxy (https://arxiv.org/abs/2111.01203) adapts one proxy device's linear
latency model to other devices, on 1,999 NAS-Bench-201 cells. The proxy's model
is fitted to all of them; the target's measurements are drawn anew in every
trial, and Spearman correlation is over all cells, as in its figures. `figure`
holds the figures' values: two digits, cut rather than rounded, measurements
not stated (the method goes on measuring until 0.9). `run` is a separate
implementation with another choice of the penalty (five folds, 70 cells).
"""

import argparse
import datetime
import json
import pathlib
import sys
import time

import numpy as np
import scipy
from scipy import stats

import nasflat_jax
from nasflat_jax import data
from nasflat_jax import measure
from nasflat_jax import predictors
from nasflat_jax import reports
from nasflat_jax import spaces

_TABLE = 'oneproxy_nasbench201'
_PROXY = 'true_vpu'
# Device: proxy and AdaProxy in the figure, proxy and AdaProxy of the run.
_REFERENCE = {
    'rice_edgegpu': (0.75, 0.92, 0.758, 0.946),
    'rice_edgetpu': (0.87, 0.90, 0.897, 0.973),
    'rice_eyeriss': (0.67, 0.98, 0.679, 0.992),
    'rice_fpga': (0.67, 0.99, 0.672, 0.998),
    'rice_pixel3': (0.61, 0.90, 0.611, 0.895),
    'rice_raspi4': (0.65, 0.91, 0.659, 0.940),
    'true_630': (0.76, 0.93, 0.761, 0.943),
    'true_640': (0.76, 0.93, 0.761, 0.941),
    'true_a76': (0.74, 0.92, 0.742, 0.941),
    'eagle_gtx': (0.69, 0.90, 0.691, 0.888),
    'eagle_cpu_855': (0.88, 0.96, 0.889, 0.949),
    'eagle_dsp_855': (0.89, 0.91, 0.891, 0.921),
    'eagle_gpu_855': (0.74, 0.91, 0.741, 0.924),
    'eagle_i7': (0.68, 0.90, 0.690, 0.888),
    'eagle_jetson': (0.84, 0.94, 0.850, 0.935),
    'eagle_jetson_16': (0.80, 0.90, 0.800, 0.886),
}


def replicate(num_support: int, num_trials: int) -> list[dict]:
  """One row for each target device."""
  table = data.load(_TABLE)
  space = spaces.get(table.space)
  num_ops = len(space.spec.gene_names)
  hot = predictors.one_hot(table.genotype, num_ops)
  proxy_ms = table.row(_PROXY)
  proxy = predictors.fit_proxy(table.genotype, proxy_ms, num_ops)
  rows = []
  for device, reference in _REFERENCE.items():
    latency_ms = table.row(device)
    # Edge TPU: cells that failed are left out, not kept as -1.
    ids = np.flatnonzero(np.isfinite(latency_ms))
    figures = []
    for trial in range(num_trials):
      rng = np.random.default_rng(trial)
      chosen = rng.choice(ids, num_support, replace=False)
      model = predictors.fit_adaproxy(proxy, hot[chosen], latency_ms[chosen])
      scores = predictors.predict_linear(model, hot[ids])
      figures.append(stats.spearmanr(scores, latency_ms[ids]).statistic)
    before = stats.spearmanr(proxy_ms[ids], latency_ms[ids]).statistic
    rows.append({
        'device': device,
        'cells': len(ids),
        'proxy': round(float(before), 4),
        'adaproxy': round(float(np.mean(figures)), 4),
        'adaproxy_std': round(float(np.std(figures)), 4),
        'proxy_figure': reference[0],
        'adaproxy_figure': reference[1],
        'proxy_run': reference[2],
        'adaproxy_run': reference[3],
    })
  return rows


def main() -> None:
  """Runs the replication, prints a table and writes JSON."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--num_support', type=int, default=70)
  parser.add_argument('--num_trials', type=int, default=20)
  parser.add_argument(
      '--out',
      type=pathlib.Path,
      default=pathlib.Path(__file__).parent / 'results',
      help='folder of the JSON file',
  )
  options = parser.parse_args()
  start = time.perf_counter()
  rows = replicate(options.num_support, options.num_trials)
  seconds = time.perf_counter() - start
  columns = list(rows[0])
  print('| ' + ' | '.join(columns) + ' |')
  print('|---' * len(columns) + '|')
  for row in rows:
    print('| ' + ' | '.join(str(value) for value in row.values()) + ' |')
  means = {
      name: round(float(np.mean([row[name] for row in rows])), 4)
      for name in columns
      if name not in ('device', 'cells', 'adaproxy_std')
  }
  difference = [abs(row['adaproxy'] - row['adaproxy_run']) for row in rows]
  means['largest_difference_to_run'] = round(max(difference), 4)
  print(means)
  record = {
      'benchmark': 'replicate_oneproxy',
      'date': datetime.datetime.now(datetime.UTC).isoformat('T', 'seconds'),
      'command': ' '.join(['python', *sys.argv]),
      'versions': {
          'nasflat_jax': nasflat_jax.__version__,
          'numpy': np.__version__,
          'scipy': scipy.__version__,
      },
      'hardware': measure.backend_info(),
      'seeds': list(range(options.num_trials)),
      'seconds': round(seconds, 2),
      'table': _TABLE,
      'proxy': _PROXY,
      'num_support': options.num_support,
      'means': means,
      'rows': rows,
  }
  options.out.mkdir(parents=True, exist_ok=True)
  path = options.out / 'replicate_oneproxy.json'
  with reports.atomic_path(path) as partial:
    partial.write_text(json.dumps(record, indent=2) + '\n')
  print(f'wrote {path}')


if __name__ == '__main__':
  main()
