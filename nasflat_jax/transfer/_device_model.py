"""One device: choose what to measure, adapt, predict, judge by leaving out."""

from collections.abc import Mapping
import dataclasses
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import samplers
from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.transfer import _adapt_devices
from nasflat_jax.transfer import _bayesian

Checkpoint = tuple[types.Predictor, Any, Mapping[str, Any]]

# How a device is adapted to, see `adapt_device`.
METHODS = ('bayesian', 'nasflat')

# Candidates the design chooses from; more changes it little.
_POOL = 4096
# Source devices whose predicted latencies the Bayesian model sees, chosen to
# differ: each costs a pass of the network over all that is predicted.
_NUM_SOURCES = 8
_SOURCE_SAMPLE = 512
# Beyond so many measurements, folds are left out instead of single ones.
_MOST_LEFT_OUT, _FOLDS = 40, 20


def _pretrained(checkpoint: Checkpoint) -> _adapt_devices.Pretrained:
  space = spaces.get(checkpoint[2]['space'])
  return _adapt_devices.Pretrained.from_checkpoint(space, *checkpoint)


@dataclasses.dataclass(frozen=True, eq=False)
class DeviceModel:
  """A predictor of one device's latency, in milliseconds."""

  adapted: _adapt_devices.AdaptedDevices | _bayesian.AdaptedBayesian

  def predict(
      self, genotype: np.ndarray, *, chunk_size: int = 1024
  ) -> types.Prediction:
    """Predicts latency.

    Args:
      genotype: `[B, G]` architectures.
      chunk_size: architectures per pass; bounds memory, changes no value.

    Returns:
      `Prediction` of NumPy arrays `[B]`; without standard deviation and
      interval where the method is `nasflat`.
    """
    got = self.adapted.predict(genotype, chunk_size=chunk_size)
    if not isinstance(got, types.Prediction):
      return types.Prediction(latency_ms=got[0])
    return jax.tree.map(lambda x: x[0], got)

  def propose(self, genotype: np.ndarray, num_proposals: int) -> np.ndarray:
    """What to measure next, see `AdaptedBayesian.propose`.

    Args:
      genotype: `[B, G]` candidates.
      num_proposals: how many.

    Returns:
      `[num_proposals]` rows of `genotype`.

    Raises:
      ValueError: too few candidates, or the method is `nasflat`, which does
        not know where it is uncertain.
    """
    if not isinstance(self.adapted, _bayesian.AdaptedBayesian):
      raise ValueError('only the method bayesian proposes what to measure')
    return self.adapted.propose(genotype, num_proposals)[0]


def network_sources(
    pretrained: _adapt_devices.Pretrained,
) -> _bayesian.Encode:
  """Source devices as a pretrained network sees them, for `bayesian_model`.

  The features the network has learned: its scores of an architecture as on
  each of the 8 devices it tells apart best. They stand in for tables where a
  space is too large to measure.

  Args:
    pretrained: the network.

  Returns:
    `[B, G] -> [B, 8]` scores (fewer where there are fewer devices). Outside
    `jit` in chunks; inside in one pass of the network.
  """
  sample = spaces.reference_sample(pretrained.space)[:_SOURCE_SAMPLE]
  devices = distinct_sources(pretrained, sample, _NUM_SOURCES)

  def predict(genotype: chex.Array) -> chex.Array:
    if isinstance(genotype, jax.core.Tracer):
      return pretrained.traced_scores(genotype, devices).T
    return pretrained.source_scores(np.asarray(genotype), devices=devices).T

  return predict


def _bayesian_model(
    checkpoint: Checkpoint | None, space: types.SearchSpace | None
) -> _bayesian.BayesianModel:
  if checkpoint is not None:
    pretrained = _pretrained(checkpoint)
    if space is not None and space.spec.name != pretrained.space.spec.name:
      raise ValueError(
          f'the checkpoint is of {pretrained.space.spec.name}, not of '
          f'{space.spec.name}'
      )
    sources = network_sources(pretrained)
    return _bayesian.bayesian_model(pretrained.space, sources)
  if space is None:
    raise ValueError('without a checkpoint, the space has to be given')
  return _bayesian.bayesian_model(space)


def _check_method(method: str, checkpoint: Checkpoint | None) -> None:
  if method not in METHODS:
    raise ValueError(
        f'unknown method {method!r}; choose from {", ".join(METHODS)}'
    )
  if method == 'nasflat' and checkpoint is None:
    raise ValueError('the method nasflat needs a checkpoint')


def distinct_sources(
    pretrained: _adapt_devices.Pretrained,
    genotype: np.ndarray,
    num_sources: int,
) -> tuple[int, ...]:
  """The source devices that differ most from each other.

  Greedy D-optimal design over devices, each described by the network's scores
  of a sample of architectures: near copies of a chosen device come last.

  Args:
    pretrained: the network.
    genotype: `[N, G]` sample of architectures.
    num_sources: devices to keep; all of them where there are fewer.

  Returns:
    Sorted rows of the hardware embedding.
  """
  scores = pretrained.source_scores(genotype)
  if num_sources >= len(scores):
    return tuple(range(len(scores)))
  chosen = samplers.d_optimal(
      jax.random.key(0),
      jnp.asarray(scores / np.sqrt(scores.shape[1])),
      num_samples=num_sources,
  )
  return tuple(sorted(int(i) for i in chosen))


