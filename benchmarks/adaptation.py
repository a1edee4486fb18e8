"""Times adaptation and prediction: Bayesian in closed form, or fine-tuning.

    python benchmarks/adaptation.py --out=benchmarks/results

Both adapt to the same 20 measurements of one device and predict all 15,625
networks of NAS-Bench-201, alternating within every repeat. The first call,
which compiles, is timed apart. `bayesian` knows nine source devices by their
look-up tables; `nasflat` is the shipped network, fine-tuned. Latencies are
made from analytic costs: only time is judged here.
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import sys
import time

import jax
import numpy as np

import nasflat_jax
from nasflat_jax import checkpoints
from nasflat_jax import measure
from nasflat_jax import spaces
from nasflat_jax import transfer

_SPACE = spaces.NASBENCH201
_NUM_SUPPORT = 20
_NUM_SOURCES = 9
_SEED = 0


def _latency_ms(genotype, devices):
  """`[devices, N]` milliseconds of devices that weigh the costs anew."""
  costs = _SPACE.costs(genotype)
  columns = np.stack([
      costs.multiply_adds, costs.activation_bytes, costs.kernels
  ])
  weights = np.random.default_rng(_SEED).uniform(0.1, 1.0, (devices, 3))
  return weights @ (columns / columns.mean(axis=1, keepdims=True))


def programs():
  """`(name, stage) -> function`; a stage's functions do the same work."""
  genotype = np.asarray(spaces.genotype_of(_SPACE, range(_SPACE.spec.size)))
  rng = np.random.default_rng(_SEED)
  latency_ms = _latency_ms(genotype, _NUM_SOURCES + 1)
  rows = rng.choice(len(genotype), 900, replace=False)
  sources = transfer.fit_sources(
      _SPACE, genotype[rows], latency_ms[:-1][:, rows]
  )
  model = transfer.bayesian_model(_SPACE, sources)
  pretrained = transfer.Pretrained.from_checkpoint(
      _SPACE, *checkpoints.load('nasbench201')
  )
  ids = rng.choice(len(genotype), _NUM_SUPPORT, replace=False)
  support = genotype[ids][None], latency_ms[-1][ids][None]
  keys = jax.random.split(jax.random.key(_SEED), 1)
  adapted = {
      'bayesian': transfer.adapt_bayesian(model, *support),
      'nasflat': transfer.adapt_devices(keys, pretrained, *support),
  }
  return {
      ('bayesian', 'adapt'): lambda: transfer.adapt_bayesian(
          model, *support
      ).posterior,
      ('nasflat', 'adapt'): lambda: jax.tree.leaves(vars(
          transfer.adapt_devices(keys, pretrained, *support)
      )),
      ('bayesian', 'predict'): lambda: adapted['bayesian'].predict(genotype),
      ('nasflat', 'predict'): lambda: adapted['nasflat'].predict(genotype),
  }


def main() -> None:
  """Runs the benchmark, prints a table and writes JSON."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--repeats', type=int, default=7)
  parser.add_argument(
      '--out',
      type=pathlib.Path,
      default=pathlib.Path(__file__).parent / 'results',
      help='folder of the JSON file',
  )
  options = parser.parse_args()
  load = os.getloadavg()[0]
  functions = programs()
  times = {name: [] for name in functions}
  for _ in range(options.repeats + 1):
    for name, function in functions.items():
      start = time.perf_counter()
      jax.block_until_ready(function())
      times[name].append(1e3 * (time.perf_counter() - start))
  rows = []
  print('| method | stage | first ms | min ms | median ms |')
  print('|---|---|---|---|---|')
  for (method, stage), values in times.items():
    rows.append({
        'method': method,
        'stage': stage,
        'first_ms': round(values[0], 2),
        'min_ms': round(min(values[1:]), 2),
        'median_ms': round(statistics.median(values[1:]), 2),
    })
    print('| ' + ' | '.join(str(value) for value in rows[-1].values()) + ' |')
  record = {
      'benchmark': 'adaptation',
      'date': datetime.datetime.now(datetime.UTC).isoformat('T', 'seconds'),
      'command': ' '.join(['python', *sys.argv]),
      'nasflat_jax': nasflat_jax.__version__,
      'hardware': measure.backend_info(),
      'load_before_and_after': [load, os.getloadavg()[0]],
      'seed': _SEED,
      'space': _SPACE.spec.name,
      'num_predicted': _SPACE.spec.size,
      'num_support': _NUM_SUPPORT,
      'num_sources': _NUM_SOURCES,
      'repeats': options.repeats,
      'rows': rows,
  }
  options.out.mkdir(parents=True, exist_ok=True)
  path = options.out / f'adaptation_{jax.default_backend()}.json'
  path.write_text(json.dumps(record, indent=2) + '\n')
  print(f'wrote {path}')


if __name__ == '__main__':
  main()
