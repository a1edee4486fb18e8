"""Finds a table: the data folder first, then a mirror, else a clear error."""

from __future__ import annotations

import functools
import os
import pathlib
from typing import TypeVar

import numpy as np

from nasflat_jax import spaces
from nasflat_jax.data import _convert
from nasflat_jax.data import _manifest
from nasflat_jax.data._accuracy_table import AccuracyTable
from nasflat_jax.data._latency_table import LatencyTable
from nasflat_jax.data._zero_cost import ZeroCostTable

_Table = TypeVar('_Table', LatencyTable, ZeroCostTable, AccuracyTable)

DATA_VARIABLE = 'NASFLAT_DATA'
MIRROR_VARIABLE = 'NASFLAT_MIRROR'
ZERO_COST_VARIABLE = 'NASFLAT_ZERO_COST'
DOWNLOADS = 'upstream'  # sub-folder of the data folder, laid out as a mirror

# Tables that a space's study joins; the first gives the order of rows.
_STUDY = {
    'nasbench201': ('help_nasbench201', 'eagle_nasbench201'),
    'fbnet': ('help_fbnet',),
    'ofa': ('help_ofa',),
}
_ZERO_COST = {
    'nasbench201': 'zccombine_nasbench201',
    'fbnet': 'nasflat_fbnet',
}
# The first of a space is the one that its name stands for.
_ACCURACY = {
    'nasgraph_nasbench201': 'nasbench201',
    'metad2a_nasbench201': 'nasbench201',
    'minibench_nasbench201': 'nasbench201',
    'suitezero_nasbench201': 'nasbench201',
    'zccombinetasks_nasbench201': 'nasbench201',
    'naslib725_nasbench201': 'nasbench201',
    'naslib_nasbench201': 'nasbench201',
    'naslib_nasbench101': 'nasbench101',
    'suitezero_nasbench101': 'nasbench101',
    'naslib_darts': 'darts',
    'suitezero_darts': 'darts',
    'suitezero_transnas_macro': 'transnas_macro',
    'nasgraph_transnas_macro': 'transnas_macro',
    'suitezero_transnas_micro': 'transnas_micro',
    'nasgraph_transnas_micro': 'transnas_micro',
    'zccombine_transnas_micro': 'transnas_micro',
    'nasbenchmacro_nasbench_macro': 'nasbench_macro',
}


def data_dir() -> pathlib.Path:
  """The data folder: `$NASFLAT_DATA`, else the user's cache folder."""
  if os.environ.get(DATA_VARIABLE):
    return pathlib.Path(os.environ[DATA_VARIABLE]).expanduser()
  return cache_dir()


def cache_dir() -> pathlib.Path:
  """The package's folder in the user's cache: what can be made again."""
  cache = os.environ.get('XDG_CACHE_HOME', '')
  # The XDG specification has relative paths ignored.
  base = pathlib.Path(cache) if os.path.isabs(cache) else None
  return (base or pathlib.Path.home() / '.cache') / 'nasflat_jax'


def table_path(name: str, folder: pathlib.Path) -> pathlib.Path:
  """Where the data folder keeps a table."""
  return folder / f'{name}.npz'


def load(name_or_path: str | os.PathLike[str]) -> LatencyTable:
  """A table by its name, or from a file of one's own.

  A name is looked up in the data folder (`$NASFLAT_DATA`, else the user's
  cache folder), then converted in memory from `$NASFLAT_MIRROR` if that is
  set. Anything that ends in `.npz` is a path.

  Args:
    name_or_path: a table's name, e.g. `help_nasbench201` (see `sources`), or
      the path of an `.npz` written by `LatencyTable.save`.

  Raises:
    ValueError: if the name is unknown, the file is no latency table, or it
      was made by an older version whose genotypes were others.
    FileNotFoundError: if there is no data; names the command that gets it.
  """
  name = os.fspath(name_or_path)
  if name.endswith('.npz'):
    return LatencyTable.load(name)
  others = {*_ZERO_COST.values(), *_ACCURACY}
  known = [n for n in _manifest.sources() if n not in others]
  if name not in known:
    raise ValueError(
        f'unknown table {name!r}; known: {", ".join(known)}, '
        'or the path of an .npz file'
    )
  return _find(name, LatencyTable)


def load_zero_cost(space_or_path: str | os.PathLike[str]) -> ZeroCostTable:
  """The zero-cost proxies of a space, or from a file of one's own.

  Anything that ends in `.npz` is a file, of `nasflat-zerocost` or
  `ZeroCostTable.save`. For a space, `$NASFLAT_ZERO_COST` comes first if it
  names such a file of that space; else the published table is found as `load`
  finds latencies:
  `nasbench201`: CIFAR-10, the 9,445 cells without unreachable operations.
  `fbnet`: CIFAR-100, the 5,000 networks of HELP.

  Args:
    space_or_path: `nasbench201`, `fbnet`, or the path of an `.npz`.

  Raises:
    ValueError: if there is no table of that space, or the file is no table of
      proxies.
    FileNotFoundError: if there is no data; names the command that gets it.
  """
  space = os.fspath(space_or_path)
  if space.endswith('.npz'):
    return ZeroCostTable.load(space)
  own = own_zero_cost()
  if own is not None and own.space == space:
    return own
  if space not in _ZERO_COST:
    raise ValueError(
        f'no zero-cost proxies for the space {space!r}; '
        f'known: {", ".join(_ZERO_COST)}'
    )
  return _find(_ZERO_COST[space], ZeroCostTable)


