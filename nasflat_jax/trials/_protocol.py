"""Who is asked what: source rows, support draws and the rows left to judge.

A trial is a new key for the pool, the support and the adaptation. Keys are
derived from the task, the device, the support size and the trial by name, so
every method meets the same support, whatever else runs beside it.
"""

from __future__ import annotations

import dataclasses
import zlib

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import data
from nasflat_jax import methods
from nasflat_jax import partitions
from nasflat_jax import samplers
from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.trials import _choose
from nasflat_jax.trials import _features

# Fewer rows have no rank correlation to speak of.
_MIN_JUDGED = 3

# HELP's number of reference architectures.
_NUM_REFERENCES = 10


@dataclasses.dataclass(frozen=True, eq=False)
class Draws:
  """The support of every target device and trial, and what it leaves to judge.

  `T` (device, trial) pairs, devices in the task's order, trials fastest.

  Attributes:
    task: the split's name.
    space: the space's name.
    sampler: names of the sampler and, in brackets, of what it sees.
    device: `T` target names.
    trial: `T` trial numbers.
    keys: `[T]` typed PRNG keys for the adaptation.
    support: `[T, n]` rows and their latencies.
    latency_ms: `[T, N]` measured latencies, NaN = unmeasured; for the judge.
    judged: `[T, N]` True where measured and not in the support.
    reference_ids: `[R]` rows of the reference architectures. They are part of
      `judged`, because most methods do not see them; see `for_method`.
  """

  task: str
  space: str
  sampler: str
  device: tuple[str, ...]
  trial: tuple[int, ...]
  keys: chex.PRNGKey  # [T]
  support: methods.Support
  latency_ms: np.ndarray  # [T, N]
  judged: np.ndarray  # [T, N]
  reference_ids: np.ndarray  # [R]

  def for_method(self, method: methods.Method) -> Draws:
    """Gives the references to a method that reads them, and only to it.

    They are then left out of `judged`: what was measured is not predicted.

    Raises:
      ValueError: fewer than 3 rows of a device are then left to judge.
    """
    if not method.reads_references:
      return self
    judged = self.judged.copy()
    judged[:, self.reference_ids] = False
    left = judged.sum(axis=1)
    if left.min() < _MIN_JUDGED:
      device = self.device[int(left.argmin())]
      raise ValueError(
          f'task {self.task}: num_support {self.num_support} and '
          f'{len(self.reference_ids)} reference architectures leave '
          f'{left.min()} measured architectures of device {device!r} to judge, '
          f'at least {_MIN_JUDGED} are needed'
      )
    support = self.support._replace(
        reference_ms=self.latency_ms[:, self.reference_ids]
    )
    return dataclasses.replace(self, support=support, judged=judged)

  @property
  def num_support(self) -> int:
    """Measurements on each target device, n."""
    return self.support.ids.shape[1]


def problem(
    key: chex.PRNGKey,
    table: data.LatencyTable,
    partition: types.Partition,
    *,
    num_source: int | None = None,
) -> methods.Problem:
  """The side of a task that methods see: everything but the targets.

  Args:
    key: the PRNG key of the whole experiment.
    table: latencies of the partition's space.
    partition: the source and target devices.
    num_source: rows measured on each source device, drawn uniformly from the
      valid architectures measured on all of them; None takes all.

  Returns:
    The problem. `source_ids` are sorted.

  Raises:
    ValueError: the table is of another space, lacks a device, is not in
      milliseconds, or has fewer rows than `num_source`.
  """
  if table.space != partition.space:
    raise ValueError(
        f'task {partition.name} is on space {partition.space!r}, the table on '
        f'{table.space!r}'
    )
  sources = table.select(partition.source)
  for device in (*sources.devices, *table.select(partition.target).devices):
    if device.metric != 'latency' or device.unit != 'ms':
      raise ValueError(
          f'{table.source}: device {device.name!r} holds {device.metric} in '
          f'{device.unit}, not latency in ms'
      )
  space = spaces.get(partition.space)
  usable = np.isfinite(sources.values).all(axis=0)
  usable &= np.asarray(space.is_valid(table.genotype))
  ids = np.flatnonzero(usable)
  if num_source is not None:
    if not 0 < num_source <= len(ids):
      raise ValueError(
          f'task {partition.name}: cannot take {num_source} rows per source '
          f'device; {len(ids)} valid ones are measured on all of them'
      )
    key = fold(key, 'source', partition.name)
    ids = np.sort(np.asarray(jax.random.permutation(key, ids))[:num_source])
  return methods.Problem(
      space=space,
      genotype=table.genotype,
      source_names=partition.source,
      source_latency_ms=sources.values,
      source_ids=ids,
      partition=partition,
      reference_ids=_reference_ids(table, partition, space),
  )


def _reference_ids(
    table: data.LatencyTable,
    partition: types.Partition,
    space: types.SearchSpace,
) -> np.ndarray:  # [R]
  """HELP's rows where they fit this table, evenly spaced ones in their place.

  A reference is a valid architecture measured on every device of the task.
  """
  devices = table.select((*partition.source, *partition.target))
  usable = np.isfinite(devices.values).all(axis=0)
  usable &= np.asarray(space.is_valid(table.genotype))
  # The published rows are those of the space's joined table.
  known = () if partition.table else partitions.references(partition.space)
  chosen = [i for i in known if i < len(usable) and usable[i]]
  rest = np.setdiff1d(np.flatnonzero(usable), chosen)
  missing = min(_NUM_REFERENCES - len(chosen), len(rest))
  if missing:
    places = np.linspace(0, len(rest) - 1, missing).astype(int)
    chosen += rest[places].tolist()
  return np.array(chosen, np.int64)


