"""Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence

NONE = '–'


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
  """Lines of a table, an empty one at the end."""
  lines = [_line(header), '|---' * len(header) + '|']
  return [*lines, *map(_line, rows), '']


def number(value: float | None, digits: int = 3) -> str:
  """A figure, or a dash where there is none."""
  return NONE if value is None else f'{value:.{digits}f}'


def signed(value: float | None, digits: int = 3) -> str:
  """As `number`, with its sign."""
  return NONE if value is None else f'{value:+.{digits}f}'


def spread(mean: float, std: float | None, digits: int = 3) -> str:
  """A mean and, where there is one, its spread."""
  text = f'{mean:.{digits}f}'
  return text if std is None else f'{text} ±{std:.{digits}f}'


def _line(cells: Sequence[str]) -> str:
  # A bar inside a cell would end it.
  return '| ' + ' | '.join(cell.replace('|', '\\|') for cell in cells) + ' |'
