"""The part of the page about intervals: coverage, choices, growing samples."""

import numpy as np

from proxy_study import choices
from proxy_study import coverage
from proxy_study import markdown
from proxy_study import matrices


def of_coverage(part: dict) -> list[str]:
  """How often the interval has the truth."""
  rows = part['rows']
  lines = [
      '## Coverage of the interval', '',
      f'`transfer.monotonicity`, {coverage.CONFIDENCE:.0%} two-sided, random '
      f'architectures of up to {coverage._PAIRS} pairs of devices of each '
      f'table, {coverage._DRAWS} draws of each; the truth is Spearman over all '
      'architectures. `too high`: the truth is below the interval (nominal '
      '0.05). Fisher: the interval of Bonett and Wright alone.', '',
  ]

  def mean(chosen, name):
    weight = np.array([r['samples'] for r in chosen], float)
    return np.average([r[name] for r in chosen], weights=weight)

  body = []
  for num in coverage.SIZES:
    for name in matrices.TABLES:
      chosen = [r for r in rows if (r['num'], r['table']) == (num, name)]
      body.append([num, markdown.NAMES[name], *_cells(chosen, mean)])
  columns = ['coverage', 'too high', 'too low', 'width', 'coverage, Fisher',
             'too high, Fisher']
  lines += markdown.table(['k', 'table', *columns], body)
  body = []
  for num in coverage.SIZES:
    for low, high in coverage._GROUPS:
      chosen = _of(rows, num, low)
      if chosen:
        body.append([num, f'{low:g} to {high:g}', *_cells(chosen, mean)])
  lines += ['By the truth, all tables:', '']
  lines += markdown.table(['k', 'truth', *columns], body)
  body = []
  for num in coverage.SIZES:
    cells = [num]
    for low, _ in coverage._GROUPS:
      chosen = _of(rows, num, low)
      cells.append(
          f'{mean(chosen, "reuse"):.2f} / '
          f'{mean(chosen, "reuse_by_estimate"):.2f}'
      )
    body.append(cells)
  lines += [
      'Share of samples on which the proxy would be reused at 0.9: by the '
      'lower end / by the estimate, as the paper has it. Right is 1 in the '
      'last column and 0 in the others.', '',
  ]
  lines += markdown.table(
      ['k', *[f'truth {low:g} to {high:g}' for low, high in coverage._GROUPS]],
      body,
  )
  return lines + markdown.stamp(part)


def of_choices(part: dict) -> list[str]:
  """Where the sample chose the proxy, and where it grew."""
  rows = part['rows']
  lines = [
      '### Where the sample chose the proxy', '',
      'As `nasflat-proxy --proxy=auto`: the device that orders k random '
      'architectures most like the target, judged by the same k; every device '
      'in turn is the target, those of its processor and near copies are left '
      f'out, {choices.CHOSEN_DRAWS} draws. `too high`: share of samples whose '
      'lower end exceeds the truth (nominal 0.05 of a two-sided 90% interval): '
      'the interval as it is / widened by the number of devices (Bonferroni), '
      'which is what decides. Reused: share of samples with a lower end of 0.9 '
      'where the truth is below 0.9 (wrongly) and where it is not (rightly).',
      '',
  ]

  def both(row, name):
    return ' / '.join(
        '-' if row[name + end] is None else f'{row[name + end]:.3f}'
        for end in ('', '_corrected')
    )

  columns = ('too_high', 'reused_wrongly', 'reused_rightly')
  body = [
      [
          row['num'], markdown.NAMES[row['table']], f'{row["choices"]:.1f}',
          row['samples'], *(both(row, name) for name in columns),
      ]
      for row in sorted(rows['chosen'], key=lambda row: row['num'])
  ]
  for num in choices.CHOSEN_SIZES:
    own = [row for row in rows['chosen'] if row['num'] == num]
    weight = [row['samples'] for row in own]
    body.append([num, 'all', '', sum(weight), ' / '.join(
        f'{np.average([row[name] for row in own], weights=weight):.3f}'
        for name in ('too_high', 'too_high_corrected')
    ), '', ''])
  lines += markdown.table(
      ['k', 'table', 'devices', 'samples', 'too high', 'reused wrongly',
       'reused rightly'], body,
  )
  lines += [
      '### Where a growing sample is looked at again', '',
      f'Looks at {", ".join(map(str, choices.LOOKS))} of the same random '
      f'architectures, {choices.PAIRS} pairs of devices of each table, '
      f'{choices.DRAWS} draws of each. Each interval at 90% / the '
      'error spent over the looks as `search.one_proxy` does (half of what is '
      'left at each look, all of it at the last). `too high`: at some look '
      'the lower end exceeds the truth. Reused: at some look it reaches 0.9.',
      '',
  ]
  lines += markdown.table(
      ['table', 'samples', 'too high at the first look', 'too high at some',
       'reused wrongly', 'reused rightly'],
      [
          [
              markdown.NAMES[row['table']], row['samples'],
              both(row, 'too_high_first'),
              *(both(row, name) for name in columns),
          ]
          for row in rows['looks']
      ],
  )
  return lines + markdown.stamp(part)


def _of(rows, num: int, low: float) -> list[dict]:
  return [r for r in rows if r['num'] == num and r['truth'][0] == low]


def _cells(chosen, mean) -> list[str]:
  names = ('coverage', 'too_high', 'too_low', 'width', 'coverage_fisher',
           'too_high_fisher')
  return [f'{mean(chosen, name):.3f}' for name in names]
