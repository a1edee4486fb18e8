"""Which device to take as proxy: rules against chance, on held-out targets.

Two protocols. `held out`: every device is the target in turn, and the devices
to choose from are all others, without those of the same processor and its
published near copies. `tasks`: the sources and targets of the published splits.
A rule sees the sources' correlations and, where it says so, k measured
architectures of the target, never the target's table.
"""

import numpy as np
from scipy import stats

from nasflat_jax import data
from nasflat_jax import partitions
from proxy_study import matrices

SET_SIZES = (1, 2, 3, 4)
SIZES = (5, 10, 20)
_DRAWS = 20


def _copies(name: str) -> set[str]:
  return {n for pair in data.NEAR_DUPLICATES if name in pair for n in pair}


def held_out(table: data.LatencyTable):
  """Each target with the devices to choose from."""
  for target in table.devices:
    copies = _copies(target.name)
    yield target.name, [
        device.name
        for device in table.devices
        if device.processor != target.processor and device.name not in copies
    ]


def _tasks(name: str):
  """Each target of the published splits of a table with their sources."""
  known = {
      'oneproxy': partitions.ONEPROXY,
      'ofa': partitions.OFA,
  }.get(name) or [p for p in partitions.ALL if p.space == name]
  for partition in known:
    for target in partition.target:
      yield target, list(partition.source)


def measured(values, sources, target, ids):
  """Spearman of each source with the target on some architectures."""
  ranks = stats.rankdata(values[[*sources, target]][:, ids], axis=1)
  ranks -= ranks.mean(axis=1, keepdims=True)
  length = np.sqrt((ranks**2).sum(axis=1))
  with np.errstate(invalid='ignore', divide='ignore'):
    return (ranks[:-1] @ ranks[-1]) / (length[:-1] * length[-1])


def _judge(name: str, target: str, sources: list[str]) -> dict:
  """The correlation with the target that each rule gets."""
  table = matrices.load(name)
  rows = [table.device_names.index(source) for source in sources]
  position = table.device_names.index(target)
  whole = matrices.correlation(name)
  among, truth = whole[np.ix_(rows, rows)], whole[rows, position]
  values = table.values[:, np.isfinite(table.values).all(axis=0)]
  figures = {'best source': truth.max()}
  order = partitions.choose_proxies(among, max(SET_SIZES))
  for num in SET_SIZES:
    figures[f'{num} by the rule, best'] = truth[list(order[:num])].max()
    figures[f'{num} by chance, best'] = partitions.coverage_by_chance(
        truth[:, None], num
    )[0]
  for num in SIZES:
    got = {'any': [], 'rule': [], 'chance': []}
    for draw in range(_DRAWS):
      rng = np.random.default_rng(draw)
      ids = rng.choice(values.shape[1], num, replace=False)
      seen = measured(values, rows, position, ids)
      random = rng.choice(len(rows), max(SET_SIZES), replace=False)
      for key, chosen in (
          ('any', np.arange(len(rows))),
          ('rule', np.array(order)),
          ('chance', random),
      ):
        best = partitions.choose_proxy(
            among[np.ix_(chosen, chosen)], seen[chosen]
        )
        got[key].append(truth[chosen[best]])
    figures[f'any source, {num} measured'] = np.mean(got['any'])
    figures[f'4 by the rule, {num} measured'] = np.mean(got['rule'])
    figures[f'4 by chance, {num} measured'] = np.mean(got['chance'])
  return figures


def run() -> list[dict]:
  """One row for each protocol, table and target."""
  rows = []
  for name in matrices.TABLES:
    table = matrices.load(name)
    for protocol, cases in (
        ('held out', held_out(table)), ('tasks', _tasks(name))
    ):
      for target, sources in cases:
        if len(sources) < max(SET_SIZES):
          continue
        rows.append({
            'protocol': protocol, 'table': name, 'target': target,
            'sources': len(sources), **_judge(name, target, sources),
        })
  return rows
