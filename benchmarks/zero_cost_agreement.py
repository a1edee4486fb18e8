"""Rank agreement of our scores with the published tables.

    python benchmarks/zero_cost_agreement.py --images=gaussian
    python benchmarks/zero_cost_agreement.py --images=CIFAR

Wants `$NASFLAT_MIRROR`, the folder of upstream files. Scores random networks of
each table and compares orders, and correlations with accuracy, on the same
networks. NAS-Bench-201 (C = 16, N = 5, 64 images) and FBNet (16 images) are in
the published setting; TransNAS-Bench-101 (published: C = 64, 256 pixels),
NAS-Bench-101 (C = 128) and NAS-Bench-301 (C = 32) in a smaller one, unless
`--channels` and `--resolution` say otherwise. `--images` is `gaussian`,
`photographs` (crops of eight that come with matplotlib, scikit-image and
scikit-learn) or the path of CIFAR in its binary layout or of an npz file;
ImageNet16-120 gets them at half the size. Scores are kept in `--partial` block
by block, and an interrupted run goes on there. The results of all runs are
merged in `results/zero_cost_agreement.json`, and
`results/zero_cost_agreement.md` is written from it.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import sys
import tempfile
import time
from typing import Any
import zipfile

import jax
import numpy as np
from zero_cost_study import pictures
from zero_cost_study import records
from zero_cost_study import tables

from nasflat_jax import spaces
from nasflat_jax import zero_cost

# What this is measured against: without the published data set's images, and
# the agreement of two draws of the published scores with each other.
_BARS = {
    'fisher': 0.94,
    'flops': 1.0,
    'grad_norm': 0.96,
    'jacov': 0.85,
    'l2_norm': 0.93,
    'nwot': 0.95,
    'params': 1.0,
    'snip': 0.96,
    'synflow': 1.0,
    'zen': 0.99,
}
_DRAWS: dict[str, Any] = {
    'epe_nas': {'cifar10': 0.72, 'imagenet16': 0.01},
    'fisher': 0.98,
    'flops': 1.0,
    'grad_norm': 0.98,
    'grasp': 0.73,
    'jacov': 0.93,
    'l2_norm': 0.93,
    'nwot': 0.99,
    'params': 1.0,
    'snip': 0.98,
    'synflow': 1.0,
    'zen': 0.99,
}
# Not the images of the published scores.
_SUBSTITUTES = ('gaussian', 'photographs')
_DATA_FREE = ('flops', 'l2_norm', 'params', 'synflow', 'zen')
_NAMES = tuple(fn.name for fn in zero_cost.ALL)


def score(
    table: tables.Table, rows: np.ndarray, options: argparse.Namespace
) -> tuple[np.ndarray, str, float]:
  """`[n, P]` scores of rows of a table, the images' source, seconds."""
  space = spaces.get(table.space)
  setting = _setting(table, options)
  network = tables.network(table, setting)
  fns = [zero_cost.get(name) for name in options.proxies.split(',')]
  key, image_key = jax.random.split(jax.random.key(options.seed))
  batch = pictures.batch(
      options.images,
      image_key,
      setting['batch'],
      network.num_classes,
      network.input_shape[0],
  )
  # Networks of a longer run begin with those of a shorter one.
  path = options.partial / f'{_label(table, batch.source, options)}.npz'
  found, seconds = _resume(path, table.genotype[rows], len(fns))
  for start in range(0, len(rows), options.block):
    chosen = rows[start : start + options.block]
    part = slice(start, start + len(chosen))
    if np.isnan(found[part]).all(axis=1).any():
      begin = time.perf_counter()
      found[part] = zero_cost.score(
          fns, space, key, table.genotype[chosen], batch, network=network,
          chunk_size=options.block,
      )  # fmt: skip
      seconds += time.perf_counter() - begin
      _save(path, table.genotype[rows], found, seconds)
      done = start + len(chosen)
      print(f'{path.stem}: {done} of {len(rows)}, {seconds:.0f} s', flush=True)
  return found, batch.source, seconds


def _setting(
    table: tables.Table, options: argparse.Namespace
) -> dict[str, int]:
  """The space's setting, with what the command line says instead."""
  setting = tables.SETTINGS[table.space]
  given = {name: getattr(options, name) for name in setting}
  return setting | {name: x for name, x in given.items() if x is not None}


