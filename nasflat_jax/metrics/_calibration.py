"""From unitless scores to milliseconds, on the support rows alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# A fit on a few rows may not promise more than this factor beyond them.
_MAX_EXTRAPOLATION = 10.0


def calibrate(
    scores: np.ndarray,  # [n]
    latency_ms: np.ndarray,  # [n]
) -> Callable[[np.ndarray], np.ndarray]:
  """Fits a non-decreasing map from scores to milliseconds; host, float64.

  Least squares of `log(ms) = a + b * score` with `b >= 0`, so the map never
  turns the order of the scores around. Where the best slope is negative, or
  the scores are constant, the map is the geometric mean of the latencies.
  Results stay within a factor of ten of the range of `latency_ms`.

  Args:
    scores: `[n]` scores of the support architectures, higher is slower.
    latency_ms: `[n]` their measured latencies, milliseconds, above 0.

  Returns:
    A function from scores, of any shape, to milliseconds.

  Raises:
    ValueError: there are no rows, the shapes differ, or a value is not finite
      or a latency not above 0.

  Example:
    >>> to_ms = calibrate(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    >>> to_ms(np.array([0.0, 2.0])).round(3).tolist()
    [1.0, 4.0]
  """
  scores = np.asarray(scores, np.float64)
  latency_ms = np.asarray(latency_ms, np.float64)
  if scores.ndim != 1 or scores.shape != latency_ms.shape or not scores.size:
    raise ValueError(
        'calibrate takes scores [n] and latency_ms [n] with n >= 1, got '
        f'{scores.shape} and {latency_ms.shape}'
    )
  if not (np.isfinite(scores).all() and np.isfinite(latency_ms).all()):
    raise ValueError('calibrate takes finite scores and latencies')
  if (latency_ms <= 0.0).any():
    raise ValueError(
        f'calibrate takes latencies above 0 ms, got {latency_ms.min()}'
    )
  log_ms = np.log(latency_ms)
  shift = scores.mean()
  centred = scores - shift
  scale = np.abs(centred).max()
  # Scores may be counts of 1e8: standardise before squaring, and treat a
  # spread at the level of rounding as none.
  if scale <= 1e-12 * max(1.0, abs(shift)):
    slope = 0.0
  else:
    unit = centred / scale
    slope = max(0.0, float(unit @ (log_ms - log_ms.mean())) / (unit @ unit))
    slope /= scale
  low = log_ms.min() - np.log(_MAX_EXTRAPOLATION)
  high = log_ms.max() + np.log(_MAX_EXTRAPOLATION)

  def to_ms(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    return np.exp(np.clip(log_ms.mean() + slope * (values - shift), low, high))

  return to_ms
