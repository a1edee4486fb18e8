"""Timing of one compiled network."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import time
from typing import Any

import jax
import numpy as np

from nasflat_jax.measure import _compile
from nasflat_jax.measure import _layers

Clock = Callable[[], float]  # Seconds, monotonic.


class NoisyMachineError(ValueError):
  """The repeats of a measurement scatter too much to be worth reporting."""


@dataclasses.dataclass(frozen=True)
class Latency:
  """The latency of one network.

  Attributes:
    latency_ms: median over the repeats, milliseconds.
    iqr_ms: interquartile range over the repeats, milliseconds.
    repeats: timed forward passes.
    compile_seconds: tracing, lowering and compilation; not part of the latency.
    noise: `iqr_ms / latency_ms`.
  """

  latency_ms: float
  iqr_ms: float
  repeats: int
  compile_seconds: float
  noise: float


def median_and_iqr(
    samples: np.ndarray,  # [..., R]
) -> tuple[np.ndarray, np.ndarray]:
  """Median and interquartile range over the last axis.

  Example:
    >>> median_and_iqr(np.array([4.0, 1.0, 2.0, 3.0, 100.0]))
    (np.float64(3.0), np.float64(2.0))
  """
  low, middle, high = np.percentile(samples, (25, 50, 75), axis=-1)
  return middle, high - low


def check_noise(noise: float, max_noise: float) -> None:
  """Raises `NoisyMachineError` where `noise` exceeds `max_noise`."""
  if not noise <= max_noise:
    raise NoisyMachineError(
        f'the machine is too noisy: the interquartile range of the repeats is '
        f'{noise:.0%} of the median, allowed are {max_noise:.0%}; stop other '
        'programs, take more repeats or rounds, or raise max_noise'
    )


def time_calls(
    call: Callable[[], Any], *, repeats: int, clock: Clock = time.perf_counter
) -> np.ndarray:
  """Seconds of each of `repeats` blocking calls, `[repeats]` float64."""
  seconds = np.empty(repeats)
  for i in range(repeats):
    start = clock()
    call()
    seconds[i] = clock() - start
  return seconds


def measure_latency(
    network: _layers.Network,
    params: _layers.Params,
    images: jax.Array,  # [B, H, W, 3]
    *,
    repeats: int = 50,
    warmup: int = 5,
    max_noise: float = 0.25,
    clock: Clock = time.perf_counter,
) -> Latency:
  """Compiles a network ahead of time and times its forward pass.

  Each pass runs from the call to `jax.block_until_ready` of the logits, with
  parameters and images on the device. Several networks are better compared by
  `collect`, which shares the machine's drift among them.

  Args:
    network: the network.
    params: its parameters.
    images: `[B, H, W, 3]`; the batch size is part of the measurement.
    repeats: timed passes.
    warmup: untimed passes before them.
    max_noise: largest accepted `Latency.noise`.
    clock: seconds; for tests.

  Returns:
    The latency of one pass over the batch.

  Raises:
    NoisyMachineError: the repeats scatter by more than `max_noise`.
    ValueError: `repeats < 1`, or logits that are not finite.

  Example:
    >>> from nasflat_jax import measure
    >>> net = measure.network('nasbench201', [0, 0, 0, 2, 0, 0])
    >>> params = net.init(jax.random.key(0))
    >>> images = jax.random.normal(jax.random.key(1), (1, *net.input_shape))
    >>> latency = measure_latency(net, params, images, max_noise=10.0)
    >>> latency.latency_ms > 0
    True
  """
  if repeats < 1 or warmup < 0:
    raise ValueError(
        f'want repeats >= 1 and warmup >= 0, got {repeats} and {warmup}'
    )
  executable = _compile.compile_network(network, params, images)
  for _ in range(warmup):
    executable.call()
  seconds = time_calls(executable.call, repeats=repeats, clock=clock)
  middle, spread = median_and_iqr(1e3 * seconds)
  noise = float(spread / middle)
  check_noise(noise, max_noise)
  return Latency(
      latency_ms=float(middle),
      iqr_ms=float(spread),
      repeats=repeats,
      compile_seconds=executable.compile_seconds,
      noise=noise,
  )
