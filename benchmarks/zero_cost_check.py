"""Checks the thirteen proxies against PyTorch in float64, network by network.

    python benchmarks/zero_cost_check.py --torch_python=PATH

Both sides get the same weights, images, zen weights and noise; ours compute by
shared passes, PyTorch by passes of its own for each proxy (`zero_cost_torch/`,
run by the interpreter PATH, which has PyTorch). Each side runs in float64,
where both have to agree, and in float32, where a proxy passes within its
tolerance or if it is at most twice as far off as PyTorch in float32. Writes
`results/zero_cost_check.json` and prints the tables of
`results/zero_cost_check.md`; `--spaces` replaces only those. Fails if a proxy
fails in either.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import json
import pathlib
import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from zero_cost_study import records
from zero_cost_study import torch_loop

from nasflat_jax import spaces
from nasflat_jax import zero_cost

# Largest relative error in float64, of all proxies.
_TOLERANCE_FLOAT64 = 1e-9
# PyTorch's own error in float32, worst network against worst network, that a
# proxy may reach if it exceeds its tolerance.
_TIMES_TORCH = 2.0
# Largest relative error in float32. Fisher squares; the ReLUs whose input is
# within rounding of zero flip, which the gradients feel; jacov and epe_nas take
# logarithms of small eigenvalues and correlations; plain and grasp are
# differences of large terms, so their errors are relative to those (`_scale`).
_TOLERANCES = {
    # First 1e-3. PyTorch in float32 is as far off on the worst network: a
    # flipped ReLU moves a correlation near zero, whose logarithm counts.
    'epe_nas': 3e-2,
    'fisher': 1e-2,
    'flops': 1e-5,
    'grad_norm': 1e-2,
    'grasp': 1e-3,
    'jacov': 1e-3,
    'l2_norm': 1e-5,
    'nwot': 1e-4,
    'params': 1e-5,
    'plain': 1e-3,
    'snip': 1e-2,
    'synflow': 1e-5,
    'zen': 1e-3,
}
# No path; two paths cut in the middle; only the direct edge; only pools; only
# skips; dead convolutions.
_SPECIAL = (
    (0, 0, 0, 0, 0, 0),
    (3, 0, 0, 0, 0, 3),
    (3, 3, 0, 0, 0, 0),
    (0, 0, 0, 3, 0, 0),
    (4, 4, 4, 4, 4, 4),
    (1, 1, 1, 1, 1, 1),
    (3, 0, 3, 2, 0, 3),
)


def genotypes(space: str, num: int, seed: int) -> np.ndarray:
  """`[num, G]` random networks, the first ones special."""
  length, num_ops = {'nasbench201': (6, 5), 'fbnet': (22, 9)}[space]
  rows = np.random.default_rng(seed).integers(num_ops, size=(num, length))
  if space == 'nasbench201':
    special = np.array(_SPECIAL)[:num]
    rows[: len(special)] = special
  elif num > 1:
    rows[0] = num_ops - 1  # skips alone
  return rows.astype(np.int32)


def compare(space: str, options: argparse.Namespace) -> dict[str, Any]:
  """Scores of both sides and their errors."""
  cells = space == 'nasbench201'
  network = (
      zero_cost.nasbench201(
          channels=options.channels, num_cells=options.num_cells
      )
      if cells
      else zero_cost.fbnet()
  )
  num_images = options.batch if cells else options.batch_fbnet
  genotype = genotypes(space, options.num_networks, options.seed)
  key, image_key = jax.random.split(jax.random.key(options.seed))
  batch = zero_cost.gaussian_batch(
      image_key, num_images, min(4, network.num_classes)
  )
  names = [fn.name for fn in zero_cost.ALL]
  params, zen_params, noise = torch_loop.inputs(network, key, batch)
  flags = [
      f'--space={space}', '--warm_up=0',
      f'--threads={options.threads}', f'--style={options.style}',
      f'--num_classes={network.num_classes}',
  ]  # fmt: skip
  if cells:
    flags += [
        f'--channels={options.channels}', f'--num_cells={options.num_cells}'
    ]
  ours, torch = {}, {}
  for dtype in ('float32', 'float64'):
    start = time.perf_counter()
    with jax.enable_x64(dtype == 'float64'):
      ours[dtype] = zero_cost.score(
          zero_cost.ALL, spaces.get(space), key, genotype, batch,
          network=network, dtype=jnp.dtype(dtype),
      )  # fmt: skip
    middle = time.perf_counter()
    found = torch_loop.run(
        options.torch_python,
        [*flags, f'--dtype={dtype}'],
        genotype=genotype,
        batch=batch,
        noise=noise,
        weights=params,
        zen_weights=zen_params,
    )
    torch[dtype] = np.array(
        [[row['scores'][n] for n in names] for row in found['networks']], float
    )
    end = time.perf_counter()
    print(
        f'{space} in {dtype}: ours in {middle - start:.0f} s, PyTorch in '
        f'{end - middle:.0f} s', flush=True,
    )  # fmt: skip
  want = torch['float64']
  strict = dict.fromkeys(names, _TOLERANCE_FLOAT64)
  column = want[:, names.index('grad_norm')]
  terms = grasp_terms(space, options.num_cells, column)
  by_itself = beside(
      errors(names, ours['float32'], want),
      errors(names, torch['float32'], want),
  )
  return {
      'space': space,
      'num_networks': len(genotype),
      'num_images': num_images,
      'num_classes': network.num_classes,
      'channels': options.channels if cells else None,
      'num_cells': options.num_cells if cells else None,
      'torch': found['torch'],
      'float64': errors(names, ours['float64'], want, strict),
      'float32': beside(
          errors(names, ours['float32'], want, terms=terms),
          errors(names, torch['float32'], want, terms=terms),
      ),
      'grasp_by_itself': by_itself[names.index('grasp')],
      'genotype': genotype.tolist(),
      'ours_float64': ours['float64'].tolist(),
      'torch_float64': want.tolist(),
      'ours_float32': ours['float32'].tolist(),
      'torch_float32': torch['float32'].tolist(),
  }


def errors(
    names: list[str],
    ours: np.ndarray,  # [M, P]
    want: np.ndarray,  # [M, P]
    tolerances: Mapping[str, float] = _TOLERANCES,
    terms: np.ndarray | None = None,  # [M]
) -> list[dict[str, Any]]:
  """Relative errors of each proxy; where both are undefined there is none.

  Those of grasp are relative to `terms`, if given, else to itself.
  """
  rows = []
  snip = want[:, names.index('snip')]
  for name, got, right in zip(names, ours.T, want.T):
    # FBNet's table has raw params and flops, ours and PyTorch's are millions.
    defined = np.isfinite(right)
    differing = int((np.isfinite(got) != defined).sum())
    both = defined & np.isfinite(got)
    scale = _scale(name, right, snip, terms)[both]
    difference = np.abs(got[both] - right[both])
    error = difference / np.maximum(scale, 1e-30)
    worst = float(error.max()) if error.size else 0.0
    rows.append({
        'proxy': name,
        'networks': int(both.sum()),
        'undefined_on_both': int((~defined & ~np.isfinite(got)).sum()),
        'undefined_on_one': differing,
        'median': float(np.median(error)) if error.size else 0.0,
        'max': worst,
        'tolerance': tolerances[name],
        'passed': worst <= tolerances[name] and not differing,
    })
  return rows


def beside(
    ours: list[dict[str, Any]], torch: list[dict[str, Any]]
) -> list[dict[str, Any]]:
  """Errors of ours with PyTorch's own, by which a row may pass as well."""
  rows = []
  for row, other in zip(ours, torch, strict=True):
    close = row['max'] <= _TIMES_TORCH * other['max']
    rows.append(row | {
        'torch_median': other['median'],
        'torch_max': other['max'],
        'passed': row['passed'] or (close and not row['undefined_on_one']),
    })  # fmt: skip
  return rows


