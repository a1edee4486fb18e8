"""Runs `zero_cost_torch/loop.py` in an interpreter that has PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
import json
import os
import pathlib
import re
import subprocess
import tempfile
from typing import Any

import jax
import numpy as np

from nasflat_jax import zero_cost

_LOOP = pathlib.Path(__file__).parents[1] / 'zero_cost_torch' / 'loop.py'
_DEPTHS = (1, 4, 4, 4, 4, 4, 1)  # blocks in FBNet's stages


def flat(params: zero_cost.Params) -> dict[str, np.ndarray]:
  """Weights as `loop.py --weights` takes them."""
  weights: dict[str, np.ndarray] = {}
  for name, kernel in params.kernel.items():
    found = re.fullmatch('stage_([0-9]+)/(first|rest)/(.*)', name)
    if found is None:
      weights[f'{name}/kernel'] = np.asarray(kernel)
      continue
    # FBNet's blocks have numbers there, and no axis over those of a stage.
    stage, part, rest = found.groups()
    block = sum(_DEPTHS[: int(stage)]) + (part == 'rest')
    copies = np.asarray(kernel)[None] if part == 'first' else np.asarray(kernel)
    for number, copy in enumerate(copies):
      weights[f'block_{block + number}/{rest}/kernel'] = copy
  return weights | {f'{k}/bias': np.asarray(v) for k, v in params.bias.items()}


def inputs(
    network: zero_cost.Network, key: jax.Array, batch: zero_cost.Batch
) -> tuple[zero_cost.Params, zero_cost.Params, np.ndarray]:
  """The weights, zen's weights and zen's noise that `score` draws of a key.

  `score` takes no weights; it splits its key in three, and these draw. Other
  splits would show at once as wrong scores.
  """
  weights_key, zen_key, noise_key = jax.random.split(key, 3)
  noise = jax.random.normal(
      noise_key, (2, *np.shape(batch.images)), jax.numpy.float32
  )
  return (
      network.init(weights_key),
      network.init_normal(zen_key),
      np.asarray(noise),
  )


def start(
    python: str, folder: pathlib.Path, name: str, flags: Sequence[str]
) -> tuple[subprocess.Popen, pathlib.Path]:
  """Starts the loop; its JSON will be `folder/name.json`."""
  out = folder / f'{name}.json'
  process = subprocess.Popen(
      [python, str(_LOOP), *flags, f'--out={out}'],
      stdout=subprocess.DEVNULL,
      stderr=subprocess.PIPE,
      text=True,
  )
  return process, out


def finish(process: subprocess.Popen, out: pathlib.Path) -> dict[str, Any]:
  """Waits; what the loop wrote, and its `peak_mib` of memory."""
  errors = ''
  if process.stderr is not None:
    with process.stderr as stream:
      errors = stream.read()
  _, status, usage = os.wait4(process.pid, 0)
  process.returncode = os.waitstatus_to_exitcode(status)
  if process.returncode:
    raise ValueError(f'loop.py failed: {errors.strip()[-2000:]}')
  return json.loads(out.read_text()) | {'peak_mib': usage.ru_maxrss / 1024}


def run(
    python: str,
    flags: Sequence[str],
    *,
    genotype: np.ndarray,
    batch: zero_cost.Batch,
    noise: np.ndarray | None = None,
    weights: zero_cost.Params | None = None,
    zen_weights: zero_cost.Params | None = None,
) -> dict[str, Any]:
  """Scores the genotypes with what is given and draws the rest."""
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    arrays = {
        'images': np.asarray(batch.images),
        'labels': np.asarray(batch.labels),
        'genotype': np.asarray(genotype),
    }
    if noise is not None:
      arrays['noise'] = noise
    np.savez(folder / 'images.npz', allow_pickle=False, **arrays)
    flags = [*flags, f'--images={folder / "images.npz"}']
    for flag, params in ('weights', weights), ('zen_weights', zen_weights):
      if params is not None:
        np.savez(folder / f'{flag}.npz', allow_pickle=False, **flat(params))
        flags.append(f'--{flag}={folder / flag}.npz')
    flags.append(f'--num_networks={len(genotype)}')
    return finish(*start(python, folder, 'scores', flags))
