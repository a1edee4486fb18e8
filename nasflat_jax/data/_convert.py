"""Converters: upstream's files to one table per source and space.

Every file is verified before it is read. NAS-Bench-201 genotypes are in the
library's convention: edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3; operations none,
skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import csv
import io
import itertools
import pathlib
from typing import Any

import numpy as np

from nasflat_jax import spaces
from nasflat_jax.data import _convert_accuracy
from nasflat_jax.data import _convert_benchmarks
from nasflat_jax.data import _convert_naslib
from nasflat_jax.data import _convert_zccombine
from nasflat_jax.data import _convert_zero_cost
from nasflat_jax.data import _devices
from nasflat_jax.data import _manifest
from nasflat_jax.data import _unpickle
from nasflat_jax.data._accuracy_table import AccuracyTable
from nasflat_jax.data._latency_table import LatencyTable
from nasflat_jax.data._zero_cost import ZeroCostTable

# Raise it when a converter's output changes: old tables are then remade.
VERSION = 2

_OPS = ('none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3')
# Operations of HW-NAS-Bench's csv, by its own numbers.
_CSV_OPS = (
    'skip_connect',
    'none',
    'nor_conv_3x3',
    'nor_conv_1x1',
    'avg_pool_3x3',
)
# The csv orders edges by source node: 0-1, 0-2, 0-3, 1-2, 1-3, 2-3. Position
# of each of our edges in it:
_CSV_EDGES = (0, 1, 3, 2, 4, 5)
_CELL = '|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|'


def convert(
    source: _manifest.Source, mirror: pathlib.Path
) -> LatencyTable | ZeroCostTable | AccuracyTable:
  """The table of one source, from verified files of a mirror.

  Args:
    source: what to convert (see `_manifest.sources`).
    mirror: a folder laid out as `<owner>/<repository>/<commit>/<path>`.

  Raises:
    FileNotFoundError: if the mirror lacks a file.
    ValueError: if a file is not the pinned one or does not hold what it should.
  """
  return _CONVERTERS[source.name](source, mirror)


def _help_nasbench201(
    source: _manifest.Source, mirror: pathlib.Path
) -> LatencyTable:
  index = source.file('data/nasbench201/str_arch2idx.pt')
  genotype = _official_genotypes(_torch(index, mirror), index.path)
  return _help(source, mirror, 'nasbench201', genotype, genotype.shape[0])


def _help_fbnet(source: _manifest.Source, mirror: pathlib.Path) -> LatencyTable:
  file = source.file('data/fbnet/arch.pt')
  genotype = np.array(_torch(file, mirror), np.int32)
  _require_shape(genotype, (5000, 22), file.path)
  return _help(source, mirror, 'fbnet', genotype, None)


def _help_ofa(source: _manifest.Source, mirror: pathlib.Path) -> LatencyTable:
  file = source.file('data/ofa/ofa_archs.pt')
  networks = _torch(file, mirror)['arch']
  genotype = spaces.ofa_genotype(
      spaces.OfaSettings(
          *(
              np.array([network[name] for network in networks], np.int32)
              for name in ('ks', 'e', 'd', 'r')
          )
      )
  )
  _require_shape(genotype, (5000, 21), file.path)
  return _help(source, mirror, 'ofa', genotype, None)


def _help(
    source: _manifest.Source,
    mirror: pathlib.Path,
    space: str,
    genotype: np.ndarray,
    num_official: int | None,
) -> LatencyTable:
  """HELP's tables differ only in how they spell architectures."""
  files = sorted(
      source.below(f'data/{space}/latency/'), key=lambda file: file.stem
  )
  reference = source.file(f'data/{space}/hardware_embedding_index.pt')
  return LatencyTable(
      space=space,
      source=source.name,
      devices=tuple(_devices.help_device(f.stem) for f in files),
      genotype=genotype,
      values=_rows(files, mirror, genotype.shape[0], _torch),
      official_index=None if num_official is None else np.arange(num_official),
      reference_index=np.array(_torch(reference, mirror)),
  )


def _eagle_nasbench201(
    source: _manifest.Source, mirror: pathlib.Path
) -> LatencyTable:
  """All 15,625 cells in base-5 order; seconds become milliseconds."""
  genotype = _all_cells()
  weights = 5 ** np.arange(5, -1, -1)
  files = sorted(source.files, key=lambda file: file.stem)
  values = np.full((len(files), genotype.shape[0]), np.nan)
  for row, file in zip(values, files, strict=True):
    measured = _pickle(file, mirror)
    keys = np.array(list(measured), np.int64)
    if keys.ndim != 2 or keys.shape[1] != 6 or keys.min() < 0 or keys.max() > 4:
      raise ValueError(f'{file.path}: its keys are not cells of NAS-Bench-201')
    row[keys @ weights] = 1e3 * _unmeasured_to_nan(list(measured.values()))
  names = [file.stem.replace('-', '_') for file in files]
  return LatencyTable(
      space='nasbench201',
      source=source.name,
      devices=tuple(_devices.eagle_device(name) for name in names),
      genotype=genotype,
      values=values,
  )


