"""Reader of a pickled pandas table that runs no code of pandas or NumPy.

The same rule as `_unpickle`: every global that such a file names is replaced
by a constructor of our own that can build columns of numbers or strings and
nothing else; any other global is refused.
"""

from __future__ import annotations

import io
import math
import pickle
from typing import Any

import numpy as np

from nasflat_jax.data import _unpickle

_NUMBERS = {'f8': '<f8', 'i8': '<i8'}


class _Dtype:
  """Stands for a dtype: `f8`, `i8`, or `O8`, here strings."""

  def __init__(self, code: Any, *unused_flags: Any) -> None:
    if code not in (*_NUMBERS, 'O8'):
      raise pickle.UnpicklingError(f'unexpected dtype {code!r}')
    self.code = code

  def __setstate__(self, state: Any) -> None:
    if state[1] not in ('<', '|'):
      raise pickle.UnpicklingError(f'unexpected state of a dtype: {state!r}')


class _Array:
  """An array, filled by its state. `numpy.ndarray` itself is this class."""

  def __init__(self) -> None:
    self.values: np.ndarray | list[str] = []
    self.shape: tuple[int, ...] = ()

  def __setstate__(self, state: Any) -> None:
    _, self.shape, kind, is_fortran, values = state
    if kind.code != 'O8' or is_fortran or not isinstance(values, list):
      raise pickle.UnpicklingError('expected an array of strings')
    if not all(isinstance(value, str) for value in values):
      raise pickle.UnpicklingError('an array holds more than strings')
    if math.prod(self.shape) != len(values):
      raise pickle.UnpicklingError('an array has another size than its shape')
    self.values = values


class _Frame:
  """Stands for a frame and its block manager: keeps the state."""

  def __init__(self) -> None:
    self.state: Any = None

  def __setstate__(self, state: Any) -> None:
    self.state = state


class _Index:
  """Marker of an index class."""


def _reconstruct(unused_kind: Any, *unused_rest: Any) -> _Array:
  return _Array()


def _from_buffer(buffer: Any, kind: Any, shape: Any, order: Any) -> _Array:
  if kind.code not in _NUMBERS or order != 'C':
    raise pickle.UnpicklingError('unexpected layout of numbers')
  array = _Array()
  array.shape = tuple(shape)
  array.values = np.frombuffer(buffer, _NUMBERS[kind.code]).reshape(shape)
  return array


def _new_index(unused_kind: Any, fields: Any) -> Any:
  """The labels of an index; None for a plain range."""
  return fields['data'].values if fields.get('data') is not None else None


_GLOBALS: dict[tuple[str, str], Any] = {
    ('builtins', 'slice'): slice,
    ('numpy', 'dtype'): _Dtype,
    ('numpy', 'ndarray'): _Array,
    ('numpy.core.multiarray', '_reconstruct'): _reconstruct,
    ('numpy.core.numeric', '_frombuffer'): _from_buffer,
    ('pandas.core.frame', 'DataFrame'): _Frame,
    ('pandas.core.internals.managers', 'BlockManager'): _Frame,
    ('pandas.core.indexes.base', '_new_Index'): _new_index,
    ('pandas.core.indexes.base', 'Index'): _Index,
    ('pandas.core.indexes.range', 'RangeIndex'): _Index,
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


def loads_frame(data: bytes, name: str) -> dict[str, np.ndarray | list[str]]:
  """Columns of a pickled `pandas.DataFrame` of numbers and strings.

  Args:
    data: the pickle, protocol 4 or 5.
    name: what to call it in messages.

  Raises:
    ValueError: it is no such table, asks for anything else, or is damaged.
  """
  try:
    manager = _Unpickler(io.BytesIO(data)).load().state['_data']
    labels = list(manager.state[0][0])
    columns: dict[str, np.ndarray | list[str]] = {}
    for block in manager.state[3]['0.14.1']['blocks']:
      places = block['mgr_locs']
      rows, width = block['values'].shape
      values = block['values'].values
      for row, place in enumerate(
          range(places.start, places.stop, places.step)
      ):
        columns[labels[place]] = (
            values[row] if isinstance(values, np.ndarray)
            else values[row * width : (row + 1) * width]
        )
      if len(range(places.start, places.stop, places.step)) != rows:
        raise ValueError('a block has another number of columns than labels')
  except _unpickle.REFUSED as error:
    raise ValueError(f'refused the pickle {name}: {error}') from error
  return columns
