"""What a few-shot latency method is, and all that it is allowed to see.

A method turns source tables and a target's support rows into scores for every
architecture. The target's other rows are not among its arguments, so it cannot
leak them, and it keeps no state between targets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import dataclasses
from typing import Any, NamedTuple

import chex
import numpy as np

from nasflat_jax import types


@dataclasses.dataclass(frozen=True, eq=False)
class Elsewhere:
  """The devices of a task in a search space other than the task's. Host only.

  Attributes:
    space: the other search space.
    genotype: `[M, G']` int32, measured architectures of it.
    source_latency_ms: `[S, M]` milliseconds of the task's source devices; NaN =
      unmeasured.
    target_latency_ms: `[M]` milliseconds of the target; NaN = unmeasured.
  """

  space: types.SearchSpace
  genotype: np.ndarray  # [M, G']
  source_latency_ms: np.ndarray  # [S, M]
  target_latency_ms: np.ndarray  # [M]


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
  """One transfer task, without its targets' latencies in it. Host only.

  Attributes:
    space: the search space.
    genotype: `[N, G]` int32, every architecture of the table.
    source_names: `S` names of the source devices.
    source_latency_ms: `[S, N]` milliseconds; NaN = unmeasured.
    source_ids: `[num_source]` int, the rows a method that samples the sources
      may read. Reading others is allowed and has to be in its `budget`.
    partition: the published split, or None.
    reference_ids: `[R]` int, rows measured on every source and every target,
      for methods that describe a device by its latencies there.
    elsewhere: the same devices in another search space, of a task with one
      target that was measured there; or None.
  """

  space: types.SearchSpace
  genotype: np.ndarray  # [N, G]
  source_names: tuple[str, ...]
  source_latency_ms: np.ndarray  # [S, N]
  source_ids: np.ndarray  # [num_source]
  partition: types.Partition | None = None
  reference_ids: np.ndarray = dataclasses.field(  # [R]
      default_factory=lambda: np.zeros(0, np.int64)
  )
  elsewhere: Elsewhere | None = None

  def __post_init__(self) -> None:
    num = len(self.genotype)
    wanted = (len(self.source_names), num)
    if self.genotype.ndim != 2 or self.source_latency_ms.shape != wanted:
      raise ValueError(
          f'source_latency_ms must be [S, N] = {wanted}, got '
          f'{self.source_latency_ms.shape}'
      )
    for name in ('source_ids', 'reference_ids'):
      ids = getattr(self, name)
      if ids.ndim != 1 or len(np.unique(ids)) < len(ids):
        raise ValueError(f'{name} must be a list of distinct rows')
      if ids.size and not 0 <= ids.min() <= ids.max() < num:
        raise ValueError(f'{name} must be rows below {num}')
    if self.elsewhere is not None:
      wanted = (len(self.source_names), len(self.elsewhere.genotype))
      for name, got, want in (
          ('source_latency_ms', self.elsewhere.source_latency_ms, wanted),
          ('target_latency_ms', self.elsewhere.target_latency_ms, wanted[1:]),
      ):
        if got.shape != want:
          raise ValueError(f'elsewhere.{name} must be {want}, got {got.shape}')

  @property
  def source_rows(self) -> tuple[np.ndarray, np.ndarray]:
    """`[num_source, G]` genotypes of `source_ids`, `[S, num_source]` ms."""
    ids = self.source_ids
    return self.genotype[ids], self.source_latency_ms[:, ids]

  @property
  def num_ops(self) -> int:
    """Values a gene may take."""
    return len(self.space.spec.gene_names)


class Support(NamedTuple):
  """What was measured on the targets: `T` (device, trial) pairs at once.

  Attributes:
    ids: `[T, n]` int32 rows of `Problem.genotype`.
    latency_ms: `[T, n]` milliseconds.
    reference_ms: `[T, R]` milliseconds of `Problem.reference_ids`, for methods
      that declare `Method.reads_references`; None for the others.
  """

  ids: np.ndarray  # [T, n]
  latency_ms: np.ndarray  # [T, n]
  reference_ms: np.ndarray | None = None  # [T, R]


class Scores(NamedTuple):
  """Predictions for every architecture; higher is slower.

  Attributes:
    scores: `[T, N]` finite.
    is_ms: True where `scores` are milliseconds, False where only their order
      means anything.
    lower_ms: `[T, N]` lower end of the central 90 % interval, or None.
    upper_ms: `[T, N]` upper end of the central 90 % interval, or None.
  """

  scores: np.ndarray  # [T, N]
  is_ms: bool
  lower_ms: np.ndarray | None = None  # [T, N]
  upper_ms: np.ndarray | None = None  # [T, N]


def source_rows_budget(problem: Problem, num_support: int) -> types.Budget:
  """Of a method that reads `Problem.source_rows` and nothing else."""
  source = int(np.isfinite(problem.source_rows[1]).sum())
  return types.Budget(source=source, reference=0, target=num_support)


def reference_budget(problem: Problem, num_support: int) -> types.Budget:
  """Of a method that reads `Problem.source_rows` and the references."""
  rows = np.union1d(problem.source_ids, problem.reference_ids)
  return types.Budget(
      source=int(np.isfinite(problem.source_latency_ms[:, rows]).sum()),
      reference=len(problem.reference_ids),
      target=num_support,
  )


def _serves_all(problem: Problem) -> None:
  del problem


class Method(NamedTuple):
  """A few-shot method as pure functions.

  Attributes:
    prepare: `(key, problem) -> state`; the work on the sources, once per task.
    predict: `(keys [T], problem, state, support) -> Scores`. Every one of the
      `T` pairs is predicted from its own support rows and its own key.
    budget: `(problem, num_support) -> Budget` of one target device.
    reads_references: whether `predict` reads `Support.reference_ms`. Those rows
      are then measurements like the support: counted, and never judged.
    check: `problem -> None`; a ValueError for one that the method cannot serve.
      Cheap, so that a long run can be refused before it begins.
    dump: `state -> arrays` by name, what `prepare` trained; None where a state
      is not worth keeping.
    restore: `(problem, arrays) -> state` gives back the state that was dumped;
      a ValueError where the arrays are not of that problem and method.
  """

  prepare: Callable[[chex.PRNGKey, Problem], Any]
  predict: Callable[[chex.PRNGKey, Problem, Any, Support], Scores]
  budget: Callable[[Problem, int], types.Budget]
  reads_references: bool = False
  check: Callable[[Problem], None] = _serves_all
  dump: Callable[[Any], Mapping[str, Any]] | None = None
  restore: Callable[[Problem, Mapping[str, Any]], Any] | None = None
