"""The work of `nasflat-proxy`: from files to a folder.

Heavy packages are imported inside the functions, so that `--help` is quick.
"""

from __future__ import annotations

import dataclasses
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

# Up to so many measurements of a proxy of the user's, its model is Bayesian:
# a ridge has more coefficients than that.
_FEW = 100


@dataclasses.dataclass(frozen=True)
class _Proxy:
  """A proxy device: what is measured on it, and its latency anywhere."""

  name: str
  genotype: np.ndarray  # [M, G]
  measured_ms: np.ndarray  # [M]
  fill: Any  # genotype [B, G] -> [B] milliseconds

  def latency_ms(self, genotype: np.ndarray) -> tuple[np.ndarray, int]:
    """`[B]` milliseconds, as measured where it was, and how many were."""
    import numpy as np

    rows = _search_inputs.rows_in(self.genotype, genotype)
    measured = rows >= 0
    got = np.where(measured, self.measured_ms[rows], np.nan)
    if not measured.all():
      got[~measured] = self.fill(genotype[~measured])
    return got, int(measured.sum())


def _make_proxy(
    name: str,
    space: types.SearchSpace,
    genotype: np.ndarray,
    latency_ms: np.ndarray,
) -> _Proxy:
  import numpy as np

  from nasflat_jax import transfer

  measured = np.isfinite(latency_ms)
  genotype = np.asarray(genotype[measured], np.int32)
  latency_ms = latency_ms[measured]
  if len(np.unique(latency_ms)) < 2:
    raise ValueError(
        f'--proxy: all {len(latency_ms)} latencies of {name} are the same, so '
        'that it orders nothing'
    )

  def fill(rows: np.ndarray) -> np.ndarray:
    if len(genotype) <= _FEW:
      model = transfer.bayesian_model(space)
      adapted = transfer.adapt_bayesian(
          model, genotype[None], latency_ms[None]
      )
      return np.asarray(adapted.predict(rows).latency_ms)[0]
    predict = transfer.fit_sources(space, genotype, latency_ms[None])
    return np.asarray(predict(rows))[:, 0]

  return _Proxy(name, genotype, latency_ms, fill)


def _load_table(space: types.SearchSpace, name: str) -> Any:
  from nasflat_jax import data

  with _main.naming('table'):
    table = data.load(name) if name else data.load_latency(space.spec.name)
    if table.space != space.spec.name:
      raise ValueError(f'{name} is of {table.space}, not of {space.spec.name}')
  return table


def _choose_proxy(
    space: types.SearchSpace,
    proxy: str,
    table_name: str,
    measured: reports.MeasurementFile,
) -> tuple[_Proxy, dict[str, Any]]:
  """Resolves the flag `--proxy`; with `auto`, says what it chose among."""
  import jax
  import jax.numpy as jnp
  import numpy as np

  from nasflat_jax import metrics
  from nasflat_jax import partitions
  from nasflat_jax import reports

  if proxy.endswith('.csv'):
    with _main.naming('proxy'):
      file = reports.read_measurements(proxy, space, min_support=10)
    return _make_proxy(proxy, space, file.genotype, file.latency_ms), {}
  table = _load_table(space, table_name)
  if proxy != 'auto':
    with _main.naming('proxy'):
      row = table.row(proxy)
    return _make_proxy(proxy, space, table.genotype, row), {}
  devices = [
      _make_proxy(name, space, table.genotype, table.row(name))
      for name in table.device_names
  ]
  rows = np.stack([
      device.latency_ms(measured.genotype[measured.is_support])[0]
      for device in devices
  ])
  target = jnp.asarray(
      measured.latency_ms[measured.is_support], jnp.float32
  )
  likeness = np.asarray(
      jax.vmap(metrics.spearman, (0, None))(
          jnp.asarray(rows, jnp.float32), target
      )
  )
  chosen = partitions.choose_proxy(
      partitions.correlation_matrix(table.values), likeness
  )
  order = np.argsort(-np.nan_to_num(likeness, nan=-1.0), kind='stable')
  return devices[chosen], {
      'num_choices': len(devices),
      'auto_candidates': {
          devices[i].name: float(likeness[i]) for i in order[:5]
      }
  }


