"""What `nasflat-search` does between its flags and its folder.

Heavy packages are imported inside the functions, so that `--help` is quick.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools
import pathlib
import time
from typing import Any, TYPE_CHECKING

from nasflat_jax.cli import _adaptation
from nasflat_jax.cli import _main
from nasflat_jax.cli import _search_inputs

if TYPE_CHECKING:
  import numpy as np

  from nasflat_jax import reports
  from nasflat_jax import search
  from nasflat_jax import types

_STATE = 'search_state.npz'
_SAVE_SECONDS = 5.0
# Algorithms that see the candidates only.
_LISTED = ('exhaustive', 'predictor_guided')
# Rounds where the flag is 0, and children of a round.
_ROUNDS = {
    'constrained_evolution': (500, 100),
    'nsga2': (100, 100),
    'random': (100, 100),
    'regularised_evolution': (300, 10),
}
# More than the finalists, so that the archive is of use to a person.
_ARCHIVE = 64


def _name_of(
    request: _search_inputs.Request, space: types.SearchSpace
) -> str:
  """The algorithm that `auto` stands for."""
  if request.algorithm != 'auto':
    return request.algorithm
  is_listed = request.candidates or space.spec.size is not None
  return 'exhaustive' if is_listed else 'constrained_evolution'


def _check_pool(size: int) -> None:
  """Refuses, before minutes of work, candidates that are too few."""
  from nasflat_jax import search

  needed = 2 * sum(search.FLAN_SCHEDULE)
  if size < needed:
    raise ValueError(
        f'--candidates: predictor_guided evaluates {needed} of them, there '
        f'are {size}'
    )


def _algorithm(
    name: str,
    request: _search_inputs.Request,
    space: types.SearchSpace,
    candidates: np.ndarray,
    constraints: list[Any],
) -> tuple[search.SearchAlgorithm, int]:
  """The algorithm and its rounds."""
  from nasflat_jax import search

  held = search.total_violation(constraints)
  if name == 'exhaustive':
    size = _search_inputs.CHUNK
    return search.exhaustive(
        space, genotype=candidates, num_children=size
    ), search.num_rounds(len(candidates), size)
  if name == 'predictor_guided':
    return search.predictor_guided(
        space, genotype=candidates, violation=held
    ), search.guided_rounds()
  rounds, children = _ROUNDS[name]
  keywords: dict[str, Any] = {'num_children': children}
  if name in ('constrained_evolution', 'nsga2'):
    keywords['violation'] = held
  if name == 'nsga2':
    keywords['num_objectives'] = 1 + len(constraints)
  algorithm = getattr(search, name)(space, **keywords)
  return algorithm, request.rounds or rounds


def search_and_report(
    request: _search_inputs.Request, *, out: pathlib.Path, plot: bool
) -> None:
  """Adapts to files of measurements, searches, writes and prints.

  Args:
    request: the flags.
    out: folder to write to. While the search runs it holds its state.
    plot: whether to draw.

  Raises:
    ValueError: a flag or a file is not as described, or no network holds the
      budgets with the confidence asked for.
  """
  import jax
  import numpy as np

  from nasflat_jax import search
  from nasflat_jax import spaces

  started = time.monotonic()
  seconds: dict[str, float] = {}
  with _main.naming('space'):
    space = spaces.get(request.space)
  if not 0.0 < request.confidence < 1.0:
    raise ValueError(
        f'--confidence={request.confidence:g} is not between 0 and 1'
    )
  _adaptation.check_out(out)
  value, listed, digest = _search_inputs.read_objective(
      space, request.objective, accuracy=request.accuracy,
      zero_cost=request.zero_cost, proxies=request.proxies,
  )
  candidates = _search_inputs.read_candidates(
      space, request.candidates, request.seed, objective=request.objective,
      listed=listed,
  )
  name = _name_of(request, space)
  if name == 'predictor_guided':
    _check_pool(len(candidates))
  with _main.stage(
      f'Adapting to {len(request.measurements)} device(s)', seconds, 'adapt'
  ):
    devices = _search_inputs.adapt_devices(request, space)
  # All devices have one model, hence the same features.
  encode = jax.jit(devices[0].adapted.model.encode)
  with _main.stage(
      f'Predicting {len(candidates)} candidates', seconds, 'predict'
  ):
    values, predicted = _predict(request, devices, encode, value, candidates)
  limits = [
      search.table(space, candidates, report.bound_ms)
      if name in _LISTED
      else search.latency_quantile(device.adapted, level=request.confidence)
      for device, report in zip(devices, predicted)
  ]
  constraints = [
      search.at_most(limit, device.budget_ms)
      for limit, device in zip(limits, devices)
  ]
  algorithm, rounds = _algorithm(
      name, request, space, candidates, constraints
  )
  objectives = [search.maximised(value)]
  if name == 'nsga2':
    objectives += [search.latency(device.adapted) for device in devices]
  with (
      _main.folder_of(out / 'summary.json', 'out'),
      _main.stage(f'Searching, {name}', seconds, 'search'),
  ):
    result = search.run_on_host(
        jax.random.key(request.seed),
        algorithm,
        jax.jit(search.problem(*objectives, constraints=constraints)),
        num_rounds=rounds,
        num_objectives=len(objectives),
        archive_size=max(_ARCHIVE, request.num_finalists),
        path=out / _STATE,
        settings={
            **_plain(dataclasses.asdict(request)),
            'digest': [
                digest,
                _search_inputs.digest(candidates),
                *(device.digest for device in devices),
            ],
        },
        save_seconds=_SAVE_SECONDS,
        progress=_main.Progress('  rounds', time_left=True),
    )
    found = result.found
    rows = np.flatnonzero(found.is_feasible)[: request.num_finalists]
    finalists = np.asarray(found.genotype)[rows]
    if not len(finalists):
      (out / _STATE).unlink(missing_ok=True)
      raise ValueError(_nothing_holds(request, predicted, len(candidates)))
  best, finals = _predict(request, devices, encode, value, finalists)
  _write(
      out,
      request,
      space,
      plot=plot,
      devices=devices,
      candidates=(candidates, values, predicted),
      finalists=(finalists, best, finals),
      summary={'algorithm': name, 'rounds': rounds},
      seconds=seconds,
      started=started,
  )
  (out / _STATE).unlink(missing_ok=True)


def _predict(
    request: _search_inputs.Request,
    devices: list[_search_inputs.Device],
    encode: Callable[..., Any],  # compiled once: it takes a second
    value: Callable[..., Any],
    genotype: np.ndarray,
) -> tuple[np.ndarray, list[reports.DeviceReport]]:
  """The objective `[N]` and what is predicted for each device."""
  import jax

  from nasflat_jax import transfer

  in_chunks = functools.partial(
      transfer.in_chunks, chunk_size=_search_inputs.CHUNK, axis=0
  )
  features = in_chunks(encode, genotype)
  return in_chunks(jax.jit(value), genotype), [
      device.report(features, request.confidence) for device in devices
  ]


def _write(
    out: pathlib.Path,
    request: _search_inputs.Request,
    space: types.SearchSpace,
    *,
    plot: bool,
    devices: list[_search_inputs.Device],
    candidates: tuple[np.ndarray, np.ndarray, list[reports.DeviceReport]],
    finalists: tuple[np.ndarray, np.ndarray, list[reports.DeviceReport]],
    summary: dict[str, Any],
    seconds: dict[str, float],
    started: float,
) -> None:
  """Writes the folder, the summary last, and prints."""
  import jax
  import numpy as np

  from nasflat_jax import reports
  from nasflat_jax import search

  for file in ('summary.json', 'front.png'):
    (out / file).unlink(missing_ok=True)
  everyone, values, predicted = candidates
  chosen, best, finals = finalists
  latencies = [np.asarray(each.prediction.latency_ms) for each in predicted]
  front = search.pareto_front(np.stack([*latencies, -values], axis=1))
  on_front = [
      dataclasses.replace(
          report,
          prediction=jax.tree.map(lambda x: x[front], report.prediction),
          bound_ms=report.bound_ms[front],
          probability=report.probability[front],
      )
      for report in predicted
  ]
  for file, rows, of, reported in (
      ('finalists.csv', chosen, best, finals),
      ('front.csv', everyone[front], values[front], on_front),
  ):
    reports.write_finalists(
        out / file, space, rows, objective=request.objective, value=of,
        devices=reported,
    )
  drawn = plot and reports.plot_front(
      out / 'front.png',
      latency_ms=latencies[0],
      value=values,
      # The picture is of the first device alone.
      front=search.pareto_front(np.stack([latencies[0], -values], axis=1)),
      finalists=finals[0],
      finalist_value=best,
      objective=request.objective,
      title=f'{request.space} on {devices[0].name}',
  )
  total = round(time.monotonic() - started, 3)
  reports.write_summary(out / 'summary.json', {
      **dataclasses.asdict(request),
      **summary,
      'num_candidates': len(everyone),
      'num_front': len(front),
      'devices': [device.summary() for device in devices],
      'finalists': space.to_string(chosen),
      'seconds': total,
      'stage_seconds': seconds,
      'versions': _adaptation.versions(),
  })
  for device in devices:
    print(
        f'\n{device.name}: {device.evaluation.describe()}:\n'
        f'  {device.evaluation.format_figures()}'
    )
  print(f'\n{_table(request, space, chosen, best, finals)}')
  if plot and not drawn:
    print(
        '\nNo picture: matplotlib is not installed (the extra "plot" has it).'
    )
  print(
      f'\nWritten to {out} after {total:.0f} s. Measure the finalists: the '
      'best that holds is yours.'
  )


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
  """As JSON gives it back."""
  return {
      name: list(value) if isinstance(value, tuple) else value
      for name, value in fields.items()
  }


def _nothing_holds(
    request: _search_inputs.Request,
    predicted: list[reports.DeviceReport],
    num: int,
) -> str:
  """What to tell a person whose budget is too small."""
  worst = min(predicted, key=lambda report: report.probability.max())
  return (
      f'--budget_ms: none of {num} candidates holds '
      f'{worst.budget_ms:g} ms on {worst.name} with probability '
      f'{request.confidence:g}; the likeliest does with '
      f'{worst.probability.max():.3g}, and the least bound is '
      f'{worst.bound_ms.min():.4g} ms'
      if worst.probability.max() < request.confidence
      else f'--budget_ms: no network was found that holds all budgets with '
      f'probability {request.confidence:g}'
  )


def _table(
    request: _search_inputs.Request,
    space: types.SearchSpace,
    finalists: np.ndarray,
    values: np.ndarray,
    devices: list[reports.DeviceReport],
) -> str:
  """The finalists for a terminal."""
  lines = [f'Finalists, by {request.objective}:']
  for row, name in enumerate(space.to_string(finalists)):
    parts = [f'{values[row]:>10.5g}']
    parts += [
        f'{d.name} {d.prediction.latency_ms[row]:.3g} ms, within '
        f'{d.budget_ms:g} ms with {d.probability[row]:.1%}'
        for d in devices
    ]
    lines.append('  '.join([*parts, name]))
  return '\n'.join(lines)
