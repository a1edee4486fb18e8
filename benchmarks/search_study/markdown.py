"""Tables of the page of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from search_study import problems
from search_study import published
from search_study import summary

_SIZES = (5, 10, 20)
# Wanted: mean regret, and share of runs that keep the budget.
_REGRET, _KEPT = {10: 0.6, 20: 0.3}, 0.95
_TITLES = {'whole': 'all 15,625', 'metad2a': "MetaD2A's 500"}
# Groups of problems as the bars name them.
_GROUPS = (
    ("HELP's constraints without pixel2", ['help'], False),
    ('pixel2 (whole milliseconds)', ['help'], True),
    ('Eagle and HW-NAS-Bench, 30/50/70 %', ['percentile'], None),
    ('both without pixel2', ['help', 'percentile'], False),
)


def row(*values: Any) -> str:
  """One line of a table."""
  return f'| {" | ".join(str(value) for value in values)} |'


def head(*names: str) -> list[str]:
  """The first two lines of a table."""
  return [row(*names), '|' + '---|' * len(names)]


def group_cells(
    cells: Sequence[summary.Cell], group: list[str], pixel2: bool | None
) -> list[summary.Cell]:
  """Cells of one of the groups."""
  return [
      cell for cell in summary.select(cells, group=group)
      if pixel2 is None or (cell['device'] == 'pixel2') == pixel2
  ]


def bars(cells: Sequence[summary.Cell], signal: str) -> list[str]:
  """Regret and budgets kept of ours, by group and size."""
  lines = head(
      'candidates', 'problems', 'n', 'runs', 'mean regret', 'worst problem',
      'budget kept', 'found the best', 'measurements used', 'bar',
  )
  there = {
      cell['group'] for cell in summary.select(cells, signal=signal)
  } & {'help', 'percentile'}
  for candidates, title in _TITLES.items():
    for label, group, pixel2 in _GROUPS:
      for num in _SIZES:
        found = summary.figures(group_cells(summary.select(
            cells, candidates=candidates, signal=signal, method='ours',
            num=num,
        ), group, pixel2))
        if found and not (len(group) > 1 and len(there) < 2):
          lines.append(row(
              title, f'{label} ({found["problems"]})', num, found['runs'],
              f'{found["regret"]:.3f} ± {found["regret_std"]:.3f}',
              f'{found["worst_problem"]:.2f}', f'{100 * found["kept"]:.1f} %',
              f'{100 * found["exact"]:.0f} %', f'{found["used"]:.1f}',
              _verdict(found, num),
          ))
  return lines


def _verdict(found: dict[str, float], num: int) -> str:
  if num not in _REGRET:
    return ''
  met = found['regret'] <= _REGRET[num] and found['kept'] >= _KEPT
  return 'met' if met else 'missed'


def methods(cells: Sequence[summary.Cell], candidates: str) -> list[str]:
  """All methods on all problems but pixel2's."""
  lines = head(
      'method', *(
          f'{label}, n = {num}' for num in _SIZES
          for label in ('gap', 'kept')
      ),
  )
  part = [
      cell for cell in summary.select(
          cells, candidates=candidates, signal='test',
          group=['help', 'percentile'],
      )
      if cell['device'] != 'pixel2'
  ]
  for method, name in summary.NAMES.items():
    values: list[str] = []
    for num in _SIZES:
      found = summary.figures(summary.select(part, method=method, num=num))
      if found:
        values += [
            f'{found["regret_where_kept"]:.2f}', f'{100 * found["kept"]:.0f} %'
        ]
    if values:
      lines.append(row(name, *values))
  return lines


