"""What the speed benchmark compares: ours, and PyTorch's loop in two ways."""

from __future__ import annotations

import argparse
from collections.abc import Callable
import multiprocessing
from multiprocessing import connection
import pathlib
import resource
import tempfile
import time
from typing import NamedTuple

import numpy as np

from zero_cost_study import torch_loop

SIDE = 1024  # of the matrices whose product gives the machine's peak


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

  def network(self):
    """The space's networks."""
    from nasflat_jax import zero_cost

    if self.space != 'nasbench201':
      return zero_cost.fbnet()
    return zero_cost.nasbench201(
        channels=self.channels,
        num_cells=self.num_cells,
        num_classes=self.num_classes,
    )

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


SETTINGS = {
    'C16-N5-B64': Setting('nasbench201', 16, 5, 64, 4),
    'C16-N5-B16': Setting('nasbench201', 16, 5, 16, 8),
    'C8-N1-B16': Setting('nasbench201', 8, 1, 16, 32),
    'fbnet-B16': Setting('fbnet', 0, 0, 16, 4),
    'tiny': Setting('nasbench201', 2, 1, 4, 4),  # to try the script
}


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

  network = setting.network()
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
  matrix = np.random.default_rng(0).standard_normal((SIDE, SIDE))
  matrices = [jax.device_put(matrix.astype(np.float32), d) for d in devices]
  product = jax.jit(lambda a: a @ a)

  def measure() -> float:
    jax.block_until_ready([product(a) for a in matrices])
    times = []
    for _ in range(5):
      start = time.perf_counter()
      jax.block_until_ready([product(a) for a in matrices])
      times.append(time.perf_counter() - start)
    return len(devices) * 2e-9 * SIDE**3 / min(times)

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


def pytorch(
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
      f'--device={vars(options).get("device", "cpu")}',
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
