"""Tasks whose accuracies are known, as sources of another task.

A source stands beside a target as a column: what a model of it says of the
target's networks. A model never speaks of a network whose accuracy it was
fitted on: it is fitted in parts, and each part speaks of the networks that it
has not seen, nor any that counting cannot tell from one it has seen. The
accuracy of the very same network on another task is for those who ask for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import functools

import chex
import jax
import numpy as np

from nasflat_jax import types
from nasflat_jax.transfer import _accuracy_features as _features
from nasflat_jax.transfer import _accuracy_kernels as _kernels

_FOLDS = 4
_HYPOTHESES = 64
_PAD = 120
# Labels of a whole table are less noisy, relative to their signal, than a few.
_NOISE = -3.0
_SHRINKAGE = 0.1


@dataclasses.dataclass(frozen=True, eq=False)
class AccuracySource:
  """A task with accuracies. Host only; models are fitted when first asked.

  Attributes:
    name: the task's name, e.g. `nasbench201/cifar10`.
    networks: `M` labelled networks.
    accuracy: `[M]` higher is better.
    siblings: accuracies `[M]` of these networks on other tasks by name; NaN =
      unknown. Only read by who asks for siblings.
  """

  name: str
  networks: _features.Networks
  accuracy: np.ndarray  # [M]
  siblings: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

  def __post_init__(self) -> None:
    if self.accuracy.shape != (len(self.networks.genotype),):
      raise ValueError(
          f'{self.name}: accuracy must be [M] = '
          f'({len(self.networks.genotype)},), got {self.accuracy.shape}'
      )
    if not np.isfinite(self.accuracy).all() or len(self.accuracy) < 2:
      raise ValueError(
          f'{self.name}: a source takes at least 2 accuracies, all finite'
      )

  @functools.cached_property
  def label(self) -> np.ndarray:
    """`[M]` centred, of order one."""
    return _kernels.labels(self.accuracy)

  @functools.cached_property
  def _parts(
      self,
  ) -> tuple[_kernels.Kernels, list[_kernels.Fitted | None]]:
    features, kernels = _features.joined(
        _features.structure_kernels(self.networks)
    )
    prior = _kernels.prior(kernels, num_hypotheses=_HYPOTHESES, noise=_NOISE)
    fold = self.networks.group % _FOLDS
    # About three quarters; most sources share one program.
    size = max(int((fold != part).sum()) for part in range(_FOLDS))
    size += -size % _PAD
    posteriors: list[_kernels.Fitted | None] = []
    for part in range(_FOLDS):
      rows = np.flatnonzero(fold != part)
      if len(rows) < 2:  # all networks are alike
        posteriors.append(None)
        continue
      label = self.label[rows] - self.label[rows].mean()
      posteriors.append(
          _kernels.fit(
              kernels, prior, features[rows], label, size=size
          )
      )
    return kernels, posteriors

  def speak(self, networks: _features.Networks) -> np.ndarray:
    """What models of this task say of networks of its space, `[N]`.

    No model was fitted on the network it speaks of, nor on one like it.

    Args:
      networks: of the same space; proxies are not read.
    """
    kernels, posteriors = self._parts
    features, _ = _features.joined(_features.structure_kernels(networks))
    fold = networks.group % _FOLDS
    said = np.zeros(len(fold))
    for part, fitted in enumerate(posteriors):
      rows = np.flatnonzero(fold == part)
      if fitted is not None and len(rows):
        said[rows] = _kernels.predict(kernels, fitted, features[rows])
    return said

  def speak_across(self, networks: _features.Networks) -> np.ndarray:
    """What a linear model of this task says of another space's, `[N]`.

    It reads what means the same in every space: proxies, counts, depths and
    costs, standardised within each task, as far as both tasks have them.
    """
    mine, theirs = self.networks.shared, networks.shared
    both = np.abs(mine).max(axis=0) * np.abs(theirs).max(axis=0) > 0
    if not both.any():
      return np.zeros(len(theirs))
    mine, theirs = mine[:, both], theirs[:, both]
    centred = mine - mine.mean(axis=0)
    ridge = _SHRINKAGE * len(mine) * np.eye(mine.shape[1])
    weights = np.linalg.solve(
        centred.T @ centred + ridge, centred.T @ self.label
    )
    return theirs @ weights


def sibling_column(
    spoken: np.ndarray,  # [N]
    accuracy: np.ndarray,  # [N]
) -> np.ndarray:  # [N]
  """Accuracies on another task, where known, and what its models say.

  Both standardised, for they are of one scale no longer.
  """
  known = np.isfinite(accuracy)
  column = _features.standardised(spoken[:, None])[:, 0]
  if known.sum() < 3:
    return column
  column[known] = _features.standardised(
      _kernels.labels(accuracy[known])[:, None]
  )[:, 0]
  return column


def across_columns(
    networks: _features.Networks, sources: Sequence[AccuracySource]
) -> list[np.ndarray]:
  """`speak_across` of the sources of other spaces."""
  name = networks.space.spec.name
  return [
      source.speak_across(networks)
      for source in sources
      if source.networks.space.spec.name != name
  ]


def same_space(
    space: types.SearchSpace, sources: Sequence[AccuracySource]
) -> list[AccuracySource]:
  """The sources that share a space."""
  return [
      s for s in sources if s.networks.space.spec.name == space.spec.name
  ]


def accuracy_source(
    key: chex.PRNGKey,
    name: str,
    networks: _features.Networks,
    accuracy: np.ndarray,  # [N]
    *,
    num_labels: int,
    siblings: Mapping[str, np.ndarray] | None = None,
) -> AccuracySource:
  """A source of some rows of a table, drawn uniformly.

  Args:
    key: draws the rows.
    name: the task's name.
    networks: `N` networks of the table.
    accuracy: `[N]`, NaN = unknown.
    num_labels: how many rows are read; all known ones, where there are fewer.
    siblings: accuracies `[N]` on other tasks by name.

  Raises:
    ValueError: fewer than 2 accuracies are known.
  """
  known = np.flatnonzero(np.isfinite(accuracy))
  order = np.asarray(jax.random.permutation(key, len(known)))
  rows = np.sort(known[order[:num_labels]])
  return AccuracySource(
      name=name,
      networks=networks.select(rows),
      accuracy=np.asarray(accuracy, np.float64)[rows],
      siblings={
          other: np.asarray(values)[rows]
          for other, values in (siblings or {}).items()
      },
  )