def search_and_report(
    *,
    space: types.SearchSpace,
    out: pathlib.Path,
    measurements: str,
    proxy: str,
    table: str,
    objective: str,
    accuracy: str,
    candidates: str,
    verified: str,
    adapt: str,
    threshold: float,
    confidence: float,
    num_support: int,
    num_finalists: int,
    seed: int,
    plot: bool,
    started: float,
) -> None:
  """Reads, decides, searches, verifies and writes. The flags' values are given.

  Nothing is written unless everything was found.
  """
  import jax
  import numpy as np

  from nasflat_jax import reports
  from nasflat_jax import search
  from nasflat_jax import transfer

  if verified and not measurements:
    raise ValueError('--verified: has no use without --measurements')
  _adaptation.check_out(out)
  value, listed, _ = _search_inputs.read_objective(
      space, objective, accuracy=accuracy
  )
  genotype = _search_inputs.read_candidates(
      space, candidates, seed, objective=objective, listed=listed
  )
  wanted = transfer.in_chunks(jax.jit(value), genotype, _search_inputs.CHUNK)
  draw_key, key = jax.random.split(jax.random.key(seed))
  order = np.asarray(jax.random.permutation(draw_key, len(genotype)))
  if not measurements:
    if len(order) < num_support:
      raise ValueError(
          f'--num_support: {num_support} of {len(order)} candidates'
      )
    chosen = order[:num_support]
    out.mkdir(parents=True, exist_ok=True)
    reports.write_architectures(
        out / 'measure_next.csv', space, genotype[chosen],
        {'why': ['sample'] * num_support},
    )
    print(
        f'Measure the {num_support} networks of {out / "measure_next.csv"} and '
        'give the file with a column latency_ms to --measurements.'
    )
    return
  seconds: dict[str, float] = {}
  with _main.naming('measurements'):
    measured = reports.read_measurements(
        measurements, space, min_support=transfer.LEAST_PAIRS
    )
  finals, front = None, None
  if verified:
    with _main.naming('verified'):
      finals = reports.read_measurements(verified, space, min_support=1)
    front = _front(genotype, wanted, measured, finals)
  support = measured.genotype[measured.is_support]
  support_ms = measured.latency_ms[measured.is_support]
  with _main.stage('Preparing the proxy', seconds, 'proxy'):
    device, extra = _choose_proxy(space, proxy, table, measured)
    proxy_ms, _ = device.latency_ms(genotype)
    support_proxy_ms, num_on_proxy = device.latency_ms(support)
    factory = getattr(search, f'{adapt}_adapter')
    adapter = factory(space, device.genotype, device.measured_ms)
  with _main.stage(
      f'Searching {len(genotype)} networks', seconds, 'search'
  ):
    proposal = search.propose_by_proxy(
        key, genotype, wanted, proxy_ms, support, support_ms, support_proxy_ms,
        adapt=adapter, threshold=threshold,
        confidence=confidence, num_choices=extra.get('num_choices', 1),
        num_finalists=num_finalists,
    )
  decision, finalists = proposal.decision, proposal.finalists
  known = [file.genotype for file in (measured, finals) if file is not None]
  seen = set(_search_inputs.rows_in(genotype, np.concatenate(known)).tolist())
  sample = [i for i in order if i not in seen][: decision.num_more]
  # A network is measured once, whatever it is measured for.
  todo = [i for i in finalists if i not in seen and i not in sample]
  _write(
      out, space, genotype, wanted, proposal,
      sample=sample, todo=todo, front=front, objective=objective,
      proxy=device.name, support_proxy_ms=support_proxy_ms,
      support_ms=support_ms, plot=plot,
      summary={
          'space': space.spec.name,
          'proxy': device.name,
          **extra,
          'action': decision.action,
          'measure_more': decision.num_more,
          'searched_by': 'proxy' if decision.uses_proxy else adapt,
          'proxy_monotonicity': decision.proxy._asdict(),
          'adapted_monotonicity': decision.adapted._asdict(),
          'threshold': threshold,
          'confidence': confidence,
          'num_support': len(support),
          'num_support_measured_on_proxy': num_on_proxy,
          'num_proxy_measurements': len(device.genotype),
          'num_candidates': len(genotype),
          'objective': objective,
          'seed': seed,
          'seconds': round(time.monotonic() - started, 3),
          'stage_seconds': seconds,
          'versions': _adaptation.versions(),
      },
  )


