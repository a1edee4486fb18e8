"""The support of one device and trial: by a sampler, or row after row."""

from __future__ import annotations

from collections.abc import Callable
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types

# `(key, pool_mask [N], measure, num_support) -> ids [num_support]`, where
# `measure(row)` is the target's latency of that row, milliseconds.
Chooser = Callable[
    [chex.PRNGKey, np.ndarray, Callable[[int], float], int], np.ndarray
]


class Measured:
  """A target device that hands out latencies one row at a time, and counts.

  Attributes:
    asked: the rows measured so far, in order.
  """

  def __init__(
      self,
      latency_ms: np.ndarray,  # [N]
      where: np.ndarray,  # [N]
      num_support: int,
      name: str,
  ) -> None:
    """Starts without a measurement.

    Args:
      latency_ms: `[N]` milliseconds.
      where: `[N]` True for rows that may be measured.
      num_support: how many of them.
      name: the sampler's name, for messages.
    """
    self.asked: list[int] = []
    self._latency_ms = latency_ms
    self._where = where
    self._num_support = num_support
    self._name = name

  def __call__(self, row: int) -> float:
    """Measures a row.

    Args:
      row: the row, not measured before.

    Returns:
      Its latency, milliseconds.

    Raises:
      ValueError: the row lies outside the pool, was measured before, or
        exceeds the number of measurements.
    """
    row = int(row)
    if not (0 <= row < len(self._where) and self._where[row]):
      raise ValueError(f'sampler {self._name!r} measured row {row}, which is '
                       'outside its pool')
    if row in self.asked:
      raise ValueError(f'sampler {self._name!r} measured row {row} twice')
    if len(self.asked) == self._num_support:
      raise ValueError(f'sampler {self._name!r} measured more than '
                       f'{self._num_support} rows')
    self.asked.append(row)
    return float(self._latency_ms[row])


def by_sampler(
    sampler: types.Sampler,
    key: chex.PRNGKey,
    features: np.ndarray,  # [N, F]
    where: np.ndarray,  # [N]
    num_support: int,
    name: str,
) -> np.ndarray:  # [num_support]
  """Runs a sampler, compiled once for all devices and trials of a shape.

  Args:
    sampler: traceable by `jax.jit` with `num_samples` static.
    key: the PRNG key.
    features: `[N, F]`; rows outside the pool need not be finite.
    where: `[N]` the pool.
    num_support: how many to choose.
    name: the sampler's name, for messages.

  Returns:
    The rows, distinct and in the pool.

  Raises:
    ValueError: the features do not fit, or the sampler's rows.
  """
  if features.ndim != 2 or len(features) != len(where):
    raise ValueError(
        f'sampler {name!r}: features must be [N, F] with N = {len(where)}, '
        f'got {features.shape}'
    )
  num_bad = int((~np.isfinite(features[where])).any(axis=1).sum())
  if num_bad:
    raise ValueError(
        f'sampler {name!r}: features of {num_bad} architectures of the pool '
        'are not finite'
    )
  features = np.where(where[:, None], features, 0.0).astype(np.float32)
  ids = np.asarray(_compiled(sampler)(  # type: ignore[arg-type]
      key, jnp.asarray(features), num_samples=num_support,
      where=jnp.asarray(where),
  ))
  _check(ids, where, num_support, name)
  return ids


def by_chooser(
    chooser: Chooser,
    key: chex.PRNGKey,
    latency_ms: np.ndarray,  # [N]
    where: np.ndarray,  # [N]
    num_support: int,
    name: str,
) -> np.ndarray:  # [num_support]
  """Lets the measurements so far decide on the next one.

  Args:
    chooser: see `Chooser`.
    key: the PRNG key.
    latency_ms: `[N]` the target's latencies; the chooser sees what it asks for.
    where: `[N]` the pool.
    num_support: how many to choose.
    name: the chooser's name, for messages.

  Returns:
    The rows, distinct and in the pool.

  Raises:
    ValueError: the rows do not fit, or one was measured that is not in them.
  """
  measure = Measured(latency_ms, where, num_support, name)
  ids = np.asarray(chooser(key, where.copy(), measure, num_support))
  _check(ids, where, num_support, name)
  unused = sorted(set(measure.asked) - set(ids.tolist()))
  if unused:
    raise ValueError(
        f'sampler {name!r} measured row {unused[0]} without counting it among '
        'its support'
    )
  return ids


@functools.lru_cache(maxsize=32)
def _compiled(sampler: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
  """Uncompiled, some samplers compile parts of themselves on every call."""
  return jax.jit(sampler, static_argnames='num_samples')


def _check(
    ids: np.ndarray, where: np.ndarray, num_support: int, name: str
) -> None:
  """A sampler that repeats rows or leaves the pool spoils the comparison."""
  num_distinct = len(np.unique(ids))
  if ids.shape != (num_support,) or num_distinct < num_support:
    raise ValueError(
        f'sampler {name!r} must give {num_support} distinct rows, gave '
        f'{num_distinct} in shape {ids.shape}'
    )
  inside = (ids >= 0) & (ids < len(where))
  if not (inside.all() and where[ids].all()):
    raise ValueError(f'sampler {name!r} chose a row outside its pool')
