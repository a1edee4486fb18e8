"""Latency of many architectures on the local backend."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import time

import jax
import numpy as np

from nasflat_jax import types
from nasflat_jax.measure import _compile
from nasflat_jax.measure import _networks
from nasflat_jax.measure import _rounds
from nasflat_jax.measure import _timer

Progress = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True)
class Measurements:
  """Latencies of `N` architectures on one backend.

  Attributes:
    genotype: `[N, G]` int32.
    latency_ms: `[N]` milliseconds of one pass over the batch: median over the
      rounds.
    iqr_ms: `[N]` interquartile range over the rounds.
    repeats: `[N]` int, timed passes in all.
    compile_seconds: `[N]`, not part of the latency.
    noise: median over the architectures of `iqr_ms / latency_ms`.
    drift: relative change of a reference network between the first and the
      second half of the rounds. Reported, not divided out.
    backend: JAX's platform, e.g. `cpu`.
    device_kind: JAX's name of the compute device.
    batch_size: images of one pass.
  """

  genotype: np.ndarray  # [N, G]
  latency_ms: np.ndarray  # [N]
  iqr_ms: np.ndarray  # [N]
  repeats: np.ndarray  # [N]
  compile_seconds: np.ndarray  # [N]
  noise: float
  drift: float
  backend: str
  device_kind: str
  batch_size: int


def collect(
    space: types.SearchSpace,
    genotypes: np.ndarray,  # [N, G]
    *,
    key: jax.Array,
    setting: str | None = None,
    num_classes: int | None = None,
    batch_size: int = 1,
    repeats: int = 3,
    rounds: int = 20,
    visit_ms: float = 5.0,
    chunk_size: int = 100,
    max_noise: float = 0.25,
    progress: Progress | None = None,
    clock: _timer.Clock = time.perf_counter,
) -> Measurements:
  """Compiles networks and times them in interleaved rounds.

  Each round visits every network once, in random order, so that a slow change
  of a shared machine reaches all of them alike. The latency is the median over
  the rounds of a visit's quickest pass.

  Note:
    Chosen by measuring 20 NAS-Bench-201 networks eight times on two cores
    shared with other programs (load 3 to 4): the pairs of runs then differ by
    2 % with a rank correlation of 0.998 (least 0.994); at half the rounds by
    3 % and 0.996. A pair of runs that each compiled anew had 1.000; two such
    pairs at half the rounds had 0.998 and 0.986. Dividing each round by the
    reference network's latency made the agreement worse as often as better,
    as the reference scatters too; so drift is reported, not divided out.

  Weights are random: they do not change the time. Networks with a layer in
  common share its weights, and at most `chunk_size` programs exist at once;
  a chunk has its own rounds.

  Args:
    space: `spaces.NASBENCH201` or `spaces.FBNET`.
    genotypes: `[N, G]`.
    key: typed PRNG key: weights, images and order of the visits.
    setting: see `network`.
    num_classes: see `network`.
    batch_size: images of one pass.
    repeats: least number of timed passes of a visit.
    rounds: visits of each network, at least 2.
    visit_ms: least duration of a visit's timed passes, milliseconds.
    chunk_size: networks compiled and timed together.
    max_noise: largest accepted `Measurements.noise`.
    progress: called with a stage, the steps done and their total: `compile`
      counts networks, `time` counts rounds, of all chunks together.
    clock: seconds; for tests.

  Returns:
    The measurements, in the order of `genotypes`.

  Raises:
    NoisyMachineError: the rounds scatter by more than `max_noise`.
    ValueError: invalid genotypes or counts.

  Example:
    >>> from nasflat_jax import measure, spaces
    >>> genotypes = [[0, 0, 0, 1, 0, 0], [0, 0, 0, 2, 0, 0]]
    >>> done = measure.collect(
    ...     spaces.NASBENCH201, np.array(genotypes), key=jax.random.key(0),
    ...     rounds=3, max_noise=10.0)
    >>> done.latency_ms.shape
    (2,)
  """
  genotypes = np.asarray(genotypes)
  if genotypes.ndim != 2 or not len(genotypes):
    raise ValueError(
        f'genotypes: got shape {list(genotypes.shape)}, want [N, G], N > 0'
    )
  for name, value, least in (
      ('batch_size', batch_size, 1),
      ('repeats', repeats, 1),
      ('rounds', rounds, 2),
      ('chunk_size', chunk_size, 1),
  ):
    if value < least:
      raise ValueError(f'{name}: got {value}, want at least {least}')
  pool = _compile.WeightPool(key)

  def build(genotype: np.ndarray) -> _compile.Executable:
    network = _networks.network(
        space.spec.name, genotype, setting=setting, num_classes=num_classes
    )
    images = pool.images((batch_size, *network.input_shape))
    return _compile.compile_network(
        network, pool.params(network.shapes), images
    )

  # Before any compilation: a mistake should not cost minutes.
  for genotype in genotypes:
    _networks.network(
        space.spec.name, genotype, setting=setting, num_classes=num_classes
    )
  rng = np.random.default_rng(
      np.asarray(jax.random.key_data(key)).ravel().tolist()
  )
  reference = build(_networks.reference_genotype(space.spec.name))
  starts = range(0, len(genotypes), chunk_size)
  done = {'compile': 0, 'time': 0}
  totals = {'compile': len(genotypes), 'time': rounds * len(starts)}

  def step(stage: str) -> None:
    done[stage] += 1
    if progress is not None:
      progress(stage, done[stage], totals[stage])

  compile_seconds: list[float] = []
  visits: list[_rounds.Visits] = []
  for start in starts:
    executables: list[_compile.Executable] = []
    # One thread: XLA's compiler already uses all cores, a second thread of
    # ours made it slower.
    for genotype in genotypes[start : start + chunk_size]:
      executables.append(build(genotype))
      step('compile')
    compile_seconds += [e.compile_seconds for e in executables]
    visits.append(
        _rounds.time_rounds(
            [e.call for e in executables],
            reference.call,
            rounds=rounds,
            repeats=repeats,
            visit_seconds=1e-3 * visit_ms,
            rng=rng,
            clock=clock,
            on_round=lambda: step('time'),
        )
    )
  samples_ms = 1e3 * np.concatenate([v.seconds for v in visits])
  latency_ms, iqr_ms = _timer.median_and_iqr(samples_ms)
  noise = float(np.median(iqr_ms / latency_ms))
  _timer.check_noise(noise, max_noise)
  device = jax.devices()[0]
  return Measurements(
      genotype=genotypes.astype(np.int32),
      latency_ms=latency_ms,
      iqr_ms=iqr_ms,
      repeats=rounds * np.concatenate([v.passes for v in visits]),
      compile_seconds=np.array(compile_seconds),
      noise=noise,
      drift=_rounds.drift(np.concatenate([v.reference for v in visits])),
      backend=device.platform,
      device_kind=device.device_kind,
      batch_size=batch_size,
  )
