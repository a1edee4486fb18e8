"""Rows of several result files as one, and their means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import dataclasses
import gzip
import json
import math
import pathlib
import statistics
from typing import Any, NamedTuple

Row = dict[str, Any]

_KEY = ('task', 'sampler', 'method', 'num_support', 'device', 'trial')


class Estimate(NamedTuple):
  """A mean and its spread over trials; None where there are fewer than two.

  Attributes:
    mean: over the trials' values.
    std: their sample standard deviation.
    num: how many there are.
  """

  mean: float
  std: float | None
  num: int

  @property
  def error(self) -> float | None:
    """Standard error of the mean."""
    return None if self.std is None else self.std / math.sqrt(self.num)


@dataclasses.dataclass(frozen=True)
class Results:
  """Rows of one or more files of `nasflat-evaluate`.

  Attributes:
    metas: each file's `meta`.
    rows: all rows; a row that two files hold is taken from the first.
    num_repeated: rows that were left out for that.
    largest_difference: between the Spearman of such rows and of those taken.
  """

  metas: tuple[dict[str, Any], ...]
  rows: tuple[Row, ...]
  num_repeated: int = 0
  largest_difference: float = 0.0


def load(paths: Sequence[str]) -> Results:
  """Reads result files, `.json` or `.json.gz`, comparable with each other.

  Raises:
    ValueError: a file is not one of `nasflat-evaluate`, or files differ in
      seed or data, so that their supports are not paired.
  """
  results = Results((), ())
  for path in paths:
    try:
      raw = pathlib.Path(path).read_bytes()
      raw = gzip.decompress(raw) if str(path).endswith('.gz') else raw
      content = json.loads(raw)
      one = Results((content['meta'],), tuple(content['rows']))
      results = merged(results, one)
    except (
        KeyError, TypeError, json.JSONDecodeError, gzip.BadGzipFile
    ) as error:
      raise ValueError(f'{path}: not a result file ({error!r})') from error
    except ValueError as error:
      raise ValueError(f'{path}: {error}') from error
  return results


def _check_settings(old: dict[str, Any], new: dict[str, Any]) -> None:
  # Older files do not know the pool.
  names = ['num_source']
  if old.get('sampler') == new.get('sampler'):
    names.append('pool_size')
  for name in names:
    one, other = old.get(name, 0), new.get(name, 0)
    if one != other:
      raise ValueError(f'{name} {other}, another file has {one}')


def merged(first: Results, second: Results) -> Results:
  """Rows of both; those that both have are the first's.

  Raises:
    ValueError: they differ in seed, data, source rows, or in the pool of the
      same sampler.
  """
  for old in first.metas:
    for new in second.metas:
      if new['seed'] != old['seed']:
        raise ValueError(
            f'seed {new["seed"]}, another file has {old["seed"]}: their '
            'measurements are not the same'
        )
      _check_settings(old.get('settings', {}), new.get('settings', {}))
      tables, others = old['data_sha256'], new['data_sha256']
      for name in tables.keys() & others.keys():
        if tables[name] != others[name]:
          raise ValueError(f'made from another {name} table than other files')
  rows = {tuple(row[k] for k in _KEY): row for row in first.rows}
  num_repeated, largest = first.num_repeated, first.largest_difference
  for row in second.rows:
    old_row = rows.setdefault(tuple(row[k] for k in _KEY), row)
    if old_row is not row:
      num_repeated += 1
      pair = row['spearman'], old_row['spearman']
      if None not in pair:
        largest = max(largest, abs(pair[0] - pair[1]))
  return Results(
      (*first.metas, *second.metas), tuple(rows.values()), num_repeated, largest
  )


def ordered(values: Iterable[Any]) -> list[Any]:
  """Distinct values in the order in which they first come."""
  return list(dict.fromkeys(values))


def select(rows: Iterable[Row], **fields: Any) -> list[Row]:
  """The rows with these values."""
  return [r for r in rows if all(r[k] == v for k, v in fields.items())]


def estimate(values: Sequence[float]) -> Estimate | None:
  """Mean and spread of one value per trial; None without a value."""
  if not values:
    return None
  std = statistics.stdev(values) if len(values) > 1 else None
  return Estimate(statistics.mean(values), std, len(values))


def task_estimate(rows: Iterable[Row], figure: str) -> Estimate | None:
  """Mean over devices, for each trial; then over trials.

  Rows without the figure are passed over.
  """
  trials: dict[int, list[float]] = {}
  for row in rows:
    if row[figure] is not None:
      trials.setdefault(row['trial'], []).append(row[figure])
  return estimate([statistics.mean(values) for values in trials.values()])


def paired(
    ours: Iterable[Row], theirs: Iterable[Row], figure: str = 'spearman'
) -> Estimate | None:
  """Ours minus theirs on the same devices and trials: mean over devices."""
  rival = {(r['device'], r['trial']): r[figure] for r in theirs}
  trials: dict[int, list[float]] = {}
  for row in ours:
    other = rival.get((row['device'], row['trial']))
    if other is not None and row[figure] is not None:
      trials.setdefault(row['trial'], []).append(row[figure] - other)
  return estimate([statistics.mean(values) for values in trials.values()])


def geometric_mean(values: Sequence[float]) -> float | None:
  """None where a value is not above zero."""
  if not values or min(values) <= 0:
    return None
  return statistics.geometric_mean(values)
