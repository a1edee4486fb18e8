"""Checks of the keywords of methods."""

from __future__ import annotations


def at_least_one(**numbers: int) -> None:
  """Raises ValueError, with the keyword's name, for a number below 1."""
  for keyword, number in numbers.items():
    if number < 1:
      raise ValueError(f'{keyword} must be 1 or more, got {number}')