def _oneproxy_nasbench201(
    source: _manifest.Source, mirror: pathlib.Path
) -> LatencyTable:
  """`encode.pickle` is one-hot over our edges and operations, then a 1."""
  file = source.file('encode.pickle')
  one_hot = np.array(_pickle(file, mirror))
  _require_shape(one_hot, (1999, 31), file.path)
  choices = one_hot[:, :30].reshape(-1, 6, 5)
  if (choices.sum(axis=-1) != 1).any() or set(np.unique(one_hot)) != {0, 1}:
    raise ValueError(f'{file.path} is not one-hot')
  genotype = choices.argmax(axis=-1).astype(np.int32)
  files = sorted(source.below('latency_data/'), key=lambda f: f.stem)
  return LatencyTable(
      space='nasbench201',
      source=source.name,
      devices=tuple(_devices.oneproxy_device(f.stem) for f in files),
      genotype=genotype,
      values=_rows(files, mirror, genotype.shape[0], _pickle),
  )


def _hwnasbench_nasbench201(
    source: _manifest.Source, mirror: pathlib.Path
) -> LatencyTable:
  """Rows are in official order; operations are mapped by name."""
  (file,) = source.files
  text = _manifest.read(file, mirror).decode('utf-8')
  header, *rows = csv.reader(io.StringIO(text))
  ours = np.array([_OPS.index(name) for name in _CSV_OPS], np.int32)
  cells = np.array([row[0].strip('()').split(',') for row in rows], np.int32)
  _require_shape(cells, (15625, 6), file.path)
  values = np.array([row[1:] for row in rows], np.float64).T
  return LatencyTable(
      space='nasbench201',
      source=source.name,
      devices=tuple(_devices.hwnasbench_device(name) for name in header[1:]),
      genotype=ours[cells[:, _CSV_EDGES]],
      values=_unmeasured_to_nan(values),
      official_index=np.arange(len(rows)),
  )


_CONVERTERS: dict[
    str,
    Callable[
        [_manifest.Source, pathlib.Path],
        LatencyTable | ZeroCostTable | AccuracyTable,
    ],
] = {
    'help_nasbench201': _help_nasbench201,
    'help_fbnet': _help_fbnet,
    'help_ofa': _help_ofa,
    'eagle_nasbench201': _eagle_nasbench201,
    'oneproxy_nasbench201': _oneproxy_nasbench201,
    'hwnasbench_nasbench201': _hwnasbench_nasbench201,
    'zccombine_nasbench201': _convert_zero_cost.zccombine_nasbench201,
    'nasflat_fbnet': _convert_zero_cost.nasflat_fbnet,
    'nasgraph_nasbench201': _convert_accuracy.nasgraph_nasbench201,
    'metad2a_nasbench201': _convert_accuracy.metad2a_nasbench201,
    **{
        function.__name__: function
        for function in (
            _convert_accuracy.nasgraph_transnas_macro,
            _convert_accuracy.nasgraph_transnas_micro,
            _convert_naslib.suitezero_nasbench101,
            _convert_naslib.suitezero_nasbench201,
            _convert_naslib.suitezero_darts,
            _convert_naslib.suitezero_transnas_micro,
            _convert_naslib.suitezero_transnas_macro,
            _convert_naslib.naslib_nasbench101,
            _convert_naslib.naslib_nasbench201,
            _convert_naslib.naslib_darts,
            _convert_naslib.naslib725_nasbench201,
            _convert_zccombine.zccombinetasks_nasbench201,
            _convert_zccombine.zccombine_transnas_micro,
            _convert_benchmarks.minibench_nasbench201,
            _convert_benchmarks.nasbenchmacro_nasbench_macro,
            _convert_benchmarks.ecnas_nasbench101,
        )
    },
}


def _torch(file: _manifest.UpstreamFile, mirror: pathlib.Path) -> Any:
  return _unpickle.loads_torch(_manifest.read(file, mirror), file.path)


def _pickle(file: _manifest.UpstreamFile, mirror: pathlib.Path) -> Any:
  return _unpickle.loads(_manifest.read(file, mirror), file.path)


def _rows(
    files: Sequence[_manifest.UpstreamFile],
    mirror: pathlib.Path,
    num_architectures: int,
    read: Callable[[_manifest.UpstreamFile, pathlib.Path], Any],
) -> np.ndarray:
  """One row per file, `[D, N]`."""
  values = np.empty((len(files), num_architectures))
  for row, file in zip(values, files, strict=True):
    column = np.array(read(file, mirror), np.float64)
    _require_shape(column, (num_architectures,), file.path)
    row[:] = _unmeasured_to_nan(column)
  return values


def _unmeasured_to_nan(values: Sequence[float] | np.ndarray) -> np.ndarray:
  """Upstream marks a failed measurement with -1."""
  values = np.array(values, np.float64)
  values[values == -1] = np.nan
  return values


def _official_genotypes(index_of: dict[str, int], name: str) -> np.ndarray:
  """Genotypes `[15625, 6]` in official order, from the strings' indices.

  The official order is not that of any number, so it has to be looked up.
  """
  index = []
  for genes in itertools.product(range(5), repeat=6):
    string = _CELL.format(*(_OPS[gene] for gene in genes))
    if string not in index_of:
      raise ValueError(f'{name} lacks the cell {string!r}')
    index.append(index_of[string])
  if len(index_of) != len(index) or sorted(index) != list(range(len(index))):
    raise ValueError(f'{name}: the indices are not 0 to {len(index) - 1}')
  genotype = np.empty((len(index), 6), np.int32)
  genotype[index] = _all_cells()
  return genotype


def _all_cells() -> np.ndarray:
  """Every genotype `[15625, 6]`; row `i` is `i` in base 5."""
  return np.array(list(itertools.product(range(5), repeat=6)), np.int32)


def _require_shape(
    array: np.ndarray, shape: tuple[int, ...], name: str
) -> None:
  if array.shape != shape:
    raise ValueError(f'{name} has shape {array.shape}, want {shape}')
