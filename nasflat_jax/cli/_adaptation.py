"""What `nasflat-adapt` and `nasflat-quickstart` share: from a file to a folder.

Heavy packages are imported inside the functions, so that `--help` is quick.
"""

from __future__ import annotations

from collections.abc import Mapping
import os
import pathlib
import platform
import time
from typing import Any, TYPE_CHECKING

from nasflat_jax.cli import _main

if TYPE_CHECKING:
  import numpy as np

  from nasflat_jax import reports
  from nasflat_jax import transfer
  from nasflat_jax import types


def choose_candidates(
    space: types.SearchSpace, candidates: str, seed: int
) -> np.ndarray:
  """Resolves the flag `--candidates`.

  Args:
    space: the search space.
    candidates: `all`, `random:N`, a CSV file, or empty for the default.
    seed: seed of the random draw.

  Returns:
    `[N, G]` int32 distinct architectures.

  Raises:
    ValueError: the flag or the file it names is not as described.
  """
  import jax
  import numpy as np

  from nasflat_jax import reports
  from nasflat_jax import spaces

  size = space.spec.size
  candidates = candidates or ('random:5000' if size is None else 'all')
  if candidates == 'all':
    if size is None:
      raise ValueError(
          f'--candidates=all: {space.spec.name} is too large to enumerate; '
          'give a file or random:N'
      )
    return spaces.members(space)
  kind, _, number = candidates.partition(':')
  if kind != 'random':
    with _main.naming('candidates'):
      return reports.read_architectures(candidates, space)
  if not (number.isascii() and number.isdigit() and int(number) > 0):
    raise ValueError(
        f'--candidates={candidates}: N of random:N must be a positive number'
    )
  drawn = np.asarray(space.random(jax.random.key(seed), int(number)))
  _, first = np.unique(drawn, axis=0, return_index=True)
  return drawn[np.sort(first)]


def load_checkpoint(space: types.SearchSpace, name: str, method: str) -> Any:
  """Resolves the flag `--checkpoint`.

  Args:
    space: the search space it must be of.
    name: name or path of a pretrained predictor; `none` for none; empty for
      the one shipped, if any.
    method: the name of the method.

  Returns:
    `(predictor, params, provenance)`, or None.

  Raises:
    ValueError: there is none of that name, it is not a checkpoint, or one of
      another space.
  """
  from nasflat_jax import checkpoints

  if method == 'bayesian' and (
      name == 'none' or not name and space.spec.name not in checkpoints.names()
  ):
    return None
  with _main.naming('checkpoint'):
    checkpoint = checkpoints.load(name or space.spec.name)
  _, _, provenance = checkpoint
  if provenance['space'] != space.spec.name:
    raise ValueError(
        f'--checkpoint={name}: pretrained for {provenance["space"]}, not for '
        f'{space.spec.name}'
    )
  return checkpoint


def check_method(method: str, num_proposals: int) -> None:
  """Raises a ValueError where the flags do not go together."""
  from nasflat_jax import transfer

  if method not in transfer.METHODS:
    choices = ', '.join(transfer.METHODS)
    raise ValueError(f'--method: unknown {method!r}; choose from {choices}')
  if num_proposals and method != 'bayesian':
    raise ValueError(f'--num_proposals: {method} proposes nothing')


def check_out(out: pathlib.Path) -> None:
  """Raises a ValueError where the flag `--out` is no place for a folder."""
  place = out
  while not place.exists() and place != place.parent:
    place = place.parent
  if not place.is_dir():
    above = '' if place == out else f'{place} '
    raise ValueError(f'--out={out}: {above}exists and is not a folder')
  if not os.access(place, os.W_OK | os.X_OK):
    raise ValueError(f'--out={out}: {place} cannot be written to')


