"""Summaries for a person to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import importlib.util
import sys
from typing import Any

from nasflat_jax.trials import _features

_HEADER = (
    'task', 'method', 'n', 'spearman', 'kendall', 'mape', 'within 10 %',
    'measured',
)
_MEASURED = (
    'measured: on all source devices or tasks + reference architectures on the '
    'target + support on the target'
)


def print_summary(entries: Sequence[Mapping[str, Any]]) -> None:
  """Prints a table: with rich on a terminal that has it, plainly elsewhere.

  Args:
    entries: what `summarize` gave.
  """
  if not sys.stdout.isatty() or importlib.util.find_spec('rich') is None:
    print(format_summary(entries))
    return
  # Optional, so not imported by those who pipe the table into a file.
  from rich import console
  from rich import table
  shown = table.Table()
  for i, name in enumerate(_HEADER):
    shown.add_column(name, justify='left' if i < 2 else 'right')
  for entry in entries:
    shown.add_row(*_cells(entry))
  console.Console().print(shown)
  for note in _notes(entries):
    print(note)


def format_summary(entries: Sequence[Mapping[str, Any]]) -> str:
  """Lays the entries of `summarize` out as a plain table.

  Args:
    entries: what `summarize` gave.

  Returns:
    Lines without a trailing newline. Notes below the table say what `measured`
    adds up and name a sampler other than `random`, an oracle as such.
  """
  lines = [_HEADER, *(_cells(entry) for entry in entries)]
  widths = [max(len(line[i]) for line in lines) for i in range(len(_HEADER))]
  table = [
      '  '.join(
          cell.ljust(width) if i < 2 else cell.rjust(width)
          for i, (cell, width) in enumerate(zip(line, widths, strict=True))
      ).rstrip()
      for line in lines
  ]
  return '\n'.join([*table, *_notes(entries)])


def _notes(entries: Sequence[Mapping[str, Any]]) -> list[str]:
  """What the figures cannot be read without: the cost, and what chose."""
  names = dict.fromkeys(str(entry['sampler']) for entry in entries)
  notes = [_MEASURED] if entries else []
  for name in names:
    if f'({_features.ORACLE})' in name:
      notes.append(
          f'sampler: {name}: an oracle, which sees every latency of the '
          'target; an upper bound, not a method'
      )
    elif name != 'random':
      notes.append(f'sampler: {name}')
  return notes


def _cells(entry: Mapping[str, Any]) -> tuple[str, ...]:
  """One line of the table: figures with spread, and what they cost."""
  spearman = _cell(entry['spearman'])
  if entry['spearman_std'] is not None:
    spearman += f' ±{entry["spearman_std"]:.3f}'
  if entry['num_degenerate']:
    spearman += f' ({entry["num_degenerate"]} degenerate)'
  return (
      entry['task'],
      entry['method'],
      str(entry['num_support']),
      spearman,
      _cell(entry['kendall']),
      _cell(entry['mape']),
      _cell(entry['within_10pct']),
      ' + '.join(
          'varies' if entry['budget'][name] is None
          else str(entry['budget'][name])
          for name in ('source', 'reference', 'target')
      ),
  )


def _cell(value: float | None) -> str:
  return '-' if value is None else f'{value:.3f}'
