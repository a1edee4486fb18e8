"""Losses on the value of the label."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
import optax


def _masked_mean(values: jax.Array, where: jax.Array) -> jax.Array:
  count = jnp.sum(where, dtype=values.dtype)
  return jnp.sum(jnp.where(where, values, 0.0)) / jnp.maximum(count, 1.0)


def _masked_error(
    scores: jax.Array, label: jax.Array, where: jax.Array | None
) -> tuple[jax.Array, jax.Array]:
  where = jnp.ones_like(label, bool) if where is None else where
  chex.assert_rank([scores, label, where], 1)
  chex.assert_equal_shape([scores, label, where])
  # Zero the padding before the arithmetic: a NaN there has a NaN gradient.
  return jnp.where(where, scores, 0.0) - jnp.where(where, label, 0.0), where


def mean_squared_error(
    scores: jax.Array,  # [N]
    label: jax.Array,  # [N]
    *,
    where: jax.Array | None = None,  # [N]
) -> jax.Array:  # []
  """Mean squared difference of scores and labels.

  Args:
    scores: `[N]` predictor outputs, in the unit of the label.
    label: `[N]` normalised latencies.
    where: `[N]` True for rows that count; None counts all of them.

  Returns:
    `[]` the loss; 0 where no row counts.

  Example:
    >>> import jax.numpy as jnp
    >>> mean_squared_error(jnp.array([1.0, 3.0]), jnp.array([1.0, 1.0]))
    Array(2., dtype=float32)
  """
  error, where = _masked_error(scores, label, where)
  return _masked_mean(jnp.square(error), where)


def huber(
    scores: jax.Array,  # [N]
    label: jax.Array,  # [N]
    *,
    delta: float = 1.0,
    where: jax.Array | None = None,  # [N]
) -> jax.Array:  # []
  """Mean Huber loss: squared near zero, linear beyond `delta`.

  Args:
    scores: `[N]` predictor outputs, in the unit of the label.
    label: `[N]` normalised latencies.
    delta: the absolute difference at which the loss becomes linear.
    where: `[N]` True for rows that count; None counts all of them.

  Returns:
    `[]` the loss, `0.5 * d**2` for `|d| <= delta`; 0 where no row counts.

  Example:
    >>> import jax.numpy as jnp
    >>> huber(jnp.array([1.0, 4.0]), jnp.array([1.0, 1.0]))
    Array(1.25, dtype=float32)
  """
  error, where = _masked_error(scores, label, where)
  return _masked_mean(optax.losses.huber_loss(error, delta=delta), where)
