"""Times ways to score many networks on a GPU, against PyTorch on the same one.

    python benchmarks/zero_cost_gpu.py --torch_python=PATH

An edge of NAS-Bench-201 is run in four ways (`zero_cost_study/edges.py`);
whole networks by `zero_cost.score` with several numbers of architectures side
by side (`together`), in float32 products and in the card's default ones, and
by PyTorch's loop on the card. All programs compile at the same time, then are
timed alone, in alternating rounds. The light setting's scores are compared
with those of this machine's CPU, and all of NAS-Bench-201 is scored once.
Writes `results/zero_cost_gpu.json` and `.md`.
"""

from __future__ import annotations

import argparse
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
  """

  setting: str
  together: int
  num: int
  precision: str = 'highest'
  backend: str = 'cuda'

  @property
  def label(self) -> str:
    """For the tables."""
    words = f'{self.together} together'
    if self.precision != 'highest':
      words += f', {self.precision} precision'
    return words if self.backend != 'cpu' else 'CPU'


JOBS = (
    Job('C8-N1-B16', 1, 64),
    Job('C8-N1-B16', 16, 64),
    Job('C8-N1-B16', 64, 256),
    Job('C8-N1-B16', 16, 64, precision='default'),
    Job('C8-N1-B16', 1, 64, backend='cpu'),
    Job('C16-N5-B16', 1, 16),
    Job('C16-N5-B16', 64, 128),
    Job('C16-N5-B64', 1, 16),
    Job('C16-N5-B64', 16, 64),
    Job('fbnet-B16', 1, 16),
    Job('fbnet-B16', 16, 32),
)
TINY = (Job('tiny', 1, 8), Job('tiny', 4, 8), Job('tiny', 1, 8, backend='cpu'))
EDGES = ((16, 32), (32, 16), (64, 8))  # channels, side
TORCH_NETWORKS = 4
SWEEP = Job('C8-N1-B16', 64, 256)


def _serve(pipe: connection.Connection, job: Job, seed: int) -> None:
  """Answers 'time', 'scores' and 'sweep' until None."""
  import jax

  jax.config.update('jax_platforms', job.backend)
  jax.config.update('jax_default_matmul_precision', job.precision)
  from nasflat_jax import spaces
  from nasflat_jax import zero_cost

  setting = contenders.SETTINGS[job.setting]._replace(num_networks=job.num)
  network = zero_cost.fbnet()
  if setting.space == 'nasbench201':
    network = zero_cost.nasbench201(
        channels=setting.channels,
        num_cells=setting.num_cells,
        num_classes=setting.num_classes,
    )
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

  while (asked := pipe.recv()) is not None:
    if asked == 'sweep':
      seconds, _ = run(spaces.members(space))
      pipe.send(seconds)
    elif asked == 'scores':
      pipe.send(run(genotype)[1])
    else:
      seconds, _ = run(genotype)
      memory = (jax.local_devices()[0].memory_stats() or {}).get(
          'peak_bytes_in_use', 0
      )
      pipe.send((seconds, memory / 2**20))


class Process:
  """The process of a job."""

  def __init__(self, job: Job, seed: int) -> None:
    context = multiprocessing.get_context('spawn')
    self.job = job
    self.pipe, other = context.Pipe()
    self._process = context.Process(
        target=_serve, args=(other, job, seed), daemon=True
    )
    self._process.start()
    other.close()

  def ask(self, what: str) -> Any:
    """Its answer."""
    self.pipe.send(what)
    return self.answer()

  def answer(self) -> Any:
    """Of what was sent."""
    try:
      return self.pipe.recv()
    except EOFError:
      raise ValueError(f'the process of {self.job} ended') from None

  def close(self) -> None:
    """Ends it, and frees its memory on the card."""
    self.pipe.send(None)
    self._process.join()


def _networks(options: argparse.Namespace) -> dict[str, Any]:
  jobs = TINY if options.tiny else JOBS
  processes = [Process(job, options.seed) for job in jobs]
  for process in processes:
    process.pipe.send('time')
  rows = []
  for process in processes:
    first, _ = process.answer()
    rows.append(process.job._asdict() | {
        'label': process.job.label, 'first_call_seconds': first, 'ms': [],
    })
    print(f'{process.job}: first call {first:.1f} s', flush=True)
  for _ in range(options.rounds):
    for process, row in zip(processes, rows):
      seconds, row['peak_mib'] = process.ask('time')
      row['ms'].append(1e3 * seconds / process.job.num)
  for row in rows:
    row['median_ms'] = statistics.median(row['ms'])
    print(f'{row["setting"]}, {row["label"]}: {row["median_ms"]:.2f} ms')
  agreement = {
      name: _agreement([p for p in processes if p.job.setting == name])
      for name in sorted(
          {p.job.setting for p in processes if p.job.backend == 'cpu'}
      )
  }
  sweep = None
  for process in processes:
    if process.job == SWEEP:
      sweep = process.ask('sweep')
  for process in processes:
    process.close()
  return {'rows': rows, 'agreement': agreement, 'sweep_seconds': sweep}


def _agreement(processes: list[Process]) -> list[dict[str, Any]]:
  """Of every job's scores with the CPU's, on networks that all have."""
  from scipy import stats

  from nasflat_jax import zero_cost

  scores = {process.job: process.ask('scores') for process in processes}
  (cpu,) = (v for job, v in scores.items() if job.backend == 'cpu')
  found = []
  for job, values in scores.items():
    if job.backend == 'cpu':
      continue
    # Draws of fewer networks are not the first of more.
    if values.shape != cpu.shape:
      continue
    for column, fn in enumerate(zero_cost.ALL):
      a, b = values[:, column], cpu[:, column]
      known = np.isfinite(a) & np.isfinite(b)
      off = np.abs(a - b)[known] / np.maximum(np.abs(b[known]), 1e-12)
      found.append({
          'label': job.label,
          'proxy': fn.name,
          'both_defined': int(known.sum()),
          'one_defined': int((np.isfinite(a) ^ np.isfinite(b)).sum()),
          'median_off': float(np.median(off)) if len(off) else None,
          'max_off': float(off.max()) if len(off) else None,
          'spearman': float(stats.spearmanr(a[known], b[known])[0]),
      })
  return found


def _pytorch(options: argparse.Namespace) -> list[dict[str, Any]]:
  rows = []
  names = ['tiny'] if options.tiny else list(contenders.SETTINGS)[:-1]
  for name in names:
    setting = contenders.SETTINGS[name]
    genotype = setting.genotype(options.seed)[:TORCH_NETWORKS]
    for style in ('reference', 'shared'):
      seconds, _, version = contenders.pytorch(
          setting, style, 'threads', genotype, options
      )
      rows.append({
          'setting': name, 'style': style, 'ms': 1e3 * seconds,
          'torch': version,
      })
      print(f'{name}, PyTorch {style}: {1e3 * seconds:.1f} ms', flush=True)
  return rows


def _edges(options: argparse.Namespace) -> list[dict[str, Any]]:
  from zero_cost_study import edges

  archs, images = (8, 2) if options.tiny else (64, 16)
  rows = []
  for channels, side in EDGES[2:] if options.tiny else EDGES:
    rows.append(
        edges.measure(
            archs=archs, images=images, side=side, channels=channels,
            repeats=options.repeats,
        )
    )
    print(rows[-1], flush=True)
  return rows


def main() -> None:
  """Runs all parts, prints and writes."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--torch_python', default='', help='none: not timed')
  parser.add_argument('--device', default='cuda', help="PyTorch's")
  parser.add_argument('--rounds', type=int, default=3)
  parser.add_argument('--repeats', type=int, default=20, help='of edges')
  parser.add_argument('--warm_up', type=int, default=1, help="PyTorch's")
  parser.add_argument('--cores', type=int, default=os.cpu_count())
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--tiny', action='store_true', help='to try the script')
  parser.add_argument(
      '--out', type=pathlib.Path, default=records.RESULTS, help='folder'
  )
  options = parser.parse_args()
  try:
    found = _networks(options)
    edges = _edges(options)
    torch = _pytorch(options) if options.torch_python else []
  except (OSError, ValueError) as error:
    print(f'zero_cost_gpu.py: {error}', file=sys.stderr)
    sys.exit(2)
  record = records.header('zero_cost_gpu', options)
  record |= {'command': records.command(options), 'edges': edges}
  record |= found | {'torch': torch}
  text = gpu_page.page(record)
  print(text)
  records.write(options.out / 'zero_cost_gpu.json', record)
  (options.out / 'zero_cost_gpu.md').write_text(text)


if __name__ == '__main__':
  main()
