"""Converters: further benchmarks, one table each."""

from __future__ import annotations

import io
import json
import pathlib
import zipfile

import numpy as np

from nasflat_jax import spaces
from nasflat_jax.data import _devices
from nasflat_jax.data import _manifest
from nasflat_jax.data import _unpickle_frame
from nasflat_jax.data._accuracy_table import AccuracyTable
from nasflat_jax.data._latency_table import LatencyTable

_MINI_TASKS = {
    'cifar10': 'cifar10', 'cifar100': 'cifar100', 'ImageNet16-120': 'imagenet',
}  # fmt: skip
_MACRO_RUNS = 3
_CELL_NODES = 7
# EC-NAS counts operations 1 input, 2 conv1x1, 3 conv3x3, 4 maxpool, 5 output;
# 0 fills up. NASLib's codes of the same.
_NASLIB_OPS = {1: 0, 2: 3, 3: 4, 4: 2, 5: 1}


def minibench_nasbench201(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """All cells after 12 epochs, a schedule of its own and not epoch 12 of 200.

  A lower fidelity: 0.95 correlated with the accuracy after 200 epochs.
  """
  (file,) = source.files
  columns = _unpickle_frame.loads_frame(
      _manifest.read(file, mirror), file.path
  )
  try:
    return AccuracyTable(
        space='nasbench201',
        source=source.name,
        tasks=tuple(_MINI_TASKS),
        metrics=('validation_12_epochs', 'test_12_epochs'),
        genotype=spaces.NASBENCH201.from_string(
            str(cell) for cell in columns['cellstr']
        ),
        values=np.array([
            [columns[f'{name}-{split}'] for split in ('val', 'test')]
            for name in _MINI_TASKS.values()
        ], np.float64),
    )
  except (KeyError, ValueError) as error:
    raise ValueError(f'{file.path}: not the table: {error}') from error


def nasbenchmacro_nasbench_macro(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """All 6,561 networks on CIFAR-10: `test` is the mean of three runs.

  `params` and `flops` are in millions, like NAS-Bench-Suite-Zero's.
  """
  (file,) = source.files
  try:
    records = json.loads(_manifest.read(file, mirror))
    runs = np.array([r['test_acc'] for r in records.values()], np.float64).T
    if runs.shape[0] != _MACRO_RUNS:
      raise ValueError(f'{runs.shape[0]} runs of a network, not {_MACRO_RUNS}')
    others = np.array(
        [[r[n] for r in records.values()]
         for n in ('mean_acc', 'std', 'params', 'flops')],
        np.float64,
    )
    others[2:] /= 1e6
    return AccuracyTable(
        space='nasbench_macro',
        source=source.name,
        tasks=('cifar10',),
        metrics=(
            'test', 'test_std', 'params', 'flops', 'test_run_0', 'test_run_1',
            'test_run_2',
        ),
        genotype=spaces.get('nasbench_macro').from_string(records),
        values=np.concatenate([others, runs])[None],
    )
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise ValueError(f'{file.path}: not the table: {error}') from error


def ecnas_nasbench101(
    source: _manifest.Source, mirror: pathlib.Path
) -> LatencyTable:
  """Energy of training 4,310 cells for four epochs, kWh.

  The file is a torch archive of four plain arrays; torch is not needed.
  """
  (file,) = source.files
  try:
    with zipfile.ZipFile(io.BytesIO(_manifest.read(file, mirror))) as archive:
      adjacency, ops, energy = (
          np.frombuffer(archive.read(f'archive/data/{i}'), kind)
          for i, kind in enumerate(('<i8', '<i8', '<f4'))
      )
    ops = ops.reshape(-1, _CELL_NODES)
    adjacency = adjacency.reshape(len(ops), _CELL_NODES, _CELL_NODES)
    return LatencyTable(
        space='nasbench101',
        source=source.name,
        devices=(_devices.ecnas_device(),),
        genotype=spaces.get('nasbench101').from_string(
            _naslib_cell(*cell) for cell in zip(adjacency, ops, strict=True)
        ),
        values=energy.astype(np.float64)[None],
    )
  except (
      IndexError, KeyError, RuntimeError, ValueError, zipfile.BadZipFile,
  ) as error:
    raise ValueError(f'{file.path}: not the table: {error}') from error


def _naslib_cell(adjacency: np.ndarray, ops: np.ndarray) -> str:
  """NASLib's string of a cell: its adjacency, row by row, then its codes."""
  used = ops > 0
  cell = adjacency[np.ix_(used, used)]
  codes = [_NASLIB_OPS[int(op)] for op in ops[used]]
  return str((*(int(bit) for bit in cell.ravel()), *codes))
