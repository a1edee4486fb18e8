"""The page of the results."""

import pathlib

import numpy as np

from nasflat_jax import reports
from proxy_study import adaptation
from proxy_study import choices
from proxy_study import coverage
from proxy_study import matrices
from proxy_study import pictures
from proxy_study import rules

_NAMES = {
    'nasbench201': 'NB201', 'fbnet': 'FBNet', 'ofa': 'OFA',
    'oneproxy': "OneProxy's set",
}


def _table(head: list, rows: list[list]) -> list[str]:
  align = ['---', *['---:'] * (len(head) - 1)]
  return [
      '| ' + ' | '.join(str(cell) for cell in row) + ' |'
      for row in (head, align, *rows)
  ] + ['']


def _stamp(part: dict) -> list[str]:
  hardware, versions = part['hardware'], part['versions']
  return [
      f'{hardware["cpu"]}, {hardware["cores"]} cores shared with other work; '
      f'{", ".join(f"{k} {v}" for k, v in versions.items())}; '
      f'{part["date"][:16]} UTC; {part["seconds"]:.0f} s.',
      '',
  ]


def _matrices(out: pathlib.Path, part: dict) -> list[str]:
  lines = [
      '## Device by device', '',
      'Spearman over the architectures that both devices measured. Devices are '
      'in the order of average-linkage clustering; the matrices are in '
      '`proxy.json.gz`.', '',
  ]
  found = part['rows']
  lines += _table(
      ['table', 'devices', 'architectures', 'mean', 'least', 'pairs >= 0.9'],
      [
          [
              _NAMES[name], len(found[name]['devices']),
              found[name]['architectures'], f'{found[name]["mean"]:.3f}',
              f'{found[name]["least"]:.3f}',
              f'{found[name]["share_above_0.9"]:.0%}',
          ]
          for name in matrices.TABLES
      ],
  )
  for name in matrices.TABLES:
    file = f'proxy_{name}.png'
    pictures.heat_map(
        out / file, f'{_NAMES[name]}: Spearman of latencies',
        found[name]['devices'], found[name]['spearman'],
    )
    lines += [f'![{_NAMES[name]}]({file})', '']
  lines += _stamp(part)
  return lines


def _published(part: dict, adapted: dict | None) -> list[str]:
  reached = {}
  if adapted:
    for row in adapted['rows']:
      if row['num_support'] == 70:
        mean = np.mean(row['spearman'])
        reached[row['target'], row['method']] = f'{mean:.3f}'
  cut = 0
  rows, absent = [], {}
  for row in part['rows']['published']:
    if row['table'] is None:
      absent.setdefault(row['panel'], []).append(row['target'])
      continue
    ours = row['ours']
    kept = row['ours_failed_kept']
    values = [v for v in (ours, kept) if v is not None]
    agrees = any(abs(v - row['figure'] - 0.005) <= 0.0151 for v in values)
    cut += agrees
    device = matrices.COLUMNS[row['target']]
    is_myriad = row['proxy'] == 'Myriad'
    rows.append([
        f'{row["panel"]}, {row["proxy"]} -> {row["target"]}',
        f'{row["figure"]:.2f}', f'{ours:.3f}',
        '' if kept is None else f'{kept:.3f}', row['cells'],
        'yes' if agrees else 'no',
        f'{row["figure_adaproxy"]:.2f}', f'{row["ours_adaproxy"]:.3f}',
        reached.get((device, _FLAGSHIP), '') if is_myriad else '',
    ])
  return [
      '## The published figures', '',
      'Figures are of two digits, cut rather than rounded; `agrees`: within '
      '0.01 of that digit. On the Edge TPU 259 cells did not compile, which '
      'the figures leave in as -1 ms. AdaProxy\'s figures do not tell their '
      'number of measurements (it goes on until 0.9); ours are of 70, judged '
      'on the architectures not measured, mean of 10 draws.', '',
      *_table(
          ['panel', 'figure', 'ours', 'failed kept', 'architectures',
           'agrees', 'AdaProxy, figure', 'AdaProxy p = 2, ours',
           'bayesian, proxy only'],
          rows,
      ),
      f'{cut} of {len(rows)} agree. The two that do not are of CIFAR-10 on the '
      'Edge GPU and the Edge TPU, whose latencies are at hand for 1,999 of the '
      'figure\'s 15,625 cells only, a subset rich in 3x3 convolutions. No '
      'latencies are public, in the tables at '
      'hand, for: the MobileNet-V2 panels (S5e and the CPUs, GPUs and FPGAs, '
      'upstream only as compiled files); ' + '; '.join(
          f'{panel} ({", ".join(targets)})' for panel, targets in absent.items()
      ) + '.', '',
  ]