def adapt_and_report(
    *,
    space: types.SearchSpace,
    measurements: pathlib.Path,
    out: pathlib.Path,
    method: str,
    checkpoint: str,
    candidates: str,
    num_proposals: int,
    top: int,
    seed: int,
    plot: bool,
    started: float,
    seconds: dict[str, float],
    extra: Mapping[str, Any],
) -> None:
  """Adapts to a file of measurements, predicts, judges, writes and prints.

  Nothing is written unless all predictions were made.

  Args:
    space: the search space.
    measurements: CSV file of measured latencies.
    out: folder to write to.
    method: how to adapt, see `transfer.adapt_device`.
    checkpoint: name or path of a pretrained predictor, `none` or empty.
    candidates: what to predict, see `choose_candidates`.
    num_proposals: networks to propose for the next measurement.
    top: rows of the printed table.
    seed: seed of all draws.
    plot: whether to draw.
    started: `time.monotonic()` when the binary began.
    seconds: durations of the stages so far; further ones are added.
    extra: further entries of the summary.
  """
  import jax
  import numpy as np

  from nasflat_jax import reports
  from nasflat_jax import transfer

  check_method(method, num_proposals)
  measured = reports.read_measurements(measurements, space)
  genotype = choose_candidates(space, candidates, seed)
  check_out(out)
  pretrained = load_checkpoint(space, checkpoint, method)
  key = jax.random.key(seed)
  support = measured.genotype[measured.is_support]
  support_ms = measured.latency_ms[measured.is_support]

  with _main.stage(
      f'Adapting to {len(support)} measurements', seconds, 'adapt'
  ):
    model = transfer.adapt_device(
        key, pretrained, support, support_ms, method=method, space=space
    )
  with _main.stage(
      f'Predicting {len(genotype)} networks', seconds, 'predict'
  ):
    prediction = model.predict(genotype)
  bad = max(
      int((~np.isfinite(np.asarray(field))).sum())
      for field in jax.tree.leaves(prediction)
  )
  if bad:
    raise ValueError(
        f'{measurements}: the predictor adapted to it gives {bad} of '
        f'{len(genotype)} latencies that are not finite'
    )
  with _main.stage('Judging', seconds, 'judge'):
    if measured.is_check.any():
      judged = model.predict(measured.genotype[measured.is_check])
      evaluation = evaluate(
          'check',
          measured.latency_ms[measured.is_check],
          judged.latency_ms,
          judged.lower_ms,
          judged.upper_ms,
      )
    else:
      judged = transfer.leave_one_out(
          key, pretrained, support, support_ms, method=method, space=space
      )
      evaluation = evaluate(
          'leave_one_out',
          support_ms,
          judged.latency_ms,
          judged.lower_ms,
          judged.upper_ms,
      )
  fastest, table = find_fastest(space, genotype, prediction.latency_ms, top)
  proposals = _propose(space, model, genotype, measured, num_proposals)

  total = round(time.monotonic() - started, 3)
  no_plot = reports.write_folder(
      out,
      space,
      source=measurements,
      measured=measured,
      genotype=genotype,
      prediction=prediction,
      evaluation=evaluation,
      plot=plot,
      summary={
          'method': method,
          'checkpoint': pretrained and (checkpoint or space.spec.name),
          'measure_next': proposals,
          'seed': seed,
          'seconds': total,
          'stage_seconds': seconds,
          'fastest_at_flops': fastest,
          'versions': versions(),
          **extra,
      },
  )
  print(f'\n{evaluation.describe()}:\n  {evaluation.format_figures()}')
  if table:
    print(f'\nFastest network in each range of FLOPs, as predicted:\n{table}')
  if proposals:
    print('\nMeasure next, where the prediction is least certain:')
    print('\n'.join(f'  {name}' for name in proposals))
  if no_plot:
    print(f'\nNo picture: {no_plot}.')
  print(f'\nWritten to {out} after {total:.0f} s.')


def _propose(
    space: types.SearchSpace,
    model: transfer.DeviceModel,
    genotype: np.ndarray,  # [N, G]
    measured: reports.MeasurementFile,
    num_proposals: int,
) -> list[str]:
  """Valid networks, not yet measured, whose latency is least certain."""
  import numpy as np

  if not num_proposals:
    return []
  known = set(map(tuple, measured.genotype.tolist()))
  new = [row not in known for row in map(tuple, genotype.tolist())]
  pool = genotype[np.array(new) & np.asarray(space.is_valid(genotype))]
  with _main.naming('num_proposals'):
    return space.to_string(pool[model.propose(pool, num_proposals)])


