"""What a search under latency budgets has found, as a table and a picture."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import importlib.util
import pathlib

import numpy as np

from nasflat_jax import types
from nasflat_jax.reports import _results


@dataclasses.dataclass(frozen=True)
class DeviceReport:
  """What is predicted for `N` architectures on one device.

  Attributes:
    name: the device's name; the start of its columns where there are several.
    budget_ms: what the latency was not to exceed, milliseconds.
    prediction: `[N]` median and 90 % interval.
    bound_ms: `[N]` what it stays below with the confidence asked for.
    probability: `[N]` of holding the budget.
  """

  name: str
  budget_ms: float
  prediction: types.Prediction
  bound_ms: np.ndarray  # [N]
  probability: np.ndarray  # [N]


def write_finalists(
    path: str | pathlib.Path,
    space: types.SearchSpace,
    genotype: np.ndarray,  # [N, G]
    *,
    objective: str,
    value: np.ndarray,  # [N]
    devices: Sequence[DeviceReport],
) -> None:
  """Writes architectures with their objective and what devices will take.

  Columns: `index`, `architecture`, the objective, and for each device
  `latency_ms` (the median), `lower_ms` and `upper_ms` (the central 90 %
  interval), `bound_ms`, `budget_ms` and `probability`.

  Args:
    path: the CSV file.
    space: the search space.
    genotype: `[N, G]` architectures.
    objective: name of its column.
    value: `[N]` what was to be large.
    devices: one or more; several start their columns with their names.
  """
  columns = _results.identity(space, genotype)
  columns[objective] = [f'{number:.7g}' for number in value]
  for device in devices:
    start = f'{device.name}_' if len(devices) > 1 else ''
    fields = {
        'latency_ms': device.prediction.latency_ms,
        'lower_ms': device.prediction.lower_ms,
        'upper_ms': device.prediction.upper_ms,
        'bound_ms': device.bound_ms,
        'budget_ms': np.full(len(genotype), device.budget_ms),
        'probability': device.probability,
    }
    for name, numbers in fields.items():
      columns[start + name] = [f'{x:.6g}' for x in np.asarray(numbers)]
  _results.write_table(path, columns)


def plot_front(
    path: str | pathlib.Path,
    *,
    latency_ms: np.ndarray,  # [N]
    value: np.ndarray,  # [N]
    front: np.ndarray,  # [P]
    finalists: DeviceReport,
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
  if importlib.util.find_spec('matplotlib') is None:
    return False
  from matplotlib import figure as figures
  from matplotlib.backends import backend_agg

  figure = figures.Figure(figsize=(5.6, 4.0), dpi=150, layout='constrained')
  backend_agg.FigureCanvasAgg(figure)
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
  with _results.atomic_path(path) as partial:
    figure.savefig(partial, format='png')
  return True
