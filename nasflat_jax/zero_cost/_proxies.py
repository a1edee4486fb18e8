"""The thirteen proxies: what each needs, and the score it makes of it.

Definitions of NAS-Bench-Suite-Zero (https://arxiv.org/abs/2210.03230). Batch
normalisation uses the batch's statistics, layers are convolutions and linear
layers, only their weights count, and a score is a plain sum over layers.
Higher is meant to be better.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import functools
from typing import NamedTuple

import numpy as np

Found = Mapping[str, np.ndarray]
_JITTER = 1e-5


class Proxy(NamedTuple):
  """A zero-cost proxy.

  Attributes:
    name: as in NAS-Bench-Suite-Zero's tables.
    needs: quantities of `QUANTITIES`; each is computed once for all proxies.
    reduce: host; `({quantity: [B, ...]}, labels [N]) -> [B]` float64, NaN
      where the proxy is not defined (networks that ignore their input).
    sees_dead: whether operations on no path from input to output change it.
  """

  name: str
  needs: tuple[str, ...]
  reduce: Callable[[Found, np.ndarray], np.ndarray]
  sees_dead: bool = False


def _is(quantity: str) -> Callable[[Found, np.ndarray], np.ndarray]:
  def reduce(found: Found, labels: np.ndarray) -> np.ndarray:
    del labels
    return np.asarray(found[quantity], np.float64)

  return reduce


def _finite(values: np.ndarray) -> np.ndarray:
  return np.where(np.isfinite(values), values, np.nan)


def _logarithm(found: Found, labels: np.ndarray, name: str) -> np.ndarray:
  """A logarithm is of zero where no signal passes."""
  return _finite(_is(name)(found, labels))


def _jacov(found: Found, labels: np.ndarray) -> np.ndarray:
  """`-sum(log(v + k) + 1 / (v + k))` over eigenvalues, k = 1e-5.

  In float64: near v = 0 the sum changes by 1e10 times the eigenvalue's error.
  """
  del labels
  matrix = np.asarray(found['correlation'], np.float64)
  alive = np.isfinite(matrix).all((1, 2))
  scores = np.full(len(matrix), np.nan)
  if alive.any():
    values = np.linalg.eigvalsh(matrix[alive]).clip(0.0) + _JITTER
    scores[alive] = -(np.log(values) + 1 / values).sum(axis=1)
  return scores


def _epe_nas(
    found: Found, labels: np.ndarray, max_classes: int = 100
) -> np.ndarray:
  """Correlations of the Jacobian's rows within each class.

  `e = sum log(|R| + 1e-5)` over the class, diagonal included. The score is the
  sum of `|e|` for up to 100 classes; above, `e` is divided by the class's size
  and the score is the mean difference between classes.

  Note:
    A class with one image has `e` near 0 whatever the network: the batch has to
    have several of each (`images_batch(balanced=True)`).
  """
  matrix = np.asarray(found['correlation'], np.float64)
  sums = []
  for label in np.unique(labels):
    rows = np.flatnonzero(labels == label)
    block = matrix[:, rows[:, None], rows]
    total = np.log(np.abs(block) + _JITTER).sum((1, 2))
    sums.append(total if max_classes <= 100 else total / len(rows))
  classes = np.stack(sums)
  if max_classes <= 100:
    return np.abs(classes).sum(axis=0)
  differences = np.abs(classes[:, None] - classes[None]).sum((0, 1))
  return differences / len(classes)


def _nwot(found: Found, labels: np.ndarray) -> np.ndarray:
  """Log determinant of the matrix of agreeing units."""
  del labels
  matrix = np.asarray(found['gram'], np.float64)
  with np.errstate(divide='ignore'):
    return _finite(np.linalg.slogdet(matrix)[1])


epe_nas = Proxy('epe_nas', ('correlation',), _epe_nas)
fisher = Proxy('fisher', ('fisher',), _is('fisher'))
flops = Proxy('flops', ('flops',), _is('flops'), sees_dead=True)
grad_norm = Proxy('grad_norm', ('gradient_norm',), _is('gradient_norm'))
grasp = Proxy('grasp', ('curvature',), _is('curvature'))
jacov = Proxy('jacov', ('correlation',), _jacov)
l2_norm = Proxy('l2_norm', ('norms',), _is('norms'), sees_dead=True)
nwot = Proxy('nwot', ('gram',), _nwot, sees_dead=True)
params = Proxy('params', ('params',), _is('params'), sees_dead=True)
plain = Proxy('plain', ('signed_saliency',), _is('signed_saliency'))
snip = Proxy('snip', ('saliency',), _is('saliency'))
synflow = Proxy(
    'synflow', ('synflow',), functools.partial(_logarithm, name='synflow')
)
zen = Proxy(
    'zen', ('zen',), functools.partial(_logarithm, name='zen'), sees_dead=True
)

ALL = (
    epe_nas, fisher, flops, grad_norm, grasp, jacov, l2_norm, nwot, params,
    plain, snip, synflow, zen,
)  # fmt: skip


def get(name: str) -> Proxy:
  """The proxy of that name.

  Raises:
    ValueError: listing the names, if there is none.
  """
  for proxy in ALL:
    if proxy.name == name:
      return proxy
  raise ValueError(
      f'unknown proxy {name!r}; choose from '
      + ', '.join(proxy.name for proxy in ALL)
  )
