"""Writes `results/flan.md` from what `flan.py` measured.

python benchmarks/flan_page.py
"""

from __future__ import annotations

import collections
import json
import pathlib
import re
from typing import Any

_RESULTS = pathlib.Path(__file__).parent / 'results'
_DRAWS = 5
_NAMES = {'flan': 'FLAN', 'proxy_mlp': 'MLP on proxies'}
# FLAN's raw results (flan_nas, deleted CSV files): 5 trials, mean of the last
# four epochs' test tau; by (space, task, split, features, source).
_PUBLISHED = {
    ('nasbench201', 'cifar10', 'halves', 'none', ''): {
        8: 0.578, 40: 0.711, 80: 0.757},
    ('nasbench201', 'cifar10', 'halves', 'zcp', ''): {
        8: 0.584, 40: 0.708, 80: 0.733},
    ('nasbench201', 'cifar10', 'all', 'none', ''): {
        7: 0.496, 39: 0.698, 78: 0.781},
    ('nasbench201', 'cifar10', 'all', 'zcp', ''): {
        7: 0.528, 39: 0.702, 78: 0.775},
    ('transnas_micro', 'class_scene', 'all', 'zcp', ''): {
        16: 0.538, 32: 0.649, 64: 0.722, 128: 0.775},
    ('nasbench101', 'cifar10', 'all', 'none', ''): {72: 0.673},
    ('nasbench101', 'cifar10', 'all', 'zcp', ''): {72: 0.724},
    ('nasbench101', 'cifar10', 'all', 'none', 'nasbench201:cifar10'): {
        0: 0.544, 72: 0.658},
    ('nasbench101', 'cifar10', 'all', 'zcp', 'nasbench201:cifar10'): {
        72: 0.671},
    ('darts', 'cifar10', 'all', 'none', ''): {
        16: 0.502, 32: 0.701, 64: 0.768, 128: 0.822},
    ('darts', 'cifar10', 'all', 'unified_cate', ''): {
        16: 0.516, 32: 0.685, 64: 0.784, 128: 0.819},
    ('nasbench201', 'cifar10', 'all', 'unified_cate', ''): {
        7: 0.426, 39: 0.705, 78: 0.788},
    ('nasbench201', 'cifar10', 'all', 'unified_arch2vec', ''): {
        7: 0.446, 39: 0.697, 78: 0.788},
    ('nasbench201', 'cifar10', 'all', 'none', 'nasbench101:cifar10'): {
        7: 0.450, 39: 0.692, 78: 0.742},
    ('nasbench201', 'cifar10', 'all', 'zcp', 'nasbench101:cifar10'): {
        7: 0.196, 39: 0.641, 78: 0.756},
}  # fmt: skip
_SPLITS = {
    'halves': 'labels from one half of the space, all of the other judged',
    'all': 'labels from the whole space, all others judged',
}
_HEAD = """# Few-shot accuracy by learned networks

Kendall's tau between predicted and true accuracy on architectures that the
network has not seen, mean and standard deviation over draws of the labels;
every draw trains from scratch, or from the same pretrained network, and is
judged once, after its last epoch. FLAN is `predictors.flan` (150 epochs,
batches of 8, pairwise hinge; 30 epochs after a transfer), the MLP is
`predictors.proxy_mlp` (Multi-Predict's: 250 epochs, 50 after a transfer).
*ridge* and *best proxy* see the same labels and the 13 proxies: a ridge
regression, and the proxy that orders the labels best. *published* is FLAN's
own run, the mean of its last four epochs; its draws, and the halves of its
first split, are not public. 0 labels is the source's network as it is; a
source on the same space has labels of the judged cells on another data set.
Of NAS-Bench-101, the 500 rows at hand are 292 networks, and one of them is
labelled or judged once; of NAS-Bench-301 (`darts`), 500 cells with a
surrogate's accuracy are at hand. The published figures are on 423,624 and
about a million. `--minutes` bounds a run, so that some have fewer draws.
Proxies are scaled over all networks of the task; no label enters that.

Hardware: two cores of an AMD EPYC, shared with other work, float32, jax {jax}.
Seconds are CPU time of one draw's training without compilation.
Every row was measured by its command on {dates}.
Design choices (cutting dead operations off, contracting skips) were made on
NAS-Bench-201, ImageNet16-120, 40 labels: another task, but the same cells.
"""


def _label(record: dict[str, Any]) -> str:
  name = _NAMES[record['network']]
  if record['features'] != 'none' and record['network'] == 'flan':
    name += ' + ' + record['features'].replace('+', ' + ')
  if record['source']:
    name += f', from {record["num_source"]} of {record["source"]}'
    if record['shrinkage']:
      name += f', shrinkage {record["shrinkage"]:g}'
  return name


def _rows(records: list[dict[str, Any]]) -> list[str]:
  sizes = sorted({record['size'] for record in records})
  lines = [
      '| network | ' + ' | '.join(f'{size} labels' for size in sizes) + ' |',
      '|---|' + '---|' * len(sizes),
  ]
  by_label = collections.defaultdict(dict)
  for record in records:
    by_label[_label(record)][record['size']] = record
  rivals = collections.defaultdict(dict)
  for label, found in by_label.items():
    cells = []
    first = next(iter(found.values()))
    published = _PUBLISHED.get(
        (
            first['space'], first['task'], first['split'],
            first['features'] if first['network'] == 'flan' else '',
            first['source'],
        ),
        {},
    )
    for size in sizes:
      if size not in found:
        cells.append('')
        continue
      record = found[size]
      if size:
        cell = f'{record["mean"]:.3f} ± {record["std"]:.3f}'
        cell += f' ({record["cpu_seconds"]:.2g} s)'
        if len(record['tau']) != _DRAWS:
          cell += f', {len(record["tau"])} draws'
      else:
        cell = f'{record["mean"]:.3f}'  # the source's network as it is
      if size in published:
        cell += f'; published {published[size]:.3f}'
      cells.append(cell)
      for name, value in record['rivals'].items():
        rivals[name][size] = value
    lines.append(f'| {label} | ' + ' | '.join(cells) + ' |')
  for name, found in rivals.items():
    cells = [f'{found[s]:.3f}' if s in found else '' for s in sizes]
    lines.append(f'| *{name}* | ' + ' | '.join(cells) + ' |')
  return lines


def page(records: list[dict[str, Any]]) -> str:
  """The page of a list of records."""
  parts = [
      _HEAD.format(
          jax=', '.join(sorted({record['jax'] for record in records})),
          dates=', '.join(sorted({record['date'] for record in records})),
      )
  ]
  groups = collections.defaultdict(list)
  for record in records:
    groups[record['space'], record['task'], record['split']].append(record)
  for (space, task, split), found in sorted(groups.items()):
    parts.append(f'## {space}, {task}, {_SPLITS[split]}\n')
    parts.append(
        f'{found[0]["architectures"]:,} architectures, metric'
        f' `{found[0]["metric"]}`, {_DRAWS} draws where nothing else is'
        ' said.\n'
    )
    parts.append('\n'.join(_rows(found)) + '\n')
  parts.append('## Commands\n')
  commands = dict.fromkeys(
      re.sub(r' --out=\S+', '', record['command']) for record in records
  )
  parts.append('```\n' + '\n'.join(commands) + '\n```\n')
  return '\n'.join(parts)


def main() -> None:
  records = json.loads((_RESULTS / 'flan.json').read_text())
  (_RESULTS / 'flan.md').write_text(page(records))


if __name__ == '__main__':
  main()