def load_accuracy(name_or_path: str | os.PathLike[str]) -> AccuracyTable:
  """Accuracies of a space, of one table, or from a file of one's own.

  `nasbench201` or `nasgraph_nasbench201`: all 15,625 cells after 200 epochs on
  `cifar10`, `cifar100` and `ImageNet16-120`; metrics `train`, `validation` and
  `test`, percent, mean over the seeds, in official order.
  `metad2a_nasbench201`: HELP's 500 candidates for `cifar100`, by falling
  `metad2a_score`, with their `test` accuracy.

  Args:
    name_or_path: a space, a table, or the path of an `.npz` that
      `AccuracyTable.save` wrote.

  Raises:
    ValueError: the name is unknown, or the file is no table of accuracies.
    FileNotFoundError: there is no data; names the command that gets it.
  """
  name = os.fspath(name_or_path)
  if name.endswith('.npz'):
    return AccuracyTable.load(name)
  if name in _ACCURACY:
    return _find(name, AccuracyTable)
  for table, space in _ACCURACY.items():
    if name == space:
      return _find(table, AccuracyTable)
  known = [*dict.fromkeys(_ACCURACY.values()), *_ACCURACY]
  raise ValueError(
      f'no accuracies of {name!r}; known: {", ".join(known)}, or the path of '
      'an .npz file'
  )


def own_zero_cost() -> ZeroCostTable | None:
  """The table that `$NASFLAT_ZERO_COST` names, if it is set.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: it is no table of zero-cost proxies.
  """
  path = os.environ.get(ZERO_COST_VARIABLE)
  if not path:
    return None
  try:
    return ZeroCostTable.load(pathlib.Path(path).expanduser())
  except FileNotFoundError:
    raise FileNotFoundError(
        f'${ZERO_COST_VARIABLE}: there is no file {path}'
    ) from None


def _find(name: str, kind: type[_Table]) -> _Table:
  """A table from the data folder, else converted from the mirror."""
  path = table_path(name, data_dir())
  if path.is_file():
    table = kind.load(path)
    _check_genes(table, path, name)
    return table
  mirror = os.environ.get(MIRROR_VARIABLE)
  if mirror:
    converted = _converted(name, mirror)
    if not isinstance(converted, kind):
      raise TypeError(f'{name} converts to a {type(converted).__name__}')
    return converted
  group = _manifest.sources()[name].group
  raise FileNotFoundError(
      f'no table {path}: run nasflat-data '
      f'--source={group if group == "accuracy" else name}, or set '
      f'${DATA_VARIABLE} to a folder that has it'
  )


def load_latency(space: str) -> LatencyTable:
  """The table of a space's study, all devices joined, milliseconds.

  `nasbench201`: the 40 devices of NASFLAT (27 of HELP, 13 of Eagle), sorted
  by name as in NASFLAT, all 15,625 architectures in official order.
  `fbnet`: HELP's 27 devices, 5,000 architectures. `ofa`: HELP's 12 devices,
  5,000 architectures.

  Args:
    space: `nasbench201`, `fbnet` or `ofa`.

  Raises:
    ValueError: if there is no study of that space.
    FileNotFoundError: if there is no data; names the command that gets it.
  """
  if space not in _STUDY:
    raise ValueError(
        f'no latency table for the space {space!r}; known: {", ".join(_STUDY)}'
    )
  first, *others = (load(name) for name in _STUDY[space])
  for other in others:
    first = join(first, other)
  return first.select(sorted(first.device_names))


def join(first: LatencyTable, second: LatencyTable) -> LatencyTable:
  """Adds the devices of `second` to the architectures of `first`.

  Architectures are matched by genotype. Those that `second` lacks become NaN;
  those that `first` lacks are left out.

  Raises:
    ValueError: if the spaces differ or a device is in both.
  """
  if first.space != second.space:
    raise ValueError(f'cannot join tables of {first.space} and {second.space}')
  column = {row.tobytes(): i for i, row in enumerate(second.genotype)}
  index = np.array(
      [column.get(row.tobytes(), -1) for row in first.genotype], np.int64
  )
  values = np.full((len(second.devices), index.size), np.nan)
  values[:, index >= 0] = second.values[:, index[index >= 0]]
  return LatencyTable(
      space=first.space,
      source=f'{first.source}+{second.source}',
      devices=first.devices + second.devices,
      genotype=first.genotype,
      values=np.concatenate([first.values, values]),
      official_index=first.official_index,
      reference_index=first.reference_index,
  )


def _check_genes(
    table: LatencyTable | ZeroCostTable | AccuracyTable,
    path: pathlib.Path,
    name: str,
) -> None:
  """An older converter wrote another genotype; using it would be nonsense."""
  wanted = spaces.get(table.space).spec.num_genes
  if table.genotype.shape[1] != wanted:
    raise ValueError(
        f'{path}: its genotypes have {table.genotype.shape[1]} genes, not '
        f'{wanted}, as older versions wrote them; run nasflat-data '
        f'--source={name} to remake it'
    )


@functools.cache
def _converted(
    name: str, mirror: str
) -> LatencyTable | ZeroCostTable | AccuracyTable:
  """Converts in memory, once per process."""
  folder = _manifest.check_mirror(pathlib.Path(mirror).expanduser())
  return _convert.convert(_manifest.sources()[name], folder)