def help_table(cells: Sequence[summary.Cell], candidates: str) -> list[str]:
  """HELP's published points beside ours."""
  lines = head(
      'device', 'budget, ms', 'HELP: ms', 'HELP: %', 'best feasible: ms', '%',
      *(f'ours, n = {num}: %' for num in _SIZES), 'ms (20)', 'kept (20)',
      '>= HELP (10)',
  )
  found = summary.against_help(summary.select(
      cells, candidates=candidates, signal='test', method='ours'
  ))
  for one in found:
    broken = '' if one['help_ms'] <= one['constraint'] else ' (broken)'
    best = one['best']
    reached = (
        f'{100 * one[10]["at_least"]:.0f} %'
        if one['attainable'] else 'impossible'
    )
    lines.append(row(
        one['device'], one['constraint'], f'{one["help_ms"]}{broken}',
        one['help_accuracy'],
        '-' if best is None else f'{one["best_ms"]:.2f}',
        '-' if best is None else f'{best:.2f}',
        *(f'{one[n]["accuracy"]:.2f} ± {one[n]["std"]:.2f}' for n in _SIZES),
        f'{one[20]["ms"]:.2f}', f'{100 * one[20]["kept"]:.0f} %', reached,
    ))
  return lines


def nasflat_table(cells: Sequence[summary.Cell]) -> list[str]:
  """NASFLAT's points beside ours at the same latency."""
  lines = head(
      'device', 'NASFLAT: ms', '%', 'best feasible, whole space',
      "ours, MetaD2A's list, n = 20", 'ours, whole space, n = 20', 'gain',
  )
  part = summary.select(cells, group='nasflat', method='ours', num=20)
  for device, points in published.NASFLAT.items():
    for ms, accuracy in points:
      here = {
          cell['candidates']: cell
          for cell in summary.select(
              part, device=device, budget=f'{ms:g} ms'
          )
      }
      if not here:
        continue
      text = {
          name: '-' if not summary.kept(cell).any() else (
              f'{summary.accuracies(cell).mean():.2f} ± '
              f'{summary.accuracies(cell).std():.2f}'
          )
          for name, cell in here.items()
      }
      whole = here['whole']
      gain = summary.accuracies(whole).mean() - accuracy
      lines.append(row(
          device, ms, accuracy, f'{whole["best_of_space"]:.2f}',
          text.get('metad2a', '-'), text['whole'], f'{gain:+.2f}',
      ))
  return lines


def device_table(
    cells: Sequence[summary.Cell], explained: dict[tuple[str, float], float]
) -> list[str]:
  """Every Eagle and HW-NAS-Bench device.

  Args:
    cells: of the table.
    explained: by device and budget, the best accuracy without flukes.
  """
  lines = head(
      'device', 'percentile', 'budget, ms', 'best feasible, %',
      *(f'regret, n = {num}' for num in _SIZES), 'best without flukes, %',
      *(f'regret, n = {num}' for num in (10, 20)), 'latency / budget (20)',
      'kept',
  )
  part = summary.select(
      cells, group='percentile', candidates='whole', signal='test',
      method='ours',
  )
  totals: dict[str, list[float]] = {}
  for device in problems.EAGLE + problems.HW_NAS_BENCH:
    for percent in problems.PERCENTILES:
      found = {
          cell['num']: cell for cell in summary.select(
              part, device=device, budget=f'{percent} %'
          )
      }
      if not found:
        continue
      best = explained[device, found[20]['budget_ms']]
      values = [
          *(summary.regret(found[n]).mean() for n in _SIZES),
          *(
              summary.explained_regret(found[n], best).mean()
              for n in (10, 20)
          ),
      ]
      for key, value in enumerate(values):
        totals.setdefault(str(key), []).append(float(value))
      held = np.mean([summary.kept(found[n]).mean() for n in _SIZES])
      ratio = [
          ms / found[20]['budget_ms'] for ms in found[20]['latency_ms']
          if ms is not None
      ]
      lines.append(row(
          device, percent, f'{found[20]["budget_ms"]:.3g}',
          f'{found[20]["best"]:.2f}', *(f'{v:.2f}' for v in values[:3]),
          f'{best:.2f}', *(f'{v:.2f}' for v in values[3:]),
          f'{np.mean(ratio):.3f}', f'{100 * held:.0f} %',
      ))
  means = [f'{np.mean(v):.3f}' for v in totals.values()]
  if means:
    lines.append(row('mean', '', '', '', *means[:3], '', *means[3:], '', ''))
  return lines


