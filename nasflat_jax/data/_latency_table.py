"""Latencies of the architectures of one space on several devices."""

from __future__ import annotations

from collections.abc import Iterable
import dataclasses
import functools
import hashlib
import os
import pathlib

import numpy as np

from nasflat_jax.data import _atomic
from nasflat_jax.data import _npz
from nasflat_jax.data._accuracy_table import AccuracyTable
from nasflat_jax.data._zero_cost import ZeroCostTable
from nasflat_jax.types import Device

_NO_BATCH_SIZE = -1  # stands for None in the npz
_DEVICE_STRINGS = (
    'name',
    'family',
    'processor',
    'precision',
    'unit',
    'metric',
)


@dataclasses.dataclass(frozen=True, eq=False)
class LatencyTable:
  """Measured values of `N` architectures on `D` devices. Host only.

  Rows of `values` are devices, columns are architectures. The arrays are
  read-only; `eq` is identity (compare `fingerprint`s instead).

  Attributes:
    space: the space's name, e.g. `nasbench201`.
    source: where the table comes from, e.g. `help_nasbench201`.
    devices: `D` devices, with distinct names and the unit of each row.
    genotype: `[N, G]` int32, distinct rows in the convention of the space.
    values: `[D, N]` float64 in `Device.unit`; NaN = unmeasured.
    official_index: `[N]` int32 index in the space's published table, or None
      where upstream gives none.
    reference_index: `[R]` int32 rows of the reference architectures that
      upstream fixed (HELP's ten), or None.

  Raises:
    ValueError: where shapes, names or values do not fit.

  Example:
    >>> table = LatencyTable(
    ...   space='toy',
    ...   source='example',
    ...   devices=(Device(name='a', family='cpu', processor='A'),),
    ...   genotype=np.array([[0], [1]]),
    ...   values=np.array([[1.5, np.nan]]),
    ... )
    >>> table.row('a')
    array([1.5, nan])
  """

  space: str
  source: str
  devices: tuple[Device, ...]
  genotype: np.ndarray  # [N, G]
  values: np.ndarray  # [D, N]
  official_index: np.ndarray | None = None  # [N]
  reference_index: np.ndarray | None = None  # [R]

  def __post_init__(self) -> None:
    put = functools.partial(object.__setattr__, self)
    put('devices', tuple(self.devices))
    put('genotype', _integers(self.genotype, f'{self.source}: genotype'))
    put('values', _frozen(np.asarray(self.values, np.float64)))
    for field in ('official_index', 'reference_index'):
      value = getattr(self, field)
      if value is not None:
        put(field, _integers(value, f'{self.source}: {field}'))
    self._check()

  def _check(self) -> None:
    if self.genotype.ndim != 2:
      raise ValueError(
          f'{self.source}: genotype must be [N, G], got {self.genotype.shape}'
      )
    wanted = (len(self.devices), self.genotype.shape[0])
    if self.values.shape != wanted:
      raise ValueError(
          f'{self.source}: values must be [D, N] = {wanted}, '
          f'got {self.values.shape}'
      )
    names = self.device_names
    if len(set(names)) != len(names):
      twice = sorted({name for name in names if names.count(name) > 1})
      raise ValueError(f'{self.source}: device named twice: {twice}')
    if self.genotype.shape[0] != len(np.unique(self.genotype, axis=0)):
      raise ValueError(f'{self.source}: an architecture occurs twice')
    bad = np.isinf(self.values) | (self.values < 0)
    if bad.any():
      device, row = (int(i) for i in np.argwhere(bad)[0])
      raise ValueError(
          f'{self.source}: device {names[device]!r}, row {row}: '
          f'{self.values[device, row]} is not a measurement; '
          'mark unmeasured values with NaN'
      )
    official = self.official_index
    if official is not None and official.shape != wanted[1:]:
      raise ValueError(
          f'{self.source}: official_index must be [N] = {wanted[1:]}, '
          f'got {official.shape}'
      )
    reference = self.reference_index
    if reference is not None and (
        reference.ndim != 1
        or (reference < 0).any()
        or (reference >= wanted[1]).any()
    ):
      raise ValueError(
          f'{self.source}: reference_index must be [R] rows below {wanted[1]}'
      )

  @property
  def device_names(self) -> tuple[str, ...]:
    """Names of the `D` devices, in row order."""
    return tuple(device.name for device in self.devices)

  @property
  def num_architectures(self) -> int:
    """N."""
    return self.genotype.shape[0]

  def device(self, name: str) -> Device:
    """The device of that name; `ValueError` if the table lacks it."""
    return self.devices[self._position(name)]

  def row(self, name: str) -> np.ndarray:
    """Values `[N]` of one device; `ValueError` if the table lacks it."""
    return self.values[self._position(name)]

  def select(self, names: Iterable[str]) -> LatencyTable:
    """The same table with these devices only, in this order."""
    rows = [self._position(name) for name in names]
    return dataclasses.replace(
        self,
        devices=tuple(self.devices[i] for i in rows),
        values=self.values[rows],
    )

  def save(self, path: str | os.PathLike[str]) -> None:
    """Writes a `.npz` without pickled objects, atomically.

    The bytes depend on the contents only, so equal tables give equal files.
    """
    batch_sizes = [
        _NO_BATCH_SIZE if d.batch_size is None else d.batch_size
        for d in self.devices
    ]
    arrays = {
        'space': np.array(self.space),
        'source': np.array(self.source),
        'genotype': self.genotype,
        'values': self.values,
        'device_batch_size': np.array(batch_sizes, np.int32),
    }
    for field in _DEVICE_STRINGS:
      strings = [getattr(d, field) for d in self.devices]
      arrays[f'device_{field}'] = np.array(strings, np.str_)
    for field in ('official_index', 'reference_index'):
      if getattr(self, field) is not None:
        arrays[field] = getattr(self, field)
    with _atomic.replacing(pathlib.Path(path)) as file:
      np.savez(file, allow_pickle=False, **arrays)

  @classmethod
  def load(cls, path: str | os.PathLike[str]) -> LatencyTable:
    """Reads what `save` wrote; never unpickles.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the file is not a latency table.
    """
    with _npz.reading(path, 'a latency table') as npz:
      arrays = {name: npz[name] for name in npz.files}
    try:
      strings = [arrays[f'device_{field}'] for field in _DEVICE_STRINGS]
      batch_sizes = arrays['device_batch_size']
      devices = []
      for i, batch_size in enumerate(batch_sizes.tolist()):
        fields = {
            f: str(s[i]) for f, s in zip(_DEVICE_STRINGS, strings, strict=True)
        }
        size = None if batch_size == _NO_BATCH_SIZE else batch_size
        devices.append(Device(**fields, batch_size=size))
      return cls(
          space=str(arrays['space']),
          source=str(arrays['source']),
          devices=tuple(devices),
          genotype=arrays['genotype'],
          values=arrays['values'],
          official_index=arrays.get('official_index'),
          reference_index=arrays.get('reference_index'),
      )
    except (KeyError, IndexError) as error:
      raise ValueError(f'{path} is not a latency table: {error}') from error

  def _position(self, name: str) -> int:
    try:
      return self.device_names.index(name)
    except ValueError:
      raise ValueError(
          f'{self.source} has no device {name!r}; '
          f'it has {", ".join(self.device_names)}'
      ) from None


def fingerprint(table: LatencyTable | ZeroCostTable | AccuracyTable) -> str:
  """SHA-256 (hex) of the genotypes and values, for the provenance of results.

  Names and metadata do not count; every NaN counts as the same NaN.
  """
  values = table.values + 0.0  # a copy, and -0.0 becomes 0.0
  values[np.isnan(values)] = np.nan
  digest = hashlib.sha256()
  for array in (table.genotype.astype('<i4'), values.astype('<f8')):
    digest.update(repr(array.shape).encode())
    digest.update(np.ascontiguousarray(array).tobytes())
  return digest.hexdigest()


def _frozen(array: np.ndarray) -> np.ndarray:
  """A read-only view, or a copy if the caller could still write to it."""
  if array.flags.writeable:
    array = array.copy()
  array.flags.writeable = False
  return array


def _integers(array: np.ndarray, name: str) -> np.ndarray:
  """Read-only int32; `ValueError` where a number would change."""
  array = np.asarray(array)
  result = array.astype(np.int32)
  if not np.array_equal(result, array):
    raise ValueError(f'{name} must hold integers of 32 bits')
  return _frozen(result)
