"""Readers of upstream's pickles that run no upstream code.

The files are plain containers of numbers and strings, some with NumPy scalars.
The unpickler knows three globals, replaces each by a constructor of its own
and refuses every other, so a file can build numbers and nothing else. No
torch: a `.pt` file of a plain container is a zip with one pickle.
"""

from __future__ import annotations

import io
import pickle
import struct
from typing import Any
import zipfile

# Only 8-byte scalars occur upstream.
_FORMATS = {'f8': 'd', 'i8': 'q'}


# What reading a pickle that is damaged, or asks for more, may raise.
REFUSED = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
)


class _ScalarType:
  """What `numpy.dtype` builds here: the format of one scalar."""

  __slots__ = ('code', 'order')

  def __init__(self, code: str):
    self.code = code
    self.order = '<'

  def __setstate__(self, state: Any) -> None:
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
    if order not in ('<', '>'):
      raise pickle.UnpicklingError(f'unexpected state of a dtype: {state!r}')
    self.order = order


class _NumpyDtype:
  """Stands for `numpy.dtype`. No attributes, so a pickle cannot alter it."""

  __slots__ = ()

  def __call__(self, code: Any, *unused_flags: Any) -> _ScalarType:
    if code not in _FORMATS:
      raise pickle.UnpicklingError(f'unexpected dtype {code!r}')
    return _ScalarType(code)


class _NumpyScalar:
  """Stands for `numpy.core.multiarray.scalar`; makes a Python number."""

  __slots__ = ()

  def __call__(self, kind: Any, data: Any) -> float | int:
    if not isinstance(kind, _ScalarType) or not isinstance(data, bytes):
      raise pickle.UnpicklingError('unexpected arguments of a NumPy scalar')
    if len(data) != 8:
      raise pickle.UnpicklingError(f'a scalar of {len(data)} bytes, want 8')
    return struct.unpack(kind.order + _FORMATS[kind.code], data)[0]


class _CodecsEncode:
  """Stands for `_codecs.encode`: protocol 2 spells bytes as Latin-1 text."""

  __slots__ = ()

  def __call__(self, text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != 'latin1':
      raise pickle.UnpicklingError('unexpected arguments of _codecs.encode')
    return text.encode('latin1')


_GLOBALS = {
    ('numpy', 'dtype'): _NumpyDtype(),
    ('numpy.core.multiarray', 'scalar'): _NumpyScalar(),
    ('numpy._core.multiarray', 'scalar'): _NumpyScalar(),
    ('_codecs', 'encode'): _CodecsEncode(),
}


class _Unpickler(pickle.Unpickler):
  """Finds the named globals and nothing else."""

  def find_class(self, module: str, name: str) -> Any:
    try:
      return _GLOBALS[module, name]
    except KeyError:
      raise pickle.UnpicklingError(
          f'it asks for the global {module}.{name}'
      ) from None


def loads(data: bytes, name: str) -> Any:
  """Numbers, strings and containers of a pickle.

  Args:
    data: the pickle.
    name: what to call it in messages.

  Raises:
    ValueError: if the pickle asks for anything else, or is damaged.

  Example:
    >>> loads(pickle.dumps({(0, 1): [2.5]}), 'example')
    {(0, 1): [2.5]}
  """
  try:
    return _Unpickler(io.BytesIO(data)).load()
  except REFUSED as error:
    raise ValueError(f'refused the pickle {name}: {error}') from error


def loads_torch(data: bytes, name: str) -> Any:
  """The same for a `.pt` file that holds no tensors.

  Raises:
    ValueError: if it is no such zip, or holds storages, or as `loads`.
  """
  try:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
      members = archive.namelist()
      pickles = [m for m in members if m.endswith('/data.pkl')]
      storages = [m for m in members if '/data/' in m]
      if len(pickles) != 1 or storages:
        raise ValueError(
            f'{name} is not a .pt file of plain containers: it holds {members}'
        )
      return loads(archive.read(pickles[0]), name)
  except (zipfile.BadZipFile, RuntimeError) as error:
    raise ValueError(f'{name} is not a .pt file: {error}') from error
