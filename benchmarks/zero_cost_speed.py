"""Times the thirteen proxies against PyTorch's loop on the same cores.

    python benchmarks/zero_cost_speed.py --torch_python=PATH

In every round of a setting the same random networks go once through each
contender: ours (one process, a JAX device for each core), PyTorch in the
reference's style (a network and its passes for each proxy; `collect` also
collects garbage after each, as the reference does) and with shared passes. On
the cores PyTorch runs in two ways, `threads` in one process or as many
processes of one thread on parts of the networks; ratios are to the faster way.
Neither merges duplicates; start of programs and first networks are not timed,
the first call of ours, which compiles, is timed apart. Without PATH, ours
alone is timed. `--marginal=SETTING` also times single proxies. Needs an idle
machine. Writes `results/zero_cost_speed_cpu.json` (or `_gpu`) and the tables of
`results/zero_cost_speed_cpu.md`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import multiprocessing
from multiprocessing import connection
import os
import pathlib
import resource
import statistics
import sys
import tempfile
import time
from typing import Any, NamedTuple

import numpy as np
from zero_cost_study import records
from zero_cost_study import torch_loop

_SIDE = 1024  # of the matrices whose product gives the machine's peak
# Proxies alone, one for each pass, and all but those of a pass.
_ALONE = (
    'params', 'l2_norm', 'nwot', 'grad_norm', 'fisher', 'jacov', 'grasp',
    'synflow', 'zen',
)  # fmt: skip
_WITHOUT = (
    ('nwot',), ('fisher',), ('epe_nas', 'jacov'), ('grasp',), ('synflow',),
    ('zen',),
)  # fmt: skip


class Setting(NamedTuple):
  """What is scored.

  Attributes:
    space: its name.
    channels: C, NAS-Bench-201 only.
    num_cells: N, NAS-Bench-201 only.
    num_images: batch.
    num_networks: for each contender and round.
  """

  space: str
  channels: int
  num_cells: int
  num_images: int
  num_networks: int

  @property
  def num_classes(self) -> int:
    """K."""
    return 10 if self.space == 'nasbench201' else 100

  def genotype(self, seed: int) -> np.ndarray:
    """`[num_networks, G]` random networks."""
    length, top = (6, 5) if self.space == 'nasbench201' else (22, 9)
    rng = np.random.default_rng(seed)
    return rng.integers(top, size=(self.num_networks, length)).astype(np.int32)

  def multiply_adds(self, genotype: np.ndarray) -> np.ndarray:
    """`[B]` of a forward pass of one image."""
    from nasflat_jax import spaces

    if self.space != 'nasbench201':
      costs = spaces.get(self.space).costs(genotype)
      return np.asarray(costs.multiply_adds, float)
    # Halving the side as the width doubles leaves a stage's cost as it is.
    unit = (32 * self.channels) ** 2
    edges = 9 * (genotype == 3).sum(axis=1) + (genotype == 2).sum(axis=1)
    fixed = 27 * self.channels * 32**2 + 28 * unit + 40 * self.channels
    return fixed + 3.0 * self.num_cells * unit * edges


_SETTINGS = {
    'C16-N5-B64': Setting('nasbench201', 16, 5, 64, 8),
    'C16-N5-B16': Setting('nasbench201', 16, 5, 16, 16),
    'C8-N1-B16': Setting('nasbench201', 8, 1, 16, 48),
    'fbnet-B16': Setting('fbnet', 0, 0, 16, 8),
    'tiny': Setting('nasbench201', 2, 1, 4, 4),  # to try the script
}


# --- Ours, in a process of its own ---


def _serve(
    pipe: connection.Connection,
    setting: Setting,
    seed: int,
    devices: int,
) -> None:
  """Answers `(names of proxies, repeats)` with seconds, until None."""
  import jax

  jax.config.update('jax_num_cpu_devices', devices)
  from nasflat_jax import spaces
  from nasflat_jax import zero_cost

  network = zero_cost.fbnet()
  if setting.space == 'nasbench201':
    network = zero_cost.nasbench201(
        channels=setting.channels,
        num_cells=setting.num_cells,
        num_classes=setting.num_classes,
    )
  key = jax.random.key(seed)
  batch = zero_cost.gaussian_batch(key, setting.num_images, setting.num_classes)
  genotype = setting.genotype(seed)
  peak = _matmul(jax)
  while (job := pipe.recv()) is not None:
    names, repeats = job
    fns = [zero_cost.get(name) for name in names] or list(zero_cost.ALL)
    gflops = peak()
    seconds = []
    for _ in range(repeats):
      start = time.perf_counter()
      zero_cost.score(
          fns,
          spaces.get(setting.space),
          key,
          genotype,
          batch,
          network=network,
          chunk_size=len(genotype),
          merge_duplicates=False,
      )
      seconds.append(time.perf_counter() - start)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pipe.send((seconds, gflops, memory))


def _matmul(jax) -> Callable[[], float]:
  """GFLOP/s of float32 matrix products, one at a time on every device."""
  devices = jax.local_devices()
  matrix = np.random.default_rng(0).standard_normal((_SIDE, _SIDE))
  matrices = [jax.device_put(matrix.astype(np.float32), d) for d in devices]
  product = jax.jit(lambda a: a @ a)

  def measure() -> float:
    jax.block_until_ready([product(a) for a in matrices])
    times = []
    for _ in range(5):
      start = time.perf_counter()
      jax.block_until_ready([product(a) for a in matrices])
      times.append(time.perf_counter() - start)
    return len(devices) * 2e-9 * _SIDE**3 / min(times)

  return measure


class Ours:
  """The process of `_serve`."""

  def __init__(self, setting: Setting, options: argparse.Namespace) -> None:
    context = multiprocessing.get_context('spawn')
    self._pipe, other = context.Pipe()
    self._process = context.Process(
        target=_serve,
        args=(other, setting, options.seed, options.cores),
        daemon=True,  # must not outlive an error here
    )
    self._process.start()
    other.close()

  def __call__(
      self, names: tuple[str, ...] = (), repeats: int = 1
  ) -> tuple[list[float], float, float]:
    """Seconds of each repeat, GFLOP/s of matmul, peak MiB."""
    self._pipe.send((names, repeats))
    try:
      return self._pipe.recv()
    except EOFError:
      raise ValueError('the process that runs ours ended') from None

  def close(self) -> None:
    """Ends the process."""
    self._pipe.send(None)
    self._process.join()


# --- PyTorch ---


def _torch(
    setting: Setting,
    style: str,
    way: str,
    genotype: np.ndarray,
    options: argparse.Namespace,
) -> tuple[float, float, str]:
  """Seconds a network, MiB of all processes together, version.

  Several processes run at the same time; networks a second add up.
  """
  parts = [genotype]
  if way == 'processes':
    parts = np.array_split(genotype, options.cores)
  parts = [part for part in parts if len(part)]
  flags = [
      f'--space={setting.space}',
      f'--num_classes={setting.num_classes}',
      f'--style={"shared" if style == "shared" else "reference"}',
      f'--threads={1 if way == "processes" else options.cores}',
      f'--warm_up={options.warm_up}',
  ]
  if setting.space == 'nasbench201':
    flags += [
        f'--channels={setting.channels}', f'--num_cells={setting.num_cells}'
    ]
  if style == 'collect':
    flags.append('--collect')
  rng = np.random.default_rng(options.seed)
  images = rng.standard_normal((setting.num_images, 32, 32, 3))
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    running = []
    for number, part in enumerate(parts):
      path = folder / f'images_{number}.npz'
      np.savez(
          path,
          allow_pickle=False,
          images=images,
          labels=np.arange(setting.num_images) % setting.num_classes,
          genotype=part,
      )
      running.append(
          torch_loop.start(
              options.torch_python,
              folder,
              f'scores_{number}',
              [*flags, f'--images={path}', f'--num_networks={len(part)}'],
          )
      )
    found = [torch_loop.finish(*process) for process in running]
  rate = sum(
      len(one['networks']) / sum(row['seconds'] for row in one['networks'])
      for one in found
  )
  memory = sum(one['peak_mib'] for one in found)
  return 1 / rate, memory, found[0]['torch']


# --- The rounds ---


def measure(
    name: str, setting: Setting, options: argparse.Namespace
) -> dict[str, Any]:
  """All rounds of a setting."""
  genotype = setting.genotype(options.seed)
  rows: list[dict[str, Any]] = []
  contenders = []
  if options.torch_python:
    contenders = [
        (style, way)
        for style in options.styles.split(',')
        for way in options.ways.split(',')
    ]

  def note(round_, contender, seconds, load, **more):
    rows.append({
        'round': round_,
        'contender': contender,
        'ms_per_network': 1e3 * seconds,
        'load_before_and_after': [load, os.getloadavg()[0]],
        **more,
    })
    print(
        f'{name}, round {round_}: {contender} {1e3 * seconds:.1f} ms, '
        f'load {load:.1f}',
        flush=True,
    )

  version = None
  ours = Ours(setting, options)
  (first,), _, _ = ours()
  print(f'{name}: first call {first:.1f} s', flush=True)
  for round_ in range(options.rounds):
    load = os.getloadavg()[0]
    seconds, gflops, memory = ours(repeats=options.repeats)
    # A block is as long as PyTorch's; its best call is not picked.
    each = statistics.median(seconds) / len(genotype)
    note(round_, 'ours', each, load, matmul_gflops=gflops, peak_mib=memory)
    for style, way in contenders:
      load = os.getloadavg()[0]
      each, memory, version = _torch(setting, style, way, genotype, options)
      note(round_, f'{style}, {way}', each, load, peak_mib=memory)
  marginal = None
  if options.marginal == name:
    marginal = _marginal(ours, len(genotype), options.repeats)
  ours.close()
  return {
      'setting': name,
      **setting._asdict(),
      'torch': version,
      'first_call_seconds': first,
      'summary': _summary(rows),
      'ratios': _ratios(rows, options.styles.split(',')) if contenders else {},
      'rate': _rate(setting, genotype, rows),
      'marginal': marginal,
      'rows': rows,
  }


def _marginal(ours: Ours, num: int, repeats: int) -> dict[str, Any]:
  """Milliseconds a network of proxies alone, and saved by leaving some out."""
  from nasflat_jax import zero_cost

  names = tuple(fn.name for fn in zero_cost.ALL)

  def fastest(chosen: tuple[str, ...]) -> float:
    ours(chosen)
    seconds, _, _ = ours(chosen, max(repeats, 3))
    print(f'{", ".join(chosen)}: {1e3 * min(seconds) / num:.1f} ms', flush=True)
    return 1e3 * min(seconds) / num

  full = fastest(names)
  return {
      'all_ms': full,
      'alone_ms': {name: fastest((name,)) for name in _ALONE},
      'saved_without_ms': {
          ', '.join(left_out): full
          - fastest(tuple(name for name in names if name not in left_out))
          for left_out in _WITHOUT
      },
  }


def _by_contender(rows: list[dict[str, Any]]) -> dict[str, list[float]]:
  found: dict[str, list[float]] = {}
  for row in rows:
    found.setdefault(row['contender'], []).append(row['ms_per_network'])
  return found


def _summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
  return [
      {
          'contender': contender,
          'min_ms': min(values),
          'median_ms': statistics.median(values),
          'max_ms': max(values),
          'peak_mib': max(
              row['peak_mib'] for row in rows if row['contender'] == contender
          ),
          'networks_per_second': 1e3 / statistics.median(values),
      }
      for contender, values in _by_contender(rows).items()
  ]


def _ratios(
    rows: list[dict[str, Any]], styles: list[str]
) -> dict[str, dict[str, Any]]:
  """Of each style's faster way to ours, round by round."""
  found = _by_contender(rows)
  ratios = {}
  for style in styles:
    ways = {k: v for k, v in found.items() if k.startswith(f'{style},')}
    way = min(ways, key=lambda k: statistics.median(ways[k]))
    each = [a / b for a, b in zip(ways[way], found['ours'])]
    ratios[style] = {
        'way': way.split(', ')[1],
        'median': statistics.median(each),
        'min': min(each),
        'max': max(each),
        'of_minima': min(ways[way]) / min(found['ours']),
    }
  return ratios