def grasp_terms(
    space: str,
    num_cells: int,
    grad_norm: np.ndarray,  # [M]
) -> np.ndarray:  # [M]
  """The least that the squared gradient norms of all layers can add up to.

  Those of layers before a normalisation are grasp's positive terms. By Cauchy
  and Schwarz squares add up to no less than the square of the sum of the norms,
  which is the proxy grad_norm, over the number of layers. Layers without a
  normalisation, a few of dozens, are in that sum as well.

  Args:
    space: `nasbench201` or `fbnet`.
    num_cells: N of NAS-Bench-201.
    grad_norm: `[M]`, of each network.

  Returns:
    `[M]`.
  """
  # Of an edge one layer, of a block three; stem, reductions, header, head.
  most = {'nasbench201': 18 * num_cells + 8, 'fbnet': 22 * 3 + 3}[space]
  return grad_norm**2 / most


def _scale(
    name: str,
    right: np.ndarray,
    snip: np.ndarray,
    terms: np.ndarray | None,
) -> np.ndarray:
  """What errors are relative to."""
  if name == 'plain':
    return snip
  if name == 'grasp' and terms is not None:
    return terms
  return np.abs(right)


def _by_itself(block: dict[str, Any]) -> str:
  """Errors of grasp in float32 by grasp, which may be near zero."""
  column = [fn.name for fn in zero_cost.ALL].index('grasp')
  want, ours = (
      np.array(block[key], float)[:, column]
      for key in ('torch_float64', 'ours_float32')
  )
  known = np.isfinite(want) & (want != 0)
  off = np.abs(ours[known] / want[known] - 1)
  row = block['grasp_by_itself']
  return (
      'By its own value grasp in float32 is off by, median and max, ours '
      f'{row["median"]:.1e} and {row["max"]:.1e}, PyTorch '
      f'{row["torch_median"]:.1e} and {row["torch_max"]:.1e}; where ours is '
      f'worst it is {want[known][off.argmax()]:.2g}, its median size '
      f'{np.median(np.abs(want[known])):.2g}.'
  )


