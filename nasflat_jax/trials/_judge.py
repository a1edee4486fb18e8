"""One device's figures: how near the predictions are to the measurements."""

from __future__ import annotations

import math
import warnings

import jax.numpy as jnp
import numpy as np
from scipy import stats

from nasflat_jax import metrics


def judge(
    scores: np.ndarray,  # [N]
    latency_ms: np.ndarray,  # [N]
    judged: np.ndarray,  # [N]
    pred_ms: np.ndarray,  # [N]
    interval_ms: tuple[np.ndarray, np.ndarray] | None = None,  # [N], [N]
) -> dict[str, float | bool | None]:
  """Rank correlations and errors on the rows to judge.

  Rank correlations are scipy's in float64: they agree with
  `metrics.spearman` and `metrics.kendall` but keep apart latencies that
  float32 would tie.

  Args:
    scores: `[N]` scores, higher is slower.
    latency_ms: `[N]` measured latencies, milliseconds, above 0.
    judged: `[N]` True for rows to judge.
    pred_ms: `[N]` the scores in milliseconds.
    interval_ms: lower and upper ends of the 90 % interval, or None.

  Returns:
    `spearman, kendall, mape, within_10pct, coverage_90, degenerate`; fractions
    from 0 to 1, None where a figure is undefined. Constant scores correlate by
    0 and are marked degenerate. Without rows to judge all figures are None.
  """
  scores, latency_ms, pred_ms = (
      np.asarray(x, np.float64)[judged] for x in (scores, latency_ms, pred_ms)
  )
  if not scores.size:
    return {
        'spearman': None,
        'kendall': None,
        'mape': None,
        'within_10pct': None,
        'coverage_90': None,
        'degenerate': False,
    }
  degenerate = _is_constant(scores)
  if degenerate:
    rho, tau = 0.0, 0.0
  else:
    with warnings.catch_warnings():
      # A device whose latencies are all equal has no ranks: None below.
      warnings.simplefilter('ignore', stats.ConstantInputWarning)
      rho = stats.spearmanr(scores, latency_ms).statistic
      tau = stats.kendalltau(scores, latency_ms).statistic
  coverage = None
  if interval_ms is not None:
    lower_ms, upper_ms = (jnp.asarray(x[judged]) for x in interval_ms)
    coverage = metrics.coverage(lower_ms, upper_ms, jnp.asarray(latency_ms))
  pred, truth = jnp.asarray(pred_ms), jnp.asarray(latency_ms)
  return {
      'spearman': _number(rho),
      'kendall': _number(tau),
      'mape': _number(metrics.mape(pred, truth)),
      'within_10pct': _number(metrics.within_percent(pred, truth)),
      'coverage_90': _number(coverage),
      'degenerate': degenerate,
  }


def _is_constant(scores: np.ndarray) -> bool:
  """True where all that is left of the differences is rounding."""
  rounding = 8.0 * np.finfo(np.float32).eps  # predictors work in float32
  return bool(np.ptp(scores) <= rounding * np.abs(scores).max())


def _number(value: object) -> float | None:
  """A JSON number; None where it is undefined."""
  if value is None:
    return None
  number = float(value)  # type: ignore[arg-type]
  return number if math.isfinite(number) else None
