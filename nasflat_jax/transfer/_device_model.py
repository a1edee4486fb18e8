"""One device: choose what to measure, adapt, predict, judge by leaving out."""

from collections.abc import Mapping
import dataclasses
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import encodings
from nasflat_jax import samplers
from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.transfer import _adapt_devices

Checkpoint = tuple[types.Predictor, Any, Mapping[str, Any]]

# Candidates the design chooses from; more changes it little.
_POOL = 4096


def _pretrained(checkpoint: Checkpoint) -> _adapt_devices.Pretrained:
  space = spaces.get(checkpoint[2]['space'])
  return _adapt_devices.Pretrained.from_checkpoint(space, *checkpoint)


@dataclasses.dataclass(frozen=True, eq=False)
class DeviceModel:
  """A predictor of one device's latency, in milliseconds."""

  adapted: _adapt_devices.AdaptedDevices

  def predict(
      self, genotype: np.ndarray, *, chunk_size: int = 1024
  ) -> types.Prediction:
    """Predicts latency.

    Args:
      genotype: `[B, G]` architectures.
      chunk_size: architectures per pass; bounds memory, changes no value.

    Returns:
      `Prediction` with NumPy `latency_ms [B]`; no interval.
    """
    latency_ms = self.adapted.predict(genotype, chunk_size=chunk_size)[0]
    return types.Prediction(latency_ms=latency_ms)


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

  Greedy on the cost encoding over random valid members, so it needs no
  measurement and takes no degenerate network.

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
      encodings.costs(space)(pool),
      num_samples=num_support,
      where=jnp.zeros(_POOL, bool).at[first].set(True),
  )
  return pool[chosen]


def adapt_device(
    key: chex.PRNGKey,
    checkpoint: Checkpoint,
    genotype: np.ndarray,
    latency_ms: np.ndarray,
) -> DeviceModel:
  """Adapts a checkpoint to one device.

  Args:
    key: typed PRNG key.
    checkpoint: `(predictor, params, provenance)`, see `checkpoints.load`.
    genotype: `[n, G]` measured architectures.
    latency_ms: `[n]` milliseconds, positive.

  Returns:
    The device's model.
  """
  pretrained = _pretrained(checkpoint)
  return DeviceModel(
      _adapt_devices.adapt_devices(
          key[None],
          pretrained,
          np.asarray(genotype)[None],
          np.asarray(latency_ms)[None],
      )
  )


def leave_one_out(
    key: chex.PRNGKey,
    checkpoint: Checkpoint,
    genotype: np.ndarray,
    latency_ms: np.ndarray,
) -> np.ndarray:
  """Predicts each measurement from all the others.

  Args:
    key: typed PRNG key.
    checkpoint: `(predictor, params, provenance)`.
    genotype: `[n, G]` measured architectures, `n >= 3`.
    latency_ms: `[n]` milliseconds.

  Returns:
    `[n]` milliseconds.

  Raises:
    ValueError: fewer than three measurements.
  """
  pretrained = _pretrained(checkpoint)
  genotype, latency_ms = np.asarray(genotype), np.asarray(latency_ms)
  size = len(latency_ms)
  if size < 3:
    raise ValueError(f'leave_one_out takes 3 measurements or more, got {size}')
  others = np.array([np.delete(np.arange(size), i) for i in range(size)])
  adapted = _adapt_devices.adapt_devices(
      jax.random.split(key, size),
      pretrained,
      genotype[others],
      latency_ms[others],
  )
  return np.diagonal(adapted.predict(genotype)).copy()
