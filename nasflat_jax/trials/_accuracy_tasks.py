"""The tasks of few-shot accuracy, as methods see them."""

from __future__ import annotations

from collections.abc import Sequence
import functools
import zlib

import chex
import jax
import numpy as np

from nasflat_jax import data
from nasflat_jax import spaces
from nasflat_jax import transfer
from nasflat_jax.methods import accuracy

POOLS = ('scored', 'all')
# Rows with all proxies but one at most are a task's, if there are so many.
_SCORED, _LEAST = 12, 150
# A sibling that knows less of the networks is no sibling.
_OVERLAP = 0.02
# The tasks whose networks have all proxies, at least for a part of the table.
COMPLETE = (
    *(f'nasbench201/{task}' for task in (
        'cifar10', 'cifar100', 'ImageNet16-120', 'ninapro', 'svhn', 'scifar100',
    )),
    *(f'darts/{task}' for task in ('ninapro', 'svhn', 'scifar100')),
    *(f'transnas_micro/{task}' for task in (
        'class_scene', 'ninapro', 'svhn', 'scifar100',
    )),
)  # fmt: skip


def names() -> list[str]:
  """The 28 tasks as `space/task`."""
  return ['/'.join(pair) for pair in data.tasks()]


def parse(text: str) -> list[str]:
  """Names of tasks from what a person types.

  Args:
    text: joined by commas: `space/task`; a space, for all of its tasks;
      `all`, the 28; `complete`, the 13 with all proxies; `others`, the rest.

  Returns:
    Distinct names in the order given.

  Raises:
    ValueError: an unknown name, or none; lists what there is.
  """
  known = names()
  groups = {
      'all': known,
      'complete': list(COMPLETE),
      'others': [name for name in known if name not in COMPLETE],
  }
  for name in known:
    groups.setdefault(name.split('/')[0], []).append(name)
  found: dict[str, None] = {}
  for part in filter(None, (part.strip() for part in text.split(','))):
    if part not in known and part not in groups:
      raise ValueError(
          f'unknown task {part!r}; choose from {", ".join([*groups, *known])}'
      )
    found |= dict.fromkeys(groups.get(part, [part]))
  if not found:
    raise ValueError('no task is named')
  return [*found]


class AccuracyTasks:
  """Tables, sources and problems of one run, each made when first asked.

  Attributes:
    key: of the run; draws the labels of sources.
    num_source: labels of each source, at most.
    pool: `scored` takes the networks with all proxies, where a task has at
      least 150 of them; `all` takes every labelled network.
  """

  def __init__(
      self, key: chex.PRNGKey, *, num_source: int, pool: str = 'scored'
  ) -> None:
    """Nothing is loaded yet.

    Raises:
      ValueError: an unknown pool, or fewer than 10 labels a source.
    """
    if pool not in POOLS:
      raise ValueError(f'unknown pool {pool!r}; choose from {", ".join(POOLS)}')
    if num_source < 10:
      raise ValueError(f'num_source must be at least 10, got {num_source}')
    self.key, self.num_source, self.pool = key, num_source, pool
    self.table = functools.cache(self._table)
    self.networks = functools.cache(self._networks)
    self.source = functools.cache(self._source)

  def _table(self, name: str) -> data.Task:
    """The networks of a task and their accuracies.

    The labelled rows of NAS-Bench-101 that are one network are one row.
    """
    task = data.load_task(*name.split('/'))
    if task.space == 'nasbench101':
      task = task.merged()
    scored = np.isfinite(task.proxies).sum(axis=1) >= _SCORED
    if self.pool == 'scored' and scored.sum() >= _LEAST:
      task = task.select(scored)
    return task

  def _networks(self, name: str) -> transfer.Networks:
    task = self.table(name)
    return transfer.Networks(
        spaces.get(task.space),
        task.genotype,
        transfer.normal_scores(task.proxies),
    )

  def _source(self, name: str) -> transfer.AccuracySource:
    key = jax.random.fold_in(self.key, zlib.crc32(name.encode()) >> 1)
    return transfer.accuracy_source(
        key,
        name,
        self.networks(name),
        self.table(name).accuracy,
        num_labels=self.num_source,
        siblings=self.siblings(name),
    )

  def fingerprint(self, name: str) -> str:
    """Of a task's genotypes, accuracies and proxies, see `data`."""
    task = self.table(name)
    values = np.concatenate([task.accuracy[None], task.proxies.T])
    return data.fingerprint(data.AccuracyTable(
        space=task.space,
        source=task.source,
        tasks=(task.task,),
        metrics=('accuracy', *data.PROXIES),
        genotype=task.genotype,
        values=values[None],
    ))

  def siblings(self, name: str) -> dict[str, np.ndarray]:
    """Accuracies of a task's networks on others of its space."""
    task = self.table(name)
    beside = {}
    for other in data.siblings(*name.split('/')):
      table = self.table('/'.join(other))
      known = {
          genes.tobytes(): value
          for genes, value in zip(table.genotype, table.accuracy, strict=True)
      }
      values = np.array(
          [known.get(genes.tobytes(), np.nan) for genes in task.genotype]
      )
      if np.isfinite(values).mean() > _OVERLAP:
        beside['/'.join(other)] = values
    return beside

  def problem(
      self, name: str, sources: Sequence[str] | None = None
  ) -> accuracy.AccuracyProblem:
    """A task without its labels.

    Args:
      name: the target.
      sources: names of other tasks; None takes all of the 28.

    Raises:
      ValueError: the target is among the sources.
    """
    if sources is None:
      sources = [other for other in names() if other != name]
    if name in sources:
      raise ValueError(f'{name} cannot be its own source')
    return accuracy.AccuracyProblem(
        name=name,
        networks=self.networks(name),
        sources=tuple(self.source(other) for other in sources),
        siblings={
            other: values
            for other, values in self.siblings(name).items()
            if other in sources
        },
    )
