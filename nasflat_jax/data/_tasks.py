"""The 28 tasks of NAS-Bench-Suite-Zero, and what else has accuracies.

NAS-Bench-Suite-Zero (https://arxiv.org/abs/2210.03230) and Multi-Predict
(https://arxiv.org/abs/2306.02459) use the same 28 pairs of a space and a task.
`load_task` joins all tables of a space by genotype, never by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nasflat_jax.data import _convert_naslib as _names
from nasflat_jax.data import _resolve
from nasflat_jax.data._accuracy_table import AccuracyTable
from nasflat_jax.data._task import Task
from nasflat_jax.data._zero_cost import PROXIES

_Draw = tuple[str, ...]


class _Space(NamedTuple):
  """Where a space's accuracies and proxies are.

  Attributes:
    tasks: in Multi-Predict's order.
    default: of each task, the metric that `load_task` gives.
    accuracies: tables with accuracies. A metric is taken from the first that
      knows it for the task.
    draws: tables of proxies. Those of one draw agree where they overlap, and
      the first that scores an architecture counts. A column comes from the
      first draw that has any of it.
  """

  tasks: tuple[str, ...]
  default: dict[str, str]
  accuracies: tuple[str, ...]
  draws: tuple[_Draw, ...]


_FURTHER = dict.fromkeys(_names.FURTHER_TASKS, 'suite_zero')
_FINAL = dict.fromkeys(_names.TRANSNAS_TASKS, 'validation_final')
_SPACES = {
    'nasbench101': _Space(
        ('cifar10',),
        {'cifar10': 'validation_one_run'},
        ('naslib_nasbench101',),
        (('naslib_nasbench101',), ('suitezero_nasbench101',)),
    ),
    'nasbench201': _Space(
        (*_names.CELL_TASKS, *_names.FURTHER_TASKS),
        # Suite-Zero's accuracy is nearly the test accuracy: not for training.
        {**dict.fromkeys(_names.CELL_TASKS, 'validation'), **_FURTHER},
        (
            'nasgraph_nasbench201', 'suitezero_nasbench201',
            'minibench_nasbench201',
        ),
        (
            # The final values, batches of 64. The other two had 32, so their
            # nwot, epe_nas and jacov are on another scale.
            ('zccombinetasks_nasbench201', 'suitezero_nasbench201'),
            ('naslib725_nasbench201',),
            ('naslib_nasbench201',),
        ),
    ),
    'darts': _Space(
        ('cifar10', *_names.FURTHER_TASKS),
        {'cifar10': 'surrogate', **_FURTHER},
        ('naslib_darts', 'suitezero_darts'),
        (('naslib_darts',), ('suitezero_darts',)),
    ),
    'transnas_macro': _Space(
        _names.TRANSNAS_TASKS,
        _FINAL,
        ('suitezero_transnas_macro', 'nasgraph_transnas_macro'),
        (('suitezero_transnas_macro',),),
    ),
    'transnas_micro': _Space(
        (*_names.TRANSNAS_TASKS, *_names.FURTHER_TASKS),
        {**_FINAL, **_FURTHER},
        ('suitezero_transnas_micro', 'nasgraph_transnas_micro'),
        (('zccombine_transnas_micro', 'suitezero_transnas_micro'),),
    ),
    'nasbench_macro': _Space(
        ('cifar10',),
        {'cifar10': 'test'},
        ('nasbenchmacro_nasbench_macro',),
        (('nasbenchmacro_nasbench_macro',),),
    ),
}
_BEYOND = ('nasbench_macro',)
# Lower is better, or neither.
_NO_ACCURACY = ('_loss', '_seconds', '_std')


def tasks(space: str | None = None) -> list[tuple[str, str]]:
  """The 28 pairs of space and task, or those of one space.

  `nasbench_macro` is not of the 28, but may be asked for.

  Example:
    >>> len(tasks())
    28
    >>> tasks('nasbench201')[0]
    ('nasbench201', 'cifar10')

  Raises:
    ValueError: the space has no tasks.
  """
  if space is None:
    names = [name for name in _SPACES if name not in _BEYOND]
  else:
    _space(space)
    names = [space]
  return [(name, task) for name in names for task in _SPACES[name].tasks]


def siblings(space: str, task: str) -> list[tuple[str, str]]:
  """The other tasks of the same space, which share its architectures.

  Example:
    >>> siblings('nasbench201', 'cifar100')[:2]
    [('nasbench201', 'cifar10'), ('nasbench201', 'ImageNet16-120')]

  Raises:
    ValueError: no such task.
  """
  _check(space, task)
  return [pair for pair in tasks(space) if pair != (space, task)]


def metrics(space: str, task: str) -> list[str]:
  """The accuracies that `load_task` may give, the default first.

  Raises:
    ValueError: no such task.
    FileNotFoundError: there is no data; names the command that gets it.
  """
  _check(space, task)
  found = [_SPACES[space].default[task]]
  for name in _SPACES[space].accuracies:
    found += _accuracies(_resolve.load_accuracy(name), task)
  return list(dict.fromkeys(found))


def load_task(
    space: str,
    task: str,
    *,
    metric: str | None = None,
    unlabelled: bool = False,
) -> Task:
  """Accuracies and all proxies of one task.

  The default accuracy is one that a search may see: the validation accuracy of
  `nasbench201` (mean over the seeds, 200 epochs) where there is one; the last
  epoch's of the TransNAS spaces, as in NAS-Bench-Suite-Zero; what is there for
  the others (see `docs/data.md`). For NAS-Bench-201 `near_test_one_seed` gives
  NAS-Bench-Suite-Zero's, which is nearer the test than the validation
  accuracy, and `validation_12_epochs` a cheaper fidelity.

  Each proxy's column is of one draw. Note that `plain`, and `epe_nas` off
  CIFAR-10, are close to noise: two draws hardly agree.

  Rows of `nasbench101`, `nasbench201` and `transnas_micro` may be the same
  network under two genotypes: split by `Task.networks`, or take `Task.merged`.

  Args:
    space: e.g. `nasbench201`.
    task: e.g. `cifar10`; see `tasks`.
    metric: another accuracy, e.g. `test`; see `metrics`.
    unlabelled: adds the architectures that have proxies but no accuracy, with
      NaN.

  Raises:
    ValueError: no such task, or no such metric of it.
    FileNotFoundError: there is no data; names the command that gets it.
  """
  _check(space, task)
  parts = _SPACES[space]
  metric = parts.default[task] if metric is None else metric
  for source in parts.accuracies:
    table = _resolve.load_accuracy(source)
    if metric in _accuracies(table, task):
      break
  else:
    raise ValueError(
        f'{space} {task} has no metric {metric!r}; it has '
        f'{", ".join(metrics(space, task))}'
    )
  accuracy = table.row(task, metric)
  labelled = ~np.isnan(accuracy)
  genotype, accuracy = table.genotype[labelled], accuracy[labelled]
  draws = [_load(draw, task) for draw in parts.draws]
  if unlabelled:
    more = _scored([t for draw in draws for t in draw], task, genotype)
    genotype = np.concatenate([genotype, more])
    accuracy = np.concatenate([accuracy, np.full(len(more), np.nan)])
  proxies, sources, logarithms = _columns(draws, task, genotype)
  return Task(
      space=space,
      task=task,
      metric=metric,
      source=source,
      genotype=genotype,
      accuracy=accuracy,
      proxies=proxies,
      proxy_sources=sources,
      logarithms=logarithms,
  )


def _load(draw: _Draw, task: str) -> list[AccuracyTable]:
  tables = [_resolve.load_accuracy(name) for name in draw]
  return [table for table in tables if task in table.tasks]


def _columns(
    draws: Sequence[Sequence[AccuracyTable]], task: str, genotype: np.ndarray
) -> tuple[np.ndarray, tuple[tuple[str, ...], ...], tuple[str, ...]]:
  """`[N, 13]` scores, and of each column its tables and if it is a log."""
  found = [
      [(table, _rows(table, genotype)) for table in draw] for draw in draws
  ]
  values = np.full((len(genotype), len(PROXIES)), np.nan)
  sources: list[tuple[str, ...]] = []
  logarithms = []
  for column, proxy in zip(values.T, PROXIES, strict=True):
    used: list[str] = []
    for draw in found:
      for table, rows in draw:
        if proxy not in table.metrics:
          continue
        scores = np.where(rows < 0, np.nan, table.row(task, proxy)[rows])
        new = np.isnan(column) & ~np.isnan(scores)
        if new.any():
          column[new] = scores[new]
          used.append(table.source)
          if proxy in table.logarithms and proxy not in logarithms:
            logarithms.append(proxy)
      if used:
        break
    sources.append(tuple(used))
  return values, tuple(sources), tuple(logarithms)


def _rows(table: AccuracyTable, genotype: np.ndarray) -> np.ndarray:
  """Where a table has each genotype, `[N]`; -1 where it has not."""
  row = {genes.tobytes(): i for i, genes in enumerate(table.genotype)}
  return np.array([row.get(genes.tobytes(), -1) for genes in genotype], int)


def _scored(
    tables: Sequence[AccuracyTable], task: str, genotype: np.ndarray
) -> np.ndarray:
  """Genotypes `[K, G]` with a score of the task that are not in `genotype`."""
  known = {row.tobytes() for row in genotype}
  more = []
  for table in tables:
    scored = ~np.isnan(table.values[table.tasks.index(task)]).all(axis=0)
    for row in table.genotype[scored]:
      if row.tobytes() not in known:
        known.add(row.tobytes())
        more.append(row)
  return np.array(more, np.int32).reshape(-1, genotype.shape[1])


def _accuracies(table: AccuracyTable, task: str) -> list[str]:
  """Metrics of a table where higher is better, known for the task."""
  if task not in table.tasks:
    return []
  known = ~np.isnan(table.values[table.tasks.index(task)]).all(axis=1)
  return [
      name for name, is_known in zip(table.metrics, known, strict=True)
      if is_known and name not in PROXIES and not name.endswith(_NO_ACCURACY)
  ]


def _space(space: str) -> _Space:
  if space not in _SPACES:
    raise ValueError(
        f'no accuracies of the space {space!r}; known: {", ".join(_SPACES)}'
    )
  return _SPACES[space]


def _check(space: str, task: str) -> None:
  if task not in _space(space).tasks:
    raise ValueError(
        f'{space} has no task {task!r}; it has '
        f'{", ".join(_SPACES[space].tasks)}'
    )