_CLOSED = 'AdaProxy, p = 2, leave-one-out'
_FLAGSHIP = 'bayesian, the proxy as source'


def _adaptation(out: pathlib.Path, part: dict) -> list[str]:
  summary = adaptation.summarise(part['rows'])
  pictures.curves(out / 'proxy_adaptation.png', summary['table'])
  sizes = adaptation.SIZES
  lines = [
      '## AdaProxy', '',
      f'Proxy Myriad (`{adaptation.PROXY}`), its model of all 1,999 cells; '
      f'mean Spearman over {len(summary["targets"])} targets and draws (in '
      'brackets the standard deviation of the mean over draws), on the '
      'architectures not measured, cells that did not compile left out. Draws '
      'are random, the same for every method: '
      + ', '.join(f'{t} of {n}' for n, t in adaptation.TRIALS.items())
      + '. Redundant columns are dropped, milliseconds kept. The penalty: '
      'least squared error of five folds, or for `leave-one-out` its closed '
      'form over the ridge path, which has the solutions of p = 2. OneProxy\'s '
      'devices share hardware: `eagle_i7` and `eagle_gtx` are nearly one, and '
      'neither is a source of the other.', '',
      *_table(
          ['method', *[f'n = {n}' for n in sizes]],
          [
              [method, *[
                  f'{by_size[n][0]:.3f} ({by_size[n][1]:.3f})' for n in sizes
              ]]
              for method, by_size in summary['table'].items()
          ],
      ),
      '![curves](proxy_adaptation.png)', '',
      'Paired differences to AdaProxy, on the same draws: mean over targets '
      '(standard error over draws; targets of 17 on which the mean is below '
      'it; the worst of them).', '',
  ]
  rows = []
  for (method, rival), by_size in summary['paired'].items():
    rows.append([
        f'{method} - {rival}',
        *[
            f'{by_size[n]["mean"]:+.3f} ({by_size[n]["standard_error"]:.3f}; '
            f'{len(by_size[n]["targets_lost"])}; {by_size[n]["least"]:+.3f})'
            for n in sizes
        ],
    ])
  lines += _table(['difference', *[f'n = {n}' for n in sizes]], rows)
  main = summary['paired'][_FLAGSHIP, _CLOSED]
  lines += [
      f'Targets on which `{_FLAGSHIP}` is below `{_CLOSED}`: ' + '; '.join(
          f'n = {n}: {", ".join(main[n]["targets_lost"]) or "none"}'
          for n in sizes
      ) + '.', '',
      'With five measurements AdaProxy is on average below the proxy as '
      'measured: its common scale may come out negative. The seconds below '
      'include pauses in which the machine served other measurements.', '',
  ]
  lines += [
      f'Per target, 70 measurements, `{_CLOSED}` and `{_FLAGSHIP}`:', '',
  ]
  values = {
      (r['target'], r['method']): np.mean(r['spearman'])
      for r in part['rows'] if r['num_support'] == 70
  }
  lines += _table(
      ['target', 'proxy as measured', 'AdaProxy, p = 1', _CLOSED,
       'AdaProxy, p = inf', _FLAGSHIP],
      [
          [t, *[
              f'{values[t, m]:.3f}' for m in (
                  'proxy as measured', 'AdaProxy, p = 1', _CLOSED,
                  'AdaProxy, p = inf', _FLAGSHIP,
              )
          ]]
          for t in summary['targets']
      ],
  )
  return lines + _stamp(part)


