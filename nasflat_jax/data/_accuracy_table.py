"""Accuracies of the architectures of one space, by task and metric."""

from __future__ import annotations

import dataclasses
import os
import pathlib

import numpy as np

from nasflat_jax.data import _atomic
from nasflat_jax.data import _npz


@dataclasses.dataclass(frozen=True, eq=False)
class AccuracyTable:
  """Trained accuracies (or scores) of `N` architectures. Host only.

  Attributes:
    space: the space's name, e.g. `nasbench201`.
    source: where the table comes from, e.g. `nasgraph_nasbench201`.
    tasks: names of the `T` data sets, e.g. `cifar100`.
    metrics: names of the `M` columns of each task, e.g. `test`. Some sources
      have zero-cost proxies, too, by their names in `PROXIES`.
    genotype: `[N, G]` int32, distinct rows in the convention of the space.
    values: `[T, M, N]` float64, percent where the metric is an accuracy; NaN =
      absent.
    logarithms: those of `metrics` that hold natural logarithms of scores and
      are not to be taken again.

  Raises:
    ValueError: where shapes, names or values do not fit.

  Example:
    >>> table = AccuracyTable(
    ...   space='toy',
    ...   source='example',
    ...   tasks=('cifar10',),
    ...   metrics=('validation', 'test'),
    ...   genotype=np.array([[0], [1]]),
    ...   values=np.array([[[80.0, 90.5], [81.0, np.nan]]]),
    ... )
    >>> table.row('cifar10', 'validation')
    array([80. , 90.5])
  """

  space: str
  source: str
  tasks: tuple[str, ...]
  metrics: tuple[str, ...]
  genotype: np.ndarray  # [N, G]
  values: np.ndarray  # [T, M, N]
  logarithms: tuple[str, ...] = ()

  def __post_init__(self) -> None:
    genotype = np.array(self.genotype, np.int32)
    values = np.array(self.values, np.float64)
    for array in (genotype, values):
      array.flags.writeable = False
    object.__setattr__(self, 'tasks', tuple(self.tasks))
    object.__setattr__(self, 'metrics', tuple(self.metrics))
    object.__setattr__(self, 'logarithms', tuple(self.logarithms))
    object.__setattr__(self, 'genotype', genotype)
    object.__setattr__(self, 'values', values)
    if genotype.ndim != 2:
      raise ValueError(
          f'{self.source}: genotype must be [N, G], got {genotype.shape}'
      )
    wanted = (len(self.tasks), len(self.metrics), len(genotype))
    if values.shape != wanted:
      raise ValueError(
          f'{self.source}: values must be [T, M, N] = {wanted}, '
          f'got {values.shape}'
      )
    for names in (self.tasks, self.metrics):
      if len(set(names)) != len(names):
        raise ValueError(f'{self.source}: a name occurs twice in {names}')
    if len(np.unique(genotype, axis=0)) != len(genotype):
      raise ValueError(f'{self.source}: an architecture occurs twice')
    if np.isinf(values).any():
      raise ValueError(
          f'{self.source}: a value is infinite; mark absent ones with NaN'
      )

  def row(self, task: str, metric: str) -> np.ndarray:
    """Values `[N]`; `ValueError` if the table lacks the task or metric."""
    for kind, name, known in (
        ('task', task, self.tasks), ('metric', metric, self.metrics),
    ):
      if name not in known:
        raise ValueError(
            f'{self.source} has no {kind} {name!r}; it has {", ".join(known)}'
        )
    return self.values[self.tasks.index(task), self.metrics.index(metric)]

  def join(self, genotype: np.ndarray) -> AccuracyTable:
    """The table of other architectures, e.g. those of a latency table.

    Rows are matched by genotype, never by their number: sources order the
    architectures of a space differently.

    Args:
      genotype: `[K, G]`, distinct rows.

    Returns:
      A table of these K rows in this order; NaN where this one lacks a row.
    """
    column = {row.tobytes(): i for i, row in enumerate(self.genotype)}
    genotype = np.ascontiguousarray(genotype, np.int32)
    index = np.array([column.get(row.tobytes(), -1) for row in genotype])
    values = np.full((*self.values.shape[:2], len(genotype)), np.nan)
    values[:, :, index >= 0] = self.values[:, :, index[index >= 0]]
    return dataclasses.replace(self, genotype=genotype, values=values)

  @property
  def num_architectures(self) -> int:
    """N."""
    return self.genotype.shape[0]

  def save(self, path: str | os.PathLike[str]) -> None:
    """Writes a `.npz` without pickled objects, atomically."""
    with _atomic.replacing(pathlib.Path(path)) as file:
      np.savez_compressed(
          file,
          allow_pickle=False,
          space=np.array(self.space),
          source=np.array(self.source),
          tasks=np.array(self.tasks, np.str_),
          metrics=np.array(self.metrics, np.str_),
          logarithms=np.array(self.logarithms, np.str_),
          genotype=self.genotype,
          values=self.values,
      )

  @classmethod
  def load(cls, path: str | os.PathLike[str]) -> AccuracyTable:
    """Reads what `save` wrote; never unpickles.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the file is not a table of accuracies.
    """
    with _npz.reading(path, 'a table of accuracies') as npz:
      return cls(
          space=str(npz['space']),
          source=str(npz['source']),
          tasks=_npz.names(npz, 'tasks'),
          metrics=_npz.names(npz, 'metrics'),
          genotype=npz['genotype'],
          values=npz['values'],
          logarithms=_npz.logarithms(npz),
      )
