"""NASLib's files: architectures as tuples, scores and accuracies per task.

NAS-Bench-Suite-Zero (https://arxiv.org/abs/2210.03230) keeps one JSON list per
space, task and part in zip archives; older files are one JSON object. Rows are
in no order of any benchmark: architectures are the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
import io
import json
import math
from typing import Any
import zipfile

import numpy as np

from nasflat_jax import spaces
from nasflat_jax.data._accuracy_table import AccuracyTable
from nasflat_jax.data._zero_cost import PROXIES

# One cell of a table: by task, architecture (NASLib's string) and column.
Cells = dict[str, dict[str, dict[str, float]]]

ACCURACY = 'val_accuracy'
# What NASLib writes where a score is not a number.
FAILED = -1e8
_SPACES = {
    'darts': 'nasbench301',
    'transnas_macro': 'transbench101_macro',
    'transnas_micro': 'transbench101_micro',
}
_CELL = '|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|'
_CELL_OPS = (
    'skip_connect', 'none', 'nor_conv_3x3', 'nor_conv_1x1', 'avg_pool_3x3'
)
# NASLib sorts the edges of NAS-Bench-201 by their source node, the benchmark's
# strings by their target: where each edge of a string is in NASLib's tuple.
_CELL_EDGES = (0, 1, 3, 2, 4, 5)


def genotypes(space: str, keys: Iterable[str]) -> np.ndarray:
  """`[N, G]` genotypes of NASLib's strings.

  Raises:
    ValueError: a string is no architecture of the space.
  """
  keys = list(keys)
  if space == 'nasbench201':
    keys = [_cell(key) for key in keys]
  else:
    # The JSON of NAS-Bench-301 spells its outer tuples as lists.
    keys = [key.replace('[', '(').replace(']', ')') for key in keys]
  return spaces.get(space).from_string(keys)


def read_zip(cells: Cells, content: bytes, name: str, space: str) -> None:
  """Adds a zip's records of `space` to `cells`; what is there stays.

  Raises:
    ValueError: the file is not such a zip, or two accuracies of one
      architecture differ.
  """
  prefix = f'--{_SPACES.get(space, space)}--'
  try:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
      members = [m for m in archive.namelist() if m.endswith('.json')]
      # The number in a name is that of its first record.
      members.sort(key=lambda m: int(m[:-5].rpartition('--')[2]))
      for member in members:
        if prefix in member:
          task = member.rsplit('--', 2)[1]
          for record in json.loads(archive.read(member)):
            _add(cells, task, record['arch'], record, f'{name}: {member}')
  except (
      AttributeError, KeyError, TypeError, ValueError, zipfile.BadZipFile,
  ) as error:
    raise ValueError(f'{name}: not a zip of NASLib scores: {error}') from error


def read_json(
    cells: Cells, content: bytes, name: str, space: str | None = None
) -> None:
  """Adds `{task: {arch: record}}`, below the key `space` if given.

  Raises:
    ValueError: the file is not such an object.
  """
  try:
    table = json.loads(content)
    if space is not None:
      table = table[_SPACES.get(space, space)]
    for task, records in table.items():
      for arch, record in records.items():
        _add(cells, task, arch, record, name)
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise ValueError(f'{name}: not a file of NASLib scores: {error}') from error


def table(
    cells: Cells,
    *,
    space: str,
    source: str,
    tasks: tuple[str, ...],
    accuracies: Mapping[str, str],
) -> AccuracyTable:
  """The table of what was read.

  Args:
    cells: from `read_zip` and `read_json`.
    space: whose architectures.
    source: the table's name.
    tasks: which, in this order.
    accuracies: what to call the accuracy of each task; tasks without one are
      left out.
  """
  keys = list(dict.fromkeys(arch for task in tasks for arch in cells[task]))
  row = {key: i for i, key in enumerate(keys)}
  found = {
      column
      for task in tasks for record in cells[task].values() for column in record
  }
  proxies = [proxy for proxy in PROXIES if proxy in found]
  metrics = (*dict.fromkeys(accuracies.values()), *proxies)
  values = np.full((len(tasks), len(metrics), len(keys)), np.nan)
  for of_task, task in zip(values, tasks, strict=True):
    columns = {proxy: of_task[metrics.index(proxy)] for proxy in proxies}
    if task in accuracies:
      columns[ACCURACY] = of_task[metrics.index(accuracies[task])]
    for arch, record in cells[task].items():
      for column, value in record.items():
        columns[column][row[arch]] = value
  return AccuracyTable(
      space=space,
      source=source,
      tasks=tasks,
      metrics=metrics,
      genotype=genotypes(space, keys),
      values=values,
      logarithms=('synflow',) if 'synflow' in proxies else (),
  )


def score(value: Any) -> float:
  """A number; NaN where NASLib says that the score failed."""
  number = float(value)
  return number if math.isfinite(number) and number != FAILED else math.nan


def _add(
    cells: Cells, task: str, arch: str, record: Mapping[str, Any], name: str
) -> None:
  cell = cells.setdefault(task, {}).setdefault(arch, {})
  for column in (ACCURACY, *PROXIES):
    value = record.get(column)
    if value is None:
      continue
    number = score(value['score'] if isinstance(value, dict) else value)
    if column == ACCURACY and cell.get(column, number) != number:
      raise ValueError(
          f'{name}: {task} accuracy of {arch} is {number}, before it was '
          f'{cell[column]}'
      )
    cell.setdefault(column, number)


def _cell(key: str) -> str:
  """NAS-Bench-201's string of NASLib's tuple."""
  try:
    codes = [int(code) for code in key.strip('()').split(',')]
    if len(codes) != 6 or min(codes) < 0:
      raise ValueError('want six operations')
    return _CELL.format(*(_CELL_OPS[codes[edge]] for edge in _CELL_EDGES))
  except (IndexError, ValueError) as error:
    raise ValueError(f'{key!r} is no cell of NAS-Bench-201: {error}') from error
