"""Results on disk: a log that grows while a run lasts, then one JSON file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import datetime
import json
import os
import pathlib
import platform
from typing import Any

import jax
import numpy as np
import scipy

import nasflat_jax
from nasflat_jax import reports

Rows = list[dict[str, Any]]


def metadata(
    *, command: str, seed: int, data_sha256: Mapping[str, str],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
  """What a person needs to repeat a run.

  Args:
    command: the command line.
    seed: the seed of all keys.
    data_sha256: fingerprint of each table, by space.
    settings: everything else that changes a row.

  Returns:
    `command, seed, settings, versions, hardware, data_sha256, date`.
  """
  device = jax.devices()[0]
  return {
      'command': command,
      'seed': seed,
      'settings': dict(settings),
      'versions': {
          'nasflat_jax': nasflat_jax.__version__,
          'python': platform.python_version(),
          'jax': jax.__version__,
          'numpy': np.__version__,
          'scipy': scipy.__version__,
      },
      'hardware': {
          'machine': platform.machine(),
          'cpu_count': os.cpu_count(),
          'backend': device.platform,
          'backend_device': device.device_kind,
          'num_backend_devices': jax.device_count(),
      },
      'data_sha256': dict(data_sha256),
      'date': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
  }


class Store:
  """Rows of finished (task, method) pairs, kept beside the results file.

  They are appended to `<path>.partial`, so an interrupted run loses no more
  than the pair it was at. Results of other settings are never mixed in.

  Attributes:
    path: the results file.
    done: rows by (task, method).
  """

  def __init__(
      self,
      path: str | pathlib.Path,
      meta: Mapping[str, Any],
      *,
      resume: bool = False,
  ) -> None:
    """Opens a store.

    Args:
      path: the results file; an old one stays until `finish`.
      meta: see `metadata`.
      resume: reuse the rows of an interrupted run, if there is one.

    Raises:
      ValueError: there is an interrupted run and `resume` is False, or it
        differs in something that changes rows, or its file is damaged.
    """
    self.path = pathlib.Path(path)
    self._meta = dict(meta)
    self._partial = self.path.with_name(self.path.name + '.partial')
    self.done: dict[tuple[str, str], Rows] = {}
    # The log begins with the first rows: a run refused for its settings leaves
    # nothing behind.
    self._begun = self._partial.exists()
    if self._begun and not resume:
      raise ValueError(
          f'{self._partial} holds an interrupted run; pass --resume to go on '
          'or delete it'
      )
    if self._begun:
      self._load()

  def _load(self) -> None:
    content = self._partial.read_bytes()
    # An interruption while writing leaves a last line without its end.
    whole = content[:content.rfind(b'\n') + 1]
    try:
      header, *entries = [json.loads(line) for line in whole.splitlines()]
      old = header['meta']
      done = {(e['task'], e['method']): e['rows'] for e in entries}
    except (ValueError, KeyError, TypeError) as error:
      raise ValueError(
          f'{self._partial} is not a log of an interrupted run ({error}); '
          'delete it to start anew'
      ) from error
    for name in ('seed', 'settings', 'versions'):
      if old.get(name) != self._meta[name]:
        raise ValueError(
            f'{self._partial} has {name} {old.get(name)}, this run has '
            f'{self._meta[name]}; delete it to start anew'
        )
    tables, new = old.get('data_sha256', {}), self._meta['data_sha256']
    for space in tables.keys() & new.keys():
      if tables[space] != new[space]:
        raise ValueError(
            f'{self._partial} was made from another {space} table; delete it '
            'to start anew'
        )
    if whole != content:
      self._partial.write_bytes(whole)
    self.done = done

  def add(self, task: str, method: str, rows: Sequence[Mapping]) -> None:
    """Keeps the rows of a finished pair, on disk before it returns."""
    line = json.dumps(
        {'task': task, 'method': method, 'rows': list(rows)}, allow_nan=False
    )
    header = '' if self._begun else json.dumps({'meta': self._meta}) + '\n'
    mode = 'a' if self._begun else 'w'
    with self._partial.open(mode, encoding='utf-8') as file:
      file.write(f'{header}{line}\n')
      file.flush()
      os.fsync(file.fileno())
    self._begun = True
    self.done[task, method] = [dict(row) for row in rows]

  def finish(self, pairs: Sequence[tuple[str, str]]) -> Rows:
    """Writes the results file whole and removes the log.

    Args:
      pairs: the (task, method) pairs to write, in this order.

    Returns:
      The rows written.
    """
    rows = [row for pair in pairs for row in self.done[pair]]
    lines = ',\n'.join(json.dumps(row, allow_nan=False) for row in rows)
    text = f'{{"meta": {json.dumps(self._meta, indent=1)},\n"rows": [\n'
    with reports.atomic_path(self.path) as partial:
      partial.write_text(f'{text}{lines}\n]}}\n', encoding='utf-8')
    self.discard()
    return rows

  def discard(self) -> None:
    """Removes the log, once the results are in a file."""
    self._partial.unlink(missing_ok=True)
