"""One task of a benchmark: accuracies and the zero-cost proxies beside them."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from nasflat_jax.data import _networks
from nasflat_jax.data._zero_cost import PROXIES
from nasflat_jax.data._zero_cost import ZeroCostTable


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
  """Accuracies and proxies of `N` architectures of one task. Host only.

  Every column of `proxies` comes from one draw: the same proxy of two draws
  may differ in scale, because their batches did.

  Attributes:
    space: the space's name, e.g. `nasbench201`.
    task: the data set or vision task, e.g. `cifar10`.
    metric: the column of `source` that `accuracy` is, e.g. `validation`.
    source: the table of the accuracies, e.g. `nasgraph_nasbench201`.
    genotype: `[N, G]` int32, distinct rows in the convention of the space.
    accuracy: `[N]` float64, higher is better; NaN = not known. Percent, but
      structural similarity for `autoencoder` and `normal` and a negative loss
      for `room_layout`.
    proxies: `[N, 13]` float64 in the order of `PROXIES`; NaN = absent.
    proxy_sources: of each proxy the tables its column was put together from,
      the first counting most; empty where there is none.
    logarithms: the proxies whose columns hold natural logarithms.

  Raises:
    ValueError: where shapes do not fit, or an architecture occurs twice.

  Example:
    >>> task = Task(
    ...   space='toy', task='cifar10', metric='test', source='example',
    ...   genotype=np.array([[0], [1]]), accuracy=np.array([80.0, 90.0]),
    ...   proxies=np.full((2, 13), np.nan), proxy_sources=((),) * 13,
    ... )
    >>> task.column('zen'), task.num_architectures
    (array([nan, nan]), 2)
  """

  space: str
  task: str
  metric: str
  source: str
  genotype: np.ndarray  # [N, G]
  accuracy: np.ndarray  # [N]
  proxies: np.ndarray  # [N, 13]
  proxy_sources: tuple[tuple[str, ...], ...]
  logarithms: tuple[str, ...] = ()

  def __post_init__(self) -> None:
    name = f'{self.space} {self.task}'
    for field, kind in (
        ('genotype', np.int32), ('accuracy', float), ('proxies', float),
    ):
      array = np.array(getattr(self, field), kind)
      array.flags.writeable = False
      object.__setattr__(self, field, array)
    rows = len(self.genotype)
    for field, wanted in (
        ('genotype', (rows, *self.genotype.shape[1:2])),
        ('accuracy', (rows,)),
        ('proxies', (rows, len(PROXIES))),
    ):
      if getattr(self, field).shape != wanted:
        raise ValueError(
            f'{name}: {field} has shape {getattr(self, field).shape}, want '
            f'{wanted}'
        )
    if len(self.proxy_sources) != len(PROXIES):
      raise ValueError(
          f'{name}: {len(self.proxy_sources)} proxy_sources, want '
          f'{len(PROXIES)}'
      )
    if len(np.unique(self.genotype, axis=0)) != rows:
      raise ValueError(f'{name}: an architecture occurs twice')

  @property
  def num_architectures(self) -> int:
    """N."""
    return self.genotype.shape[0]

  def column(self, proxy: str) -> np.ndarray:
    """Scores `[N]` of one of `PROXIES`, NaN where absent."""
    if proxy not in PROXIES:
      raise ValueError(f'no proxy {proxy!r}; known: {", ".join(PROXIES)}')
    return self.proxies[:, PROXIES.index(proxy)]

  def select(self, rows: np.ndarray) -> Task:
    """The same of some rows: indices or a mask."""
    return dataclasses.replace(
        self,
        genotype=self.genotype[rows],
        accuracy=self.accuracy[rows],
        proxies=self.proxies[rows],
    )

  def networks(self) -> np.ndarray:
    """`[N]` int64, equal for rows that are the same network.

    Judge a model only on networks it has not seen: the 500 labelled rows of
    `nasbench101` are 292 networks, one of them 55 times, labelled by up to
    three trainings. Told are isomorphic cells of `nasbench101` (by the
    benchmark's own hash) and `nasbench201` (which trained each of them anew),
    and cells of `transnas_micro` that compute the same: 1,229 of 4,096.
    """
    return _networks.networks(self.space, self.genotype)

  def merged(self) -> Task:
    """One row a network: the first genotype, mean accuracy and mean scores.

    NaN are left out of the means.
    """
    network = self.networks()
    _, first = np.unique(network, return_index=True)
    order = np.sort(first)
    values = np.concatenate([self.accuracy[:, None], self.proxies], axis=1)
    known = ~np.isnan(values)
    total = np.zeros((len(first), values.shape[1]))
    count = np.zeros_like(total)
    np.add.at(total, network, np.where(known, values, 0.0))
    np.add.at(count, network, known)
    means = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    means = means[network[order]]
    return dataclasses.replace(
        self,
        genotype=self.genotype[order],
        accuracy=means[:, 0],
        proxies=means[:, 1:],
    )

  def zero_cost(self) -> ZeroCostTable:
    """The proxies as a table; columns that are absent are left out."""
    names = [p for p, found in zip(PROXIES, self.proxy_sources) if found]
    return ZeroCostTable(
        space=self.space,
        source='+'.join(
            dict.fromkeys(itertools.chain.from_iterable(self.proxy_sources))
        ),
        proxies=tuple(names),
        genotype=self.genotype,
        values=self.proxies[:, [PROXIES.index(name) for name in names]],
        logarithms=self.logarithms,
    )