def _label(
    table: tables.Table, source: str, options: argparse.Namespace
) -> str:
  """Names a setting."""
  letters = {'channels': 'C', 'num_cells': 'N', 'resolution': 'R', 'batch': 'B'}
  setting = '-'.join(
      f'{letters[name]}{value}'
      for name, value in _setting(table, options).items()
  )
  few = '' if options.proxies == ','.join(_NAMES) else f'-{options.proxies}'
  return f'{table.name}-{source}-{setting}-seed{options.seed}{few}'


def _resume(
    path: pathlib.Path, genotype: np.ndarray, num_proxies: int
) -> tuple[np.ndarray, float]:
  """Scores so far of these networks, NaN where there are none, and seconds."""
  empty = np.full((len(genotype), num_proxies), np.nan)
  if not path.is_file():
    return empty, 0.0
  try:
    with np.load(path, allow_pickle=False) as npz:
      old, seconds = npz['genotype'], float(npz['seconds'])
      scores = npz['scores']
  except (EOFError, KeyError, zipfile.BadZipFile) as error:
    raise ValueError(f'{path}: delete this damaged file ({error})') from error
  num = min(len(old), len(genotype))
  if not np.array_equal(old[:num], genotype[:num]):
    raise ValueError(f'{path}: of other networks; delete it')
  empty[:num] = scores[:num]
  return empty, seconds


def _save(
    path: pathlib.Path,
    genotype: np.ndarray,
    scores: np.ndarray,
    seconds: float,
) -> None:
  path.parent.mkdir(parents=True, exist_ok=True)
  new = path.with_suffix('.new.npz')
  np.savez(
      new, allow_pickle=False, genotype=genotype, scores=scores, seconds=seconds
  )
  new.replace(path)


def compare(
    table: tables.Table,
    rows: np.ndarray,
    scores: np.ndarray,
    names: list[str],
) -> list[dict[str, Any]]:
  """Agreement and correlation with accuracy of each proxy."""
  found = []
  for name, ours in zip(names, scores.T):
    if name not in table.proxies:
      continue
    theirs = table.column(name)[rows]
    if np.isnan(theirs).all():
      continue
    row: dict[str, Any] = {
        'proxy': name,
        'agreement': tables.spearman(ours, theirs),
        'undefined': int(np.isnan(ours).sum()),
        'published_undefined': int(np.isnan(theirs).sum()),
    }
    if np.isfinite(table.accuracy).all():
      accuracy = table.accuracy[rows]
      row |= {
          'accuracy_ours': tables.spearman(ours, accuracy),
          'accuracy_published': tables.spearman(theirs, accuracy),
      }
    found.append(row)
  return found


def page(record: dict[str, Any]) -> str:
  """The page of all runs."""
  lines = [
      '# Rank agreement with the published scores',
      '',
      'Spearman correlation of our scores with those of NAS-Bench-Suite-Zero '
      'and, on FBNet, NASFLAT on the',
      'same random networks. FBNet without jacov and epe_nas, which are sums '
      'over networks in that table. A network that',
      'has no score counts as worst on its side. `bar`: what is asked without '
      "the published data set's images; `draws`: what",
      'two draws of the published scores reach with each other. `accuracy`: '
      "correlation with the suite's accuracy of our",
      'scores, of the published ones, and the difference in absolute value '
      '(positive: ours is the stronger). Data-free:',
      f'{", ".join(_DATA_FREE)}. Agreement in bold misses the bar, or, with '
      'the published images, that of two draws.',
      'Where only `gaussian` or `photographs` stands below, CIFAR and ImageNet '
      'were not at hand. Commands are in the JSON file.',
      'Bars and draws are those of NAS-Bench-201. Its networks and FBNet are '
      'in the published setting, the others smaller where',
      'C, pixels or images say so (published: TransNAS-Bench-101 64, 256, 32; '
      'NAS-Bench-101 128; NAS-Bench-301 32). On TransNAS-Bench-101',
      'and NAS-Bench-301 the last maps are normalised, so the Jacobian of the '
      'sum of all logits is zero: jacov and epe_nas are correlations of',
      'rounding errors, published and ours (on the former they follow '
      'accuracy). `photographs`: crops of eight that come with packages '
      '(matplotlib, scikit-image, scikit-learn), class n of',
      'photograph n modulo 8. On NAS-Bench-201 they come nearer to the '
      'published scores than noise does, on FBNet they do not.',
  ]
  for label, run in sorted(record['runs'].items()):
    lines += [
        '',
        f'## {run["title"]}: {run["num_networks"]} networks, {run["images"]}',
        '',
        f'`{label}`: {run["setting"]}; {run["date"][:10]}, '
        f'{run["seconds"]:.0f} s on {run["hardware"]["cores"]} cores, load '
        f'average {run["load_average"][0]:.1f}.',
        '',
        '| proxy | agreement | bar | draws | accuracy: ours | published '
        '| difference |',
        '|---|---|---|---|---|---|---|',
    ]
    for row in run['proxies']:
      lines.append(_line(row, run['table'], run['images']))
  return '\n'.join(lines) + '\n'


