"""BRP-NAS: a graph-convolutional network for one device, from scratch."""

from __future__ import annotations

import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax

from nasflat_jax import losses
from nasflat_jax import predictors
from nasflat_jax import transfer
from nasflat_jax import types
from nasflat_jax.methods import _base
from nasflat_jax.methods import _checks
from nasflat_jax.methods import _ridge

_LAYERS = 4
_WEIGHT_DECAY = 5e-4


def brp_nas(
    *,
    hidden: int = 128,
    epochs: int = 250,
    max_steps: int = 2000,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
) -> _base.Method:
  """The latency predictor of BRP-NAS, https://arxiv.org/abs/2007.08668.

  Four graph convolutions and a global node (`predictors.gcn`), trained on the
  support rows and nothing else; meant for hundreds of them, as published (900).
  The result is in milliseconds.

  Note:
    The published code takes `hidden=600` and single rows with a plateau
    schedule that starts at 4e-4, stopped early on 100 further measurements.
    Here the defaults are smaller, and batches larger, so that a device with 900
    measurements takes seconds on two cores; a cosine needs no further
    measurements. Labels are standardised log latencies instead of latencies.

  Args:
    hidden: width of the convolutions.
    epochs: passes over the support.
    max_steps: optimiser steps at most, whatever the epochs.
    batch_size: rows of a step; all of them where there are fewer.
    learning_rate: of AdamW, decayed by a cosine.

  Returns:
    The method.

  Raises:
    ValueError: a number is below 1.
  """
  _checks.at_least_one(
      hidden=hidden, epochs=epochs, max_steps=max_steps, batch_size=batch_size
  )

  def prepare(key: chex.PRNGKey, problem: _base.Problem) -> None:
    del key, problem

  def predict(
      keys: chex.PRNGKey,
      problem: _base.Problem,
      state: Any,
      support: _base.Support,
  ) -> _base.Scores:
    del state
    label, shift, scale = transfer.standardise_log(support.latency_ms)
    size = label.shape[1]
    batch = min(batch_size, size)
    steps = min(epochs * -(-size // batch), max_steps)
    run = _program(problem.space, hidden, steps, batch, learning_rate)
    scores = run(
        keys,
        jnp.asarray(problem.genotype),
        jnp.asarray(support.ids),
        jnp.asarray(label),
    )
    log_ms = np.asarray(scores, np.float64) * scale[:, None] + shift[:, None]
    # A network that was never taught such a latency may say anything.
    low, high = np.log(1e-3), np.log(1e3)
    log_ms = np.clip(log_ms, shift[:, None] + low, shift[:, None] + high)
    return _base.Scores(scores=np.exp(log_ms), is_ms=True)

  return _base.Method(prepare, predict, _ridge.target_only_budget)


@functools.lru_cache(maxsize=8)
def _program(
    space: types.SearchSpace,
    hidden: int,
    steps: int,
    batch: int,
    learning_rate: float,
):
  """Compiled `(keys [T], genotype [N, G], ids [T, n], label) -> [T, N]`."""
  predictor = predictors.gcn(
      space.spec, hidden=hidden, num_layers=_LAYERS, head=()
  )
  optimizer = optax.adamw(
      optax.cosine_decay_schedule(learning_rate, steps, alpha=1e-3),
      weight_decay=_WEIGHT_DECAY,
  )
  decode = transfer.decoder(space, 'none')

  def devices(size: int) -> types.Devices:
    return types.Devices(
        index=jnp.zeros(size, jnp.int32), reference=jnp.zeros((size, 0))
    )

  def loss(params, key, architectures, label):
    scores = predictor.apply(
        params, architectures, devices(len(label)), key=key
    )
    return losses.mean_squared_error(scores, label)

  def one(key, architectures, ids, label):
    rows = jax.tree.map(lambda x: x[ids], architectures)
    init_key, key = jax.random.split(key)
    params = predictor.init(init_key, rows, devices(len(label)))
    num_batches = -(-len(label) // batch)

    def update(carry, step):
      params, opt_state = carry
      epoch_key = jax.random.fold_in(key, step // num_batches)
      # The last batch of an epoch takes its missing rows from the first.
      order = jax.random.permutation(epoch_key, len(label))
      places = (step % num_batches) * batch + jnp.arange(batch)
      chosen = order[places % len(label)]
      grads = jax.grad(loss)(
          params,
          jax.random.fold_in(key, steps + step),
          jax.tree.map(lambda x: x[chosen], rows),
          label[chosen],
      )
      updates, opt_state = optimizer.update(grads, opt_state, params)
      return (optax.apply_updates(params, updates), opt_state), None

    (params, _), _ = jax.lax.scan(
        update, (params, optimizer.init(params)), jnp.arange(steps)
    )
    return predictors.score(predictor, params, architectures, jnp.int32(0))

  @jax.jit
  def run(keys, genotype, ids, label):
    architectures = decode(genotype)
    # One pair after another: the matrices are large enough for the cores.
    return jax.lax.map(
        lambda row: one(row[0], architectures, *row[1:]), (keys, ids, label)
    )

  return run