def page(record: dict[str, Any]) -> str:
  """Tables in Markdown."""
  lines = [
      '# The thirteen proxies against PyTorch in float64',
      '',
      'The same networks, weights, images, zen weights and noise on both '
      'sides. Errors are relative; those of',
      'plain are relative to snip, the sum of the absolute values of its '
      'terms, and in float32 those of grasp to the least',
      'that squared gradient norms of layers, its positive terms, can add up '
      'to, as it crosses zero itself. A '
      'network that ignores its',
      'input has no score of some proxies: undefined must be undefined on '
      'both sides.',
      '',
      '**float64** is the check of the definitions: ours in float64 '
      f'(`dtype=jnp.float64`) within {_TOLERANCE_FLOAT64:.0e}, whatever the '
      'proxy.',
      '',
      '**float32** is what users get by default, and says what rounding does. '
      'A ReLU whose input is within rounding of zero flips, and its gradients',
      'with it; the logarithm of a small correlation in epe_nas and the '
      'difference of large terms in grasp make the most of that. PyTorch in',
      'float32 stands beside it, on the same networks against the same '
      'float64. A proxy passes within its tolerance or, where float32 itself',
      f'is no better, if its worst error is at most {_TIMES_TORCH:g} times '
      "PyTorch's own worst (marked: as PyTorch).",
      "PyTorch's synflow is in float64 whatever the networks are.",
  ]
  for block in record['spaces']:
    setting = f'{block["num_networks"]} networks, {block["num_images"]} images'
    if block['channels']:
      setting += f', C = {block["channels"]}, N = {block["num_cells"]}'
    lines += [
        '',
        f'## {block["space"]}: {setting}, {block["num_classes"]} classes',
        '',
        f'`{block["command"]}`, {block["date"][:10]}, PyTorch '
        f'{block["torch"]}, {block["hardware"]["backend"]}.',
        '',
        '| proxy | networks | undefined on both / on one | float64: median '
        '| max | | float32: median | max | PyTorch: median | max | tolerance '
        '| |',
        '|---|---|---|---|---|---|---|---|---|---|---|---|',
    ]
    for double, row in zip(block['float64'], block['float32'], strict=True):
      undefined = row['undefined_on_both']
      differing = double['undefined_on_one'] + row['undefined_on_one']
      lines.append(
          f'| {row["proxy"]} | {double["networks"]} | {undefined} / '
          f'{differing} | {double["median"]:.1e} | {double["max"]:.1e} '
          f'| {_verdict(double)} | {row["median"]:.1e} | {row["max"]:.1e} '
          f'| {row["torch_median"]:.1e} | {row["torch_max"]:.1e} '
          f'| {row["tolerance"]:.0e} | {_verdict(row)} |'
      )
    lines += ['', _by_itself(block)]
  return '\n'.join(lines) + '\n'


def _verdict(row: dict[str, Any]) -> str:
  if not row['passed']:
    return '**exceeded**'
  return 'as PyTorch' if row['max'] > row['tolerance'] else ''


def main() -> None:
  """Compares, prints and writes."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--torch_python', default=sys.executable)
  parser.add_argument('--spaces', default='nasbench201,fbnet')
  parser.add_argument('--num_networks', type=int, default=56)
  parser.add_argument('--channels', type=int, default=8)
  parser.add_argument('--num_cells', type=int, default=1)
  parser.add_argument('--batch', type=int, default=16)
  parser.add_argument('--batch_fbnet', type=int, default=8)
  parser.add_argument(
      '--style', choices=('reference', 'shared'), default='reference'
  )
  parser.add_argument('--threads', type=int, default=1)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument(
      '--out', type=pathlib.Path, default=records.RESULTS, help='folder'
  )
  options = parser.parse_args()
  path = options.out / 'zero_cost_check.json'
  blocks: dict[str, Any] = {}
  if path.is_file():  # of the other space
    old = json.loads(path.read_text())['spaces']
    blocks = {block['space']: block for block in old}
  for space in options.spaces.split(','):
    try:
      block = compare(space, options)
    except (OSError, ValueError) as error:
      print(f'zero_cost_check.py: {error}', file=sys.stderr)
      sys.exit(2)
    header = records.header('zero_cost_check', options)
    header['command'] = records.command(options)
    blocks[space] = header | block
    kept = [blocks[key] for key in sorted(blocks, reverse=True)]
    records.write(path, {'spaces': kept})
  text = page({'spaces': kept})
  print(text)
  (options.out / 'zero_cost_check.md').write_text(text)
  passed = all(
      row['passed']
      for block in kept
      for row in block['float64'] + block['float32']
  )
  sys.exit(0 if passed else 1)


if __name__ == '__main__':
  main()
