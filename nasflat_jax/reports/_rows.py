"""Reads CSV files into rows of named cells and rows into genotypes.

Every error is a `ValueError` that starts with `path:line:`, so that a person
can go to the place and mend it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import csv
import dataclasses
import io
import pathlib

import numpy as np

from nasflat_jax import spaces
from nasflat_jax import types

_OTHER_SEPARATORS = {';': 'semicolons', '\t': 'tabs'}


@dataclasses.dataclass(frozen=True)
class Row:
  """One line of a file: where it stands and what its columns hold."""

  path: pathlib.Path
  line: int
  cells: dict[str, str]

  def error(self, message: str) -> ValueError:
    """Returns an error that names the row's place."""
    return ValueError(f'{self.path}:{self.line}: {message}')


def read_rows(
    path: str | pathlib.Path,
    *,
    required: Sequence[str] = (),
    any_of: Sequence[str] = (),
) -> list[Row]:
  """Reads a comma-separated file with a header line.

  A byte order mark, any line ends, blank lines and spaces around cells are
  accepted. Column names are compared without regard to case.

  Args:
    path: the file.
    required: columns that must be there.
    any_of: columns of which one must be there.

  Returns:
    The rows below the header, in the file's order.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: the file is empty, is no UTF-8 text, repeats a column, lacks
      one, or has a row of another length than its header.
  """
  path = pathlib.Path(path)
  text = _read_text(path)
  records = _read_records(path, text)
  if not records:
    raise ValueError(f'{path}:1: the file is empty')
  line, header = records[0]
  header = [name.lower() for name in header]
  _check_header(path, line, header, required, any_of)
  rows = []
  for line, cells in records[1:]:
    if len(cells) != len(header):
      raise ValueError(
          f'{path}:{line}: {len(cells)} cells where the header has '
          f'{len(header)} (cells are separated by commas, decimals by a point)'
      )
    rows.append(Row(path, line, dict(zip(header, cells, strict=True))))
  if not rows:
    raise ValueError(f'{path}:{line}: no rows below the header')
  return rows


def read_genotypes(
    rows: Sequence[Row], space: types.SearchSpace
) -> np.ndarray:
  """Reads the columns `architecture` and `index`; either may be absent.

  Members whose output does not depend on their input (`is_valid`) are taken
  too: the published tables hold their latencies.

  Args:
    rows: rows of `read_rows`.
    space: the space they are members of.

  Returns:
    `[N, G]` int32, one genotype for each row.

  Raises:
    ValueError: a row names no member of the space, or names two.
  """
  known: dict[tuple[str, str], np.ndarray] = {}
  genotypes = []
  for row in rows:
    name = row.cells.get('architecture', '')
    number = row.cells.get('index', '')
    if (name, number) not in known:
      known[name, number] = _read_genotype(row, space, name, number)
    genotypes.append(known[name, number])
  return np.stack(genotypes).astype(np.int32)


def _read_text(path: pathlib.Path) -> str:
  """Decodes a file, naming the line of the first byte that is not UTF-8."""
  content = path.read_bytes()
  try:
    return content.decode('utf-8-sig')
  except UnicodeDecodeError as error:
    line = content.count(b'\n', 0, error.start) + 1
    raise ValueError(
        f'{path}:{line}: not UTF-8 text (byte 0x{content[error.start]:02x}); '
        'save the file as CSV UTF-8'
    ) from None


def _read_records(
    path: pathlib.Path, text: str
) -> list[tuple[int, list[str]]]:
  """Splits text into numbered lists of cells, leaving blank lines out."""
  reader = csv.reader(
      io.StringIO(text, newline=''), skipinitialspace=True, strict=True
  )
  records = []
  line = 1
  try:
    for cells in reader:
      cells = [cell.strip() for cell in cells]
      if any(cells):
        records.append((line, cells))
      line = reader.line_num + 1
  except csv.Error as error:
    raise ValueError(f'{path}:{line}: not readable as CSV: {error}') from None
  return records


def _check_header(
    path: pathlib.Path,
    line: int,
    header: Sequence[str],
    required: Sequence[str],
    any_of: Sequence[str],
) -> None:
  """Checks that the columns wanted are there, once."""
  found = ', '.join(repr(name) for name in header)
  for name in header:
    if name and header.count(name) > 1:
      raise ValueError(f'{path}:{line}: column {name!r} appears twice')
  missing = [repr(name) for name in required if name not in header]
  if any_of and not set(any_of) & set(header):
    missing.append(' or '.join(repr(name) for name in any_of))
  if not missing:
    return
  if len(header) == 1:
    for separator, plural in _OTHER_SEPARATORS.items():
      if separator in header[0]:
        raise ValueError(
            f'{path}:{line}: cells are separated by {plural}; save the file '
            'with commas (and a point for decimals)'
        )
  raise ValueError(
      f'{path}:{line}: no column {", ".join(missing)}; found {found}'
  )


def _read_genotype(
    row: Row, space: types.SearchSpace, name: str, number: str
) -> np.ndarray:
  """Reads one row's member of the space."""
  if not name and not number:
    raise row.error("neither 'architecture' nor 'index' is given")
  if not name:
    return _from_number(row, space, number)
  genotype = _from_name(row, space, name)
  if number and not np.array_equal(genotype, _from_number(row, space, number)):
    (expected,) = spaces.index_of(space, genotype[None])
    raise row.error(
        f'architecture and index disagree: {name!r} has index {expected}, '
        f'the row says {number}'
    )
  return genotype


def _from_name(row: Row, space: types.SearchSpace, name: str) -> np.ndarray:
  """Reads a canonical string."""
  try:
    return np.asarray(space.from_string([name]))[0]
  except ValueError:
    (example,) = space.to_string(spaces.genotype_of(space, [0]))
    raise row.error(
        f'{name!r} is not an architecture of {space.spec.name}; one looks '
        f'like {example!r}'
    ) from None


def _from_number(row: Row, space: types.SearchSpace, number: str) -> np.ndarray:
  """Reads an exact index; no float, which could not hold FBNet's."""
  size = spaces.num_indices(space)
  digits = number.removeprefix('-')
  if not (digits.isascii() and digits.isdigit()):
    raise row.error(f'index {number!r} is not a whole number')
  # The length is compared first: Python refuses to read very long numbers.
  too_long = len(digits.lstrip('0')) > len(str(size))
  if number.startswith('-') or too_long or int(digits) >= size:
    raise row.error(
        f'index {number} is out of range; {space.spec.name} has indices 0 to '
        f'{size - 1}'
    )
  return np.asarray(spaces.genotype_of(space, [int(digits)]))[0]


def join_lines(lines: Iterable[int]) -> str:
  """Returns `line 3` or `lines 3, 5 and 9`."""
  *most, last = (str(line) for line in lines)
  return f'lines {", ".join(most)} and {last}' if most else f'line {last}'
