"""How often the interval of `transfer.monotonicity` has the truth."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from nasflat_jax import transfer
from proxy_study import matrices

SIZES = (5, 10, 20, 40, 70)
CONFIDENCE = 0.9
_PAIRS, _DRAWS = 150, 20
# Where the true correlation lies.
_GROUPS = ((-1.0, 0.6), (0.6, 0.8), (0.8, 0.9), (0.9, 1.0))


def _fisher(estimate: np.ndarray, num: int) -> tuple[np.ndarray, np.ndarray]:
  """Bonett and Wright's interval alone, in NumPy."""
  size = max(num, 4)
  most = 1.0 - 6.0 / (size * (size**2 - 1.0))
  r = np.clip(estimate, -most, most)
  quantile = stats.norm.ppf((1.0 + CONFIDENCE) / 2.0)
  half = quantile * np.sqrt((1.0 + r**2 / 2.0) / (size - 3.0))
  return np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)


def run() -> list[dict]:
  """One row for each table, number of measurements and range of the truth."""
  estimate = jax.jit(jax.vmap(
      lambda key, a, b: transfer.monotonicity(key, a, b, confidence=CONFIDENCE)
  ))
  rows = []
  for name in matrices.TABLES:
    values = matrices.load(name).values
    values = values[:, np.isfinite(values).all(axis=0)]
    truth = stats.spearmanr(values, axis=1).statistic
    rng = np.random.default_rng(0)
    pairs = list(itertools.combinations(range(len(values)), 2))
    kept = rng.permutation(len(pairs))[:_PAIRS]
    first, second = np.array([pairs[i] for i in kept]).T
    first, second = np.repeat(first, _DRAWS), np.repeat(second, _DRAWS)
    true = truth[first, second]
    for num in SIZES:
      ids = np.stack([
          rng.choice(values.shape[1], num, replace=False) for _ in first
      ])
      a, b = values[first[:, None], ids], values[second[:, None], ids]
      got = estimate(
          jax.random.split(jax.random.key(0), len(first)),
          jnp.asarray(a, jnp.float32),
          jnp.asarray(b, jnp.float32),
      )
      center, lower, upper = (np.asarray(x, np.float64) for x in got)
      plain = _fisher(np.nan_to_num(center), num)
      for low, high in _GROUPS:
        where = (true >= low) & (true < high)
        if not where.any():
          continue
        inside = (lower <= true) & (true <= upper)
        rows.append({
            'table': name,
            'num': num,
            'truth': [low, high],
            'samples': int(where.sum()),
            'coverage': inside[where].mean(),
            'too_high': (lower > true)[where].mean(),
            'too_low': (upper < true)[where].mean(),
            'width': (upper - lower)[where].mean(),
            'coverage_fisher': (
                (plain[0] <= true) & (true <= plain[1])
            )[where].mean(),
            'too_high_fisher': (plain[0] > true)[where].mean(),
            # OneProxy's decision at 0.9.
            'reuse': (lower >= 0.9)[where].mean(),
            'reuse_by_estimate': (center >= 0.9)[where].mean(),
        })
  return rows
