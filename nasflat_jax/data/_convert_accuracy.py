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
