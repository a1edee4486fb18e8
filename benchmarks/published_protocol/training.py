"""NASFLAT's training loop and its judging, compiled.

AdamW with weight decay 1e-5, a cosine by epoch down to 1e-6, and the hinge on
up to four random pairs per item, which may compare two devices.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nasflat_jax import metrics
from nasflat_jax import types

LAST_EPOCHS = 4  # over which a published score is averaged
_MARGIN = 0.1
_PAIRS_PER_ITEM = 4
_FINAL_RATE = 1e-6
_CHUNK = 625  # divides both tables


def pair_loss(
    key: jax.Array,
    scores: jax.Array,  # [B]
    label: jax.Array,  # [B]
    where: jax.Array,  # [B]
) -> jax.Array:  # []
  """Mean hinge over at most four random pairs of unequal labels per item."""
  size = scores.shape[0]
  first, second = np.triu_indices(size, 1)
  sign = jnp.sign(label[first] - label[second])
  counts = where[first] & where[second] & (sign != 0)
  priority = jnp.where(counts, jax.random.uniform(key, counts.shape), -1.0)
  most = min(_PAIRS_PER_ITEM * size, len(first))
  drawn, pairs = jax.lax.top_k(priority, most)
  kept = (drawn >= 0) & (jnp.arange(most) < _PAIRS_PER_ITEM * jnp.sum(where))
  gap = sign[pairs] * (scores[first] - scores[second])[pairs]
  hinge = jnp.where(kept, jax.nn.relu(_MARGIN - gap), 0.0)
  return jnp.sum(hinge) / jnp.maximum(jnp.sum(kept), 1)


@functools.lru_cache(maxsize=32)
def trainer(
    predictor: types.Predictor,
    *,
    epochs: int,
    learning_rate: float,
    batch_size: int,
    num_batches: int,
) -> Any:
  """Compiled training of all weights from a fresh optimiser.

  Returns:
    `(key, params, architectures, ids, device, label, where) -> params [4]`,
    the last four epochs'; the vectors are `[num_batches * batch_size]`, rows of
    the table, padding False in `where`. An epoch shuffles what counts to the
    front, so that only the last batch has padding.
  """

  def rate(step: jax.Array) -> jax.Array:
    turn = jnp.cos(jnp.pi * (step // num_batches) / epochs)
    return _FINAL_RATE + (learning_rate - _FINAL_RATE) * (1.0 + turn) / 2.0

  optimizer = optax.adamw(rate, weight_decay=1e-5)

  def objective(params, key, architectures, device, label, where):
    drop_key, pair_key = jax.random.split(key)
    devices = types.Devices(
        index=device, reference=jnp.zeros((device.shape[0], 0))
    )
    scores = predictor.apply(params, architectures, devices, key=drop_key)
    return pair_loss(pair_key, scores, label, where)

  @jax.jit
  def run(key, params, architectures, ids, device, label, where):
    def update(carry, inputs):
      params, opt_state = carry
      step_key, rows = inputs
      grads = jax.grad(objective)(
          params,
          step_key,
          jax.tree.map(lambda x: x[ids[rows]], architectures),
          device[rows],
          label[rows],
          where[rows],
      )
      updates, opt_state = optimizer.update(grads, opt_state, params)
      return (optax.apply_updates(params, updates), opt_state), None

    def epoch(carry, epoch_key):
      order_key, key = jax.random.split(epoch_key)
      draw = jax.random.uniform(order_key, where.shape) + ~where
      order = jnp.argsort(draw).reshape(num_batches, batch_size)
      keys = jax.random.split(key, num_batches)
      return jax.lax.scan(update, carry, (keys, order))[0]

    def kept(carry, inputs):
      state, last = carry
      number, epoch_key = inputs
      state = epoch(state, epoch_key)
      slot = number % LAST_EPOCHS
      last = jax.tree.map(lambda x, new: x.at[slot].set(new), last, state[0])
      return (state, last), None

    last = jax.tree.map(lambda x: jnp.stack([x] * LAST_EPOCHS), params)
    carry = (params, optimizer.init(params)), last
    keys = jax.random.split(key, epochs)
    (_, last), _ = jax.lax.scan(kept, carry, (jnp.arange(epochs), keys))
    # The oldest first.
    return jax.tree.map(lambda x: jnp.roll(x, -epochs, axis=0), last)

  return run


def padded(values: np.ndarray, size: int) -> jax.Array:
  """Zeros, or False, up to `[size]`."""
  return jnp.asarray(np.pad(values, (0, size - len(values))))


@functools.lru_cache(maxsize=8)
def scorer(predictor: types.Predictor) -> Any:
  """Compiled `(params, architectures [N], device) -> scores [N]`."""

  @jax.jit
  def run(params, architectures, device):
    size = architectures.genotype.shape[0]
    chunk = _CHUNK if size % _CHUNK == 0 else size
    devices = types.Devices(
        index=jnp.full((chunk,), device), reference=jnp.zeros((chunk, 0))
    )
    parts = jax.tree.map(
        lambda x: x.reshape(size // chunk, chunk, *x.shape[1:]),
        architectures,
    )
    scores = jax.lax.map(
        lambda part: predictor.apply(params, part, devices), parts
    )
    return scores.reshape(-1)

  return run


@jax.jit
def correlations(
    latency: jax.Array,  # [K, n]
    target: jax.Array,  # [n]
) -> jax.Array:  # [K]
  """Spearman of each row with the target; pairs with NaN do not count."""

  def one(row):
    where = jnp.isfinite(row) & jnp.isfinite(target)
    return metrics.spearman(row, target, where=where)

  return jax.vmap(one)(latency)