def draw(
    key: chex.PRNGKey,
    problem: methods.Problem,
    table: data.LatencyTable,
    *,
    num_support: int,
    num_trials: int,
    sampler: types.Sampler | None = None,
    sampler_name: str = 'random',
    pool_size: int | None = None,
    features: _features.Features | None = None,
    chooser: _choose.Chooser | None = None,
) -> Draws:
  """Draws the support of every target device of a task.

  Args:
    key: the PRNG key of the whole experiment.
    problem: the task, see `problem`.
    table: the table it was made from.
    num_support: measurements on each target device, n.
    num_trials: independent repetitions.
    sampler: chooses the support from the pool; it is compiled, `num_samples`
      static. None is `samplers.random`.
    sampler_name: its name, and that of its features, in the results.
    pool_size: size of the random pool that the sampler chooses from; None
      makes the pool all valid architectures measured on the target.
    features: `[N, F]` what the sampler sees, or `device_name -> [N, F]`; finite
      in the rows of the pool. None is the one-hot genotype.
    chooser: takes the place of `sampler` where a measurement decides on the
      next one: `(key, pool_mask [N], measure, num_support) -> ids`, where
      `measure(row)` gives the target's latency of a row and every row asked
      for belongs to the ids.

  Returns:
    `T = devices * trials` draws.

  Raises:
    ValueError: a pool is too small, a size is not positive, fewer than 3 rows
      of a device are left to judge, or the rows chosen are not distinct rows of
      the pool.
  """
  partition = problem.partition
  if partition is None:
    raise ValueError('draw takes a problem with a partition')
  if num_support < 1 or num_trials < 1:
    raise ValueError(
        'num_support and num_trials are at least 1, got '
        f'{num_support} and {num_trials}'
    )
  if pool_size is not None and pool_size < num_support:
    raise ValueError(
        f'a pool of {pool_size} is too small for num_support {num_support}'
    )
  if chooser is not None and sampler is not None:
    raise ValueError('draw takes a sampler or a chooser, not both')
  sampler = sampler or samplers.random
  if features is None:
    features = (
        np.zeros((len(problem.genotype), 1))  # looked at by their number only
        if sampler is samplers.random else _features.one_hot(problem)
    )
  valid = np.asarray(problem.space.is_valid(problem.genotype))
  ids, keys, latency_ms = [], [], []
  for name in partition.target:
    row = table.row(name)
    pool = valid & np.isfinite(row)
    wanted = num_support if pool_size is None else pool_size
    _check_sizes(partition.name, name, row, pool, wanted, num_support)
    seen = np.asarray(features(name) if callable(features) else features)
    for trial in range(num_trials):
      pair = fold(key, partition.name, name)
      pair = jax.random.fold_in(jax.random.fold_in(pair, num_support), trial)
      pool_key, support_key, adapt_key = jax.random.split(pair, 3)
      where = pool
      if pool_size is not None:
        where = np.zeros_like(pool)
        where[_choose.by_sampler(
            samplers.random, pool_key, np.zeros((len(pool), 1)), pool, wanted,
            'random',
        )] = True
      if chooser is not None:
        ids.append(_choose.by_chooser(
            chooser, support_key, row, where, num_support, sampler_name
        ))
      else:
        ids.append(_choose.by_sampler(
            sampler, support_key, seen, where, num_support, sampler_name
        ))
      keys.append(adapt_key)
      latency_ms.append(row)
  stacked = np.stack(ids).astype(np.int32)
  truth = np.stack(latency_ms)
  judged = np.isfinite(truth)
  np.put_along_axis(judged, stacked, False, axis=1)
  pairs = [(d, t) for d in partition.target for t in range(num_trials)]
  return Draws(
      task=partition.name,
      space=partition.space,
      sampler=sampler_name,
      device=tuple(device for device, _ in pairs),
      trial=tuple(trial for _, trial in pairs),
      keys=jnp.stack(keys),
      support=methods.Support(
          stacked, np.take_along_axis(truth, stacked, axis=1)
      ),
      latency_ms=truth,
      judged=judged,
      reference_ids=problem.reference_ids,
  )


def fold(key: chex.PRNGKey, *names: str) -> chex.PRNGKey:
  """A key of its own for a name; `hash` would differ between processes."""
  for name in names:
    key = jax.random.fold_in(key, zlib.crc32(name.encode()))
  return key


def _check_sizes(
    task: str,
    device: str,
    row: np.ndarray,  # [N]
    pool: np.ndarray,  # [N]
    wanted: int,
    num_support: int,
) -> None:
  """Refuses a device with too few rows to choose from or to judge."""
  if pool.sum() < wanted:
    raise ValueError(
        f'task {task}: device {device!r} has {pool.sum()} valid measured '
        f'architectures, {wanted} are needed'
    )
  num_left = int(np.isfinite(row).sum()) - num_support
  if num_left < _MIN_JUDGED:
    raise ValueError(
        f'task {task}: num_support {num_support} leaves {num_left} measured '
        f'architectures of device {device!r} to judge, at least '
        f'{_MIN_JUDGED} are needed'
    )
