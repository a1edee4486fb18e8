"""Converters: upstream's zero-cost files to one `ZeroCostTable` per space."""

from __future__ import annotations

import csv
import io
import json
import pathlib

import numpy as np

from nasflat_jax import spaces
from nasflat_jax.data import _manifest
from nasflat_jax.data._zero_cost import PROXIES
from nasflat_jax.data._zero_cost import ZeroCostTable

# What NASLib writes where a score is not a number.
_FAILED = -1e8


def zccombine_nasbench201(
    source: _manifest.Source, mirror: pathlib.Path
) -> ZeroCostTable:
  """CIFAR-10 scores of the 9,445 cells without unreachable operations.

  Final values of NAS-Bench-Suite-Zero (https://arxiv.org/abs/2210.03230);
  `flops` and `params` are in millions, `synflow` is a logarithm.
  """
  (file,) = source.files
  text = _manifest.read(file, mirror).decode('utf-8')
  rows = list(csv.DictReader(io.StringIO(text)))
  return ZeroCostTable(
      space='nasbench201',
      source=source.name,
      proxies=PROXIES,
      genotype=spaces.NASBENCH201.from_string(row['net_str'] for row in rows),
      values=_scores(rows, file.path),
  )


def nasflat_fbnet(
    source: _manifest.Source, mirror: pathlib.Path
) -> ZeroCostTable:
  """CIFAR-100 scores of HELP's 5,000 networks, in upstream's order.

  Computed by the authors of NASFLAT (https://arxiv.org/abs/2403.02446);
  `flops` and `params` in units, `synflow` raw, up to 2.9e38.

  Note:
    `jacov` and `epe_nas` are running sums over the networks of a job, because
    upstream does not clear a gradient. They are kept as they are: NASFLAT's
    encoding has them. Do not compare other implementations with them.
  """
  (file,) = source.files
  scores = json.loads(_manifest.read(file, mirror))
  genotype = np.array([key.split('_') for key in scores], np.int32)
  if genotype.shape[1:] != (22,):
    raise ValueError(f'{file.path}: its keys are not networks of FBNet')
  return ZeroCostTable(
      space='fbnet',
      source=source.name,
      proxies=PROXIES,
      genotype=genotype,
      values=_scores(list(scores.values()), file.path),
  )


def _scores(rows: list[dict[str, str | float]], name: str) -> np.ndarray:
  """`[N, P]`; failed scores become NaN."""
  try:
    values = np.array(
        [[float(row[proxy]) for proxy in PROXIES] for row in rows]
    )
  except (KeyError, TypeError, ValueError) as error:
    raise ValueError(f'{name}: a score is missing: {error}') from error
  values[values == _FAILED] = np.nan
  return values
