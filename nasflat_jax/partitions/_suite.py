"""Splits of one's own in a JSON file.

    {"format": "nasflat_jax partitions 1",
     "partitions": [{"name": "X1", "space": "fbnet", "table": null,
                     "source": ["1080ti_1"], "target": ["raspi4"]}]}

`table` is `Partition.table` and may be left out. Other keys are for readers:
the command that wrote the file, and how alike sources and targets are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
import os
import pathlib
import re
from typing import Any

from nasflat_jax import reports
from nasflat_jax.types import Partition

_FORMAT = 'nasflat_jax partitions 1'
# Names stand in lists, file names and tables.
_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9_.-]*')


def save_suite(
    path: str | os.PathLike[str],
    partitions: Sequence[Partition],
    *,
    details: Sequence[Mapping[str, Any]] = (),
    **header: Any,
) -> None:
  """Writes splits to a file that `load_suite` reads, whole or not at all.

  Args:
    path: the file, `.json`; an old one is replaced.
    partitions: the splits.
    details: for each split, more keys for readers; empty for none.
    **header: more keys at the top, e.g. `command`.

  Raises:
    ValueError: the file could not be read back, see `load_suite`.
  """
  details = details or [{}] * len(partitions)
  content = {
      'format': _FORMAT,
      **header,
      'partitions': [
          {
              'name': partition.name,
              'space': partition.space,
              'table': partition.table,
              'source': list(partition.source),
              'target': list(partition.target),
              **more,
          }
          for partition, more in zip(partitions, details, strict=True)
      ],
  }
  _parse(content, str(path))
  with reports.atomic_path(pathlib.Path(path)) as partial:
    partial.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')


def load_suite(path: str | os.PathLike[str]) -> tuple[Partition, ...]:
  """Reads the splits of a file, as `nasflat-partition` writes it.

  Args:
    path: the file.

  Returns:
    The splits, in the file's order.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: the file is not one of splits; names the file and the key.
  """
  try:
    content = json.loads(pathlib.Path(path).read_text('utf-8'))
  except (json.JSONDecodeError, UnicodeDecodeError) as error:
    raise ValueError(f'{path}: not JSON: {error}') from error
  return _parse(content, str(path))


def _parse(content: Any, path: str) -> tuple[Partition, ...]:
  if not isinstance(content, dict) or content.get('format') != _FORMAT:
    raise ValueError(f'{path}: format: want {_FORMAT!r}')
  entries = content.get('partitions')
  if not isinstance(entries, list) or not entries:
    raise ValueError(f'{path}: partitions: want a list of at least one split')
  partitions = tuple(
      _partition(entry, f'{path}: partitions[{index}]')
      for index, entry in enumerate(entries)
  )
  names = [partition.name for partition in partitions]
  for index, name in enumerate(names):
    if name in names[:index]:
      raise ValueError(f'{path}: partitions[{index}].name: {name!r} again')
  return partitions


def _partition(entry: Any, where: str) -> Partition:
  if not isinstance(entry, dict):
    raise ValueError(f'{where}: want an object, got {entry!r}')
  for key in ('name', 'space'):
    value = entry.get(key)
    if not isinstance(value, str) or not _NAME.fullmatch(value):
      raise ValueError(
          f'{where}.{key}: want letters, digits, _, . and -, got {value!r}'
      )
  table = entry.get('table')
  if table is not None and not (isinstance(table, str) and table):
    raise ValueError(f'{where}.table: want a name, a path or null: {table!r}')
  for key in ('source', 'target'):
    devices = entry.get(key)
    if not (
        isinstance(devices, list)
        and devices
        and all(isinstance(name, str) and name for name in devices)
    ):
      raise ValueError(
          f'{where}.{key}: want a list of device names, got {devices!r}'
      )
    if len(set(devices)) < len(devices):
      raise ValueError(f'{where}.{key}: a device is named twice')
  both = set(entry['source']) & set(entry['target'])
  if both:
    raise ValueError(
        f'{where}.target: {sorted(both)[0]!r} is among the sources as well'
    )
  return Partition(
      name=entry['name'],
      space=entry['space'],
      source=tuple(entry['source']),
      target=tuple(entry['target']),
      table=table,
  )