def _front(
    genotype: np.ndarray,
    wanted: np.ndarray,
    measured: reports.MeasurementFile,
    finals: reports.MeasurementFile,
) -> tuple[np.ndarray, np.ndarray]:
  """Rows of the candidates measured and not dominated, and their latencies."""
  import numpy as np

  from nasflat_jax import search

  rows = _search_inputs.rows_in(genotype, finals.genotype)
  if (rows < 0).any():
    line = finals.lines[int(np.argmin(rows))][0]
    raise ValueError(
        f'--verified: the architecture of line {line} is no candidate'
    )
  earlier = _search_inputs.rows_in(genotype, measured.genotype)
  latency_ms = dict(zip(earlier, measured.latency_ms))
  latency_ms |= dict(zip(rows, finals.latency_ms))
  latency_ms.pop(-1, None)  # measured, and no candidate
  rows = np.array(list(latency_ms), int)
  values = np.array(list(latency_ms.values()))
  kept = search.verified_front(wanted[rows], values)
  return rows[kept], values[kept]


def _write(
    out: pathlib.Path,
    space: types.SearchSpace,
    genotype: np.ndarray,
    wanted: np.ndarray,
    proposal: search.ProxyProposal,
    *,
    sample: list[int],
    todo: list[int],
    front: tuple[np.ndarray, np.ndarray] | None,
    objective: str,
    proxy: str,
    support_proxy_ms: np.ndarray,
    support_ms: np.ndarray,
    plot: bool,
    summary: dict[str, Any],
) -> None:
  """Writes the folder, the summary last, and prints what to do."""
  from nasflat_jax import reports

  out.mkdir(parents=True, exist_ok=True)
  for name in ('summary.json', 'front.csv', 'proxy.png'):
    (out / name).unlink(missing_ok=True)
  rows = [*sample, *todo]
  reports.write_architectures(
      out / 'measure_next.csv', space, genotype[rows],
      {
          'why': ['sample'] * len(sample) + ['finalist'] * len(todo),
          'predicted_ms': proposal.latency_ms[rows].tolist(),
          'objective': wanted[rows].tolist(),
      },
  )
  if front is not None:
    reports.write_architectures(
        out / 'front.csv', space, genotype[front[0]],
        {
            'latency_ms': front[1].tolist(),
            'predicted_ms': proposal.latency_ms[front[0]].tolist(),
            'objective': wanted[front[0]].tolist(),
        },
    )
  decision = proposal.decision
  drawn = plot and reports.plot_proxy(
      out / 'proxy.png', support_proxy_ms, support_ms, proposal.latency_ms,
      wanted, proposal.finalists, proxy=proxy, objective_name=objective,
      title=f'Spearman {decision.proxy.estimate:.2f}, '
      f'{decision.proxy.lower:.2f} to {decision.proxy.upper:.2f}',
      verified_ms=front and front[1],
      verified_objective=front and wanted[front[0]],
  )
  reports.write_summary(out / 'summary.json', {
      **summary,
      'num_finalists': len(proposal.finalists),
      'num_finalists_to_measure': len(todo),
      'front': front and space.to_string(genotype[front[0]]),
  })
  num_choices = summary.get('num_choices', 1)
  among = f', for {num_choices} choices' if num_choices > 1 else ''
  for label, one, more in (
      (f'proxy {proxy}', decision.proxy, among),
      ('adapted', decision.adapted, ''),
  ):
    print(
        f'Monotonicity, {label}: {one.estimate:.3f}, '
        f'{summary["confidence"]:.0%} interval{more} '
        f'{one.lower:.3f} to {one.upper:.3f}'
    )
  print({
      'reuse': 'Reuse the proxy: it orders networks as the target does.',
      'adapt': 'Adapt the proxy: what was adapted orders networks well enough.',
      'measure': f'Measure {decision.num_more} more: neither is certain to '
      f'reach {summary["threshold"]:g}. The finalists are the best so far.',
  }[decision.action])
  if front is not None:
    print(f'{len(front[0])} measured networks are not dominated: front.csv')
  if plot and not drawn:
    print('No picture: matplotlib is not installed (the extra "plot" has it).')
  print(f'Written to {out} after {summary["seconds"]:.0f} s.')
