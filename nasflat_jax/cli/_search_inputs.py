"""What `nasflat-search` reads: budgets, measurements, objective, candidates.

`nasflat-proxy` reads its objective and its candidates in the same way.

Heavy packages are imported inside the functions, so that `--help` is quick.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
import functools
import hashlib
import math
import pathlib
from typing import Any, TYPE_CHECKING

from nasflat_jax.cli import _adaptation
from nasflat_jax.cli import _main

if TYPE_CHECKING:
  import numpy as np

  from nasflat_jax import reports
  from nasflat_jax import transfer
  from nasflat_jax import types

CHUNK = 1024


@dataclasses.dataclass(frozen=True)
class Request:
  """The flags of `nasflat-search`, as text where they are lists."""

  space: str
  measurements: tuple[str, ...]
  budget_ms: tuple[str, ...]
  confidence: float
  objective: str
  accuracy: str
  zero_cost: str
  proxies: tuple[str, ...]
  algorithm: str
  rounds: int
  candidates: str
  checkpoint: str
  num_finalists: int
  seed: int


@dataclasses.dataclass(frozen=True, eq=False)
class Device:
  """A device to search for: its file, its budget and its predictor."""

  name: str
  path: str
  budget_ms: float
  measured: reports.MeasurementFile
  adapted: transfer.AdaptedBayesian
  evaluation: reports.Evaluation

  def report(
      self, features: np.ndarray, confidence: float
  ) -> reports.DeviceReport:
    """What is predicted for architectures with `[N, F]` features."""
    import jax

    from nasflat_jax import reports
    from nasflat_jax import transfer

    posterior = jax.tree.map(lambda leaf: leaf[0], self.adapted.posterior)
    predict = _compiled_predictions(confidence)
    return reports.DeviceReport(
        self.name, self.budget_ms, *transfer.in_chunks(
            lambda part: predict(posterior, part, self.budget_ms), features,
            CHUNK, axis=0,
        )
    )

  @property
  def digest(self) -> str:
    """A hash of what was measured, and of what is adapted on."""
    measured = self.measured
    return digest(
        measured.genotype, measured.latency_ms, measured.is_support
    )

  def summary(self) -> dict[str, Any]:
    """Entries of the summary."""
    return {
        'name': self.name,
        'measurements': self.path,
        'budget_ms': self.budget_ms,
        'num_support': int(self.measured.is_support.sum()),
        'evaluation': self.evaluation.kind,
        **self.evaluation.figures,
    }


@functools.lru_cache(maxsize=4)
def _compiled_predictions(confidence: float) -> Callable[..., Any]:
  import jax

  from nasflat_jax import predictors

  @jax.jit
  def run(posterior, features, budget_ms):
    return (
        predictors.predict_bayesian(posterior, features),
        predictors.bayesian_quantile(posterior, features, level=confidence),
        predictors.probability_within(posterior, features, budget_ms),
    )

  return run


def _budgets(request: Request) -> list[float]:
  """The budgets, checked against the files."""
  if len(request.budget_ms) != len(request.measurements):
    raise ValueError(
        f'--budget_ms: {len(request.budget_ms)} budget(s) for '
        f'{len(request.measurements)} file(s) of --measurements'
    )
  budgets = []
  for text in request.budget_ms:
    try:
      budget = float(text.replace('_', '?'))
    except ValueError:
      budget = math.nan
    if not 0.0 < budget < math.inf:
      raise ValueError(f'--budget_ms: {text!r} is not a number above 0')
    budgets.append(budget)
  return budgets


def _names(paths: tuple[str, ...]) -> list[str]:
  """The files' stems, with a number where two are the same."""
  stems = [pathlib.Path(path).stem for path in paths]
  return [
      f'{stem}{i + 1}' if stems.count(stem) > 1 else stem
      for i, stem in enumerate(stems)
  ]


