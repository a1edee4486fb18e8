"""Judges each encoding by a ridge on it: what it says about latency at all.

python benchmarks/encoding_ridge.py --out=benchmarks/results

One ridge for each device, fitted to the log latency of `--num_rows` random
architectures and judged by Spearman on all others. Only devices that are a
target in none of the twelve tasks are used: no transfer takes place here, and
encodings may be chosen by these figures.
"""

from __future__ import annotations

import argparse
import datetime
import json
import pathlib
import statistics
import sys

import jax
import numpy as np
from scipy import stats

import nasflat_jax
from nasflat_jax import data
from nasflat_jax import encodings
from nasflat_jax import measure
from nasflat_jax import partitions
from nasflat_jax import predictors
from nasflat_jax import reports
from nasflat_jax import spaces

_NAMES = ('op_counts', 'one_hot', 'costs', 'zcp', 'arch2vec', 'cate', 'caz')
_SPACES = ('nasbench201', 'fbnet')
_CHUNK = 1000  # architectures encoded at once


def encode(space, name, genotype):
  """`[N, F]` float64, encoded in chunks."""
  run = jax.jit(getattr(encodings, name)(space))
  parts = [
      np.asarray(run(genotype[start : start + _CHUNK]))
      for start in range(0, len(genotype), _CHUNK)
  ]
  return np.concatenate(parts).astype(np.float64)


def spearman(features, log_ms, ids):
  """Of a ridge fitted to `ids` and judged on the other measured rows."""
  known = np.isfinite(log_ms)
  fit = np.zeros_like(known)
  fit[ids] = True
  model = predictors.fit_ridge(features[fit & known], log_ms[fit & known])
  rest = known & ~fit
  scores = predictors.predict_linear(model, features[rest])
  return float(stats.spearmanr(scores, log_ms[rest])[0])


def main() -> None:
  """Runs the benchmark, prints a table and writes JSON."""
  parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
  parser.add_argument('--num_rows', type=int, default=900)
  parser.add_argument('--num_draws', type=int, default=3)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--out', type=pathlib.Path, required=True)
  options = parser.parse_args()
  rows = []
  for name in _SPACES:
    space, table = spaces.get(name), data.load_latency(name)
    devices = partitions.non_target_devices(name)
    for encoding in _NAMES:
      features = encode(space, encoding, table.genotype)
      found = {}
      for device in devices:
        rng = np.random.default_rng(options.seed)
        log_ms = np.log(table.row(device))
        found[device] = statistics.mean(
            spearman(features, log_ms, rng.choice(
                len(log_ms), options.num_rows, replace=False
            ))
            for _ in range(options.num_draws)
        )
      rows.append({
          'space': name,
          'encoding': encoding,
          'width': features.shape[1],
          'spearman': round(statistics.mean(found.values()), 4),
          'least': round(min(found.values()), 4),
          'devices': {k: round(v, 4) for k, v in found.items()},
      })
      print(*list(rows[-1].values())[:-1], flush=True)
  record = {
      'benchmark': 'encodings',
      'date': datetime.datetime.now(datetime.UTC).isoformat('T', 'seconds'),
      'command': ' '.join(['python', *sys.argv]),
      'nasflat_jax': nasflat_jax.__version__,
      'hardware': measure.backend_info(),
      'seed': options.seed,
      'num_rows': options.num_rows,
      'num_draws': options.num_draws,
      'rows': rows,
  }
  path = options.out / 'encodings.json'
  with reports.atomic_path(path) as partial:
    partial.write_text(json.dumps(record, indent=1) + '\n')
  print(f'wrote {path}')


if __name__ == '__main__':
  main()
