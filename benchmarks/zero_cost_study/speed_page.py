"""Ratios and tables of the speed benchmark."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np

from zero_cost_study import contenders


def _by_contender(rows: list[dict[str, Any]]) -> dict[str, list[float]]:
  found: dict[str, list[float]] = {}
  for row in rows:
    found.setdefault(row['contender'], []).append(row['ms_per_network'])
  return found


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
  """Times of each contender over the rounds."""
  return [
      {
          'contender': contender,
          'min_ms': min(values),
          'median_ms': statistics.median(values),
          'max_ms': max(values),
          'peak_mib': max(
              row['peak_mib'] for row in rows if row['contender'] == contender
          ),
          'networks_per_second': 1e3 / statistics.median(values),
      }
      for contender, values in _by_contender(rows).items()
  ]


def ratios(
    rows: list[dict[str, Any]], styles: list[str]
) -> dict[str, dict[str, Any]]:
  """Of each style's faster way to ours, round by round."""
  found = _by_contender(rows)
  found_ratios = {}
  for style in styles:
    ways = {k: v for k, v in found.items() if k.startswith(f'{style},')}
    way = min(ways, key=lambda k: statistics.median(ways[k]))
    each = [a / b for a, b in zip(ways[way], found['ours'])]
    found_ratios[style] = {
        'way': way.split(', ')[1],
        'median': statistics.median(each),
        'min': min(each),
        'max': max(each),
        'of_minima': min(ways[way]) / min(found['ours']),
    }
  return found_ratios


def rate(
    setting: contenders.Setting,
    genotype: np.ndarray,
    rows: list[dict[str, Any]],
) -> dict[str, float]:
  """Achieved FLOP rate beside the peak of matrix products.

  Forward passes' worth of multiply-adds for each image: forward 1, its
  gradient 2, the images' gradient 1, grasp's derivative of forward and gradient
  4, zen 2; synflow 2 for one image.
  """
  passes = 10 + 2 / setting.num_images
  forward = 2e-9 * setting.num_images * setting.multiply_adds(genotype).mean()
  ours = [row for row in rows if row['contender'] == 'ours']
  best = min(row['ms_per_network'] for row in ours)
  achieved = passes * forward / (1e-3 * best)
  peak = max(row['matmul_gflops'] for row in ours)
  return {
      'forward_passes': passes,
      'gflop_per_network': passes * forward,
      'achieved_gflops': achieved,
      'matmul_gflops': peak,
      'part_of_peak': achieved / peak,
  }


def page(record: dict[str, Any]) -> str:
  """Tables in Markdown."""
  hardware = record['hardware']
  lines = [
      '# Speed of the thirteen proxies',
      '',
      f'{hardware["cpu"]}, {record["settings"]["cores"]} cores '
      f'({hardware["backend"]}), {record["date"][:10]}; load average '
      f'{record["load_average"][0]:.1f} at the end. {record["rounds"]} '
      'alternating rounds; milliseconds for each network, all 13 proxies. '
      f'Command: `{record["command"]}`.',
  ]
  for block in record['runs']:
    speed = block['rate']
    lines += [
        '',
        f'## {block["setting"]}: {block["num_networks"]} networks a round',
        '',
        f'First call, which compiles, {block["first_call_seconds"]:.1f} s. '
        f'{speed["gflop_per_network"]:.2f} GFLOP a network at '
        f'{speed["achieved_gflops"]:.1f} GFLOP/s, '
        f'{100 * speed["part_of_peak"]:.0f} % of the '
        f'{speed["matmul_gflops"]:.0f} of matrix products of side '
        f'{contenders.SIDE}.',
        '',
        '| contender | min ms | median | max | networks/s | peak MiB |',
        '|---|---|---|---|---|---|',
    ]
    lines += [
        f'| {row["contender"]} | {row["min_ms"]:.1f} | {row["median_ms"]:.1f} '
        f'| {row["max_ms"]:.1f} | {row["networks_per_second"]:.2f} '
        f'| {row["peak_mib"]:.0f} |'
        for row in block['summary']
    ]
    if block['ratios']:
      lines += [
          '',
          '| style | its faster way | ratio, median | least | greatest '
          '| of minima |',
          '|---|---|---|---|---|---|',
      ]
    lines += [
        f'| {style} | {row["way"]} | {row["median"]:.1f} | {row["min"]:.1f} '
        f'| {row["max"]:.1f} | {row["of_minima"]:.1f} |'
        for style, row in block['ratios'].items()
    ]
    if block['marginal']:
      lines += _marginal_table(block['marginal'])
  return '\n'.join(lines) + '\n'


def _marginal_table(marginal: dict[str, Any]) -> list[str]:
  lines = [
      '',
      f'Of the {marginal["all_ms"]:.1f} ms of all thirteen:',
      '',
      '| proxies | alone ms | saved by leaving them out |',
      '|---|---|---|',
  ]
  saved = dict(marginal['saved_without_ms'])
  for name, value in marginal['alone_ms'].items():
    group = next((key for key in saved if name in key.split(', ')), None)
    less = f'{saved[group]:.1f}' if group else ''
    lines.append(f'| {group or name} | {value:.1f} | {less} |')
  return lines