def evaluate(
    kind: str,
    measured_ms: np.ndarray,  # [N]
    predicted_ms: np.ndarray,  # [N]
    lower_ms: np.ndarray | None = None,  # [N]
    upper_ms: np.ndarray | None = None,  # [N]
) -> reports.Evaluation:
  """Judges predictions by measurements they have not seen.

  Args:
    kind: `check` or `leave_one_out`.
    measured_ms: `[N]` milliseconds.
    predicted_ms: `[N]` milliseconds.
    lower_ms: `[N]` lower ends of 90 % intervals, or None.
    upper_ms: `[N]` upper ends.

  Returns:
    The evaluation with its figures.
  """
  import jax
  import jax.numpy as jnp
  import numpy as np

  from nasflat_jax import metrics
  from nasflat_jax import reports

  functions = {
      'spearman': metrics.spearman,
      'kendall': metrics.kendall,
      'mape': metrics.mape,
      'within_10_percent': metrics.within_percent,
  }

  # One program compiles in a third of the time of its operations one by one.
  @jax.jit
  def judge(predicted: jax.Array, measured: jax.Array) -> dict[str, jax.Array]:
    return {
        name: function(predicted, measured)
        for name, function in functions.items()
    }

  measured = jnp.asarray(measured_ms, jnp.float32)
  judged = judge(jnp.asarray(predicted_ms, jnp.float32), measured)
  figures: dict[str, float | None] = {
      name: float(judged[name]) for name in functions
  }
  figures['coverage'] = None
  if lower_ms is not None and upper_ms is not None:
    lower_ms, upper_ms = np.asarray(lower_ms), np.asarray(upper_ms)
    figures['coverage'] = float(metrics.coverage(
        jnp.asarray(lower_ms, jnp.float32),
        jnp.asarray(upper_ms, jnp.float32),
        measured,
    ))
  return reports.Evaluation(
      kind=kind,
      measured_ms=np.asarray(measured_ms),
      predicted_ms=np.asarray(predicted_ms),
      lower_ms=lower_ms,
      upper_ms=upper_ms,
      figures=figures,
  )


def find_fastest(
    space: types.SearchSpace,
    genotype: np.ndarray,  # [N, G]
    latency_ms: np.ndarray,  # [N]
    num_bins: int,
) -> tuple[list[dict[str, Any]], str]:
  """Finds the fastest networks at given FLOPs, for the summary and the eye.

  Args:
    space: the search space.
    genotype: `[N, G]` architectures.
    latency_ms: `[N]` predicted milliseconds.
    num_bins: ranges of FLOPs; 0 for none.

  Returns:
    Entries for the summary, and the table to print.
  """
  import numpy as np

  from nasflat_jax import reports
  from nasflat_jax import spaces

  # A network that ignores its input is fast, but nobody wants it.
  useful = np.asarray(space.is_valid(genotype))
  genotype = genotype[useful]
  if not num_bins or not len(genotype):
    return [], ''
  rows = reports.fastest_per_flops(
      np.asarray(space.costs(genotype).flops),
      np.asarray(latency_ms)[useful],
      num_bins=num_bins,
  )
  names = space.to_string(genotype)
  indices = spaces.index_of(space, genotype)
  entries = [
      {
          'low_flops': row.low_flops,
          'high_flops': row.high_flops,
          'index': str(indices[row.fastest]),
          'architecture': names[row.fastest],
          'latency_ms': row.latency_ms,
      }
      for row in rows
  ]
  return entries, reports.format_table(rows, names, indices)


def versions() -> dict[str, str]:
  """Returns what the results depend on: software and the adapting machine."""
  import jax
  import jaxlib
  import numpy as np

  import nasflat_jax

  return {
      'nasflat_jax': nasflat_jax.__version__,
      'python': platform.python_version(),
      'jax': jax.__version__,
      'jaxlib': jaxlib.__version__,
      'numpy': np.__version__,
      'platform': platform.platform(),
      'backend': jax.devices()[0].device_kind,
  }
