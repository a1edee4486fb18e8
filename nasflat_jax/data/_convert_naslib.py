"""Converters: NASLib's scores and accuracies to one table per source.

The accuracies have names of their own, because upstream's `val_accuracy` is
another thing in every space:

* NAS-Bench-101 `validation_one_run`: one of the three trainings of 108 epochs.
* NAS-Bench-201 `near_test_one_seed`: on all 15,625 cells nearer the test
  accuracy than the validation accuracy (mean difference 0.2 against 0.4 points
  on CIFAR-10). A model trained on it has seen the test.
* NAS-Bench-301 `surrogate`: predicted by the benchmark's XGBoost model.
* TransNAS-Bench-101 `validation_final`: after the last epoch.
* `suite_zero`: NinaPro, SVHN and scrambled CIFAR-100, trained by the authors
  of NAS-Bench-Suite-Zero.
"""

from __future__ import annotations

from collections.abc import Callable
import functools
import pathlib

from nasflat_jax.data import _manifest
from nasflat_jax.data import _naslib
from nasflat_jax.data._accuracy_table import AccuracyTable

CELL_TASKS = ('cifar10', 'cifar100', 'ImageNet16-120')
FURTHER_TASKS = ('ninapro', 'svhn', 'scifar100')
TRANSNAS_TASKS = (
    'class_scene', 'class_object', 'autoencoder', 'normal', 'jigsaw',
    'room_layout', 'segmentsemantic',
)  # fmt: skip
_FURTHER = dict.fromkeys(FURTHER_TASKS, 'suite_zero')
_CELL_ACCURACY = dict.fromkeys(CELL_TASKS, 'near_test_one_seed')
_TRANSNAS = dict.fromkeys(TRANSNAS_TASKS, 'validation_final')


def suitezero_nasbench101(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """The zen of 10,250 cells; no accuracies."""
  return _zips(source, mirror, 'nasbench101', ('cifar10',), {})


def suitezero_nasbench201(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """All cells on three tasks with zen, 199 on three more with 13 proxies."""
  return _zips(
      source, mirror, 'nasbench201', (*CELL_TASKS, *FURTHER_TASKS),
      {**_CELL_ACCURACY, **_FURTHER},
  )


def suitezero_darts(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """The nwot and zen of 11,221 networks; 199 on three tasks with 13 proxies."""
  return _zips(
      source, mirror, 'darts', ('cifar10', *FURTHER_TASKS), _FURTHER
  )


def suitezero_transnas_micro(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """4,096 cells on seven tasks, 192 on three more with 13 proxies.

  The records of the three have NASLib's own codes, not the benchmark's.
  """
  cells = _cells(_naslib.read_zip, source, mirror, 'transnas_micro')
  for task in cells.keys() & set(FURTHER_TASKS):
    keys = _naslib.micro_keys(cells[task])
    cells[task] = dict(zip(keys, cells[task].values(), strict=True))
  return _table(
      cells, source, 'transnas_micro', (*TRANSNAS_TASKS, *FURTHER_TASKS),
      {**_TRANSNAS, **_FURTHER},
  )


def suitezero_transnas_macro(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """3,256 networks on seven tasks."""
  return _zips(source, mirror, 'transnas_macro', TRANSNAS_TASKS, _TRANSNAS)


def naslib_nasbench101(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """500 cells with 11 proxies."""
  return _json(
      source, mirror, 'nasbench101', ('cifar10',),
      {'cifar10': 'validation_one_run'},
  )


def naslib_nasbench201(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """491 cells with 11 proxies on three tasks, a draw before Suite-Zero's."""
  return _json(source, mirror, 'nasbench201', CELL_TASKS, _CELL_ACCURACY)


def naslib_darts(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """500 networks with 11 proxies; accuracies of the surrogate."""
  return _json(
      source, mirror, 'darts', ('cifar10',), {'cifar10': 'surrogate'}
  )


def naslib725_nasbench201(
    source: _manifest.Source, mirror: pathlib.Path
) -> AccuracyTable:
  """724 or 725 cells with 12 proxies on three tasks, a third draw."""
  cells = _cells(_naslib.read_json, source, mirror)
  return _table(cells, source, 'nasbench201', CELL_TASKS, _CELL_ACCURACY)


def _cells(
    read: Callable[..., None],
    source: _manifest.Source,
    mirror: pathlib.Path,
    *space: str,
) -> _naslib.Cells:
  """Where two files score one architecture, the manifest's first counts."""
  cells: _naslib.Cells = {}
  for file in source.files:
    read(cells, _manifest.read(file, mirror), file.path, *space)
  return cells


def _read(
    read: Callable[..., None],
    source: _manifest.Source,
    mirror: pathlib.Path,
    space: str,
    tasks: tuple[str, ...],
    accuracies: dict[str, str],
) -> AccuracyTable:
  cells = _cells(read, source, mirror, space)
  return _table(cells, source, space, tasks, accuracies)


_zips = functools.partial(_read, _naslib.read_zip)
_json = functools.partial(_read, _naslib.read_json)


def _table(
    cells: _naslib.Cells,
    source: _manifest.Source,
    space: str,
    tasks: tuple[str, ...],
    accuracies: dict[str, str],
) -> AccuracyTable:
  if set(cells) != set(tasks):
    raise ValueError(
        f'{source.name}: the files have the tasks {", ".join(sorted(cells))}, '
        f'want {", ".join(tasks)}'
    )
  return _naslib.table(
      cells, space=space, source=source.name, tasks=tasks,
      accuracies=accuracies,
  )
