"""AdaProxy: a proxy device's linear model, bent to a target by a few rows.

Lu et al., "One Proxy Device Is Enough for Hardware-Aware Neural Architecture
Search", SIGMETRICS 2022, https://arxiv.org/abs/2111.01203.
"""

from __future__ import annotations

import numpy as np

from nasflat_jax.predictors import _linear

# Relative to the mean squared singular value of the free columns.
_PENALTIES = np.logspace(-3.0, 3.0, 25)


def fit_proxy(
    genotype: np.ndarray,  # [n, G]
    latency_ms: np.ndarray,  # [n]
    num_ops: int,
) -> _linear.LinearModel:
  """The proxy's linear model: one time for each gene and operation.

  One-hot columns are redundant: a constant may move from an operation's time
  to the intercept. Here the fastest measured operation of every gene takes no
  time, so that a relative change of the others is well defined.

  Args:
    genotype: `[n, G]` int32 measured architectures.
    latency_ms: `[n]` milliseconds, finite.
    num_ops: `O`, values a gene may take.

  Returns:
    The model on `one_hot(genotype, num_ops)`; weights `[G * O]` are at least 0
    ms, and 0 for operations that were not measured.
  """
  hot = _linear.one_hot(genotype, num_ops)
  model = _linear.fit_ridge(hot, latency_ms)
  measured = hot.any(axis=0).reshape(-1, num_ops)
  times = model.weights.reshape(-1, num_ops)
  fastest = np.where(measured, times, np.inf).min(axis=1, keepdims=True)
  times = np.where(measured, times - fastest, 0.0)
  return _linear.LinearModel(times.ravel(), model.intercept + fastest.sum())


def fit_adaproxy(
    proxy: _linear.LinearModel,
    features: np.ndarray,  # [n, F]
    latency_ms: np.ndarray,  # [n]
    *,
    penalties: np.ndarray = _PENALTIES,
) -> _linear.LinearModel:
  """Scales a proxy's weights, each a little apart, to the target; unbatched.

  Minimises `|X (w * (a + b)) + c - y|^2 + mu |b|^2` over the common scale `a`,
  the offset `c` and the relative changes `b`; `mu` has the least leave-one-out
  error among `penalties` and infinity (`b = 0`). The paper's penalty is the
  norm, not its square: for the Euclidean norm both have the same path of
  solutions, of which one is chosen here. `a` and `c` are free and eliminated
  first.

  Args:
    proxy: the proxy's model, from `fit_proxy`.
    features: `[n, F]` the same columns, of the rows measured on the target.
    latency_ms: `[n]` milliseconds on the target.
    penalties: `[P]` candidates for `mu`, relative to the mean squared singular
      value of what `a` and `c` leave of the columns.

  Returns:
    The target's model on the same columns.

  Raises:
    ValueError: the shapes do not fit, there are no rows, or a value is not
      finite.

  Example:
    >>> proxy = _linear.LinearModel(np.array([1.0, 2.0]), np.zeros(()))
    >>> x = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    >>> fit_adaproxy(proxy, x, 3.0 * x @ proxy.weights + 5.0).weights.round(3)
    array([3., 6.])
  """
  features = np.asarray(features, np.float64)
  latency_ms = np.asarray(latency_ms, np.float64)
  width = len(proxy.weights)
  if features.shape != (*latency_ms.shape, width) or not latency_ms.size:
    raise ValueError(
        f'fit_adaproxy takes features [n, {width}] and latency_ms [n] with '
        f'n >= 1, got {features.shape} and {latency_ms.shape}'
    )
  if not (np.isfinite(features).all() and np.isfinite(latency_ms).all()):
    raise ValueError('fit_adaproxy takes finite features and latencies')
  columns = features * proxy.weights
  total = columns.sum(axis=1)
  free = np.stack([np.ones_like(total), total / _scale(total)], axis=1)
  left, singular, _ = np.linalg.svd(free, full_matrices=False)
  basis = left[:, singular > 1e-9 * singular[0]]  # one column if all are alike
  rest = columns - basis @ (basis.T @ columns)
  target = latency_ms - basis @ (basis.T @ latency_ms)
  rows, values, right = np.linalg.svd(rest, full_matrices=False)
  energy = np.square(values)
  mean_energy = energy.mean()
  candidates = np.concatenate([[np.inf], penalties * mean_energy])
  if mean_energy <= 1e-18 * np.square(columns).mean():
    candidates = candidates[:1]  # nothing is left: `a` and `c` fit every row
  shrink = energy / (energy + candidates[:, None])  # [P, K]
  projected = rows.T @ target
  residual = target - (shrink * projected) @ rows.T  # [P, n]
  leverage = np.square(basis).sum(axis=1) + shrink @ np.square(rows).T
  error = residual / np.maximum(1.0 - leverage, 1e-6)
  best = np.argmin(np.square(error).sum(axis=1))
  # shrink / values, without dividing by a singular value of 0.
  inverse = values / (energy + candidates[best])
  change = (inverse * projected) @ right
  remaining = latency_ms - columns @ change
  # Of two rows, or of rows that the proxy finds alike, the least change.
  (offset, slope), *_ = np.linalg.lstsq(free, remaining, rcond=1e-9)
  scale = slope / _scale(total)
  return _linear.LinearModel(
      proxy.weights * (scale + change), np.asarray(offset)
  )


def _scale(total: np.ndarray) -> float:
  size = float(np.abs(total).max())
  return size if size > 0.0 else 1.0
