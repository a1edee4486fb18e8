"""The page of the results."""

import pathlib

import numpy as np

from nasflat_jax import reports
from proxy_study import adaptation
from proxy_study import interval_page
from proxy_study import markdown
from proxy_study import matrices
from proxy_study import pictures
from proxy_study import rules


def _matrices(out: pathlib.Path, part: dict) -> list[str]:
  lines = [
      '## Device by device', '',
      'Spearman over the architectures that both devices measured. Devices are '
      'in the order of average-linkage clustering; the matrices are in '
      '`proxy.json.gz`.', '',
  ]
  found = part['rows']
  lines += markdown.table(
      ['table', 'devices', 'architectures', 'mean', 'least', 'pairs >= 0.9'],
      [
          [
              markdown.NAMES[name], len(found[name]['devices']),
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
        out / file, f'{markdown.NAMES[name]}: Spearman of latencies',
        found[name]['devices'], found[name]['spearman'],
    )
    lines += [f'![{markdown.NAMES[name]}]({file})', '']
  lines += markdown.stamp(part)
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
      *markdown.table(
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
      *markdown.table(
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
  lines += markdown.table(['difference', *[f'n = {n}' for n in sizes]], rows)
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
  lines += markdown.table(
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
  return lines + markdown.stamp(part)


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
    label = f'{markdown.NAMES[name]}, {protocol} ({len(rows)})'
    head = [*(head or ['rule']), label]
    for figure in figures:
      mean = np.mean([r[figure] for r in rows])
      body.setdefault(figure, [figure]).append(f'{mean:.3f}')
  lines += markdown.table(head, list(body.values()))
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
    wins.append([f'{markdown.NAMES[name]}, {protocol}', *cells])
  lines += ['The rule less chance: mean, targets on which it is above, and the '
            'worst target.', '']
  lines += markdown.table(
      ['', *[f'{n} of the set' for n in rules.SET_SIZES]], wins
  )
  return lines + markdown.stamp(part)


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
    lines += interval_page.of_coverage(record['coverage'])
  if 'choices' in record:
    lines += interval_page.of_choices(record['choices'])
  with reports.atomic_path(out / 'proxy.md') as partial:
    partial.write_text('\n'.join(lines))
