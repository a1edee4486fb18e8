"""Errors of latencies predicted in milliseconds."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp


def _mean(values: jax.Array, where: jax.Array | None) -> jax.Array:
  """Mean over the entries that count; NaN where there is none."""
  where = jnp.ones_like(values, bool) if where is None else where
  chex.assert_equal_shape([values, where])
  count = jnp.sum(where)
  total = jnp.sum(jnp.where(where, values, 0.0))
  return jnp.where(count > 0, total / jnp.maximum(count, 1), jnp.nan)


def _relative_error(pred_ms: jax.Array, latency_ms: jax.Array) -> jax.Array:
  chex.assert_rank([pred_ms, latency_ms], 1)
  chex.assert_equal_shape([pred_ms, latency_ms])
  return jnp.abs(pred_ms - latency_ms) / jnp.abs(latency_ms)


def mape(
    pred_ms: jax.Array,  # [N]
    latency_ms: jax.Array,  # [N]
    *,
    where: jax.Array | None = None,  # [N]
) -> jax.Array:  # []
  """Mean absolute error relative to the measured latency, as a fraction.

  Args:
    pred_ms: `[N]` predicted latencies, milliseconds.
    latency_ms: `[N]` measured latencies, milliseconds, above 0.
    where: `[N]` True for entries that count; None counts all of them.

  Returns:
    `[]` a fraction: 0.1 is an error of ten percent. NaN where nothing counts.

  Example:
    >>> import jax.numpy as jnp
    >>> error = mape(jnp.array([11., 30.]), jnp.array([10., 20.]))
    >>> print(f'{error:.2f}')
    0.30
  """
  return _mean(_relative_error(pred_ms, latency_ms), where)


def within_percent(
    pred_ms: jax.Array,  # [N]
    latency_ms: jax.Array,  # [N]
    *,
    percent: float = 10.0,
    where: jax.Array | None = None,  # [N]
) -> jax.Array:  # []
  """Fraction of predictions at most `percent` percent off.

  Args:
    pred_ms: `[N]` predicted latencies, milliseconds.
    latency_ms: `[N]` measured latencies, milliseconds, above 0.
    percent: the tolerance, in percent of the measured latency.
    where: `[N]` True for entries that count; None counts all of them.

  Returns:
    `[]` a fraction in [0, 1]; NaN where nothing counts.

  Example:
    >>> import jax.numpy as jnp
    >>> within_percent(jnp.array([10.5, 30.]), jnp.array([10., 20.]))
    Array(0.5, dtype=float32)
  """
  # Written so that a NaN prediction is off, not absent.
  close = _relative_error(pred_ms, latency_ms) <= percent / 100.0
  return _mean(close.astype(jnp.float32), where)


def coverage(
    lower_ms: jax.Array,  # [N]
    upper_ms: jax.Array,  # [N]
    latency_ms: jax.Array,  # [N]
    *,
    where: jax.Array | None = None,  # [N]
) -> jax.Array:  # []
  """Fraction of measured latencies inside their predicted intervals.

  Args:
    lower_ms: `[N]` lower ends, milliseconds, inclusive.
    upper_ms: `[N]` upper ends, milliseconds, inclusive.
    latency_ms: `[N]` measured latencies, milliseconds.
    where: `[N]` True for entries that count; None counts all of them.

  Returns:
    `[]` a fraction in [0, 1]; NaN where nothing counts.

  Example:
    >>> import jax.numpy as jnp
    >>> coverage(jnp.array([1., 1.]), jnp.array([2., 2.]), jnp.array([2., 3.]))
    Array(0.5, dtype=float32)
  """
  chex.assert_rank([lower_ms, upper_ms, latency_ms], 1)
  chex.assert_equal_shape([lower_ms, upper_ms, latency_ms])
  inside = (lower_ms <= latency_ms) & (latency_ms <= upper_ms)
  return _mean(inside.astype(jnp.float32), where)