def _rules(part: dict) -> list[str]:
  lines = [
      '## Which device, and which set', '',
      'Spearman with a held-out target, mean over targets. One device by the '
      'rule is the medoid of the sources; a set is greedy facility location '
      '(`partitions.choose_proxies`), judged by its best member; by chance is '
      'the exact expectation over random sets. With k measurements of the '
      'target the source is taken that orders them most alike '
      f'(`partitions.choose_proxy`), {rules._DRAWS} draws. `held out`: every '
      'device in turn, devices of its processor and near copies left out of '
      'the sources. `tasks`: sources and targets of the published splits.', '',
  ]
  groups = dict.fromkeys((r['protocol'], r['table']) for r in part['rows'])
  head, body = None, {}
  for protocol, name in groups:
    rows = [
        r for r in part['rows'] if (r['protocol'], r['table']) == (
            protocol, name)
    ]
    figures = [k for k in rows[0] if k not in (
        'protocol', 'table', 'target', 'sources')]
    head = [*(head or ['rule']), f'{_NAMES[name]}, {protocol} ({len(rows)})']
    for figure in figures:
      mean = np.mean([r[figure] for r in rows])
      body.setdefault(figure, [figure]).append(f'{mean:.3f}')
  lines += _table(head, list(body.values()))
  wins = []
  for protocol, name in groups:
    rows = [
        r for r in part['rows'] if (r['protocol'], r['table']) == (
            protocol, name)
    ]
    cells = []
    for num in rules.SET_SIZES:
      gain = np.array([
          r[f'{num} by the rule, best'] - r[f'{num} by chance, best']
          for r in rows
      ])
      cells.append(
          f'{gain.mean():+.3f}, {(gain > 0).sum()} of {len(gain)}, worst '
          f'{gain.min():+.3f}'
      )
    wins.append([f'{_NAMES[name]}, {protocol}', *cells])
  lines += ['The rule less chance: mean, targets on which it is above, and the '
            'worst target.', '']
  lines += _table(
      ['', *[f'{n} of the set' for n in rules.SET_SIZES]], wins
  )
  return lines + _stamp(part)


def _coverage(part: dict) -> list[str]:
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
      body.append([num, _NAMES[name], *_cells(chosen, mean)])
  columns = ['coverage', 'too high', 'too low', 'width', 'coverage, Fisher',
             'too high, Fisher']
  lines += _table(['k', 'table', *columns], body)
  body = []
  for num in coverage.SIZES:
    for low, high in coverage._GROUPS:
      chosen = _of(rows, num, low)
      if chosen:
        body.append([num, f'{low:g} to {high:g}', *_cells(chosen, mean)])
  lines += ['By the truth, all tables:', '']
  lines += _table(['k', 'truth', *columns], body)
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
  lines += _table(
      ['k', *[f'truth {low:g} to {high:g}' for low, high in coverage._GROUPS]],
      body,
  )
  return lines + _stamp(part)


def _choices(part: dict) -> list[str]:
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
          row['num'], _NAMES[row['table']], f'{row["choices"]:.1f}',
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
  lines += _table(
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
  lines += _table(
      ['table', 'samples', 'too high at the first look', 'too high at some',
       'reused wrongly', 'reused rightly'],
      [
          [
              _NAMES[row['table']], row['samples'],
              both(row, 'too_high_first'),
              *(both(row, name) for name in columns),
          ]
          for row in rows['looks']
      ],
  )
  return lines + _stamp(part)


def _of(rows, num: int, low: float) -> list[dict]:
  return [r for r in rows if r['num'] == num and r['truth'][0] == low]


def _cells(chosen, mean) -> list[str]:
  names = ('coverage', 'too_high', 'too_low', 'width', 'coverage_fisher',
           'too_high_fisher')
  return [f'{mean(chosen, name):.3f}' for name in names]


def write(out: pathlib.Path, record: dict) -> None:
  """Writes the page and its pictures; a part that was not run is left out."""
  lines = [
      '# One proxy device', '',
      'Made by `NASFLAT_MIRROR=... python benchmarks/proxy_devices.py`. '
      'Supports are drawn by NumPy\'s default generator, seeded by the number '
      'of the draw from 0; no method sees the target\'s other architectures.',
      '',
  ]
  if 'matrices' in record:
    lines += _matrices(out, record['matrices'])
    lines += _published(record['matrices'], record.get('adaptation'))
  if 'adaptation' in record:
    lines += _adaptation(out, record['adaptation'])
  if 'rules' in record:
    lines += _rules(record['rules'])
  if 'coverage' in record:
    lines += _coverage(record['coverage'])
  if 'choices' in record:
    lines += _choices(record['choices'])
  with reports.atomic_path(out / 'proxy.md') as partial:
    partial.write_text('\n'.join(lines))
