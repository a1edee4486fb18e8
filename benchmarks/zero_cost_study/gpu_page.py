"""Tables of `zero_cost_gpu.py`."""

from __future__ import annotations

from typing import Any


def page(record: dict[str, Any]) -> str:
  """In Markdown."""
  hardware = record['hardware']
  lines = [
      '# The thirteen proxies on a GPU',
      '',
      f'{hardware.get("device_kind", hardware["backend"])}, '
      f'{record["date"][:10]}, jax {hardware.get("jax", "")}, Gaussian images, '
      'all 13 proxies. Milliseconds a network, median of '
      f'{record["settings"]["rounds"]} alternating rounds. Products are in '
      "full float32 (`highest`) unless said. PyTorch: one network after "
      'another, the reference\'s passes or shared ones, on the same card. '
      f'Command: `{record["command"]}`.',
  ]
  if record['sweep_seconds']:
    lines += [
        '',
        'All 15,625 networks of NAS-Bench-201 in the light setting '
        f'(C8-N1-B16), no duplicate merged: {record["sweep_seconds"]:.1f} s.',
    ]
  for setting in dict.fromkeys(row['setting'] for row in record['rows']):
    lines += _networks(setting, record)
  for setting, rows in record['agreement'].items():
    lines += _agreement(setting, rows)
  return '\n'.join([*lines, *_edges(record['edges'])]) + '\n'


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
    if row['setting'] != setting:
      continue
    own = row['median_ms']
    ratios = [
        f'{torch[style] / own:.1f}' if style in torch else ''
        for style in ('reference', 'shared')
    ]
    lines.append(
        f'| {row["label"]} | {own:.2f} | {1e3 / own:.1f} | {ratios[0]} '
        f'| {ratios[1]} | {row["peak_mib"]:.0f} '
        f'| {row["first_call_seconds"]:.0f} |'
    )
  lines += [
      f'| PyTorch, {style} | {ms:.1f} | {1e3 / ms:.1f} | | | | |'
      for style, ms in torch.items()
  ]
  return lines


def _agreement(setting: str, rows: list[dict[str, Any]]) -> list[str]:
  lines = [
      '',
      f'## {setting}: the GPU\'s scores beside the CPU\'s',
      '',
      'Relative difference: median and greatest over the networks that both '
      'define.',
      '',
      '| contender | proxy | median | greatest | Spearman | defined by one '
      'alone |',
      '|---|---|---|---|---|---|',
  ]
  for row in rows:
    off = ['' if x is None else f'{x:.1e}'
           for x in (row['median_off'], row['max_off'])]
    lines.append(
        f'| {row["label"]} | {row["proxy"]} | {off[0]} | {off[1]} '
        f'| {row["spearman"]:.4f} | {row["one_defined"]} |'
    )
  return lines


def _edges(rows: list[dict[str, Any]]) -> list[str]:
  lines = [
      '',
      '## One edge in four ways',
      '',
      'Microseconds an architecture, forward and backward with the norm of '
      'its weight gradient, random operations, median (least to greatest). '
      '`sorted` has the counts compiled in, which is the best that it could '
      'reach; `grouped` gives each architecture a 3x3 kernel.',
      '',
  ]
  if not rows:
    return lines
  ways = list(rows[0]['ways'])
  lines += [
      '| channels, side, images, architectures | ' + ' | '.join(ways) + ' |',
      '|---' * (len(ways) + 1) + '|',
  ]
  for row in rows:
    cells = [
        f'{way["median_us"]:.1f} ({way["min_us"]:.1f} to {way["max_us"]:.1f})'
        for way in row['ways'].values()
    ]
    lines.append(
        f'| {row["channels"]}, {row["side"]}, {row["images"]}, '
        f'{row["archs"]} | ' + ' | '.join(cells) + ' |'
    )
  return lines
