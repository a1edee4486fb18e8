"""Tables of `zero_cost_gpu.py` and `zero_cost_edges.py`."""

from __future__ import annotations

from typing import Any


def page(record: dict[str, Any]) -> str:
  """Speed and agreement on a GPU, in Markdown."""
  hardware = record['hardware']
  lines = [
      '# The thirteen proxies on a GPU',
      '',
      f'{hardware["device_kind"]}, {record["date"][:10]}, jax '
      f'{hardware["jax"]}, Gaussian images, all 13 proxies. Milliseconds a '
      'network, median of the calls after the first, which compiles. Products '
      'are in full float32 unless said. PyTorch: one network after another, '
      "the reference's passes or shared ones, on the same card. Command: "
      f'`{record["command"]}`.',
      *(['', record['note']] if 'note' in record else []),
  ]
  for row in record['rows']:
    if row.get('sweep_seconds'):
      lines += [
          '',
          f'All 15,625 networks of NAS-Bench-201 at {row["setting"]}, no '
          f'duplicate merged: {row["sweep_seconds"]:.1f} s.',
      ]
  for setting in dict.fromkeys(row['setting'] for row in record['rows']):
    lines += _networks(setting, record)
  lines += _agreement(record['rows'])
  return '\n'.join(lines) + '\n'


def _networks(setting: str, record: dict[str, Any]) -> list[str]:
  torch = {
      row['style']: row['ms']
      for row in record['torch']
      if row['setting'] == setting
  }
  lines = [
      '',
      f'## {setting}',
      '',
      '| contender | ms | networks/s | reference / it | shared / it '
      '| peak MiB | first call s |',
      '|---|---|---|---|---|---|---|',
  ]
  for row in record['rows']:
    if row['setting'] != setting or row['backend'] == 'cpu':
      continue
    if 'median_ms' not in row:
      lines.append(
          f'| {row["label"]} | not within {row["limit"]:.0f} s | | | | | |'
      )
      continue
    own = row['median_ms']
    ratios = [
        f'{torch[style] / own:.1f}' if style in torch else ''
        for style in ('reference', 'shared')
    ]
    memory = '' if row['peak_mib'] is None else f'{row["peak_mib"]:.0f}'
    lines.append(
        f'| {row["label"]} | {own:.2f} | {1e3 / own:.1f} | {ratios[0]} '
        f'| {ratios[1]} | {memory} | {row["first_call_seconds"]:.0f} |'
    )
  lines += [
      f'| PyTorch, {style} | {ms:.1f} | {1e3 / ms:.1f} | | | | |'
      for style, ms in torch.items()
  ]
  return lines


def _agreement(rows: list[dict[str, Any]]) -> list[str]:
  rows = [row for row in rows if 'agreement' in row]
  if not rows:
    return []
  alone = sum(x['one_defined'] for r in rows for x in r['agreement'].values())
  lines = [
      '',
      f"## The GPU's scores beside a CPU's, {rows[0]['num']} networks of "
      f"{rows[0]['setting']}",
      '',
      'Relative difference, median and greatest, and Spearman. Networks that '
      f'one of both alone gives a score: {alone}.',
      '',
      '| proxy | ' + ' | '.join(row['label'] for row in rows) + ' |',
      '|---' * (len(rows) + 1) + '|',
  ]
  for name in rows[0]['agreement']:
    cells = []
    for row in rows:
      found = row['agreement'][name]
      cells.append(
          f'{found["median_off"]:.0e}, {found["max_off"]:.0e}, '
          f'{found["spearman"]:.4f}'
      )
    lines.append(f'| {name} | ' + ' | '.join(cells) + ' |')
  return lines


def edges(record: dict[str, Any]) -> str:
  """The four ways, in Markdown."""
  hardware = record['hardware']
  rows = record['rows']
  ways = list(rows[0]['ways'])
  lines = [
      '# One choice of operation in four ways',
      '',
      f'{hardware["device_kind"]} ({hardware["cpu"]}), {record["date"][:10]}, '
      f'jax {hardware["jax"]}, load average {record["load_before"]:.1f} '
      f'before. An edge of NAS-Bench-201 with random operations for '
      f'{rows[0]["archs"]} architectures of {rows[0]["images"]} images each, '
      "forward and backward with the norm of each one's weight gradient; "
      'microseconds an architecture, median (least to greatest) of '
      f'{record["settings"]["repeats"]} alternating rounds. `switch`: one '
      'architecture after another runs its operation; `one-hot`: all '
      'operations run for all, results are selected; `grouped`: each '
      'architecture has a 3x3 kernel of its own; `sorted`: each operation '
      'runs for those that chose it, with their number compiled in, the best '
      f'that sorting could reach. Command: `{record["command"]}`.',
      '',
      '| channels, side | ' + ' | '.join(ways) + ' |',
      '|---' * (len(ways) + 1) + '|',
  ]
  for row in rows:
    cells = [
        f'{way["median_us"]:.0f} ({way["min_us"]:.0f} to {way["max_us"]:.0f})'
        for way in row['ways'].values()
    ]
    lines.append(
        f'| {row["channels"]}, {row["side"]} | ' + ' | '.join(cells) + ' |'
    )
  worst = max(way['off'] for row in rows for way in row['ways'].values())
  lines += [
      '',
      f'Greatest difference from `switch`, by the deviation of what is '
      f'compared: {worst:.0e}.',
  ]
  return '\n'.join(lines) + '\n'
