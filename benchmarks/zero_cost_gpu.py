"""Times `zero_cost.score` on a GPU against PyTorch's loop on the same one.

    python benchmarks/zero_cost_gpu.py --torch_python=PATH

Networks run one after another (`together` 1) or many side by side, in full
float32 products and in the card's default ones, with and without XLA's trial of
kernels; each way in a process of its own, for `--limit` seconds at most, one
after the other, as compiling several at once takes as long. Scores of
the light setting are compared with those of this machine's CPU, and all of
NAS-Bench-201 is scored once. PyTorch scores one network after another, by the
reference's passes or by shared ones. Writes `results/zero_cost_gpu.json` and
`.md` after every part; the same command goes on with what is missing.
`zero_cost_edges.py` compares ways to run a choice of operation.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from multiprocessing import connection
import os
import pathlib
import statistics
import sys
import time
from typing import Any, NamedTuple

import numpy as np

# Several processes share the card.
os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')

from zero_cost_study import contenders  # noqa: E402
from zero_cost_study import gpu_page  # noqa: E402
from zero_cost_study import records  # noqa: E402


class Job(NamedTuple):
  """What a process times.

  Attributes:
    setting: of `contenders.SETTINGS`.
    together: architectures side by side.
    num: networks in a call.
    precision: of products, of JAX's names.
    backend: 'cuda' or 'cpu'.
    autotune: whether XLA tries its kernels out when it compiles.
  """

  setting: str
  together: int
  num: int
  precision: str = 'highest'
  backend: str = 'cuda'
  autotune: bool = True

  @property
  def label(self) -> str:
    """For the tables."""
    words = f'{self.together} together'
    if self.precision != 'highest':
      words += f', {self.precision} precision'
    if not self.autotune:
      words += ', no autotuning'
    return words if self.backend != 'cpu' else 'CPU'


JOBS = (
    Job('C8-N1-B16', 32, 64),
    Job('C8-N1-B16', 32, 64, autotune=False),
    Job('fbnet-B16', 16, 32, autotune=False),
    Job('C8-N1-B16', 32, 64, precision='default'),
    Job('C16-N5-B16', 64, 128),
    Job('C16-N5-B64', 16, 32),
    Job('C8-N1-B16', 1, 64),
    Job('C8-N1-B16', 1, 64, backend='cpu'),
    Job('C16-N5-B64', 1, 16),
    Job('C16-N5-B16', 1, 16),
    Job('fbnet-B16', 1, 16, autotune=False),
    Job('fbnet-B16', 16, 32),
)
TINY = (Job('tiny', 1, 8, backend='cpu'), Job('tiny', 4, 8))
TORCH_NETWORKS = 4
SWEEP = Job('C8-N1-B16', 32, 64)


def _serve(
    pipe: connection.Connection, job: Job, seed: int, rounds: int
) -> None:
  """Sends seconds of calls, memory and scores."""
  if not job.autotune:
    flags = os.environ.get('XLA_FLAGS', '')
    os.environ['XLA_FLAGS'] = f'{flags} --xla_gpu_autotune_level=0'
  import jax

  jax.config.update('jax_platforms', job.backend)
  jax.config.update('jax_default_matmul_precision', job.precision)
  from nasflat_jax import spaces
  from nasflat_jax import zero_cost

  setting = contenders.SETTINGS[job.setting]._replace(num_networks=job.num)
  network = setting.network()
  space = spaces.get(setting.space)
  key = jax.random.key(seed)
  batch = zero_cost.gaussian_batch(key, setting.num_images, setting.num_classes)
  genotype = setting.genotype(seed)

  def run(genes: np.ndarray) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    scores = zero_cost.score(
        zero_cost.ALL, space, key, genes, batch, network=network,
        chunk_size=job.num, together=job.together, merge_duplicates=False,
    )  # fmt: skip
    return time.perf_counter() - start, scores

  seconds = [run(genotype)[0] for _ in range(rounds + 1)]
  found = {
      'first_call_seconds': seconds[0],
      'ms': [1e3 * value / job.num for value in seconds[1:]],
      'peak_mib': (jax.local_devices()[0].memory_stats() or {}).get(
          'peak_bytes_in_use', 0
      ) / 2**20,
      'scores': run(genotype)[1].tolist(),
  }
  if job == SWEEP:
    found['sweep_seconds'] = run(spaces.members(space))[0]
  pipe.send(found)


def _time(job: Job, options: argparse.Namespace) -> dict[str, Any]:
  """A job in a process of its own, which frees its memory on the card."""
  context = multiprocessing.get_context('spawn')
  pipe, other = context.Pipe()
  process = context.Process(
      target=_serve, args=(other, job, options.seed, options.rounds),
      daemon=True,
  )  # fmt: skip
  process.start()
  other.close()
  row = job._asdict() | {'label': job.label, 'limit': options.limit}
  try:
    if not pipe.poll(options.limit):
      process.kill()
      process.join()  # the next one gets the whole card
      print(f'{job.setting}, {job.label}: over {options.limit} s', flush=True)
      return row
    row |= pipe.recv()
  except EOFError:
    raise ValueError(f'the process of {job} ended') from None
  process.join()
  row['median_ms'] = statistics.median(row['ms'])
  print(
      f'{job.setting}, {job.label}: {row["median_ms"]:.2f} ms, first call '
      f'{row["first_call_seconds"]:.1f} s',
      flush=True,
  )
  return row


def _agreement(row: dict[str, Any], cpu: dict[str, Any]) -> dict[str, Any]:
  """Of a job's scores with those of the same networks on a CPU."""
  from scipy import stats

  from nasflat_jax import zero_cost

  found = {}
  ours, theirs = (np.array(x['scores'], float) for x in (row, cpu))
  for column, fn in enumerate(zero_cost.ALL):
    a, b = ours[:, column], theirs[:, column]
    known = np.isfinite(a) & np.isfinite(b)
    off = np.abs(a - b)[known] / np.maximum(np.abs(b[known]), 1e-12)
    found[fn.name] = {
        'one_defined': int((np.isfinite(a) ^ np.isfinite(b)).sum()),
        'median_off': float(np.median(off)),
        'max_off': float(off.max()),
        'spearman': float(stats.spearmanr(a[known], b[known])[0]),
    }
  return found


