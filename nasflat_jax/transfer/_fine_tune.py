"""Pretraining on source devices and fine-tuning to a target device.

NASFLAT, https://arxiv.org/abs/2403.02446: train one network on every source
device, give the target the hardware embedding of the source that orders its
support architectures best, and fine-tune every weight on the support.
"""

from collections.abc import Callable
import dataclasses
from typing import Any

import chex
import jax
import jax.numpy as jnp
import optax

from nasflat_jax import losses
from nasflat_jax import metrics
from nasflat_jax import predictors
from nasflat_jax import types

LossFn = Callable[..., jax.Array]


def ranking_and_regression(
    scores: jax.Array,  # [B]
    label: jax.Array,  # [B]
    *,
    where: jax.Array,  # [B]
    group: jax.Array,  # [B]
    regression: float = 0.5,
) -> jax.Array:  # []
  """Pairwise hinge within devices plus a share of squared error.

  The hinge orders architectures, as in NASFLAT; the squared error on
  standardised log latency keeps distances meaningful, which the calibration
  to milliseconds needs.

  Args:
    scores: `[B]` predictor outputs.
    label: `[B]` normalised latency.
    where: `[B]` False for padding.
    group: `[B]` int32 device of each row; only pairs of one device count.
    regression: weight of the squared error.

  Returns:
    `[]` loss.
  """
  hinge = losses.pairwise_hinge(scores, label, where=where, group=group)
  error = losses.mean_squared_error(scores, label, where=where)
  return hinge + regression * error


def nearest_source(
    predictor: types.Predictor,
    params: Any,
    support: types.Batch,
    num_sources: int,
    source_reference: jax.Array | None = None,  # [S, R]
) -> jax.Array:
  """The source device whose predictions order the support best.

  Uses the network's predictions for each source, so it needs no source
  measurement of the support architectures.

  Args:
    predictor: the pair.
    params: pretrained parameters, source devices in rows `0..num_sources-1`.
    support: the target's measured rows.
    num_sources: number of source devices S.
    source_reference: `[S, R]` normalised latencies of the sources at the
      reference architectures, for a predictor that reads them; else None.

  Returns:
    `[S]` Spearman correlations (-1 where undefined).
  """

  def correlation(device: jax.Array) -> jax.Array:
    devices = dataclasses.replace(
        support.devices, index=jnp.full_like(support.devices.index, device)
    )
    if source_reference is not None:
      devices = dataclasses.replace(
          devices,
          reference=jnp.broadcast_to(
              source_reference[device], support.devices.reference.shape
          ),
      )
    scores = predictor.apply(params, support.architectures, devices)
    rho = metrics.spearman(scores, support.label, where=support.where)
    return jnp.where(jnp.isnan(rho), -1.0, rho)

  return jax.lax.map(correlation, jnp.arange(num_sources))


def fine_tune(
    predictor: types.Predictor,
    *,
    optimizer: optax.GradientTransformation,
    adapt_optimizer: optax.GradientTransformation,
    adapt_steps: int,
    num_sources: int,
    warm_start: bool = True,
    loss_fn: LossFn = ranking_and_regression,
    adapt_loss_fn: LossFn | None = None,
    source_reference: jax.Array | None = None,  # [S, R]
) -> types.TransferAlgorithm:
  """Pretraining and fine-tuning as one `TransferAlgorithm`.

  Args:
    predictor: a predictor whose parameters hold a hardware embedding table
      with `num_sources + 1` rows; the last one is the target's.
    optimizer: for `step`.
    adapt_optimizer: for `adapt`; a fresh state per call.
    adapt_steps: full-batch updates of `adapt`, one `lax.scan`.
    num_sources: source devices S.
    warm_start: start from the embedding of `nearest_source`, else from the
      target row as it is.
    loss_fn: `(scores, label, *, where, group) -> []` for `step`.
    adapt_loss_fn: the same for `adapt`; None takes `loss_fn`.
    source_reference: see `nearest_source`.

  Returns:
    `TransferAlgorithm`; `adapt` returns parameters whose row `num_sources` is
    the target device. All of it can be jitted, and `adapt` vmapped.
  """
  adapt_loss = loss_fn if adapt_loss_fn is None else adapt_loss_fn

  def objective(params, key, batch: types.Batch, fn: LossFn) -> jax.Array:
    scores = predictor.apply(
        params, batch.architectures, batch.devices, key=key
    )
    return fn(
        scores, batch.label, where=batch.where, group=batch.devices.index
    )

  def init(key: chex.PRNGKey, source: types.Batch) -> types.TransferState:
    params = predictor.init(key, source.architectures, source.devices)
    return types.TransferState(
        params, optimizer.init(params), jnp.zeros((), jnp.int32)
    )

  def step(
      key: chex.PRNGKey, state: types.TransferState, source: types.Batch
  ) -> tuple[types.TransferState, types.TransferInfo]:
    loss, grads = jax.value_and_grad(objective)(
        state.meta_params, key, source, loss_fn
    )
    updates, opt_state = optimizer.update(
        grads, state.opt_state, state.meta_params
    )
    params = optax.apply_updates(state.meta_params, updates)
    info = types.TransferInfo(loss, optax.global_norm(grads))
    return types.TransferState(params, opt_state, state.step + 1), info

  def adapt(
      key: chex.PRNGKey, meta_params: Any, support: types.Batch
  ) -> chex.ArrayTree:
    params = meta_params
    if warm_start:
      rho = nearest_source(
          predictor, params, support, num_sources, source_reference
      )
      params = predictors.copy_device(params, jnp.argmax(rho), num_sources)
    index = jnp.full_like(support.devices.index, num_sources)
    rows = dataclasses.replace(
        support, devices=dataclasses.replace(support.devices, index=index)
    )

    def update(carry, step_key):
      params, opt_state = carry
      grads = jax.grad(objective)(params, step_key, rows, adapt_loss)
      updates, opt_state = adapt_optimizer.update(grads, opt_state, params)
      return (optax.apply_updates(params, updates), opt_state), None

    (params, _), _ = jax.lax.scan(
        update,
        (params, adapt_optimizer.init(params)),
        jax.random.split(key, adapt_steps),
    )
    return params

  return types.TransferAlgorithm(init, step, adapt)
