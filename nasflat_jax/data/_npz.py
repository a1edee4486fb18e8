"""Tables in `.npz` files: opened without unpickling, or a clear error."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import os
import zipfile

import numpy as np


@contextlib.contextmanager
def reading(
    path: str | os.PathLike[str], what: str
) -> Iterator[np.lib.npyio.NpzFile]:
  """Opens a file for a block that makes a table of its arrays.

  Args:
    path: the file.
    what: what it should be, with its article.

  Yields:
    The arrays by name.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: the file, or what the block makes of it, is not that.
  """
  try:
    with np.load(path, allow_pickle=False) as npz:
      yield npz
  except (
      AttributeError,
      EOFError,
      KeyError,
      TypeError,
      ValueError,  # pickled objects, a damaged header
      zipfile.BadZipFile,
  ) as error:
    raise ValueError(f'{path} is not {what}: {error}') from error


def names(npz: np.lib.npyio.NpzFile, field: str) -> tuple[str, ...]:
  """An array of names."""
  return tuple(str(name) for name in npz[field])


def logarithms(npz: np.lib.npyio.NpzFile) -> tuple[str, ...]:
  """Of a table, the columns that hold logarithms; older files name none."""
  return names(npz, 'logarithms') if 'logarithms' in npz else ()
