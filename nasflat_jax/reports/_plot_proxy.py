"""A picture of a search with a proxy device."""

from __future__ import annotations

import pathlib

import numpy as np

from nasflat_jax.reports import _figure


def plot_proxy(
    path: str | pathlib.Path,
    support_proxy_ms: np.ndarray,  # [k]
    support_ms: np.ndarray,  # [k]
    latency_ms: np.ndarray,  # [N]
    objective: np.ndarray,  # [N]
    finalists: np.ndarray,  # [F]
    *,
    title: str,
    proxy: str,
    objective_name: str,
    verified_ms: np.ndarray | None = None,  # [P]
    verified_objective: np.ndarray | None = None,  # [P]
) -> bool:
  """Draws the measured pairs, and the candidates with those found.

  Args:
    path: the PNG file.
    support_proxy_ms: `[k]` milliseconds on the proxy.
    support_ms: `[k]` milliseconds on the target.
    latency_ms: `[N]` predicted milliseconds of the candidates.
    objective: `[N]` what is to be large.
    finalists: `[F]` rows of the candidates.
    title: what is shown.
    proxy: name of the proxy device.
    objective_name: name of the objective.
    verified_ms: `[P]` measured milliseconds of what was not dominated.
    verified_objective: `[P]` its objective.

  Returns:
    False, with nothing written, where matplotlib is not installed.
  """
  if not _figure.has_matplotlib():
    return False
  figure = _figure.new_figure(8.2, 3.8)
  pairs, found = figure.subplots(1, 2, width_ratios=(1.0, 1.25))
  pairs.scatter(support_proxy_ms, support_ms, s=18, color='tab:blue')
  pairs.set_xlabel(f'latency on {proxy} (ms)')
  pairs.set_ylabel('measured on the target (ms)')
  pairs.set_title(title, fontsize=9)
  found.scatter(
      latency_ms, objective, s=3, color='0.8', lw=0, rasterized=True,
      label='candidates, predicted',
  )
  found.scatter(
      np.asarray(latency_ms)[finalists], np.asarray(objective)[finalists],
      s=22, color='tab:orange', label='finalists, predicted', zorder=3,
  )
  if verified_ms is not None and verified_objective is not None:
    found.plot(
        verified_ms, verified_objective, marker='o', ms=4, lw=1,
        color='tab:green', label='measured, not dominated', zorder=4,
    )
  found.set_xlabel('latency on the target (ms)')
  found.set_ylabel(objective_name)
  found.legend(loc='lower right', frameon=False, fontsize=8)
  for axes in (pairs, found):
    axes.spines[['top', 'right']].set_visible(False)
  _figure.save(figure, path)
  return True