def _pytorch(
    name: str, style: str, options: argparse.Namespace
) -> dict[str, Any]:
  setting = contenders.SETTINGS[name]
  genotype = setting.genotype(options.seed)[:TORCH_NETWORKS]
  seconds, _, version = contenders.pytorch(
      setting, style, 'threads', genotype, options
  )
  print(f'{name}, PyTorch {style}: {1e3 * seconds:.1f} ms', flush=True)
  return {
      'setting': name, 'style': style, 'ms': 1e3 * seconds, 'torch': version,
  }


def _write(record: dict[str, Any], options: argparse.Namespace) -> None:
  cpu = {
      row['setting']: row
      for row in record['rows']
      if row['backend'] == 'cpu' and 'scores' in row
  }
  for row in record['rows']:
    theirs = cpu.get(row['setting'])
    if row['backend'] == 'cpu' or not theirs or 'scores' not in row:
      continue
    if row['num'] == theirs['num']:
      row['agreement'] = _agreement(row, theirs)
  records.write(options.out / 'zero_cost_gpu.json', record)
  (options.out / 'zero_cost_gpu.md').write_text(gpu_page.page(record))


def _run(options: argparse.Namespace) -> None:
  path = options.out / 'zero_cost_gpu.json'
  record = records.header('zero_cost_gpu', options)
  record |= {'command': records.command(options), 'rows': [], 'torch': []}
  if path.exists():
    before = json.loads(path.read_text())
    kept = ('rows', 'torch', 'note')
    record |= {key: before[key] for key in kept if key in before}
  # What took too long is tried again with more time.
  record['rows'] = [
      row
      for row in record['rows']
      if 'ms' in row or row['limit'] >= options.limit
  ]
  done = {tuple(row[name] for name in Job._fields) for row in record['rows']}
  for job in TINY if options.tiny else JOBS:
    if tuple(job) not in done:
      record['rows'].append(_time(job, options))
      _write(record, options)
  timed = {(row['setting'], row['style']) for row in record['torch']}
  settings = ['tiny'] if options.tiny else list(contenders.SETTINGS)[:-1]
  for name in settings if options.torch_python else ():
    for style in 'reference', 'shared':
      if (name, style) not in timed:
        record['torch'].append(_pytorch(name, style, options))
        _write(record, options)


def main() -> None:
  """Runs what is missing and writes."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--torch_python', default='', help='none: not timed')
  parser.add_argument('--device', default='cuda', help="PyTorch's")
  parser.add_argument('--rounds', type=int, default=3)
  parser.add_argument('--warm_up', type=int, default=1, help="PyTorch's")
  parser.add_argument('--cores', type=int, default=os.cpu_count())
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
      '--limit',
      type=float,
      default=300,
      help='seconds of a way: start, compilation, calls and sweep',
  )
  parser.add_argument('--tiny', action='store_true', help='to try the script')
  parser.add_argument(
      '--out', type=pathlib.Path, default=records.RESULTS, help='folder'
  )
  options = parser.parse_args()
  try:
    _run(options)
  except (OSError, ValueError) as error:
    print(f'zero_cost_gpu.py: {error}', file=sys.stderr)
    sys.exit(2)
  print((options.out / 'zero_cost_gpu.md').read_text())


if __name__ == '__main__':
  main()