def _rate(
    setting: Setting, genotype: np.ndarray, rows: list[dict[str, Any]]
) -> dict[str, float]:
  """Achieved FLOP rate beside the peak of matrix products.

  Forward passes' worth of multiply-adds for each image: forward 1, its
  gradient 2, the images' gradient 1, grasp's derivative of forward and gradient
  4, zen 2; synflow 2 for one image.
  """
  passes = 10 + 2 / setting.num_images
  forward = 2e-9 * setting.num_images * setting.multiply_adds(genotype).mean()
  ours = [row for row in rows if row['contender'] == 'ours']
  best = min(row['ms_per_network'] for row in ours)
  achieved = passes * forward / (1e-3 * best)
  peak = max(row['matmul_gflops'] for row in ours)
  return {
      'forward_passes': passes,
      'gflop_per_network': passes * forward,
      'achieved_gflops': achieved,
      'matmul_gflops': peak,
      'part_of_peak': achieved / peak,
  }


def page(record: dict[str, Any]) -> str:
  """Tables in Markdown."""
  hardware = record['hardware']
  lines = [
      '# Speed of the thirteen proxies',
      '',
      f'{hardware["cpu"]}, {record["settings"]["cores"]} cores '
      f'({hardware["backend"]}), {record["date"][:10]}; load average '
      f'{record["load_average"][0]:.1f} at the end. {record["rounds"]} '
      'alternating rounds; milliseconds for each network, all 13 proxies. '
      f'Command: `{record["command"]}`.',
  ]
  for block in record['runs']:
    rate = block['rate']
    lines += [
        '',
        f'## {block["setting"]}: {block["num_networks"]} networks a round',
        '',
        f'First call, which compiles, {block["first_call_seconds"]:.1f} s. '
        f'{rate["gflop_per_network"]:.2f} GFLOP a network at '
        f'{rate["achieved_gflops"]:.1f} GFLOP/s, '
        f'{100 * rate["part_of_peak"]:.0f} % of the '
        f'{rate["matmul_gflops"]:.0f} of {_SIDE}x{_SIDE} matrix products.',
        '',
        '| contender | min ms | median | max | networks/s | peak MiB |',
        '|---|---|---|---|---|---|',
    ]
    lines += [
        f'| {row["contender"]} | {row["min_ms"]:.1f} | {row["median_ms"]:.1f} '
        f'| {row["max_ms"]:.1f} | {row["networks_per_second"]:.2f} '
        f'| {row["peak_mib"]:.0f} |'
        for row in block['summary']
    ]
    if block['ratios']:
      lines += [
          '',
          '| style | its faster way | ratio, median | least | greatest '
          '| of minima |',
          '|---|---|---|---|---|---|',
      ]
    lines += [
        f'| {style} | {row["way"]} | {row["median"]:.1f} | {row["min"]:.1f} '
        f'| {row["max"]:.1f} | {row["of_minima"]:.1f} |'
        for style, row in block['ratios'].items()
    ]
    if block['marginal']:
      lines += _marginal_table(block['marginal'])
  return '\n'.join(lines) + '\n'


