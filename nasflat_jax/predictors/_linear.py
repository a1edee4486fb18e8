"""Linear latency models in closed form, on the host in float64.

A ridge regression whose penalty is chosen by its own leave-one-out error needs
no validation rows, which matters when there are ten. Everything is batched
over leading axes, so that all devices and trials are fitted at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import optimize

# Relative to the mean squared singular value of the centred features.
_PENALTIES = np.logspace(-3.0, 3.0, 21)


class LinearModel(NamedTuple):
  """An affine map of features.

  Attributes:
    weights: `[..., F]` slope for each feature.
    intercept: `[...]` value where all features are zero.
  """

  weights: np.ndarray  # [..., F]
  intercept: np.ndarray  # [...]


def one_hot(genotype: np.ndarray, num_ops: int) -> np.ndarray:
  """One column for each gene and operation: `[N, G] -> [N, G * O]` float64."""
  genotype = np.asarray(genotype)
  hot = genotype[:, :, None] == np.arange(num_ops)
  return hot.reshape(len(genotype), -1).astype(np.float64)


def op_counts(genotype: np.ndarray, num_ops: int) -> np.ndarray:
  """Number of uses of each operation: `[N, G] -> [N, O]` float64."""
  hot = one_hot(genotype, num_ops)
  return hot.reshape(len(hot), -1, num_ops).sum(axis=1)


def fit_ridge(
    features: np.ndarray,  # [..., n, F]
    targets: np.ndarray,  # [..., n]
    *,
    penalties: np.ndarray = _PENALTIES,
) -> LinearModel:
  """Ridge regression with the penalty of least leave-one-out error.

  The intercept is not penalised. The leave-one-out residual is the closed form
  `e_i / (1 - h_i)`, with `h` the diagonal of the hat matrix, so that no model
  is fitted twice.

  Args:
    features: `[..., n, F]` rows of features, finite; or `[n, F]`, the same for
      all models, which are then decomposed once.
    targets: `[..., n]` values to fit, finite.
    penalties: `[P]` candidates, relative to the mean squared singular value of
      the centred features.

  Returns:
    The models, `[...]` of them.

  Raises:
    ValueError: the shapes do not fit, there are no rows, or a value is not
      finite.

  Example:
    >>> x = np.arange(5.0)[:, None]
    >>> model = fit_ridge(x, 3.0 * x[:, 0] + 1.0)
    >>> model.weights.round(1).tolist(), float(model.intercept.round(1))
    ([3.0], 1.0)
  """
  features = np.asarray(features, np.float64)
  targets = np.asarray(targets, np.float64)
  shared = features.ndim == 2 and features.shape[:1] == targets.shape[-1:]
  fits = shared or features.shape[:-1] == targets.shape
  if not fits or not targets.shape[-1:] > (0,):
    raise ValueError(
        'fit_ridge takes features [..., n, F] and targets [..., n] with '
        f'n >= 1, got {features.shape} and {targets.shape}'
    )
  if not (np.isfinite(features).all() and np.isfinite(targets).all()):
    raise ValueError('fit_ridge takes finite features and targets')
  num, width = features.shape[-2:]
  # The decomposition is most of the work, and one-hot encodings have many
  # columns that no member of a space uses: those without spread in any model
  # are left out of it. They get zero weights either way.
  varied = np.ptp(features, axis=-2).reshape(-1, width).any(axis=0)
  weights = np.zeros((*targets.shape[:-1], width))
  features = features[..., varied]
  shift = features.mean(axis=-2)  # [..., F]
  mean = targets.mean(axis=-1)  # [...]
  left, singular, right = np.linalg.svd(
      features - shift[..., None, :], full_matrices=False
  )  # [..., n, K], [..., K], [..., K, F]
  centred = targets - mean[..., None]
  projected = np.einsum('...nk,...n->...k', left, centred)
  energy = np.square(singular)
  # The mean over all singular values, zeros of the columns left out included.
  scale = energy.sum(axis=-1, keepdims=True) / max(min(num, width), 1)
  scale = np.where(scale > 0.0, scale, 1.0)
  penalty = penalties * scale  # [..., P]
  # [..., K, P]; matmul rather than einsum, whose three-operand loop is slow.
  shrink = energy[..., None] / (energy[..., None] + penalty[..., None, :])
  fitted = left @ (shrink * projected[..., None])  # [..., n, P]
  hat = 1.0 / num + np.square(left) @ shrink
  # A row that no other row resembles has h = 1: nothing predicts it.
  residual = (centred[..., None] - fitted) / np.maximum(1.0 - hat, 1e-6)
  best = np.argmin(np.square(residual).sum(axis=-2), axis=-1)  # [...]
  penalty = np.broadcast_to(penalty, (*best.shape, penalty.shape[-1]))
  penalty = np.take_along_axis(penalty, best[..., None], axis=-1)
  inverse = singular / (energy + penalty)
  slope = np.einsum('...k,...k,...kf->...f', inverse, projected, right)
  weights[..., varied] = slope
  return LinearModel(weights, mean - np.einsum('...f,...f', shift, slope))


def fit_non_negative(
    features: np.ndarray,  # [n, F]
    targets: np.ndarray,  # [n]
) -> LinearModel:
  """Least squares with weights of at least zero and no intercept; unbatched.

  Args:
    features: `[n, F]` rows of features, e.g. counts of operations.
    targets: `[n]` values to fit, e.g. milliseconds.

  Returns:
    The model; its intercept is 0.
  """
  features = np.asarray(features, np.float64)
  # Zero columns cannot lower the error; constant ones act as an intercept.
  used = features.any(axis=0)
  weights = np.zeros(features.shape[1])
  if used.any():
    weights[used], _ = optimize.nnls(
        features[:, used], np.asarray(targets, np.float64)
    )
  return LinearModel(weights, np.zeros(()))


def predict(
    model: LinearModel,
    features: np.ndarray,  # [..., N, F]
) -> np.ndarray:  # [..., N]
  """Values of affine maps: `[..., N]`, for features shared or batched."""
  values = np.einsum('...nf,...f->...n', features, model.weights)
  return values + model.intercept[..., None]