def _line(row: dict[str, Any], table: str, images: str) -> str:
  draws = _DRAWS.get(row['proxy'])
  if isinstance(draws, dict):
    draws = draws.get(table)
  bar = _BARS.get(row['proxy'])
  agreement = _digits(row['agreement'])
  # 1.00 is of two decimals: equal scores have no order of their own.
  goal = bar if images in _SUBSTITUTES else draws
  if goal is not None and row['agreement'] < min(goal, 0.995):
    agreement = f'**{agreement}**'
  ours, theirs = row.get('accuracy_ours'), row.get('accuracy_published')
  difference = ''
  if ours is not None and theirs is not None:
    difference = f'{abs(ours) - abs(theirs):+.3f}'
  cells = [
      row['proxy'], agreement, '' if bar is None else f'{bar:.2f}',
      '' if draws is None else f'{draws:.2f}', _digits(ours), _digits(theirs),
      difference,
  ]  # fmt: skip
  return f'| {" | ".join(cells)} |'


def _digits(value: float | None) -> str:
  return '' if value is None else f'{value:.3f}'


def _parse() -> argparse.Namespace:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--tables', default=','.join(tables.NAMES))
  parser.add_argument('--num_networks', type=int, default=500)
  parser.add_argument('--images', default='gaussian')
  parser.add_argument('--proxies', default=','.join(_NAMES))
  # None: that of the space in `tables.SETTINGS`.
  for name in ('channels', 'num_cells', 'resolution', 'batch'):
    parser.add_argument(f'--{name}', type=int)
  parser.add_argument(
      '--block', type=int, default=20, help='networks at a time'
  )
  parser.add_argument(
      '--devices', type=int, default=os.cpu_count(), help='of a CPU'
  )
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
      '--partial',
      type=pathlib.Path,
      default=pathlib.Path(tempfile.gettempdir()) / 'zero_cost_agreement',
      help='folder of the scores so far',
  )
  parser.add_argument(
      '--out', type=pathlib.Path, default=records.RESULTS, help='folder'
  )
  return parser.parse_args()


def main() -> None:
  """Scores, compares, merges and writes."""
  options = _parse()
  jax.config.update('jax_num_cpu_devices', options.devices)
  path = options.out / 'zero_cost_agreement.json'
  record: dict[str, Any] = {'benchmark': 'zero_cost_agreement', 'runs': {}}
  if path.is_file():
    record = json.loads(path.read_text())
  try:
    for name in options.tables.split(','):
      label, run = _run(tables.load(name), options)
      record['runs'][label] = run
      records.write(path, record)
  except (OSError, ValueError) as error:
    print(f'zero_cost_agreement.py: {error}', file=sys.stderr)
    sys.exit(2)
  text = page(record)
  print(text)
  (options.out / 'zero_cost_agreement.md').write_text(text)


def _run(
    table: tables.Table, options: argparse.Namespace
) -> tuple[str, dict[str, Any]]:
  rng = np.random.default_rng(options.seed)
  rows = rng.permutation(len(table.genotype))[: options.num_networks]
  scores, source, seconds = score(table, rows, options)
  words = {
      'channels': 'C = {}', 'num_cells': 'N = {}', 'resolution': '{} pixels',
      'batch': '{} images',
  }  # fmt: skip
  setting = ', '.join(
      words[name].format(value)
      for name, value in _setting(table, options).items()
  )
  setting = f'{setting}, {table.num_classes} classes'
  run = records.header('zero_cost_agreement', options) | {
      'command': records.command(options),
      'table': table.name,
      'title': table.title,
      'images': source,
      'setting': setting,
      'num_networks': len(rows),
      'seconds': seconds,
      'proxies': compare(table, rows, scores, options.proxies.split(',')),
  }
  return _label(table, source, options), run


if __name__ == '__main__':
  main()
