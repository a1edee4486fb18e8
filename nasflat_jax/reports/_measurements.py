"""Reads measured latencies and lists of architectures from CSV files."""

from __future__ import annotations

import dataclasses
import math
import pathlib
import re

import numpy as np

from nasflat_jax import types
from nasflat_jax.reports import _rows

ROLES = ('support', 'check')
_IDENTITY = ('architecture', 'index')
# Two timings of one network on an idle device agree within some ten percent;
# beyond this factor one of them is not a measurement of that network.
_MAX_REPLICATE_RATIO = 3.0
# A nanosecond and eleven days: beyond them the unit is not milliseconds.
_MIN_MS, _MAX_MS = 1e-6, 1e9


@dataclasses.dataclass(frozen=True)
class MeasurementFile:
  """Latencies of distinct architectures on one device.

  Attributes:
    genotype: `[N, G]` int32, distinct, in the order of first appearance.
    latency_ms: `[N]` float64 milliseconds, the median of the replicates.
    role: `[N]` `support` (adapt on) or `check` (judge on).
    iqr_ms: `[N]` float64, the spread given; NaN where none is, or where rows
      were joined.
    repeats: `[N]` int64, timings behind each latency: a row without a count is
      one.
    replicate_noise: standard deviation of the logarithm of one row, pooled
      over the architectures that have several (0.05 is about 5 %); None where
      none has.
    lines: `[N]` line numbers of each architecture's rows, from 1.
  """

  genotype: np.ndarray  # [N, G]
  latency_ms: np.ndarray  # [N]
  role: tuple[str, ...]  # [N]
  iqr_ms: np.ndarray  # [N]
  repeats: np.ndarray  # [N]
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
  `check`), `iqr_ms` and `repeats`, see `write_measurements`; their cells may be
  empty. Other columns are ignored. Rows of one architecture are replicates and
  are joined by their median.

  Args:
    path: the file.
    space: the search space of its architectures.
    min_support: the fewest distinct architectures with the role `support`.

  Returns:
    The measurements of distinct architectures.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: anything in the file is not as described, a latency is not
      between 1e-6 and 1e9 ms, replicates differ beyond a factor of 3, or an
      architecture has both roles; the message starts with `path:line:`.
  """
  rows = _rows.read_rows(path, required=('latency_ms',), any_of=_IDENTITY)
  genotype = _rows.read_genotypes(rows, space)
  latency_ms = np.array([_read_latency(row) for row in rows])
  roles = [_read_role(row) for row in rows]
  iqr_ms = np.array([_read_iqr(row) for row in rows])
  repeats = np.array([_read_repeats(row) for row in rows], np.int64)

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
      iqr_ms=np.array([
          iqr_ms[members[0]] if len(members) == 1 else math.nan
          for members in groups.values()
      ]),
      repeats=np.array([repeats[members].sum() for members in groups.values()]),
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


def read_values(
    path: str | pathlib.Path, space: types.SearchSpace, column: str
) -> tuple[np.ndarray, np.ndarray]:
  """Reads one property of distinct architectures, e.g. their accuracy.

  Args:
    path: a file with the column `architecture` or `index`, and that of the
      property; other columns are ignored.
    space: the search space.
    column: the property's name.

  Returns:
    `[N, G]` int32 genotypes and their values `[N]` float64.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: anything in the file is not as described, a value is not finite,
      or an architecture comes twice.
  """
  rows = _rows.read_rows(path, required=(column,), any_of=_IDENTITY)
  genotype = _rows.read_genotypes(rows, space)
  values = np.array([_read_number(row, column) for row in rows], np.float64)
  lines: dict[bytes, int] = {}
  for row, genes, value in zip(rows, genotype, values):
    if not math.isfinite(value):
      raise row.error(f'{column} {row.cells[column]} is not finite')
    first = lines.setdefault(genes.tobytes(), row.line)
    if first != row.line:
      raise row.error(f'the architecture of line {first} again')
  return genotype, values


def _read_latency(row: _rows.Row) -> float:
  """Reads milliseconds within the bounds."""
  value = _read_number(row, 'latency_ms')
  if not _MIN_MS <= value <= _MAX_MS:
    raise row.error(
        f'latency_ms {row.cells["latency_ms"]} is not between 1e-6 and 1e9 ms'
    )
  return value


def _read_iqr(row: _rows.Row) -> float:
  """Reads the spread; NaN where there is none."""
  if not row.cells.get('iqr_ms'):
    return math.nan
  value = _read_number(row, 'iqr_ms')
  if not 0 <= value <= _MAX_MS:
    raise row.error(f'iqr_ms {row.cells["iqr_ms"]} is not between 0 and 1e9 ms')
  return value


def _read_repeats(row: _rows.Row) -> int:
  """Reads the count of timings; a row without one is one timing."""
  cell = row.cells.get('repeats') or '1'
  # Nine digits: more are no count, and their sum might not fit 64 bits.
  if not re.fullmatch('[0-9]{1,9}', cell) or int(cell) < 1:
    raise row.error(f'repeats {cell!r} is not a whole number above 0')
  return int(cell)


def _read_number(row: _rows.Row, column: str) -> float:
  """Reads a number, NaN and infinities included."""
  cell = row.cells[column]
  try:
    # `float` would take an underscore for a separator of thousands.
    return float(cell.replace('_', '?'))
  except ValueError:
    raise row.error(f'{column} {cell!r} is not a number') from None


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
