"""What a search under latency budgets has found, as a table."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
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
