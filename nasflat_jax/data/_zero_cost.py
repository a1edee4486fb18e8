"""Zero-cost proxies: training-free scores of the networks of one space."""

from __future__ import annotations

import dataclasses
import os
import pathlib

import numpy as np

from nasflat_jax.data import _atomic
from nasflat_jax.data import _npz

# One order for all spaces, NAS-Bench-Suite-Zero's.
PROXIES = (
    'epe_nas', 'fisher', 'flops', 'grad_norm', 'grasp', 'jacov', 'l2_norm',
    'nwot', 'params', 'plain', 'snip', 'synflow', 'zen',
)  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class ZeroCostTable:
  """Zero-cost proxies of `N` architectures of one space. Host only.

  Attributes:
    space: the space's name, e.g. `nasbench201`.
    source: where the table comes from, e.g. `nasflat_fbnet`.
    proxies: names of the `P` columns.
    genotype: `[N, G]` int32, distinct rows in the convention of the space.
    values: `[N, P]` float64 raw scores; NaN = absent. Units are upstream's.
    logarithms: those of `proxies` whose columns hold natural logarithms of
      scores, which would overflow, and are not to be taken again.

  Raises:
    ValueError: where shapes or values do not fit.

  Example:
    >>> table = ZeroCostTable(
    ...   space='toy',
    ...   source='example',
    ...   proxies=('params',),
    ...   genotype=np.array([[0], [1]]),
    ...   values=np.array([[2.5], [np.nan]]),
    ... )
    >>> table.column('params')
    array([2.5, nan])
  """

  space: str
  source: str
  proxies: tuple[str, ...]
  genotype: np.ndarray  # [N, G]
  values: np.ndarray  # [N, P]
  logarithms: tuple[str, ...] = ()

  def __post_init__(self) -> None:
    genotype = np.array(self.genotype, np.int32)
    values = np.array(self.values, np.float64)
    for array in (genotype, values):
      array.flags.writeable = False
    object.__setattr__(self, 'proxies', tuple(self.proxies))
    object.__setattr__(self, 'logarithms', tuple(self.logarithms))
    object.__setattr__(self, 'genotype', genotype)
    object.__setattr__(self, 'values', values)
    if genotype.ndim != 2:
      raise ValueError(
          f'{self.source}: genotype must be [N, G], got {genotype.shape}'
      )
    wanted = (len(genotype), len(self.proxies))
    if values.shape != wanted:
      raise ValueError(
          f'{self.source}: values must be [N, P] = {wanted}, '
          f'got {values.shape}'
      )
    if len(np.unique(genotype, axis=0)) != len(genotype):
      raise ValueError(f'{self.source}: an architecture occurs twice')
    if np.isinf(values).any():
      raise ValueError(
          f'{self.source}: a proxy is infinite; mark absent ones with NaN'
      )

  def column(self, proxy: str) -> np.ndarray:
    """Scores `[N]` of one proxy; `ValueError` if the table lacks it."""
    if proxy not in self.proxies:
      raise ValueError(
          f'{self.source} has no proxy {proxy!r}; '
          f'it has {", ".join(self.proxies)}'
      )
    return self.values[:, self.proxies.index(proxy)]

  @property
  def num_architectures(self) -> int:
    """N."""
    return self.genotype.shape[0]

  def save(
      self, path: str | os.PathLike[str], **more: np.ndarray
  ) -> None:
    """Writes a `.npz` without pickled objects, atomically.

    Args:
      path: the file.
      **more: further arrays to put beside the table, which `load` ignores.
    """
    with _atomic.replacing(pathlib.Path(path)) as file:
      np.savez_compressed(
          file,
          allow_pickle=False,
          logarithms=np.array(self.logarithms, np.str_),
          **more,
          space=np.array(self.space),
          source=np.array(self.source),
          proxies=np.array(self.proxies, np.str_),
          genotype=self.genotype,
          values=self.values,
      )

  @classmethod
  def load(cls, path: str | os.PathLike[str]) -> ZeroCostTable:
    """Reads what `save` wrote; never unpickles.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the file is not a table of zero-cost proxies.
    """
    with _npz.reading(path, 'a table of zero-cost proxies') as npz:
      return cls(
          space=str(npz['space']),
          source=str(npz['source']),
          proxies=_npz.names(npz, 'proxies'),
          genotype=npz['genotype'],
          values=npz['values'],
          logarithms=_npz.logarithms(npz),
      )
