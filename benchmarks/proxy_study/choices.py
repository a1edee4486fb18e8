"""Coverage where the sample chose the proxy, and where it was looked at twice.

`chosen`: every device is the target in turn; of the devices that `rules` calls
held out, the one that orders k random architectures most like the target is
the proxy, and the same k judge it. `looks`: k grows from 10 by doubling to 80,
as `search.one_proxy` may ask for, and every sample is judged.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from nasflat_jax import partitions
from nasflat_jax import transfer
from proxy_study import coverage
from proxy_study import matrices
from proxy_study import rules

CHOSEN_SIZES = (10, 20)
LOOKS = (10, 20, 40, 80)
CHOSEN_DRAWS = 10
PAIRS, DRAWS = 50, 6
_CHUNK = 128
_THRESHOLD = 0.9
# Shares of the error that `search.one_proxy` spends on the looks.
_SPENT = (0.5, 0.25, 0.125, 0.125)


def _lower(a: np.ndarray, b: np.ndarray, confidence: float) -> np.ndarray:
  """Lower ends of the intervals of `[B, k]` pairs, `[B]`."""
  estimate = jax.vmap(
      lambda key, x, y: transfer.monotonicity(key, x, y, confidence=confidence)
  )
  keys = jax.random.split(jax.random.key(0), len(a))
  lower = transfer.in_chunks(
      lambda ids: estimate(
          keys[ids], jnp.asarray(a[ids], jnp.float32),
          jnp.asarray(b[ids], jnp.float32),
      ).lower,
      np.arange(len(a)), _CHUNK,
  )
  return np.asarray(lower, np.float64)


def _complete(name: str) -> tuple[list[str], np.ndarray, np.ndarray]:
  """Devices, latencies of what all measured, and true correlations."""
  table = matrices.load(name)
  values = table.values[:, np.isfinite(table.values).all(axis=0)]
  truth = stats.spearmanr(values, axis=1).statistic
  return list(table.device_names), values, truth


def chosen() -> list[dict]:
  """A row for each table and number of measurements."""
  rows = []
  for name in matrices.TABLES:
    devices, values, truth = _complete(name)
    cases = [
        (devices.index(target), [devices.index(source) for source in sources])
        for target, sources in rules.held_out(matrices.load(name))
    ]
    cases = [case for case in cases if len(case[1]) > 1]
    for num in CHOSEN_SIZES:
      rng = np.random.default_rng(0)
      pairs, samples, sizes = [], [], []
      for target, sources in cases:
        for _ in range(CHOSEN_DRAWS):
          ids = rng.choice(values.shape[1], num, replace=False)
          best = partitions.choose_proxy(
              truth[np.ix_(sources, sources)],
              rules.measured(values, sources, target, ids),
          )
          pairs.append((sources[best], target))
          samples.append(ids)
          sizes.append(len(sources))
      proxy, target = np.array(pairs).T
      ids, sizes = np.array(samples), np.array(sizes)
      a, b = values[proxy[:, None], ids], values[target[:, None], ids]
      true = truth[proxy, target]
      error = 1.0 - coverage.CONFIDENCE
      plain, corrected = _lower(a, b, coverage.CONFIDENCE), np.zeros(len(true))
      for size in np.unique(sizes):
        own = sizes == size
        corrected[own] = _lower(a[own], b[own], 1.0 - error / size)
      row = {
          'table': name, 'num': num, 'samples': len(true),
          'choices': float(sizes.mean()), **_figures('', plain, true),
      }
      rows.append(row | _figures('_corrected', corrected, true))
  return rows


def _figures(suffix: str, lower: np.ndarray, true: np.ndarray) -> dict:
  """How often the truth is below, and what would be reused."""
  good = true >= _THRESHOLD
  reused = lower >= _THRESHOLD

  def share(part):
    return float(part.mean()) if len(part) else None

  return {
      f'too_high{suffix}': float((lower > true).mean()),
      f'reused_wrongly{suffix}': share(reused[~good]),
      f'reused_rightly{suffix}': share(reused[good]),
  }


def looks() -> list[dict]:
  """A row for each table: all looks together, as they are and corrected."""
  rows = []
  for name in matrices.TABLES:
    devices, values, truth = _complete(name)
    rng = np.random.default_rng(0)
    pairs = list(itertools.combinations(range(len(devices)), 2))
    kept = rng.permutation(len(pairs))[:PAIRS]
    first, second = np.repeat(np.array([pairs[i] for i in kept]).T, DRAWS, 1)
    ids = np.stack([
        rng.choice(values.shape[1], LOOKS[-1], replace=False) for _ in first
    ])
    a, b = values[first[:, None], ids], values[second[:, None], ids]
    true = truth[first, second]
    row = {'table': name, 'samples': len(true)}
    error = 1.0 - coverage.CONFIDENCE
    for suffix, shares in (('', (1.0,) * 4), ('_corrected', _SPENT)):
      lower = np.stack([
          _lower(a[:, :num], b[:, :num], 1.0 - error * share)
          for num, share in zip(LOOKS, shares, strict=True)
      ])
      # The workflow stops where the proxy is good enough: only the highest of
      # the lower ends matters to whether it ever is.
      row |= _figures(suffix, lower.max(axis=0), true)
      row[f'too_high_first{suffix}'] = float((lower[0] > true).mean())
    rows.append(row)
  return rows


def run() -> dict[str, list[dict]]:
  """Both."""
  return {'chosen': chosen(), 'looks': looks()}