def choose_support(
    key: chex.PRNGKey, space: types.SearchSpace, num_support: int
) -> jax.Array:
  """Chooses what to measure on a new device: a D-optimal design.

  Greedy on the features of the Bayesian model without sources, over random
  valid members: it needs no measurement and takes no degenerate network.

  Args:
    key: typed PRNG key.
    space: the search space.
    num_support: architectures to choose, n.

  Returns:
    `[n, G]` int32, distinct.

  Raises:
    ValueError: more than there are candidates.
  """
  pool_key, design_key = jax.random.split(key)
  pool = jax.jit(space.random, static_argnums=1)(pool_key, _POOL)
  _, first = np.unique(np.asarray(pool), axis=0, return_index=True)
  if num_support > len(first):
    raise ValueError(
        f'cannot choose {num_support} of {len(first)} architectures'
    )
  chosen = samplers.d_optimal(
      design_key,
      _bayesian.bayesian_model(space).design_features(pool),
      num_samples=num_support,
      where=jnp.zeros(_POOL, bool).at[first].set(True),
  )
  return pool[chosen]


def adapt_device(
    key: chex.PRNGKey,
    checkpoint: Checkpoint | None,
    genotype: np.ndarray,
    latency_ms: np.ndarray,
    *,
    method: str = 'bayesian',
    space: types.SearchSpace | None = None,
) -> DeviceModel:
  """Adapts to one device.

  Args:
    key: typed PRNG key; `bayesian` is deterministic.
    checkpoint: `(predictor, params, provenance)`, see `checkpoints.load`. With
      `bayesian` it stands for the source devices; None does without.
    genotype: `[n, G]` measured architectures.
    latency_ms: `[n]` milliseconds, positive.
    method: `bayesian`, in closed form with intervals, or `nasflat`, by
      fine-tuning the checkpoint.
    space: the search space; needed where there is no checkpoint.

  Returns:
    The device's model.

  Raises:
    ValueError: the method is unknown, or lacks a checkpoint or a space.
  """
  _check_method(method, checkpoint)
  rows = np.asarray(genotype)[None], np.asarray(latency_ms)[None]
  if checkpoint is None or method == 'bayesian':
    model = _bayesian_model(checkpoint, space)
    return DeviceModel(_bayesian.adapt_bayesian(model, *rows))
  return DeviceModel(
      _adapt_devices.adapt_devices(key[None], _pretrained(checkpoint), *rows)
  )


def _others(size: int) -> np.ndarray:
  """`[folds, m]` rows outside each fold; row `i` is of fold `i % folds`."""
  folds = size if size <= _MOST_LEFT_OUT else _FOLDS
  rows = np.arange(size)
  outside = [rows[rows % folds != fold] for fold in range(folds)]
  # Folds that are one row smaller do without their last one.
  return np.stack([part[: min(map(len, outside))] for part in outside])


def _own(left_out: np.ndarray) -> np.ndarray:
  """`[folds, n] -> [n]`, each row's value from the fold it is in."""
  size = left_out.shape[1]
  return left_out[np.arange(size) % len(left_out), np.arange(size)]


def leave_one_out(
    key: chex.PRNGKey,
    checkpoint: Checkpoint | None,
    genotype: np.ndarray,
    latency_ms: np.ndarray,
    *,
    method: str = 'bayesian',
    space: types.SearchSpace | None = None,
) -> types.Prediction:
  """Predicts each measurement from the others.

  From all the others, or, where there are more than 40 measurements, from those
  outside its fold of 20.

  Args:
    key: typed PRNG key.
    checkpoint: as for `adapt_device`.
    genotype: `[n, G]` measured architectures, `n >= 3`.
    latency_ms: `[n]` milliseconds.
    method: as for `adapt_device`.
    space: as for `adapt_device`.

  Returns:
    `Prediction` of NumPy arrays `[n]`.

  Raises:
    ValueError: fewer than three measurements, or as for `adapt_device`.
  """
  _check_method(method, checkpoint)
  genotype, latency_ms = np.asarray(genotype), np.asarray(latency_ms)
  size = len(latency_ms)
  if size < 3:
    raise ValueError(f'leave_one_out takes 3 measurements or more, got {size}')
  others = _others(size)
  rows = genotype[others], latency_ms[others]
  if checkpoint is None or method == 'bayesian':
    model = _bayesian_model(checkpoint, space)
    left_out = _bayesian.adapt_bayesian(model, *rows).predict(genotype)
    return jax.tree.map(_own, left_out)
  adapted = _adapt_devices.adapt_devices(
      jax.random.split(key, len(others)), _pretrained(checkpoint), *rows
  )
  return types.Prediction(
      latency_ms=_own(adapted.predict(genotype))
  )
