"""Scores networks one after another in PyTorch, and times each.

    python benchmarks/zero_cost_torch/loop.py --space=nasbench201 --batch=64 \
        --num_networks=3 --style=reference --threads=2 --out=F.json

Needs the extra `benchmark`, not this package: it may run in an environment of
its own. `--style=reference` builds a fresh network for each of the thirteen
proxies and gives each its own passes; `--style=shared` builds one network and
shares the passes. NaN and infinities of degenerate networks are written as
they come. Where others use the machine take `--threads=1`: of several, each
waits for the slowest. Arrays of the files have their channels last:

- `--images`: `images` [B, 32, 32, 3], `labels` [B]; optional `genotype` [M, G]
  and zen's `noise` [2, B, 32, 32, 3] (images, then perturbations).
- `--weights`, `--zen_weights`: see `networks.load`. With weights every
  network, and every proxy, starts from these; without, from its own draws.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import datetime
import functools
import gc
import json
import os
import pathlib
import sys
import time
from typing import Any, NamedTuple

import networks
import numpy as np
import proxies
import shared
import torch

_GENES = {'nasbench201': (6, 5), 'fbnet': (22, 9)}
_CLASSES = {'nasbench201': 10, 'fbnet': 100}

Weights = Mapping[str, np.ndarray]


class Inputs(NamedTuple):
  """What the networks of a run share.

  Attributes:
    images: `[B, 3, H, W]`.
    labels: `[B]`.
    weights: initial weights, or None for draws.
    zen_weights: zen's weights, or None for draws.
    noise: zen's images and perturbations, or None for draws.
  """

  images: torch.Tensor
  labels: torch.Tensor
  weights: Weights | None = None
  zen_weights: Weights | None = None
  noise: tuple[torch.Tensor, torch.Tensor] | None = None


Build = Callable[[Sequence[int]], networks.Network]
Rows = Iterator[dict[str, Any]]


def _fresh(
    build: Build, genotype: Sequence[int], inputs: Inputs
) -> networks.Network:
  module = build(genotype).to(inputs.images.dtype)
  if inputs.weights is not None:
    networks.load(module, inputs.weights, genotype)
  return module


def reference_loop(
    genotypes: Iterable[Sequence[int]],
    build: Build,
    inputs: Inputs,
    *,
    collect: bool = False,
) -> Rows:
  """One network and its own passes for each proxy.

  Args:
    genotypes: `[M, G]`.
    build: makes a network of a genotype, `networks.nasbench201` for example.
    inputs: images, labels, weights.
    collect: collect garbage after each proxy, as the reference does.

  Yields:
    For each network `genotype`, `scores`, `seconds` and `parts`, the seconds
    of each proxy, building its network included.
  """
  for genotype in genotypes:
    scores, parts = {}, {}
    for name, proxy in proxies.PROXIES.items():
      options = {}
      if name == 'zen':
        options = {'weights': inputs.zen_weights, 'noise': inputs.noise}
      start = time.perf_counter()
      module = _fresh(build, genotype, inputs)
      scores[name] = proxy(module, inputs.images, inputs.labels, **options)
      if collect:
        del module
        gc.collect()
      parts[name] = time.perf_counter() - start
    yield _row(genotype, scores, sum(parts.values()), parts)


def shared_loop(
    genotypes: Iterable[Sequence[int]], build: Build, inputs: Inputs
) -> Rows:
  """One network for all proxies, which share its passes.

  Args:
    genotypes: `[M, G]`.
    build: makes a network of a genotype.
    inputs: images, labels, weights.

  Yields:
    For each network `genotype`, `scores`, `seconds` and `parts`, the seconds
    of each pass.
  """
  for genotype in genotypes:
    parts: dict[str, float] = {}
    start = time.perf_counter()
    module = _fresh(build, genotype, inputs)
    parts['build'] = time.perf_counter() - start
    scores = shared.score(
        module,
        inputs.images,
        inputs.labels,
        zen_weights=inputs.zen_weights,
        noise=inputs.noise,
        seconds=parts,
    )
    yield _row(genotype, scores, time.perf_counter() - start, parts)


def _row(
    genotype: Sequence[int],
    scores: dict[str, float],
    seconds: float,
    parts: dict[str, float],
) -> dict[str, Any]:
  return {
      'genotype': [int(gene) for gene in genotype],
      'scores': scores,
      'seconds': seconds,
      'parts': parts,
  }


def _read(
    options: argparse.Namespace,
) -> tuple[np.ndarray, Inputs]:
  """Genotypes and inputs, from the files or drawn from the seed."""
  dtype = getattr(torch, options.dtype)
  rng = np.random.default_rng(options.seed)
  length, num_ops = _GENES[options.space]
  arrays = dict(np.load(options.images)) if options.images else {}
  if not options.images:
    arrays['images'] = rng.standard_normal((options.batch, 32, 32, 3))
    # Balanced: a class of one member tells epe_nas nothing.
    arrays['labels'] = np.arange(options.batch) % options.num_classes
  if 'genotype' not in arrays:
    shape = options.num_networks, length
    arrays['genotype'] = rng.integers(num_ops, size=shape)

  if arrays['labels'].max() >= options.num_classes:
    raise ValueError(
        f'--images={options.images}: label {arrays["labels"].max()} with '
        f'--num_classes={options.num_classes}'
    )

  def channels_first(x: np.ndarray) -> torch.Tensor:
    x = np.moveaxis(x, -1, 1).copy()
    return torch.from_numpy(x).to(options.device, dtype)

  noise = None
  if 'noise' in arrays:
    first, second = map(channels_first, arrays['noise'])
    noise = first, second
  inputs = Inputs(
      channels_first(arrays['images']),
      torch.from_numpy(arrays['labels'].astype(np.int64)).to(options.device),
      dict(np.load(options.weights)) if options.weights else None,
      dict(np.load(options.zen_weights)) if options.zen_weights else None,
      noise,
  )
  return arrays['genotype'][: options.num_networks], inputs


def _parse() -> argparse.Namespace:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--space', choices=_GENES, default='nasbench201')
  parser.add_argument('--channels', type=int, default=16)
  parser.add_argument('--num_cells', type=int, default=5)
  parser.add_argument('--num_classes', type=int)
  parser.add_argument('--batch', type=int, default=64)
  parser.add_argument('--num_networks', type=int, default=3)
  parser.add_argument('--warm_up', type=int, default=1, help='untimed networks')
  parser.add_argument(
      '--style', choices=('reference', 'shared'), default='reference'
  )
  parser.add_argument(
      '--collect', action='store_true', help='garbage after each proxy'
  )
  parser.add_argument(
      '--dtype', choices=('float32', 'float64'), default='float32'
  )
  parser.add_argument('--threads', type=int, default=2)
  parser.add_argument('--device', default='cpu', help='or cuda')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--images', type=pathlib.Path, help='npz')
  parser.add_argument('--weights', type=pathlib.Path, help='npz')
  parser.add_argument('--zen_weights', type=pathlib.Path, help='npz')
  parser.add_argument('--out', type=pathlib.Path, required=True, help='JSON')
  options = parser.parse_args()
  if options.num_classes is None:
    options.num_classes = _CLASSES[options.space]
  return options


def main() -> None:
  """Scores the networks, prints seconds and writes JSON."""
  options = _parse()
  torch.set_num_threads(options.threads)
  torch.set_default_device(options.device)
  torch.manual_seed(options.seed)
  try:
    genotypes, inputs = _read(options)
    rows = _score(options, genotypes, inputs)
  except (OSError, KeyError, ValueError) as error:
    print(f'loop.py: {error}', file=sys.stderr)
    sys.exit(2)
  settings = {key: str(value) for key, value in vars(options).items()}
  options.out.write_text(
      json.dumps(
          {
              'torch': torch.__version__,
              'threads': torch.get_num_threads(),
              'load_average': os.getloadavg()[0],
              'date': datetime.date.today().isoformat(),
              'settings': settings | {'batch': str(len(inputs.images))},
              'networks': rows,
          },
          indent=1,
      )
  )


def _score(
    options: argparse.Namespace, genotypes: np.ndarray, inputs: Inputs
) -> list[dict[str, Any]]:
  if options.space == 'fbnet':
    build = functools.partial(
        networks.fbnet, num_classes=options.num_classes
    )
  else:
    build = functools.partial(
        networks.nasbench201,
        channels=options.channels,
        num_cells=options.num_cells,
        num_classes=options.num_classes,
    )
  loop: Callable[..., Rows] = shared_loop
  if options.style == 'reference':
    loop = functools.partial(reference_loop, collect=options.collect)
  for _ in loop(genotypes[:1].repeat(options.warm_up, 0), build, inputs):
    pass
  rows = []
  for row in loop(genotypes, build, inputs):
    rows.append(row)
    print(f'{row["genotype"]}: {row["seconds"]:.3f} s', flush=True)
  return rows


if __name__ == '__main__':
  main()
