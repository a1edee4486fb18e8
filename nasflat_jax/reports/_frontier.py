"""The fastest networks at given FLOPs, as rows and as a printed table."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class FrontierRow:
  """The fastest network of one range of FLOPs.

  Attributes:
    low_flops: lower end of the range, included.
    high_flops: upper end; included in the last range only.
    num_networks: networks in the range.
    fastest: position of the fastest of them among the networks given.
    latency_ms: its latency.
    median_ms: the median latency of the range.
    slowest_ms: the highest latency of the range.
  """

  low_flops: float
  high_flops: float
  num_networks: int
  fastest: int
  latency_ms: float
  median_ms: float
  slowest_ms: float


def fastest_per_flops(
    flops: np.ndarray,  # [N]
    latency_ms: np.ndarray,  # [N]
    *,
    num_bins: int,
) -> list[FrontierRow]:
  """Finds the fastest network in each of several ranges of FLOPs.

  The ranges are of equal width between the smallest and the largest network;
  those without a network are left out. Of equally fast networks the one with
  more FLOPs is taken, then the first.

  Args:
    flops: `[N]` cost of each network.
    latency_ms: `[N]` latency of each network, measured or predicted.
    num_bins: number of ranges.

  Returns:
    At most `num_bins` rows by rising FLOPs.

  Raises:
    ValueError: there are no networks, or `num_bins` is not positive.

  Example:
    >>> rows = fastest_per_flops(
    ...     np.array([1e6, 2e6, 9e6]), np.array([3., 1., 4.]), num_bins=2)
    >>> [(row.fastest, row.num_networks) for row in rows]
    [(1, 2), (2, 1)]
  """
  flops = np.asarray(flops, np.float64)
  latency_ms = np.asarray(latency_ms, np.float64)
  if flops.ndim != 1 or flops.shape != latency_ms.shape or not flops.size:
    raise ValueError(
        'flops and latency_ms must be [N] with N > 0, got shapes '
        f'{flops.shape} and {latency_ms.shape}'
    )
  if num_bins < 1:
    raise ValueError(f'num_bins must be positive, got {num_bins}')
  edges = np.linspace(flops.min(), flops.max(), num_bins + 1)
  bins = np.searchsorted(edges[1:-1], flops, side='right')
  rows = []
  for i in np.unique(bins):
    members = np.flatnonzero(bins == i)
    order = np.lexsort((-flops[members], latency_ms[members]))
    fastest = members[order[0]]
    rows.append(FrontierRow(
        low_flops=float(edges[i]),
        high_flops=float(edges[i + 1]),
        num_networks=len(members),
        fastest=int(fastest),
        latency_ms=float(latency_ms[fastest]),
        median_ms=float(np.median(latency_ms[members])),
        slowest_ms=float(latency_ms[members].max()),
    ))
  return rows


def format_table(
    rows: Sequence[FrontierRow],
    names: Sequence[str],  # [N]
    indices: Sequence[int],  # [N]
) -> str:
  """Lays rows out for a terminal.

  Args:
    rows: rows of `fastest_per_flops`.
    names: `[N]` canonical string of each network.
    indices: `[N]` index of each network.

  Returns:
    Lines without a trailing newline; latencies in milliseconds.
  """
  table = [('MFLOPs', 'networks', 'fastest', 'median', 'slowest', 'index')]
  for row in rows:
    table.append((
        f'{row.low_flops / 1e6:.0f}-{row.high_flops / 1e6:.0f}',
        str(row.num_networks),
        f'{row.latency_ms:.3g} ms',
        f'{row.median_ms:.3g} ms',
        f'{row.slowest_ms:.3g} ms',
        str(indices[row.fastest]),
    ))
  widths = [max(map(len, column)) for column in zip(*table, strict=True)]
  last = ['architecture of the fastest', *(names[r.fastest] for r in rows)]
  return '\n'.join(
      '  '.join([
          *(
              cell.rjust(width)
              for cell, width in zip(cells, widths, strict=True)
          ),
          name,
      ])
      for cells, name in zip(table, last, strict=True)
  )
