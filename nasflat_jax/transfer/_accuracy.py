"""Few-shot accuracy: proxies, shape and other tasks, weighed by few labels.

Which proxy orders the networks of a new task, whether their depth does, and
which of the tasks known before is like it, nobody knows beforehand. Each is a
kernel; a hypothesis says how much each of them counts; the few labels of the
target weigh the hypotheses (`predictors.fit_kernels`). So a source is chosen by
the target's labels alone, and shrunk to: where they contradict it, the
hypotheses without it take over. How likely hypotheses are beforehand is learned
on the sources, each in turn taken for a target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses

import jax.numpy as jnp
import numpy as np

from nasflat_jax import predictors
from nasflat_jax.transfer import _accuracy_features as _features
from nasflat_jax.transfer import _accuracy_kernels as _kernels
from nasflat_jax.transfer import _accuracy_sources as _sources

_HYPOTHESES = 512
# Of each source as a target: labels, repetitions, and the share of belief that
# stays with all hypotheses alike.
_LABELS, _REPEATS, _FLOOR = 30, 6, 0.3
# Passes of expectation and maximisation over what they believe.
_PASSES = 3
# How far labels, of spread 1, are expected to follow other tasks' mean, at
# most: their sign is known beforehand, which counts where labels are few.
_BELIEVED = {'mean_siblings': 0.3, 'mean_sources': 0.15}
_TOGETHER = tuple(
    f'{kind}{name}'
    for name in ('sources', 'siblings', 'other_spaces')
    for kind in ('', 'mean_', 'near_')
) + ('near_siblings_and_shape',)


@dataclasses.dataclass(frozen=True, eq=False)
class AccuracyModel:
  """What is believed about a task before it has a label.

  Attributes:
    features: `[N, F]` of all its networks.
    kernels: what the columns are.
    prior: hypotheses about the kernels.
  """

  features: np.ndarray  # [N, F]
  kernels: tuple[_features.Kernel, ...]
  prior: predictors.KernelPrior


def _columns(
    networks: _features.Networks,
    sources: Sequence[_sources.AccuracySource],
    siblings: Mapping[str, np.ndarray] | None,
    across: bool,
) -> dict[str, tuple[np.ndarray, bool]]:
  """Every kernel of a task; `siblings` is None where they are not read."""
  kernels = _features.network_kernels(networks)
  same = _sources.same_space(networks.space, sources)
  spoken = {source.name: source.speak(networks) for source in same}
  kernels |= _features.source_kernels('sources', [*spoken.values()])
  if across:
    kernels |= _features.source_kernels(
        'other_spaces', _sources.across_columns(networks, sources)
    )
  known = siblings or {}
  columns = [
      _sources.sibling_column(spoken[name], known[name])
      for name in spoken if name in known
  ]
  beside = _features.source_kernels('siblings', columns)
  if beside:
    shape = kernels['near_shape'][0]
    both = np.concatenate([beside['near_siblings'][0], shape], axis=1)
    beside['near_siblings_and_shape'] = both / np.sqrt(2.0), False
  return kernels | beside


def accuracy_model(
    networks: _features.Networks,
    sources: Sequence[_sources.AccuracySource] = (),
    *,
    siblings: Mapping[str, np.ndarray] | None = None,
    across: bool = True,
    learn_prior: bool = True,
) -> AccuracyModel:
  """The few-shot predictor of a task, before any of its labels.

  Args:
    networks: every network that is to be scored or may be labelled.
    sources: other tasks, of the same space or of others; without the target.
    siblings: accuracies `[N]` of the same networks on sources of the space, by
      the source's name; NaN = unknown. None: they are not to be read, of the
      target's networks nor of a source's.
    across: whether sources of other spaces are heard.
    learn_prior: whether the hypotheses' probabilities are learned on the
      sources of the space, or on all where there is none.

  Returns:
    The model.
  """
  columns = _columns(networks, sources, siblings, across)
  features, kernels = _features.joined(columns)
  prior = _kernels.prior(
      kernels, num_hypotheses=_HYPOTHESES, together=_TOGETHER,
      believed=_BELIEVED,
  )
  if learn_prior and sources:
    prior = _learned(
        prior, kernels, networks, sources, siblings is not None, across
    )
  return AccuracyModel(features, kernels, prior)


def _learned(
    prior: predictors.KernelPrior,
    kernels: tuple[_features.Kernel, ...],
    networks: _features.Networks,
    sources: Sequence[_sources.AccuracySource],
    with_siblings: bool,
    across: bool,
) -> predictors.KernelPrior:
  """Probabilities of hypotheses, from sources taken for targets."""
  names = [kernel.name for kernel in kernels]
  same = _sources.same_space(networks.space, sources)
  found = []
  for source in same or sources:
    others = [other for other in sources if other is not source]
    # Only what the target's own sources say is known of a source.
    known = {other.name for other in others}
    siblings = {n: v for n, v in source.siblings.items() if n in known}
    columns = _columns(
        source.networks, others, siblings if with_siblings else None, across
    )
    features, own = _features.joined({
        name: columns[name] for name in names if name in columns
    })
    has = np.array([name in columns for name in names])
    weight = np.asarray(prior.weight)[:, has]
    weight = weight / weight.sum(axis=1, keepdims=True)
    size = min(_LABELS, len(source.accuracy))
    rng = np.random.default_rng(0)
    known_prior = prior._replace(
        weight=jnp.asarray(weight), slope=jnp.asarray(prior.slope)[:, has]
    )
    for _ in range(_REPEATS):
      rows = rng.permutation(len(source.accuracy))[:size]
      label = _kernels.labels(source.accuracy[rows])
      found.append(
          _kernels.fit(own, known_prior, features[rows], label).prob
      )
  prob = np.full(_HYPOTHESES, 1.0 / _HYPOTHESES)
  for _ in range(_PASSES):
    # `found` is of hypotheses alike beforehand, hence in proportion to the
    # likelihoods.
    each = np.array(found) * prob
    prob = np.mean(each / each.sum(axis=1, keepdims=True), axis=0)
    prob = (1.0 - _FLOOR) * prob + _FLOOR / len(prob)
  return prior._replace(log_prob=jnp.log(jnp.asarray(prob, jnp.float32)))


def adapt_accuracy(
    model: AccuracyModel,
    ids: np.ndarray,  # [T, n]
    accuracy: np.ndarray,  # [T, n]
) -> np.ndarray:  # [T, N]
  """Scores of all networks from few labels, in closed form.

  Args:
    model: from `accuracy_model`.
    ids: `[T, n]` labelled rows of its networks, in `T` independent trials.
    accuracy: `[T, n]` their accuracies, higher is better.

  Returns:
    `[T, N]` float64 scores; only their order and ratios of differences mean
    anything.

  Raises:
    ValueError: there is no label, or one is not finite.
  """
  ids, accuracy = np.asarray(ids), np.asarray(accuracy, np.float64)
  if ids.shape != accuracy.shape or ids.ndim != 2 or not ids.size:
    raise ValueError(
        f'ids and accuracy must be [T, n] alike and not empty, got {ids.shape} '
        f'and {accuracy.shape}'
    )
  if not np.isfinite(accuracy).all():
    raise ValueError('accuracy holds a value that is not finite')
  scores = []
  for rows, known in zip(ids, accuracy, strict=True):
    fitted = _kernels.fit(
        model.kernels, model.prior, model.features[rows],
        _kernels.labels(known),
    )
    scores.append(_kernels.predict(model.kernels, fitted, model.features))
  return np.stack(scores)
