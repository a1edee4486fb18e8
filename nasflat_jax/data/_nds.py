"""The official files of NDS: networks of five cell spaces, trained.

Radosavovic et al., On Network Design Spaces for Visual Recognition, ICCV 2019
(https://arxiv.org/abs/1905.13214). The files are in no repository; the authors
publish them as `nds_data.zip` with pycls.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import json
import math
import os
import pathlib
from typing import Any

import numpy as np

from nasflat_jax import spaces
from nasflat_jax.data._task import Task
from nasflat_jax.data._zero_cost import PROXIES

_SPACES = {
    'Amoeba': 'nds_amoeba',
    'DARTS': 'nds_darts',
    'ENAS': 'nds_enas',
    'NASNet': 'nds_nasnet',
    'PNAS': 'nds_pnas',
}
_SAMPLES = ('top', 'mid')


@dataclasses.dataclass(frozen=True, eq=False)
class NdsTable:
  """The trainings of one file, `N` rows in the file's order. Host only.

  A network may have several rows, trained with other seeds. In the files
  `_lr-wd` the learning rate and the weight decay vary, too; no genotype knows
  them, so these accuracies can hardly be predicted from one.

  Attributes:
    space: e.g. `nds_darts`.
    name: the file's name without its ending, e.g. `DARTS_fix-w-d`.
    dataset: `cifar10`, or `imagenet` for the files `_in`.
    genotype: `[N, G]` int32: width, depth and two cells.
    sample: `N` names, `top` or `mid` where the file tells, else empty.
    accuracy: `[N]` percent of the test images after the last epoch.
    best_accuracy: `[N]` percent at the best epoch, chosen on the same images.
    params: `[N]` millions.
    flops: `[N]` millions of multiply-adds, as upstream counts them.
    learning_rate: `[N]` at the start.
    weight_decay: `[N]`.
    auxiliary: `[N]` bool, whether an auxiliary head was trained along.
  """

  space: str
  name: str
  dataset: str
  genotype: np.ndarray  # [N, G]
  sample: tuple[str, ...]
  accuracy: np.ndarray  # [N]
  best_accuracy: np.ndarray  # [N]
  params: np.ndarray  # [N]
  flops: np.ndarray  # [N]
  learning_rate: np.ndarray  # [N]
  weight_decay: np.ndarray  # [N]
  auxiliary: np.ndarray  # [N]

  @property
  def num_trainings(self) -> int:
    """N."""
    return self.genotype.shape[0]

  def task(self) -> Task:
    """One row a network: mean accuracy of its trainings, params and flops.

    Trainings whose accuracy is not a number are left out.
    """
    kept = np.flatnonzero(~np.isnan(self.accuracy))
    _, first, network = np.unique(
        self.genotype[kept], axis=0, return_index=True, return_inverse=True
    )
    network = network.reshape(-1)
    total = np.bincount(network, self.accuracy[kept])
    order = np.argsort(first)
    rows = kept[first[order]]
    proxies = np.full((len(rows), len(PROXIES)), np.nan)
    sources: list[tuple[str, ...]] = [()] * len(PROXIES)
    for name, values in (('params', self.params), ('flops', self.flops)):
      proxies[:, PROXIES.index(name)] = values[rows]
      sources[PROXIES.index(name)] = (self.name,)
    return Task(
        space=self.space,
        task=self.dataset,
        metric='test_final',
        source=self.name,
        genotype=self.genotype[rows],
        accuracy=(total / np.bincount(network))[order],
        proxies=proxies,
        proxy_sources=tuple(sources),
    )


def read_nds(
    path: str | os.PathLike[str], *, space: str | None = None
) -> NdsTable:
  """Reads an official file, e.g. `DARTS_fix-w-d.json`.

  A file is a list of trainings, or (`_in`, ImageNet) an object with the lists
  `top` and `mid`. Of a training are read `net` with `genotype`, `width`,
  `depth` and `aux`, `test_ep_top1`, the error in percent after each epoch,
  `params`, `flops`, and `base_lr` and `wd` of `optim`. What a training lacks
  of these, but for `net` and the error, is NaN.

  Args:
    path: the file. Its name says the space and the variant.
    space: the space of a file of another name, e.g. `nds_darts`.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: the name is of no cell space (ResNet, ResNeXt and Vanilla have
      none), the file is no such file, or a record is not of the space.
  """
  path = pathlib.Path(path)
  name = path.name.removesuffix('.json')
  space = space or _SPACES.get(name.partition('_')[0], '')
  if space not in _SPACES.values():
    raise ValueError(
        f'{path}: not named after a cell space of NDS: {", ".join(_SPACES)}, '
        'maybe with an ending such as _fix-w-d, _lr-wd or _in'
    )
  try:
    content = json.loads(path.read_bytes())
    parts = (
        {kind: content[kind] for kind in _SAMPLES if kind in content}
        if isinstance(content, dict) else {'': content}
    )
    records = [record for part in parts.values() for record in part]
    sample = [kind for kind, part in parts.items() for _ in part]
    if not records:
      raise ValueError('it holds no trainings')
    genotype = spaces.nds_genotype(spaces.get(space), records)
    curves = [_accuracies(record) for record in records]
    optimizers = [_part(record, 'optim') for record in records]
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise ValueError(f'{path}: not a file of NDS: {error}') from error
  nets = [record['net'] for record in records]
  return NdsTable(
      space=space,
      name=name,
      dataset='imagenet' if name.endswith('_in') else 'cifar10',
      genotype=genotype,
      sample=tuple(sample),
      accuracy=np.array([curve[-1] for curve in curves]),
      best_accuracy=np.array([_largest(curve) for curve in curves]),
      params=np.array([_number(r, 'params') / 1e6 for r in records]),
      flops=np.array([_number(r, 'flops') / 1e6 for r in records]),
      learning_rate=np.array([_number(o, 'base_lr') for o in optimizers]),
      weight_decay=np.array([_number(o, 'wd') for o in optimizers]),
      auxiliary=np.array([bool(net.get('aux')) for net in nets]),
  )


def _accuracies(record: Mapping[str, Any]) -> list[float]:
  """Percent after each epoch; NaN where the training had failed."""
  errors = record['test_ep_top1']
  if not isinstance(errors, list) or not errors:
    raise ValueError(f'test_ep_top1 is no list of errors: {errors!r}')
  return [math.nan if e is None else 100.0 - float(e) for e in errors]


def _largest(values: list[float]) -> float:
  return max((v for v in values if not math.isnan(v)), default=math.nan)


def _part(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
  return record.get(name) or {}


def _number(record: Mapping[str, Any], name: str) -> float:
  value = record.get(name)
  return math.nan if value is None else float(value)
