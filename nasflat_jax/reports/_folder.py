"""The folder that holds everything about a predictor adapted to a device."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import pathlib
from typing import Any

import numpy as np

from nasflat_jax import types
from nasflat_jax.reports import _measurements
from nasflat_jax.reports import _plot
from nasflat_jax.reports import _results


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """Predictions beside measurements they have not seen.

  Attributes:
    kind: `check` (measured networks held out) or `leave_one_out` (each support
      network predicted from the others).
    measured_ms: `[N]` milliseconds.
    predicted_ms: `[N]` milliseconds.
    lower_ms: `[N]` lower ends of the 90 % intervals, or None.
    upper_ms: `[N]` upper ends, or None.
    figures: `spearman`, `kendall`, `mape` and `within_10_percent` (fractions),
      and `coverage` of the intervals; None where there is none.
  """

  kind: str
  measured_ms: np.ndarray  # [N]
  predicted_ms: np.ndarray  # [N]
  lower_ms: np.ndarray | None  # [N]
  upper_ms: np.ndarray | None  # [N]
  figures: Mapping[str, float | None]

  def describe(self) -> str:
    """Returns one sentence on what was judged."""
    num = len(self.measured_ms)
    if self.kind == 'check':
      return f'Judged on {num} measured networks that were not adapted on'
    return (
        f'No check measurements: leave-one-out on {num} networks, each '
        'predicted from the others'
    )

  def format_figures(self, joint: str = ', ') -> str:
    """Returns the figures for a person; `-` where one is undefined."""
    names = {
        'spearman': 'Spearman {:.3f}',
        'kendall': 'Kendall {:.3f}',
        'mape': 'mean error {:.1%}',
        'within_10_percent': '{:.0%} within 10%',
        'coverage': '{:.0%} in their 90% interval',
    }
    lines = []
    for name, template in names.items():
      value = self.figures[name]
      if value is not None:
        text = template.format(value)
        lines.append(text if np.isfinite(value) else text.replace('nan', '-'))
    return joint.join(lines)


def write_folder(
    out: str | pathlib.Path,
    space: types.SearchSpace,
    *,
    source: str | pathlib.Path,
    measured: _measurements.MeasurementFile,
    genotype: np.ndarray,  # [N, G]
    prediction: types.Prediction,
    evaluation: Evaluation,
    summary: Mapping[str, Any],
    plot: bool,
) -> str | None:
  """Writes predictions, measurements, the picture if asked, and the summary.

  The summary of an earlier run goes first and the new one comes last: where
  there is one, the other files belong to it.

  Args:
    out: the folder; made where it does not exist.
    space: the search space.
    source: the file that was adapted to. Where it is the folder's own
      `measurements.csv` it is left alone: it may hold more than is read.
    measured: what was read from it.
    genotype: `[N, G]` architectures predicted.
    prediction: `[N]` their latencies.
    evaluation: the judgement; its figures go into the summary.
    summary: further entries of the summary.
    plot: whether to draw `latency.png`; one of an earlier run is removed.

  Returns:
    Why there is no picture; None where there is one or none was asked for.
  """
  out = pathlib.Path(out)
  out.mkdir(parents=True, exist_ok=True)
  for name in ('summary.json', 'latency.png'):
    (out / name).unlink(missing_ok=True)
  _results.write_predictions(
      out / 'predictions.csv', space, genotype, prediction
  )
  copy = out / 'measurements.csv'
  if not (copy.exists() and copy.samefile(source)):
    _results.write_measurements(
        copy,
        space,
        measured.genotype,
        measured.latency_ms,
        role=measured.role,
        iqr_ms=measured.iqr_ms,
        repeats=measured.repeats,
    )
  num_support = measured.role.count('support')
  is_check = evaluation.kind == 'check'
  missing = None
  if plot and not _plot.plot_latency(
      out / 'latency.png',
      evaluation.measured_ms,
      evaluation.predicted_ms,
      title=f'{space.spec.name}: {len(evaluation.measured_ms)} networks '
      + ('not adapted on' if is_check else 'left out in turn'),
      note=f'{evaluation.format_figures(chr(10))}\n{num_support} measurements',
      lower_ms=evaluation.lower_ms,
      upper_ms=evaluation.upper_ms,
  ):
    missing = 'matplotlib is not installed (the extra "plot" has it)'
  _results.write_summary(out / 'summary.json', {
      'space': space.spec.name,
      'evaluation': evaluation.kind,
      **evaluation.figures,
      'num_support': num_support,
      'num_check': measured.role.count('check'),
      'num_predicted': len(genotype),
      'replicate_noise': measured.replicate_noise,
      **summary,
  })
  return missing
