"""Tasks across spaces: a device known in one space, the target in another."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses

import chex
import jax
import numpy as np

from nasflat_jax import data
from nasflat_jax import methods
from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.trials import _protocol


def _rows(
    key: chex.PRNGKey,
    table: data.LatencyTable,
    names: tuple[str, ...],
    num: int | None,
    what: str,
) -> np.ndarray:  # [num]
  """Sorted valid rows that are measured on all the devices."""
  usable = np.isfinite(table.select(names).values).all(axis=0)
  usable &= np.asarray(spaces.get(table.space).is_valid(table.genotype))
  ids = np.flatnonzero(usable)
  if num is None:
    return ids
  if not 0 < num <= len(ids):
    raise ValueError(
        f'{what}: cannot take {num} rows of {table.space}; {len(ids)} valid '
        'ones are measured on all devices'
    )
  return np.sort(np.asarray(jax.random.permutation(key, ids))[:num])


def known_elsewhere(
    tasks: Sequence[types.Partition], other: data.LatencyTable
) -> tuple[types.Partition, ...]:
  """One task for each target that another table has too, see `run`.

  Args:
    tasks: splits of devices.
    other: latencies in another space.

  Returns:
    Splits with one target each, named `TASK:TARGET`, whose sources are those of
    the task that `other` has.

  Raises:
    ValueError: a task is on the space of `other`, or `other` has no target, or
      no source, of it.
  """
  names = {device.name for device in other.devices}
  found = []
  for task in tasks:
    if task.space == other.space:
      raise ValueError(
          f'task {task.name} is on {other.space}, the space that its devices '
          'are to be known from'
      )
    source = tuple(name for name in task.source if name in names)
    target = tuple(name for name in task.target if name in names)
    if not source or not target:
      raise ValueError(
          f'{other.source} has {len(source)} sources and {len(target)} targets '
          f'of task {task.name}, one of each is needed'
      )
    found += [
        dataclasses.replace(
            task, name=f'{task.name}:{device}', source=source, target=(device,)
        )
        for device in target
    ]
  return tuple(found)


def across_spaces(
    key: chex.PRNGKey,
    other: data.LatencyTable,
    table: data.LatencyTable,
    target: str,
    *,
    sources: tuple[str, ...],
    num_other: int | None = None,
    num_source: int | None = None,
    name: str | None = None,
) -> tuple[methods.Problem, data.LatencyTable]:
  """A device of one table as the target of a task in another.

  The rows that methods may read of the source devices, `source_ids`, are taken
  from the target: in the table that is returned it is not measured there, so
  that they are neither drawn nor judged. No network that is judged has then
  been measured for a method that keeps to `source_ids`. A method that reads
  more, as those that describe a network by its latencies do, counts it.

  Args:
    key: the PRNG key of the whole experiment.
    other: latencies in the space that the target was measured in.
    table: latencies in the space to predict.
    target: the device, of both tables.
    sources: other devices of both tables.
    num_other: rows of `other` that are read; None is all that are measured on
      all these devices.
    num_source: rows of `table` that may be read of the sources; None is all,
      which leaves nothing to judge.
    name: of the task; None names it by the spaces and the target.

  Returns:
    The problem, for `Method.prepare`, and the table for `draw` and `evaluate`.

  Raises:
    ValueError: the target is one of the sources, a table lacks a device, or
      has too few rows.
  """
  if target in sources:
    raise ValueError(f'sources: {target!r} is the target')
  partition = types.Partition(
      name=name or f'{other.space}->{table.space}:{target}',
      space=table.space,
      source=tuple(sources),
      target=(target,),
  )
  rows = _rows(
      _protocol.fold(key, 'other', partition.name),
      other,
      (*sources, target),
      num_other,
      'num_other',
  )
  problem = _protocol.problem(key, table, partition, num_source=num_source)
  problem = dataclasses.replace(
      problem,
      # References would be measurements of networks that are judged.
      reference_ids=np.zeros(0, np.int64),
      elsewhere=methods.Elsewhere(
          space=spaces.get(other.space),
          genotype=other.genotype[rows],
          source_latency_ms=other.select(tuple(sources)).values[:, rows],
          target_latency_ms=other.row(target)[rows],
      ),
  )
  values = table.values.copy()
  names = [device.name for device in table.devices]
  values[names.index(target), problem.source_ids] = np.nan
  return problem, dataclasses.replace(table, values=values)
