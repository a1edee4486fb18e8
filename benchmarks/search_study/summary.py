"""Figures of the table: regret, budgets kept, accuracies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import gzip
import json
import pathlib
from typing import Any

import numpy as np

from search_study import published

Cell = dict[str, Any]
NAMES = {
    'ours': 'ours',
    'unverified': 'ours, unverified (P >= .95)',
    'help_rule': "HELP's rule, our predictor",
    'flops_verified': 'FLOPs, half verified',
    'flops': 'FLOPs, calibrated',
    'random': 'random search',
}
# Where no network was found, chance accuracy is counted.
_CHANCE = 1.0


def load(paths: Iterable[pathlib.Path]) -> tuple[list[dict], list[Cell]]:
  """Headers and cells of result files."""
  heads, cells = [], []
  for path in paths:
    with gzip.open(path, 'rt', encoding='utf-8') as file:
      record = json.load(file)
    devices = record.pop('devices')
    heads.append(record | {'sources': {
        device['device']: device['sources'] for device in devices
    }})
    for device in devices:
      cells += device['cells']
  return heads, cells


def select(cells: Iterable[Cell], **wanted: Any) -> list[Cell]:
  """Cells with these values; a list of values means any of them."""
  def fits(cell: Cell) -> bool:
    return all(
        cell[key] in value if isinstance(value, (list, tuple))
        else cell[key] == value
        for key, value in wanted.items()
    )
  return [cell for cell in cells if fits(cell)]


def accuracies(cell: Cell) -> np.ndarray:
  """One for each seed; chance where nothing was found."""
  return np.array([
      _CHANCE if value is None else value for value in cell['accuracy']
  ])


def kept(cell: Cell) -> np.ndarray:
  """Whether each seed's network holds the budget."""
  return np.array([
      value is not None and value <= cell['budget_ms'] * (1 + 1e-6)
      for value in cell['latency_ms']
  ])


def regret(cell: Cell) -> np.ndarray:
  """Of each seed, accuracy points below the best feasible candidate.

  A network that breaks the budget is none: it counts as chance.
  """
  found = np.where(kept(cell), accuracies(cell), _CHANCE)
  return cell['best'] - found


def explained_regret(cell: Cell, best: float) -> np.ndarray:
  """Regret against another best network; 0 where a run beats that one."""
  found = np.where(kept(cell), accuracies(cell), _CHANCE)
  return np.maximum(best - found, 0.0)


def figures(cells: Sequence[Cell]) -> dict[str, float]:
  """Means over cells and seeds; the spread is over seeds of the mean."""
  cells = [cell for cell in cells if cell['best'] is not None]
  if not cells:
    return {}
  values = np.array([regret(cell) for cell in cells])  # [P, T]
  holds = np.array([kept(cell) for cell in cells])
  gap = np.array([cell['best'] - accuracies(cell) for cell in cells])
  return {
      'problems': len(cells),
      'runs': int(values.size),
      'regret': float(values.mean()),
      'regret_std': float(values.mean(axis=0).std()),
      'worst_problem': float(values.mean(axis=1).max()),
      'kept': float(holds.mean()),
      # Of the runs that kept it, so that a broken budget does not help.
      'regret_where_kept': float(gap[holds].mean()) if holds.any() else np.nan,
      'used': float(np.mean([cell['used'] for cell in cells])),
      'exact': float((values < 1e-9).mean()),
  }


def against_help(cells: Sequence[Cell]) -> list[dict[str, Any]]:
  """HELP's 15 constraints beside ours at every size."""
  rows = []
  for device, points in published.HELP.items():
    for constraint, ms, accuracy in points:
      here = select(
          cells, group='help', device=device, budget_ms=float(constraint)
      )
      if not here:
        continue
      row = {
          'device': device, 'constraint': constraint, 'help_ms': ms,
          'help_accuracy': accuracy, 'best': here[0]['best'],
          'best_ms': here[0]['best_ms'],
          'attainable': (device, constraint) not in published.UNATTAINABLE,
      }
      for cell in here:
        row[cell['num']] = {
            'accuracy': float(accuracies(cell).mean()),
            'std': float(accuracies(cell).std()),
            'least': float(accuracies(cell).min()),
            'ms': float(np.mean([
                v for v in cell['latency_ms'] if v is not None
            ])),
            'kept': float(kept(cell).mean()),
            'regret': float(regret(cell).mean()),
            # Published accuracies have one digit.
            'at_least': float((
                kept(cell) & (accuracies(cell) >= accuracy - 0.05)
            ).mean()),
        }
      rows.append(row)
  return rows
