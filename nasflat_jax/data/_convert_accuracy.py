"""Converters: upstream's accuracies to one `AccuracyTable` per source."""

from __future__ import annotations

import csv
import io
import pathlib

import numpy as np

from nasflat_jax import spaces
from nasflat_jax.data import _manifest
from nasflat_jax.data._accuracy_table import AccuracyTable

_SPLITS = ('train', 'validation', 'test')
_TASKS = ('cifar10', 'cifar100', 'ImageNet16-120')
# Training of 200 epochs. The API's default, 12, is another table altogether.
_CONFIG = 'infer.tiny'
# TransNAS-Bench-101's tasks and the metric by which the best epoch is chosen.
_TRANSNAS = {
    'class_scene': 'top1',
    'class_object': 'top1',
    'autoencoder': 'ssim',
    'normal': 'ssim',
    'jigsaw': 'top1',
    'room_layout': 'neg_loss',
    'segmentsemantic': 'acc',
}
_TRANSNAS_SPLITS = {'train': 'train', 'valid': 'validation', 'test': 'test'}
_TRANSNAS_ROWS = 3256 + 4096


def nasgraph_nasbench201(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """NAS-Bench-201 after 200 epochs, mean over the seeds, official order.

  `cifar10` is the setting that trains on half of the training images, so its
  test accuracy peaks at 91.52 and not at the 94.37 of training on all.
  """
  found = []
  values = []
  for task in _TASKS:
    file = source.file(f'data/nasbench201_{task}.csv')
    text = _manifest.read(file, mirror).decode('utf-8')
    rows = list(csv.DictReader(io.StringIO(text)))
    try:
      genotype = spaces.NASBENCH201.from_string(
          row['arch str'] for row in rows
      )
      values.append([
          [float(row[f'{split} accuracy']) for row in rows]
          for split in _SPLITS
      ])
      configs = {row['cfg name'] for row in rows}
    except (KeyError, TypeError, ValueError) as error:
      raise ValueError(
          f'{file.path}: not a table of accuracies: {error}'
      ) from error
    if configs != {_CONFIG}:
      raise ValueError(f'{file.path}: configurations {configs}, not {_CONFIG}')
    found.append(genotype)
    if not np.array_equal(found[0], genotype):
      raise ValueError(f'{file.path} orders its rows unlike the files before')
  return AccuracyTable(
      space='nasbench201',
      source=source.name,
      tasks=_TASKS,
      metrics=_SPLITS,
      genotype=found[0],
      values=np.array(values),
  )


def nasgraph_transnas_macro(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """The 3,256 networks of TransNAS-Bench-101 macro at the best epoch.

  The files hold no strings: the first rows are the benchmark's list of
  networks.
  """
  genotype = spaces.members(spaces.TRANSNAS_MACRO)
  return _transnas(source, mirror, genotype, slice(len(genotype)))


def nasgraph_transnas_micro(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """The 4,096 cells of TransNAS-Bench-101 micro at the best epoch.

  The rows after those of the macro networks, in base-4 order of the digits.
  """
  genotype = spaces.members(spaces.TRANSNAS_MICRO)
  return _transnas(source, mirror, genotype, slice(-len(genotype), None))


def _transnas(
    source: _manifest.Source,
    mirror: pathlib.Path,
    genotype: np.ndarray,
    rows: slice,
) -> AccuracyTable:
  """Upstream's metrics; `inf`, which a loss of `room_layout` is, is absent."""
  tables = {}
  for task in _TRANSNAS:
    file = source.file(f'data/transbench101_{task}.csv')
    text = _manifest.read(file, mirror).decode('utf-8')
    header, *lines = csv.reader(io.StringIO(text))
    values = np.array(lines, np.float64)
    if values.shape != (_TRANSNAS_ROWS, len(header)) or not np.array_equal(
        values[:, header.index('file_id')], np.arange(_TRANSNAS_ROWS)
    ):
      raise ValueError(
          f'{file.path}: not the {_TRANSNAS_ROWS} rows of both spaces in order'
      )
    values[np.isinf(values)] = np.nan
    names = [_metric(name, _TRANSNAS[task]) for name in header]
    tables[task] = dict(zip(names, values[rows].T, strict=True))
    del tables[task]['file_id']
  metrics = tuple(dict.fromkeys(name for t in tables.values() for name in t))
  absent = np.full(len(genotype), np.nan)
  return AccuracyTable(
      space=source.name.partition('_')[2],
      source=source.name,
      tasks=tuple(_TRANSNAS),
      metrics=metrics,
      genotype=genotype,
      values=np.array([
          [table.get(name, absent) for name in metrics]
          for table in tables.values()
      ]),
  )


def _metric(name: str, main: str) -> str:
  """`valid_top1` becomes `validation_best` where `top1` is the main one."""
  split, _, metric = name.partition('_')
  if split not in _TRANSNAS_SPLITS:
    return {'time_elapsed': 'train_seconds'}.get(name, name)
  prefix = f'{_TRANSNAS_SPLITS[split]}_best'
  return prefix if metric == main else f'{prefix}_{metric}'


def metad2a_nasbench201(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """HELP's 500 candidates for CIFAR-100, by falling score of MetaD2A.

  The first line of the file is one number, the seconds it took to generate
  them, it seems.
  """
  (file,) = source.files
  text = _manifest.read(file, mirror).decode('utf-8')
  _, *lines = text.splitlines()
  try:
    rows = [line.rsplit(',', 2) for line in lines if line.strip()]
    return AccuracyTable(
        space='nasbench201',
        source=source.name,
        tasks=('cifar100',),
        metrics=('test', 'metad2a_score'),
        genotype=spaces.NASBENCH201.from_string(row[0] for row in rows),
        values=np.array(
            [[[float(row[column]) for row in rows] for column in (1, 2)]]
        ),
    )
  except (IndexError, ValueError) as error:
    raise ValueError(
        f'{file.path}: not a list of candidates: {error}'
    ) from error
