"""Timing many compiled networks side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nasflat_jax.measure import _timer

Call = Callable[[], Any]


class Visits(NamedTuple):
  """What interleaved rounds saw.

  Attributes:
    seconds: `[N, R]` quickest pass of each network in each round.
    reference: `[R]` the same for the reference network.
    passes: `[N]` timed passes of each network in one round.
  """

  seconds: np.ndarray
  reference: np.ndarray
  passes: np.ndarray


def time_rounds(
    calls: Sequence[Call],
    reference: Call,
    *,
    rounds: int,
    repeats: int,
    visit_seconds: float,
    rng: np.random.Generator,
    clock: _timer.Clock,
    on_round: Callable[[], None] = lambda: None,
) -> Visits:
  """Visits all networks in each of several rounds, in a new order each time.

  A visit is one untimed pass, which brings the network's weights back into the
  caches, and then at least `repeats` timed ones, more for a network so quick
  that they would not fill `visit_seconds`. Of a visit only the quickest pass
  counts: other programs can only add time, and they add it in bursts.

  Args:
    calls: one blocking pass of each network.
    reference: one pass of the reference network, visited first in each round.
    rounds: R.
    repeats: least number of timed passes of a visit.
    visit_seconds: least duration of a visit's timed passes.
    rng: orders the rounds.
    clock: seconds.
    on_round: called after each round.

  Returns:
    The visits.
  """
  every = [reference, *calls]
  passes = np.array(
      [_calibrate(call, repeats, visit_seconds, clock) for call in every], int
  )
  seconds = np.empty((len(every), rounds))
  for r in range(rounds):
    for i in (0, *(1 + rng.permutation(len(calls)))):
      every[i]()
      timed = _timer.time_calls(every[i], repeats=passes[i], clock=clock)
      seconds[i, r] = timed.min()
    on_round()
  return Visits(seconds[1:], seconds[0], passes[1:])


def _calibrate(
    call: Call, repeats: int, visit_seconds: float, clock: _timer.Clock
) -> int:
  """Passes of a visit; also warms the network up."""
  call()
  quickest = _timer.time_calls(call, repeats=3, clock=clock).min()
  return max(repeats, int(np.ceil(visit_seconds / max(quickest, 1e-6))))


def drift(reference: np.ndarray) -> float:
  """Relative change of the reference between the halves of the rounds.

  Args:
    reference: `[R]` its latency in each round, in time order, `R >= 2`.

  Returns:
    Median of the second half over median of the first, minus one.

  Example:
    >>> round(drift(np.array([1.0, 1.0, 9.0, 1.2, 1.2, 1.2])), 3)
    0.2
  """
  half = len(reference) // 2
  return float(np.median(reference[-half:]) / np.median(reference[:half]) - 1)
