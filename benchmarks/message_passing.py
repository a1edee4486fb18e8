"""Times the two kinds of message passing: forward and gradient.

    python benchmarks/message_passing.py --out=benchmarks/results

The two alternate within every repeat, so that a change of the machine's load
falls on both. The gradient is that of the mean score with respect to the
parameters. Compilation is timed apart.
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
import jax.numpy as jnp

import nasflat_jax
from nasflat_jax import graphs
from nasflat_jax import measure
from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import types

_PASSINGS = ('dense', 'jraph')
_DEVICES = 8
_SEED = 0


def programs(space, batch):
  """Compiled programs by `(pass, passing)`, and seconds to compile each."""
  genotype = space.random(jax.random.key(_SEED), batch)
  architectures = space.decode(genotype)
  devices = types.Devices(
      index=jnp.arange(batch) % _DEVICES, reference=jnp.zeros((batch, 0))
  )
  first, params = {}, None
  for passing in _PASSINGS:
    predictor = predictors.nasflat(
        space.spec,
        num_devices=_DEVICES,
        message_passing=getattr(graphs, f'{passing}_passing'),
    )
    if params is None:  # the parameters do not depend on the passing
      params = jax.jit(predictor.init)(
          jax.random.key(_SEED), architectures, devices
      )

    def forward(params, architectures, devices, apply=predictor.apply):
      return apply(params, architectures, devices)

    def mean(params, architectures, devices, apply=predictor.apply):
      return jnp.mean(apply(params, architectures, devices))

    first['forward', passing] = forward
    first['gradient', passing] = jax.grad(mean)
  compiled, seconds = {}, {}
  arguments = params, architectures, devices
  for name, function in first.items():
    start = time.perf_counter()
    compiled[name] = jax.jit(function).lower(*arguments).compile()
    seconds[name] = time.perf_counter() - start
  return compiled, seconds, arguments


def time_space(space, batch, repeats):
  """Rows of the table for one space."""
  compiled, compile_s, arguments = programs(space, batch)
  times = {name: [] for name in compiled}
  for repeat in range(repeats + 2):  # two to warm up
    for name, program in compiled.items():
      start = time.perf_counter()
      jax.block_until_ready(program(*arguments))
      if repeat >= 2:
        times[name].append(1e3 * (time.perf_counter() - start))
  return [
      {
          'space': space.spec.name,
          'pass': name[0],
          'message_passing': name[1],
          'batch': batch,
          'nodes': space.spec.num_nodes,
          'edges': len(space.spec.edges),
          'min_ms': round(min(values), 3),
          'median_ms': round(statistics.median(values), 3),
          'compile_s': round(compile_s[name], 2),
          'repeats': repeats,
      }
      for name, values in times.items()
  ]


def main() -> None:
  """Runs the benchmark, prints a table and writes JSON."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--batch', type=int, default=256)
  parser.add_argument('--repeats', type=int, default=15)
  parser.add_argument(
      '--out',
      type=pathlib.Path,
      default=pathlib.Path(__file__).parent / 'results',
      help='folder of the JSON file',
  )
  options = parser.parse_args()
  load = os.getloadavg()[0]
  rows = []
  print('| space | pass | message passing | min ms | median ms | compile s |')
  print('|---|---|---|---|---|---|')
  for space in (spaces.NASBENCH201, spaces.FBNET):
    for row in time_space(space, options.batch, options.repeats):
      rows.append(row)
      print(
          f'| {row["space"]} | {row["pass"]} | {row["message_passing"]} '
          f'| {row["min_ms"]:.2f} | {row["median_ms"]:.2f} '
          f'| {row["compile_s"]:.1f} |',
          flush=True,
      )
  record = {
      'benchmark': 'message_passing',
      'date': datetime.datetime.now(datetime.UTC).isoformat('T', 'seconds'),
      'command': ' '.join(['python', *sys.argv]),
      'nasflat_jax': nasflat_jax.__version__,
      'hardware': measure.backend_info(),
      'load_before_and_after': [load, os.getloadavg()[0]],
      'seed': _SEED,
      'num_devices': _DEVICES,
      'layer': 'layer_ensemble',
      'rows': rows,
  }
  options.out.mkdir(parents=True, exist_ok=True)
  path = options.out / f'message_passing_{jax.default_backend()}.json'
  path.write_text(json.dumps(record, indent=2) + '\n')
  print(f'wrote {path}')


if __name__ == '__main__':
  main()
