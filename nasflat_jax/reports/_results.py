"""Writes results as files, each either whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import csv
import io
import json
import math
import os
import pathlib
from typing import Any

import numpy as np

from nasflat_jax import spaces
from nasflat_jax import types


@contextlib.contextmanager
def atomic_path(path: str | pathlib.Path) -> Iterator[pathlib.Path]:
  """Gives a temporary path that becomes `path` when the block succeeds.

  Args:
    path: the file to write; an old one is replaced at the end of the block.

  Yields:
    A path in the same folder. It is removed if the block raises.
  """
  path = pathlib.Path(path)
  partial = path.with_name(f'.{path.name}.{os.getpid()}.partial')
  try:
    yield partial
    os.replace(partial, path)
  finally:
    partial.unlink(missing_ok=True)


def write_measurements(
    path: str | pathlib.Path,
    space: types.SearchSpace,
    genotype: np.ndarray,  # [N, G]
    latency_ms: np.ndarray,  # [N]
    *,
    role: Sequence[str],  # [N]
    iqr_ms: np.ndarray | None = None,  # [N]
    repeats: np.ndarray | None = None,  # [N]
) -> None:
  """Writes `index,architecture,role,latency_ms,iqr_ms,repeats`.

  `read_measurements` reads the latencies back exactly. Where `measure.collect`
  made them, `latency_ms` is the median over rounds of the quickest pass of each
  round, `iqr_ms` the interquartile range of these quickest passes, and
  `repeats` counts all timed passes.

  Args:
    path: the file.
    space: the search space.
    genotype: `[N, G]` architectures.
    latency_ms: `[N]` milliseconds.
    role: `[N]` `support` or `check`.
    iqr_ms: `[N]` interquartile range, milliseconds; NaN, or None for all,
      leaves a cell empty.
    repeats: `[N]` timings behind each latency; None leaves the cells empty.
  """
  num = len(genotype)
  write_table(path, {
      **identity(space, genotype),
      'role': list(role),
      'latency_ms': [repr(float(value)) for value in latency_ms],
      'iqr_ms': [''] * num if iqr_ms is None else [
          '' if math.isnan(value) else f'{value:.4g}'
          for value in np.asarray(iqr_ms)
      ],
      'repeats': [''] * num if repeats is None else [
          str(int(value)) for value in np.asarray(repeats)
      ],
  })


def write_predictions(
    path: str | pathlib.Path,
    space: types.SearchSpace,
    genotype: np.ndarray,  # [N, G]
    prediction: types.Prediction,
) -> None:
  """Writes `index,architecture,latency_ms` and the spread where there is one.

  Args:
    path: the file.
    space: the search space.
    genotype: `[N, G]` architectures.
    prediction: `[N]` predicted latencies; a field that is None gets no column.
  """
  columns = identity(space, genotype)
  for name in ('latency_ms', 'std_ms', 'lower_ms', 'upper_ms'):
    values = getattr(prediction, name)
    if values is not None:
      # Seven digits are all that float32 holds.
      columns[name] = [f'{value:.7g}' for value in np.asarray(values)]
  write_table(path, columns)


def write_summary(
    path: str | pathlib.Path, summary: Mapping[str, Any]
) -> None:
  """Writes a summary as JSON; what is not finite becomes null.

  Args:
    path: the file.
    summary: text, numbers, NumPy and JAX arrays, and lists and mappings of
      them.
  """
  text = json.dumps(
      _plain(summary), indent=2, allow_nan=False, ensure_ascii=False
  )
  _write_text(path, text + '\n')


def identity(
    space: types.SearchSpace, genotype: np.ndarray
) -> dict[str, list[str]]:
  """Returns the two columns that name an architecture."""
  genotype = np.asarray(genotype)
  return {
      'index': [str(index) for index in spaces.index_of(space, genotype)],
      'architecture': list(space.to_string(genotype)),
  }


def write_table(
    path: str | pathlib.Path, columns: Mapping[str, Sequence[str]]
) -> None:
  """Writes columns of one length as CSV."""
  buffer = io.StringIO(newline='')
  writer = csv.writer(buffer, lineterminator='\n')
  writer.writerow(columns)
  writer.writerows(zip(*columns.values(), strict=True))
  _write_text(path, buffer.getvalue())


def _write_text(path: str | pathlib.Path, text: str) -> None:
  """Writes a whole text file or none."""
  with atomic_path(path) as partial:
    partial.write_text(text, encoding='utf-8', newline='\n')


def _plain(value: Any) -> Any:
  """Turns arrays into lists and what is not finite into None."""
  if isinstance(value, Mapping):
    return {str(name): _plain(item) for name, item in value.items()}
  if hasattr(value, 'tolist'):
    value = value.tolist()
  if isinstance(value, (list, tuple)):
    return [_plain(item) for item in value]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value
