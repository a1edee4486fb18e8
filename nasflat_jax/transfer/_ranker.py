"""Training of a network that orders the architectures of one task.

FLAN (https://arxiv.org/abs/2403.02484) trains on a few labels by comparing
the rows of small batches in pairs, from scratch or from a source's weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import optax

from nasflat_jax import losses
from nasflat_jax import types

# Of the cosine: the last learning rate over the first.
_LAST = 1e-3


def no_device(size: int) -> types.Devices:
  """What a predictor of one task is told instead of devices."""
  return types.Devices(
      index=jnp.zeros(size, jnp.int32), reference=jnp.zeros((size, 0))
  )


def fit_ranker(
    key: chex.PRNGKey,
    predictor: types.Predictor,
    architectures: types.Architectures,  # n
    label: jax.Array,  # [n]
    *,
    where: jax.Array | None = None,  # [n]
    params: Any = None,
    epochs: int = 150,
    batch_size: int = 8,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-5,
    shrinkage: float = 0.0,
    loss_fn: Callable[..., jax.Array] = losses.pairwise_hinge,
) -> Any:
  """Parameters that order architectures by their labels.

  One loop over all steps of all epochs, whose bound is a value: rows padded
  to one length share a compiled program, however many are labelled. Every
  epoch cuts a random order of the rows into batches of like size, at most
  `batch_size`, so that two rows are enough and no batch is a single row.

  Args:
    key: of the initial parameters, the order of rows and the dropout.
    predictor: a pair that ignores devices or takes row 0.
    architectures: the labelled rows, and padding.
    label: `[n]`, higher is to score higher; only the order matters to the
      default loss.
    where: `[n]` False for padding; None counts all rows. Fewer than two rows
      train nothing.
    params: what to start from, e.g. a source's; None draws them.
    epochs: passes over the rows.
    batch_size: rows of a step at most.
    learning_rate: of Adam at the first step, decayed by a cosine.
    weight_decay: towards zero, decoupled.
    shrinkage: towards the parameters it started from, decoupled.
    loss_fn: `(scores, label, *, where) -> []`.

  Returns:
    The trained parameters.

  Raises:
    ValueError: a batch below two rows.
  """
  chex.assert_rank(label, 1)
  where = jnp.ones_like(label, bool) if where is None else where
  chex.assert_equal_shape([label, where])
  if batch_size < 2:
    raise ValueError(f'batch_size must be 2 or more, got {batch_size}')
  size = min(batch_size, label.shape[0])
  init_key, key = jax.random.split(key)
  if params is None:
    rows = architectures, no_device(label.shape[0])
    params = predictor.init(init_key, *rows)
  start = params
  num_rows = jnp.sum(where)
  num_batches = (num_rows + size - 1) // size
  steps = epochs * num_batches
  adam = optax.scale_by_adam()

  def loss(params, drop_key, chosen, counts):
    batch = jax.tree.map(lambda x: x[chosen], architectures)
    scores = predictor.apply(params, batch, no_device(size), key=drop_key)
    return loss_fn(scores, label[chosen], where=counts)

  def update(step, carry):
    params, state = carry
    epoch, place = step // num_batches, step % num_batches
    draws = jax.random.uniform(jax.random.fold_in(key, epoch), label.shape)
    order = jnp.argsort(jnp.where(where, draws, 2.0))
    # Like sizes: the first `longer` batches have one row more.
    short, longer = num_rows // num_batches, num_rows % num_batches
    first = place * short + jnp.minimum(place, longer)
    chosen = order[(first + jnp.arange(size)) % label.shape[0]]
    counts = jnp.arange(size) < short + (place < longer)
    drop_key = jax.random.fold_in(key, steps + step)
    grads = jax.grad(loss)(params, drop_key, chosen, counts)
    direction, state = adam.update(grads, state)
    rate = learning_rate * _decay(step / steps)

    def move(p, d, s):
      return p - rate * (d + weight_decay * p + shrinkage * (p - s))

    def free(p, d):  # without a third of the reading where nothing holds
      return p - rate * (d + weight_decay * p)

    if shrinkage:
      return jax.tree.map(move, params, direction, start), state
    return jax.tree.map(free, params, direction), state

  carry = params, adam.init(params)
  steps = jnp.where(num_rows < 2, 0, steps)
  return jax.lax.fori_loop(0, steps, update, carry)[0]


def _decay(progress: jax.Array) -> jax.Array:
  """The cosine's factor, 1 at 0 and `_LAST` at 1."""
  return _LAST + (1.0 - _LAST) * 0.5 * (1.0 + jnp.cos(jnp.pi * progress))