def _marginal_table(marginal: dict[str, Any]) -> list[str]:
  lines = [
      '',
      f'Of the {marginal["all_ms"]:.1f} ms of all thirteen:',
      '',
      '| proxies | alone ms | saved by leaving them out |',
      '|---|---|---|',
  ]
  saved = dict(marginal['saved_without_ms'])
  for name, value in marginal['alone_ms'].items():
    group = next((key for key in saved if name in key.split(', ')), None)
    less = f'{saved[group]:.1f}' if group else ''
    lines.append(f'| {group or name} | {value:.1f} | {less} |')
  return lines


def main() -> None:
  """Runs the rounds, prints and writes."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--torch_python', default='')
  parser.add_argument('--settings', default=','.join(list(_SETTINGS)[:-1]))
  parser.add_argument('--rounds', type=int, default=5)
  parser.add_argument('--repeats', type=int, default=3, help='of ours')
  parser.add_argument('--styles', default='reference,collect,shared')
  parser.add_argument('--ways', default='threads,processes')
  parser.add_argument('--warm_up', type=int, default=1, help="PyTorch's")
  parser.add_argument('--cores', type=int, default=os.cpu_count())
  parser.add_argument('--marginal', default='C16-N5-B16', help='setting')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
      '--out', type=pathlib.Path, default=records.RESULTS, help='folder'
  )
  options = parser.parse_args()
  unknown = set(options.settings.split(',')) - set(_SETTINGS)
  if unknown:
    print(
        f'zero_cost_speed.py: --settings: no {", ".join(sorted(unknown))}; '
        f'choose from {", ".join(_SETTINGS)}',
        file=sys.stderr,
    )
    sys.exit(2)
  runs = []
  try:
    for name in options.settings.split(','):
      runs.append(measure(name, _SETTINGS[name], options))
  except (OSError, ValueError) as error:
    print(f'zero_cost_speed.py: {error}', file=sys.stderr)
    sys.exit(2)
  record = records.header('zero_cost_speed', options)
  record |= {
      'command': records.command(options),
      'rounds': options.rounds,
      'runs': runs,
  }
  text = page(record)
  print(text)
  name = f'zero_cost_speed_{record["hardware"]["backend"]}'
  records.write(options.out / f'{name}.json', record)
  (options.out / f'{name}.md').write_text(text)


if __name__ == '__main__':
  main()
