"""What a search under a latency budget has found, as a picture."""

from __future__ import annotations

import pathlib

import numpy as np

from nasflat_jax.reports import _figure
from nasflat_jax.reports import _finalists


def plot_front(
    path: str | pathlib.Path,
    *,
    latency_ms: np.ndarray,  # [N]
    value: np.ndarray,  # [N]
    front: np.ndarray,  # [P]
    finalists: _finalists.DeviceReport,
    finalist_value: np.ndarray,  # [F]
    objective: str,
    title: str,
) -> bool:
  """Draws objective against latency: candidates, their front, the finalists.

  Args:
    path: the PNG file.
    latency_ms: `[N]` predicted milliseconds of the candidates.
    value: `[N]` their objective, larger is better.
    front: `[P]` candidates on the Pareto front, by rising latency.
    finalists: what is predicted for those chosen, on this device.
    finalist_value: `[F]` their objective.
    objective: its name.
    title: what is shown.

  Returns:
    False, with nothing written, where matplotlib is not installed.
  """
  if not _figure.has_matplotlib():
    return False
  figure = _figure.new_figure(5.6, 4.0)
  axes = figure.add_subplot()
  axes.scatter(
      latency_ms, value, s=3, color='0.75', lw=0, rasterized=True,
      label='candidates',
  )
  axes.step(
      latency_ms[front], value[front], where='post', color='tab:blue', lw=1.2,
      label='Pareto front',
  )
  middle = np.asarray(finalists.prediction.latency_ms, np.float64)
  ends = [
      np.maximum(sign * (np.asarray(end, np.float64) - middle), 0.0)
      for sign, end in (
          (-1.0, finalists.prediction.lower_ms),
          (1.0, finalists.prediction.upper_ms),
      )
  ]
  axes.errorbar(
      middle, finalist_value, xerr=ends, fmt='o', ms=4, color='tab:red',
      elinewidth=1.0, label='finalists, 90 % interval',
  )
  axes.axvline(
      finalists.budget_ms, color='0.3', lw=1, ls='--',
      label=f'budget {finalists.budget_ms:g} ms',
  )
  axes.set_xlabel('predicted latency (ms)')
  axes.set_ylabel(objective)
  # The worst networks would push the interesting ones to the border.
  finite = value[np.isfinite(value)]
  low, high = np.quantile(finite, 0.05), finite.max()
  margin = 0.05 * (high - low) or 1.0
  axes.set_ylim(min(low, np.min(finalist_value)) - margin, high + margin)
  axes.set_title(title, fontsize=10)
  axes.spines[['top', 'right']].set_visible(False)
  axes.legend(loc='lower right', frameon=False, fontsize=8)
  _figure.save(figure, path)
  return True
