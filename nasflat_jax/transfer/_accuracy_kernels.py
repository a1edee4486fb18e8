"""Compiled work of `_accuracy`: Gram matrices, posteriors, scores.

Features of all kernels lie side by side in one matrix, so that programs are
compiled for a space and not for a task.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from nasflat_jax import predictors
from nasflat_jax.transfer import _accuracy_features as _features

Kernels = tuple[_features.Kernel, ...]

# Labels are padded to a multiple of this, networks to the next.
_LABELS, _CHUNK = 20, 2048
_SPREAD = 2.0
# Log of the variance of a label's error relative to the signal's.
_NOISE, _NOISE_SPREAD, _LEAST_NOISE = -1.5, 1.2, 1e-3
# Spread of what all kernels of other tasks have in common: they are believed
# together or not at all.
_TOGETHER = 2.0


def _values(
    kernels: Kernels, a: jax.Array, b: jax.Array
) -> jax.Array:  # [K, B, n]
  return jnp.stack([
      (predictors.linear_kernel if k.is_linear else predictors.gaussian_kernel)(
          a[:, k.start : k.stop], b[:, k.start : k.stop]
      )
      for k in kernels
  ])


@functools.partial(jax.jit, static_argnums=0)
@jax.default_matmul_precision('highest')
def _fit(
    kernels: Kernels,
    prior: predictors.KernelPrior,
    features: jax.Array,  # [T, n, F]
    label: jax.Array,  # [T, n]
    where: jax.Array,  # [T, n]
) -> predictors.KernelPosterior:
  def one(task):
    rows, label, where = task
    return predictors.fit_kernels(
        prior, _values(kernels, rows, rows), label, where=where
    )

  return jax.lax.map(one, (features, label, where))


@functools.partial(jax.jit, static_argnums=0)
@jax.default_matmul_precision('highest')
def _predict(
    kernels: Kernels,
    posterior: predictors.KernelPosterior,
    support: jax.Array,  # [T, n, F]
    features: jax.Array,  # [B, F]
) -> jax.Array:  # [T, B]
  def one(task):
    posterior, rows = task
    return predictors.predict_kernels(
        posterior, _values(kernels, features, rows)
    )

  return jax.lax.map(one, (posterior, support))


def fit(
    kernels: Kernels,
    prior: predictors.KernelPrior,
    features: np.ndarray,  # [T, n, F]
    label: np.ndarray,  # [T, n]
    *,
    size: int | None = None,
) -> tuple[predictors.KernelPosterior, jax.Array]:
  """Posteriors of `T` tasks or trials, and their padded support.

  Args:
    kernels: what the columns are.
    prior: the hypotheses.
    features: `[T, n, F]` of labelled networks.
    label: `[T, n]` centred, of order one.
    size: rows to pad for, at least n, so that calls share a program.
  """
  rows = label.shape[1]
  spare = max(rows, size or 0)
  spare += -spare % _LABELS - rows
  support = jnp.asarray(np.pad(features, ((0, 0), (0, spare), (0, 0))))
  where = np.arange(rows + spare) < rows
  where = np.broadcast_to(where, (len(label), rows + spare))
  padded = np.pad(label, ((0, 0), (0, spare))).astype(np.float32)
  posterior = _fit(kernels, prior, support, jnp.asarray(padded), where)
  return posterior, support


def predict(
    kernels: Kernels,
    posterior: predictors.KernelPosterior,
    support: jax.Array,  # [T, n, F]
    features: np.ndarray,  # [N, F]
) -> np.ndarray:
  """Posterior means `[T, N]` float64; memory does not grow with `N`."""
  size = len(features)
  rows = np.pad(features, ((0, -size % _CHUNK), (0, 0)))
  parts = [
      np.asarray(_predict(
          kernels, posterior, support, jnp.asarray(rows[i : i + _CHUNK])
      ))
      for i in range(0, len(rows), _CHUNK)
  ]
  return np.concatenate(parts, axis=1)[:, :size].astype(np.float64)


def prior(
    kernels: Kernels,
    *,
    num_hypotheses: int,
    together: tuple[str, ...] = (),
    mean: dict[str, float] | None = None,
    noise: float = _NOISE,
) -> predictors.KernelPrior:
  """Quasi-random draws of the kernels' weights, equally likely.

  Args:
    kernels: the kernels.
    num_hypotheses: H, best a power of 2.
    together: names of kernels whose log weights share a term.
    mean: of the log weight of kernels, 0 for those not named.
    noise: mean log variance of the error.
  """
  num = len(kernels)
  uniform = stats.qmc.Sobol(num + 2, seed=0).random(num_hypotheses)
  normal = stats.norm.ppf(np.clip(uniform, 1e-6, 1.0 - 1e-6))
  shared = np.array([kernel.name in together for kernel in kernels])
  centre = np.array([(mean or {}).get(kernel.name, 0.0) for kernel in kernels])
  log_weight = centre + _SPREAD * normal[:, :num]
  log_weight += _TOGETHER * normal[:, num : num + 1] * shared
  weight = np.exp(log_weight)
  weight /= weight.sum(axis=1, keepdims=True)
  variance = np.exp(noise + _NOISE_SPREAD * normal[:, -1])
  return predictors.KernelPrior(
      weight=jnp.asarray(weight, jnp.float32),
      noise=jnp.asarray(np.maximum(variance, _LEAST_NOISE), jnp.float32),
      log_prob=jnp.zeros(num_hypotheses, jnp.float32),
  )


def labels(accuracy: np.ndarray) -> np.ndarray:
  """Accuracies `[..., n]` as labels: half z-score, half normal score of ranks.

  A failed training is far below all others; as a rank it is only the last.
  Both are linear in what the few labels show, so that a task whose accuracies
  spread evenly is not bent.

  Example:
    >>> labels(np.array([10.0, 90.0, 92.0])).round(2)
    array([-1.32,  0.34,  0.97])
  """
  accuracy = np.asarray(accuracy, np.float64)
  spread = accuracy.std(axis=-1, keepdims=True)
  scores = (accuracy - accuracy.mean(axis=-1, keepdims=True)) / np.where(
      spread > 1e-12, spread, np.inf
  )
  rows = accuracy.reshape(-1, accuracy.shape[-1])
  ranks = _features.normal_scores(rows.T).T.reshape(accuracy.shape)
  return 0.5 * scores + 0.5 * ranks