def read_objective(
    space: types.SearchSpace,
    objective: str,
    *,
    accuracy: str = '',
    zero_cost: str = '',
    proxies: Sequence[str] = (),
) -> tuple[Callable[..., Any], np.ndarray | None, str]:
  """Resolves the flag `--objective` and those that go with it.

  Args:
    space: the search space.
    objective: `accuracy`, `zero_cost`, or an analytic cost.
    accuracy: CSV file of the objective `accuracy`.
    zero_cost: file of scores of the objective `zero_cost`; empty for the
      published ones.
    proxies: those that vote.

  Returns:
    The property to be large, the networks that have it (None for all), and a
    digest.

  Raises:
    ValueError: flags do not go together, or a file is not as described.
  """
  from nasflat_jax import data
  from nasflat_jax import reports
  from nasflat_jax import search

  if (objective == 'accuracy') != bool(accuracy):
    raise ValueError('--accuracy goes with --objective=accuracy')
  if zero_cost and objective != 'zero_cost':
    raise ValueError('--zero_cost goes with --objective=zero_cost')
  if objective == 'zero_cost' and not proxies:
    raise ValueError('--proxies: none is given')
  if objective == 'accuracy':
    with _main.naming('accuracy'):
      genotype, value = reports.read_values(accuracy, space, 'accuracy')
    return search.table(space, genotype, value), genotype, digest(value)
  if objective != 'zero_cost':
    return search.cost(space, objective), None, ''
  with _main.naming('zero_cost'):
    table = data.load_zero_cost(zero_cost or space.spec.name)
    if table.space != space.spec.name:
      raise ValueError(f'of {table.space}, not of {space.spec.name}')
  with _main.naming('proxies'):
    import numpy as np

    scores = np.stack([table.column(name) for name in proxies], axis=1)
  vote = search.zero_cost_vote(space, table.genotype, scores)
  return vote, table.genotype, digest(scores)


def digest(*arrays: Any) -> str:
  import numpy as np

  total = hashlib.sha256()
  for array in arrays:
    total.update(np.ascontiguousarray(array).tobytes())
  return total.hexdigest()


def adapt_devices(
    request: Request, space: types.SearchSpace
) -> list[Device]:
  """Reads the measurements and adapts one model to each device."""
  import jax

  from nasflat_jax import reports
  from nasflat_jax import transfer

  budgets = _budgets(request)
  with _main.naming('measurements'):
    files = [
        reports.read_measurements(path, space) for path in request.measurements
    ]
  checkpoint = _adaptation.load_checkpoint(
      space, request.checkpoint, 'bayesian'
  )
  sources = None
  if checkpoint is not None:
    pretrained = transfer.Pretrained.from_checkpoint(space, *checkpoint)
    sources = transfer.network_sources(pretrained)
  model = transfer.bayesian_model(space, sources)
  key = jax.random.key(request.seed)
  devices = []
  for name, path, budget, measured in zip(
      _names(request.measurements), request.measurements, budgets, files
  ):
    support = measured.genotype[measured.is_support]
    support_ms = measured.latency_ms[measured.is_support]
    adapted = transfer.adapt_bayesian(model, support[None], support_ms[None])
    if measured.is_check.any():
      kind, truth = 'check', measured.latency_ms[measured.is_check]
      judged = jax.tree.map(
          lambda leaf: leaf[0],
          adapted.predict(measured.genotype[measured.is_check]),
      )
    else:
      kind, truth = 'leave_one_out', support_ms
      judged = transfer.leave_one_out(
          key, checkpoint, support, support_ms, space=space
      )
    devices.append(Device(
        name, path, budget, measured, adapted,
        _adaptation.evaluate(
            kind, truth, judged.latency_ms, judged.lower_ms, judged.upper_ms
        ),
    ))
  return devices


def read_candidates(
    space: types.SearchSpace,
    candidates: str,
    seed: int,
    *,
    objective: str,
    listed: np.ndarray | None,
) -> np.ndarray:
  """Valid candidates whose objective is known.

  Args:
    space: the search space.
    candidates: the flag `--candidates`; empty for those listed, or for the
      default of `choose_candidates`.
    seed: seed of the random draw.
    objective: the flag `--objective`.
    listed: `[N, G]` networks that have it, from `read_objective`.

  Returns:
    `[M, G]` int32 distinct architectures, at least one.

  Raises:
    ValueError: there is none, or the flag is not as described.
  """
  import numpy as np

  if listed is not None and not candidates:
    rows = np.asarray(listed, np.int32)
  else:
    rows = _adaptation.choose_candidates(space, candidates, seed)
    if listed is not None:
      rows = rows[rows_in(listed, rows) >= 0]
  rows = rows[np.asarray(space.is_valid(rows))] if len(rows) else rows
  if not len(rows):
    flag = 'candidates' if candidates else objective
    raise ValueError(
        f'--{flag}: none of them is a network of {space.spec.name} whose '
        f'{objective} is known'
    )
  return rows


def rows_in(genotype: np.ndarray, wanted: np.ndarray) -> np.ndarray:
  """`[M]` rows of `genotype` that are `wanted`; -1 for one that is not."""
  import numpy as np

  known = {tuple(row): i for i, row in enumerate(genotype.tolist())}
  return np.array([known.get(tuple(row), -1) for row in wanted.tolist()], int)
