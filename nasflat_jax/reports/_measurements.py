"""Reads measured latencies and lists of architectures from CSV files."""

from __future__ import annotations

import dataclasses
import math
import pathlib

import numpy as np

from nasflat_jax import types
from nasflat_jax.reports import _rows

ROLES = ('support', 'check')
_IDENTITY = ('architecture', 'index')
# Two timings of one network on an idle device agree within some ten percent;
# beyond this factor one of them is not a measurement of that network.
_MAX_REPLICATE_RATIO = 3.0


@dataclasses.dataclass(frozen=True)
class MeasurementFile:
  """Latencies of distinct architectures on one device.

  Attributes:
    genotype: `[N, G]` int32, distinct, in the order of first appearance.
    latency_ms: `[N]` float64 milliseconds, the median of the replicates.
    role: `[N]` `support` (adapt on) or `check` (judge on).
    replicates: `[N]` int64, rows joined for each architecture.
    replicate_noise: standard deviation of the logarithm of one row, pooled
      over the architectures that have several (0.05 is about 5 %); None where
      none has.
    lines: `[N]` line numbers of each architecture's rows, from 1.
  """

  genotype: np.ndarray  # [N, G]
  latency_ms: np.ndarray  # [N]
  role: tuple[str, ...]  # [N]
  replicates: np.ndarray  # [N]
  replicate_noise: float | None
  lines: tuple[tuple[int, ...], ...]

  @property
  def is_support(self) -> np.ndarray:
    """`[N]` bool, True for the rows to adapt on."""
    return np.array([role == 'support' for role in self.role], bool)

  @property
  def is_check(self) -> np.ndarray:
    """`[N]` bool, True for the rows held out for judging."""
    return ~self.is_support


def read_measurements(
    path: str | pathlib.Path,
    space: types.SearchSpace,
    *,
    min_support: int = 3,
) -> MeasurementFile:
  """Reads a CSV of measured latencies.

  Columns: `architecture` (canonical string) or `index` (exact decimal number)
  or both, `latency_ms`, and optionally `role` (`support`, the default, or
  `check`). Other columns are ignored. Rows of one architecture are replicates
  and are joined by their median.

  Args:
    path: the file.
    space: the search space of its architectures.
    min_support: the fewest distinct architectures with the role `support`.

  Returns:
    The measurements of distinct architectures.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: anything in the file is not as described, replicates differ
      beyond a factor of 3, or an architecture has both roles; the message
      starts with `path:line:`.
  """
  rows = _rows.read_rows(path, required=('latency_ms',), any_of=_IDENTITY)
  genotype = _rows.read_genotypes(rows, space)
  latency_ms = np.array([_read_latency(row) for row in rows])
  roles = [_read_role(row) for row in rows]

  groups: dict[bytes, list[int]] = {}
  for i, genes in enumerate(genotype):
    groups.setdefault(genes.tobytes(), []).append(i)
  for members in groups.values():
    _check_replicates(rows, latency_ms, roles, members)
  first = [members[0] for members in groups.values()]
  role = tuple(roles[i] for i in first)
  num_support = role.count('support')
  if num_support < min_support:
    raise rows[-1].error(
        f'{num_support} distinct support architecture(s) in the file; at '
        f'least {min_support} are needed'
    )
  values = [latency_ms[members] for members in groups.values()]
  return MeasurementFile(
      genotype=genotype[first],
      latency_ms=np.array([np.median(group) for group in values]),
      role=role,
      replicates=np.array([len(group) for group in values]),
      replicate_noise=_pooled_noise(values),
      lines=tuple(
          tuple(rows[i].line for i in members) for members in groups.values()
      ),
  )


def read_architectures(
    path: str | pathlib.Path, space: types.SearchSpace
) -> np.ndarray:
  """Reads the architectures named by a CSV file.

  Args:
    path: a file with the column `architecture` or `index`; other columns are
      ignored.
    space: the search space.

  Returns:
    `[N, G]` int32, distinct, in the order of first appearance.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: as `read_measurements`.
  """
  rows = _rows.read_rows(path, any_of=_IDENTITY)
  genotype = _rows.read_genotypes(rows, space)
  _, first = np.unique(genotype, axis=0, return_index=True)
  return genotype[np.sort(first)]


def _read_latency(row: _rows.Row) -> float:
  """Reads a positive, finite number of milliseconds."""
  cell = row.cells['latency_ms']
  try:
    # `float` would take an underscore for a separator of thousands.
    value = float(cell.replace('_', '?'))
  except ValueError:
    raise row.error(f'latency_ms {cell!r} is not a number') from None
  if not (math.isfinite(value) and value > 0):
    raise row.error(f'latency_ms {cell} is not positive and finite')
  return value


def _read_role(row: _rows.Row) -> str:
  """Reads the role; an absent one means support."""
  role = row.cells.get('role', '').lower() or 'support'
  if role not in ROLES:
    raise row.error(f'role {role!r} is neither {ROLES[0]!r} nor {ROLES[1]!r}')
  return role


def _check_replicates(
    rows: list[_rows.Row],
    latency_ms: np.ndarray,
    roles: list[str],
    members: list[int],
) -> None:
  """Refuses rows of one architecture that contradict each other."""
  lines = _rows.join_lines(rows[i].line for i in members)
  if len({roles[i] for i in members}) > 1:
    raise rows[members[-1]].error(
        f'one architecture has both roles ({lines}); what is judged on must '
        'not be adapted on'
    )
  low = min(members, key=lambda i: latency_ms[i])
  high = max(members, key=lambda i: latency_ms[i])
  if latency_ms[high] > _MAX_REPLICATE_RATIO * latency_ms[low]:
    raise rows[high].error(
        f'replicates of one architecture ({lines}) differ beyond a factor of '
        f'{_MAX_REPLICATE_RATIO:g}: {latency_ms[low]:g} ms at line '
        f'{rows[low].line}, {latency_ms[high]:g} ms at line {rows[high].line}'
    )


def _pooled_noise(values: list[np.ndarray]) -> float | None:
  """Pools the standard deviation of log latency within architectures."""
  freedom = sum(len(group) - 1 for group in values)
  if not freedom:
    return None
  squares = sum(
      np.sum((np.log(group) - np.log(group).mean()) ** 2) for group in values
  )
  return float(np.sqrt(squares / freedom))
