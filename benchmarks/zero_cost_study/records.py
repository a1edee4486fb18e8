"""Headers and files of results."""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import pathlib
import sys
from typing import Any

import nasflat_jax
from nasflat_jax import measure

RESULTS = pathlib.Path(__file__).parents[1] / 'results'


def header(name: str, options: argparse.Namespace) -> dict[str, Any]:
  """What, when, how and on what a result was made."""
  paths = ('out', 'torch_python', 'partial', 'images', 'page')
  return {
      'benchmark': name,
      'date': datetime.datetime.now(datetime.UTC).isoformat('T', 'seconds'),
      'nasflat_jax': nasflat_jax.__version__,
      'hardware': measure.backend_info(),
      'load_average': [round(x, 2) for x in os.getloadavg()],
      # Paths are of one machine and say nothing about the result.
      'settings': {
          k: v for k, v in vars(options).items() if k not in paths
      },
  }


def command(options: argparse.Namespace) -> str:
  """The command line without folders."""
  del options
  words = ['python', f'benchmarks/{pathlib.Path(sys.argv[0]).name}']
  for word in sys.argv[1:]:
    flag, _, value = word.partition('=')
    words.append(f'{flag}={pathlib.Path(value).name}' if value else flag)
  return ' '.join(words)


def finite(value: Any) -> Any:
  """For JSON: NaN and infinities become None, numbers six digits."""
  if isinstance(value, dict):
    return {str(k): finite(v) for k, v in value.items()}
  if isinstance(value, list | tuple):
    return [finite(v) for v in value]
  if isinstance(value, float):
    return float(f'{value:.6g}') if math.isfinite(value) else None
  return value


def write(path: pathlib.Path, record: dict[str, Any]) -> None:
  """Writes JSON and says so."""
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_text(json.dumps(finite(record), indent=1) + '\n')
  print(f'wrote {path}')
