"""What a few-shot accuracy method is, and all that it is allowed to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import dataclasses
from typing import Any, NamedTuple

import chex
import numpy as np

from nasflat_jax import transfer
from nasflat_jax import types


@dataclasses.dataclass(frozen=True, eq=False)
class AccuracyProblem:
  """One target task without any of its labels. Host only.

  Attributes:
    name: the task's name, e.g. `nasbench201/cifar10`.
    networks: `N` networks that may be labelled or judged.
    sources: other tasks, each with the labels that methods may read.
    siblings: accuracies `[N]` of the same networks on other tasks of the
      space, by the source's name; NaN = unknown. For methods that declare
      `reads_siblings`.
  """

  name: str
  networks: transfer.Networks
  sources: tuple[transfer.AccuracySource, ...]
  siblings: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

  @property
  def num_source_labels(self) -> int:
    """Labels of all sources together."""
    return sum(len(source.accuracy) for source in self.sources)


class AccuracyMethod(NamedTuple):
  """A few-shot accuracy method as pure functions.

  Attributes:
    prepare: `(key, problem) -> state`, the work without the target's labels.
    predict: `(keys [T], problem, state, ids [T, n], accuracy [T, n]) -> scores
      [T, N]`, higher is better. Every trial is predicted from its own labels
      and key.
    budget: `(problem, num_support) -> Budget`: labels on all sources and on the
      target, accuracies of siblings counted among the former.
    reads_siblings: whether accuracies of the very networks that are judged, on
      other tasks, are read.
  """

  prepare: Callable[[chex.PRNGKey, AccuracyProblem], Any]
  predict: Callable[..., np.ndarray]
  budget: Callable[[AccuracyProblem, int], types.Budget]
  reads_siblings: bool = False


def target_budget(problem: AccuracyProblem, num_support: int) -> types.Budget:
  """Of a method that reads no other task."""
  del problem
  return types.Budget(source=0, reference=0, target=num_support)


def source_budget(problem: AccuracyProblem, num_support: int) -> types.Budget:
  """Of a method that reads all sources."""
  return types.Budget(
      source=problem.num_source_labels, reference=0, target=num_support
  )
