"""Work of `_accuracy`: Gram matrices, posteriors, scores.

Kernels are evaluated on the host, where nothing has to be compiled for a
table; the hypotheses are weighed in one compiled program for all tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from nasflat_jax import predictors
from nasflat_jax.transfer import _accuracy_features as _features

Kernels = tuple[_features.Kernel, ...]

# Labels are padded to a multiple of this.
_LABELS = 20
_SPREAD = 2.0
# Log of the variance of a label's error relative to the signal's.
_NOISE, _NOISE_SPREAD, _LEAST_NOISE = -1.5, 1.2, 1e-3
# Spread of what all kernels of other tasks have in common: they are believed
# together or not at all.
_TOGETHER = 2.0


# Kernels of every task: one program of a posterior serves all tasks.
_NUM_KERNELS = 24
# Networks that are compared with the support at once.
_CHUNK = 8192

_fit = jax.jit(predictors.fit_kernels)


class Fitted(NamedTuple):
  """One posterior and the support it is of. Host only.

  Attributes:
    support: `[n, F]` features of the labelled networks.
    dual: `[K, n]` coefficients of each kernel.
    intercept: what is added.
    prob: `[H]` probabilities of the hypotheses.
    slope: `[K]` how much of each kernel's column is believed; 0 for a kernel
      of several columns.
  """

  support: np.ndarray  # [n, F]
  dual: np.ndarray  # [K, n]
  intercept: float
  prob: np.ndarray  # [H]
  slope: np.ndarray  # [K]


def _gaussian(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  squared = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2.0 * (a @ b.T)
  return np.exp(-0.5 * np.maximum(squared, 0.0))


def fit(
    kernels: Kernels,
    prior: predictors.KernelPrior,
    features: np.ndarray,  # [n, F]
    label: np.ndarray,  # [n]
    *,
    size: int = 0,
) -> Fitted:
  """The posterior of one task.

  Args:
    kernels: what the columns are.
    prior: the hypotheses.
    features: `[n, F]` of labelled networks.
    label: `[n]` centred, of order one.
    size: labels to pad for, so that calls share a program.

  Raises:
    ValueError: there are more kernels than a program holds.
  """
  if len(kernels) > _NUM_KERNELS:
    raise ValueError(
        f'{len(kernels)} kernels, at most {_NUM_KERNELS} are possible'
    )
  rows = len(label)
  padded = max(rows, size)
  padded += -padded % _LABELS
  gram = np.zeros((_NUM_KERNELS, padded, padded), np.float32)
  known = np.zeros((padded, _NUM_KERNELS), np.float32)
  for place, kernel in enumerate(kernels):
    part = features[:, kernel.start : kernel.stop]
    gram[place, :rows, :rows] = (
        part @ part.T if kernel.is_linear else _gaussian(part, part)
    )
    if kernel.stop - kernel.start == 1:
      known[:rows, place] = part[:, 0]
  spare = _NUM_KERNELS - len(kernels)
  wide = ((0, 0), (0, spare))
  posterior = jax.tree.map(np.asarray, _fit(
      prior._replace(
          weight=jnp.pad(prior.weight, wide),
          slope=jnp.pad(jnp.asarray(prior.slope), wide),
      ),
      gram,
      np.pad(label, (0, padded - rows)).astype(np.float32),
      where=np.arange(padded) < rows,
      known=known,
  ))
  return Fitted(
      support=features,
      dual=posterior.dual[: len(kernels), :rows],
      intercept=float(posterior.intercept),
      prob=posterior.prob,
      slope=posterior.slope[: len(kernels)],
  )


def predict(
    kernels: Kernels,
    fitted: Fitted,
    features: np.ndarray,  # [N, F]
) -> np.ndarray:
  """Posterior means `[N]` float64; memory does not grow with `N` and `n`."""
  said = np.full(len(features), fitted.intercept)
  for place, kernel in enumerate(kernels):
    columns = slice(kernel.start, kernel.stop)
    support, dual = fitted.support[:, columns], fitted.dual[place]
    if kernel.stop - kernel.start == 1:
      said += fitted.slope[place] * features[:, kernel.start]
    if kernel.is_linear:
      said += features[:, columns] @ (support.T @ dual)
      continue
    for start in range(0, len(features), _CHUNK):
      rows = slice(start, start + _CHUNK)
      said[rows] += _gaussian(features[rows, columns], support) @ dual
  return said


def prior(
    kernels: Kernels,
    *,
    num_hypotheses: int,
    together: tuple[str, ...] = (),
    mean: dict[str, float] | None = None,
    noise: float = _NOISE,
    believed: Mapping[str, float] | None = None,
) -> predictors.KernelPrior:
  """Quasi-random draws of the kernels' weights, equally likely.

  Args:
    kernels: the kernels.
    num_hypotheses: H, best a power of 2.
    together: names of kernels whose log weights share a term.
    mean: of the log weight of kernels, 0 for those not named.
    noise: mean log variance of the error.
    believed: kernels of one column that labels are expected to follow, and how
      far at most.
  """
  num = len(kernels)
  expected = [k for k in kernels if k.name in (believed or {})]
  dims = num + 2 + len(expected)
  uniform = stats.qmc.Sobol(dims, seed=0).random(num_hypotheses)
  slope = np.zeros((num_hypotheses, num))
  for place, kernel in enumerate(expected):
    most = (believed or {})[kernel.name]
    slope[:, kernels.index(kernel)] = most * uniform[:, num + 2 + place]
  normal = stats.norm.ppf(np.clip(uniform, 1e-6, 1.0 - 1e-6))
  shared = np.array([kernel.name in together for kernel in kernels])
  centre = np.array([(mean or {}).get(kernel.name, 0.0) for kernel in kernels])
  log_weight = centre + _SPREAD * normal[:, :num]
  log_weight += _TOGETHER * normal[:, num : num + 1] * shared
  weight = np.exp(log_weight)
  weight /= weight.sum(axis=1, keepdims=True)
  variance = np.exp(noise + _NOISE_SPREAD * normal[:, num + 1])
  return predictors.KernelPrior(
      weight=jnp.asarray(weight, jnp.float32),
      noise=jnp.asarray(np.maximum(variance, _LEAST_NOISE), jnp.float32),
      log_prob=jnp.zeros(num_hypotheses, jnp.float32),
      slope=jnp.asarray(slope, jnp.float32),
  )


def labels(accuracy: np.ndarray) -> np.ndarray:
  """Accuracies `[..., n]` as labels: half z-score, half normal score of ranks.

  A failed training is far below all others; as a rank it is only the last.
  Both are linear in what the few labels show, so that a task whose accuracies
  spread evenly is not bent.

  Example:
    >>> labels(np.array([10.0, 90.0, 92.0])).round(2)
    array([-1.32,  0.34,  0.98])
  """
  accuracy = np.asarray(accuracy, np.float64)
  spread = accuracy.std(axis=-1, keepdims=True)
  scores = (accuracy - accuracy.mean(axis=-1, keepdims=True)) / np.where(
      spread > 1e-12, spread, np.inf
  )
  rows = accuracy.reshape(-1, accuracy.shape[-1])
  ranks = _features.normal_scores(rows.T).T.reshape(accuracy.shape)
  return 0.5 * scores + 0.5 * ranks
