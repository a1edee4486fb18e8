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
    params: Any = None,
    epochs: int = 150,
    batch_size: int = 8,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-5,
    shrinkage: float = 0.0,
    loss_fn: Callable[..., jax.Array] = losses.pairwise_hinge,
) -> Any:
  """Parameters that order `n` architectures by their labels.

  One `lax.scan` over all steps of all epochs; vmap or map it over draws.
  Every epoch cuts a random order of the rows into batches of like size, at
  most `batch_size` and never a single row, so that two rows are enough.

  Args:
    key: of the initial parameters, the order of rows and the dropout.
    predictor: a pair that ignores devices or takes row 0.
    architectures: the labelled rows.
    label: `[n]`, higher is to score higher; only the order matters to the
      default loss.
    params: what to start from, e.g. a source's; None draws them.
    epochs: passes over the rows.
    batch_size: rows of a step at most.
    learning_rate: of AdamW at the first step, decayed by a cosine.
    weight_decay: of AdamW, towards zero.
    shrinkage: of AdamW, towards the parameters it started from.
    loss_fn: `(scores, label, *, where) -> []`.

  Returns:
    The trained parameters.

  Raises:
    ValueError: fewer than two rows.
  """
  chex.assert_rank(label, 1)
  num_rows = label.shape[0]
  if num_rows < 2:
    raise ValueError(f'a ranking needs 2 labelled rows or more, got {num_rows}')
  init_key, key = jax.random.split(key)
  if params is None:
    params = predictor.init(init_key, architectures, no_device(num_rows))
  num_batches = -(-num_rows // max(batch_size, 2))
  size = -(-num_rows // num_batches)
  steps = epochs * num_batches
  optimizer = optax.chain(
      optax.scale_by_adam(),
      optax.scale_by_learning_rate(
          optax.cosine_decay_schedule(learning_rate, steps, alpha=_LAST)
      ),
  )
  start = params

  def loss(params, drop_key, chosen, where):
    batch = jax.tree.map(lambda x: x[chosen], architectures)
    scores = predictor.apply(params, batch, no_device(size), key=drop_key)
    return loss_fn(scores, label[chosen], where=where)

  def update(carry, step):
    params, opt_state = carry
    epoch, place = step // num_batches, step % num_batches
    order = jax.random.permutation(jax.random.fold_in(key, epoch), num_rows)
    # Like sizes: the first `num_rows % num_batches` batches have one more.
    short, longer = divmod(num_rows, num_batches)
    first = place * short + jnp.minimum(place, longer)
    where = jnp.arange(size) < short + (place < longer)
    chosen = order[jnp.minimum(first + jnp.arange(size), num_rows - 1)]
    drop_key = jax.random.fold_in(key, steps + step)
    grads = jax.grad(loss)(params, drop_key, chosen, where)
    updates, opt_state = optimizer.update(grads, opt_state, params)
    rate = learning_rate * 0.5 * (1.0 + jnp.cos(jnp.pi * step / steps))
    params = jax.tree.map(
        lambda p, u, s: p + u - rate * (weight_decay * p + shrinkage * (p - s)),
        params, updates, start,
    )
    return (params, opt_state), None

  (params, _), _ = jax.lax.scan(
      update, (params, optimizer.init(params)), jnp.arange(steps)
  )
  return params
