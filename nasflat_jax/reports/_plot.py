"""A small picture of predicted against measured latency."""

from __future__ import annotations

import pathlib

import numpy as np

from nasflat_jax.reports import _figure

# Beyond this ratio of slowest to fastest a linear axis hides the fast end.
_LOG_RATIO = 6.0
_BAND = 0.1


def plot_latency(
    path: str | pathlib.Path,
    measured_ms: np.ndarray,  # [N]
    predicted_ms: np.ndarray,  # [N]
    *,
    title: str,
    note: str = '',
    lower_ms: np.ndarray | None = None,  # [N]
    upper_ms: np.ndarray | None = None,  # [N]
) -> bool:
  """Draws predicted against measured latency with the identity line.

  A grey band marks predictions within 10 % of the measurement.

  Args:
    path: the PNG file.
    measured_ms: `[N]` milliseconds.
    predicted_ms: `[N]` milliseconds.
    title: what is shown.
    note: figures to print inside the axes; lines separated by newlines.
    lower_ms: `[N]` lower ends of the predictions' intervals.
    upper_ms: `[N]` upper ends; given together with `lower_ms`.

  Returns:
    False, with nothing written, where matplotlib is not installed.
  """
  if not _figure.has_matplotlib():
    return False
  from matplotlib import ticker

  measured = np.asarray(measured_ms, np.float64)
  predicted = np.asarray(predicted_ms, np.float64)
  figure = _figure.new_figure(4.4, 4.2)
  axes = figure.add_subplot()
  everything = np.concatenate([measured, predicted])
  positive = everything[everything > 0]
  low, high = positive.min(), positive.max()
  if high / low > _LOG_RATIO and everything.min() > 0:
    axes.set_xscale('log')
    axes.set_yscale('log')
    limits = np.array([low / 1.15, high * 1.15])
    for axis in (axes.xaxis, axes.yaxis):
      axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
      axis.set_major_formatter(ticker.FormatStrFormatter('%g'))
      axis.set_minor_formatter(ticker.NullFormatter())
  else:
    margin = 0.06 * (high - min(low, everything.min())) or 0.1 * high
    limits = np.array([everything.min() - margin, high + margin])
  line = np.linspace(limits[0], limits[1], 200)
  axes.fill_between(
      line, (1 - _BAND) * line, (1 + _BAND) * line, color='0.9', lw=0,
      label=f'within {_BAND:.0%}',
  )
  axes.plot(limits, limits, color='0.45', lw=1, label='predicted = measured')
  if lower_ms is not None and upper_ms is not None:
    below = np.maximum(predicted - np.asarray(lower_ms, np.float64), 0)
    above = np.maximum(np.asarray(upper_ms, np.float64) - predicted, 0)
    axes.errorbar(
        measured, predicted, yerr=[below, above], fmt='none',
        ecolor='tab:blue', elinewidth=0.8, alpha=0.35,
    )
  axes.scatter(
      measured, predicted, s=18, color='tab:blue', edgecolor='white', lw=0.4,
      zorder=3,
  )
  axes.set_xlim(*limits)
  axes.set_ylim(*limits)
  axes.set_aspect('equal')
  axes.set_xlabel('measured latency (ms)')
  axes.set_ylabel('predicted latency (ms)')
  axes.set_title(title, fontsize=10)
  axes.spines[['top', 'right']].set_visible(False)
  axes.legend(loc='lower right', frameon=False, fontsize=8)
  axes.text(
      0.03, 0.97, note, transform=axes.transAxes, va='top', fontsize=8,
      linespacing=1.4,
  )
  _figure.save(figure, path)
  return True