def development(cells: Sequence[summary.Cell]) -> list[str]:
  """Regret on the development devices by choice."""
  if not cells:
    return []
  names = {
      'num_support': 'designed measurements', 'caution': 'caution',
      'alike': 'alike', 'surprise': 'surprise',
  }
  names = {key: name for key, name in names.items() if key in cells[0]}
  lines = head(
      *names.values(), *(f'regret, n = {n}' for n in _SIZES),
      'measurements used (20)',
  )
  for choice in sorted({tuple(cell[k] for k in names) for cell in cells}):
    wanted = dict(zip(names, choice, strict=True))
    found = [
        summary.figures(summary.select(cells, **wanted, num=num))
        for num in _SIZES
    ]
    lines.append(row(
        *(f'{value:g}' for value in choice),
        *(f'{one["regret"]:.3f}' for one in found), f'{found[-1]["used"]:.1f}',
    ))
  return lines


def limits(record: dict[str, Any]) -> list[str]:
  """Regret of a search that knows the device's regression."""
  lines = head(
      'problems', 'caution', *(f'regret, n = {num}' for num in _SIZES)
  )
  for label, groups, pixel2 in _GROUPS:
    for caution in sorted({one['caution'] for one in record['rows']}):
      own = [
          one for one in record['rows']
          if one['caution'] == caution and one['group'] in groups
          and pixel2 in (None, one['device'] == 'pixel2')
      ]
      if own:
        lines.append(row(f'{label} ({len(own)})', f'{caution:g}', *(
            f'{np.mean([one["regret"][str(num)] for one in own]):.3f}'
            for num in _SIZES
        )))
  return lines


def timing(record: dict[str, Any]) -> list[str]:
  """Seconds of one search."""
  lines = head(
      'candidates', 'n', 'encode, once a device', 'first search, compiles',
      'search, median (least to most)', 'fit', 'predict', 'choose and design',
  )
  for one in record['rows']:
    parts = one['parts_s']
    lines.append(row(
        _TITLES[one['candidates']], one['num'], f'{one["prepare_s"]:.1f} s',
        f'{one["first_s"]:.1f} s',
        f'{one["median_s"]:.2f} s ({one["min_s"]:.2f} to {one["max_s"]:.2f})',
        f'{parts["fit"]:.2f}', f'{parts["predict"]:.2f}',
        f'{parts["choose"] + parts["design"]:.2f}',
    ))
  return lines


def spaces(record: dict[str, Any]) -> list[str]:
  """FBNet and Once-for-All."""
  lines = head(
      'space', 'device', 'score', 'budget', 'n', 'kept', 'score / best',
      'feasible networks above', 'random: score / best', 'above',
  )
  for one in record['rows']:
    ours, other = one['ours'], one['random']
    lines.append(row(
        one['space'], one['device'], one['score'], f'{one["percentile"]} %',
        one['num'], f'{100 * ours["kept"]:.0f} %',
        f'{ours["relative"]:.3f}', f'{100 * ours["share_above"]:.2f} %',
        '-' if other['relative'] is None else f'{other["relative"]:.3f}',
        '-' if other['share_above'] is None
        else f'{100 * other["share_above"]:.1f} %',
    ))
  return lines


def targets(record: dict[str, Any]) -> list[str]:
  """Costs of n targets, measured."""
  lines = head(
      'method', 'once: measurements', 'each: measurements', 'n = 1', 'n = 10',
      'n = 40', 'computing for 40, s', 'budget kept', 'regret where kept',
  )
  for method in ('per device', 'OneProxy', 'ours', 'ours, alone'):
    rows = [one for one in record['rows'] if one['method'] == method]
    shared = rows[0]['shared_measurements']
    each = np.array([one['measurements'] for one in rows])
    regrets = [one['regret'] for one in rows if one['kept']]
    seconds = sum(one['seconds'] for one in rows) + sum(
        one['shared_seconds'] for one in rows
    )
    lines.append(row(
        method, f'{shared:,}', f'{each.mean():.1f}',
        *(f'{shared + each[:n].sum():,}' for n in (1, 10, 40)),
        f'{seconds:.1f}', f'{100 * np.mean([o["kept"] for o in rows]):.0f} %',
        f'{np.mean(regrets):.2f}',
    ))
  return lines
