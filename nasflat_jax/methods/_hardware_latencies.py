"""Multi-Predict across spaces: a network is its latencies on other devices."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from nasflat_jax import types
from nasflat_jax.methods import _across_spaces
from nasflat_jax.methods import _base
from nasflat_jax.methods import _checks
from nasflat_jax.methods import _ridge

_WIDTH, _HIDDEN = 256, 3
_BATCH, _TUNE_EPOCHS = 32, 50
_RATE, _WEIGHT_DECAY = 4e-4, 5e-4


class _Network(nn.Module):
  """Latencies on other devices into one score between 0 and 1."""

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:  # [B, S] -> [B]
    for width in (*(_WIDTH,) * _HIDDEN, 1):
      last = nn.Dense(
          width,
          kernel_init=nn.initializers.xavier_normal(),
          bias_init=nn.initializers.normal(width**-0.5),
      )(x)
      x = nn.relu(last)
    return nn.sigmoid(last)[:, 0]


class _State(NamedTuple):
  """The network trained in the other space, and this space's vectors."""

  params: Any
  vectors: np.ndarray  # [N, S]


def _scaled(latency_ms: np.ndarray) -> np.ndarray:  # [..., N]
  """Each row to 0..1 over the table as published; unmeasured is its mean."""
  low = np.nanmin(latency_ms, axis=-1, keepdims=True)
  spread = np.nanmax(latency_ms, axis=-1, keepdims=True) - low
  scaled = (latency_ms - low) / np.where(spread > 0.0, spread, 1.0)
  mean = np.nanmean(scaled, axis=-1, keepdims=True)
  return np.where(np.isfinite(scaled), scaled, mean)


def _vectors(problem: _base.Problem) -> np.ndarray:  # [N, S]
  return _scaled(problem.source_latency_ms).T.astype(np.float32)


def _budget(
    problem: _base.Problem, num_support: int, source: int
) -> types.Budget:
  """Every source device is measured on every network that is predicted."""
  measured = int(np.isfinite(problem.source_latency_ms).sum())
  return types.Budget(
      source=source + measured, reference=0, target=num_support
  )


def ridge_latencies() -> _base.Method:
  """Ridge of the target's latency on its network's latencies elsewhere.

  The features of `hardware_latencies` without a network and without another
  space. Every network that is predicted is measured on all source devices;
  where one was not, its mean stands in.
  """

  def prepare(key: chex.PRNGKey, problem: _base.Problem) -> np.ndarray:
    del key
    return _vectors(problem).astype(np.float64)

  return _base.Method(
      prepare, _ridge.predict_by_ridge, functools.partial(_budget, source=0)
  )


@functools.partial(jax.jit, static_argnames=('epochs', 'batch', 'cosine'))
def _train(
    key: chex.PRNGKey,
    params: Any,
    vectors: jax.Array,  # [n, S]
    label: jax.Array,  # [n]
    epochs: int,
    batch: int,
    cosine: int,
) -> Any:
  """AdamW on the summed absolute error, the rate stepped once an epoch."""
  size = len(label)
  num_batches = max(size // batch, 1)
  batch = min(batch, size)
  optimizer = optax.adamw(
      lambda count: optax.cosine_decay_schedule(_RATE, cosine)(
          count // num_batches
      ),
      weight_decay=_WEIGHT_DECAY,
  )

  def update(carry, chosen):
    params, state = carry
    def loss(params):
      scores = jnp.asarray(_Network().apply(params, vectors[chosen]))
      return jnp.abs(scores - label[chosen]).sum()

    updates, state = optimizer.update(jax.grad(loss)(params), state, params)
    return (optax.apply_updates(params, updates), state), None

  orders = jax.vmap(lambda k: jax.random.permutation(k, size))(
      jax.random.split(key, epochs)
  )
  chosen = orders[:, : num_batches * batch].reshape(-1, batch)
  (params, _), _ = jax.lax.scan(
      update, (params, optimizer.init(params)), chosen
  )
  return params


def _like(latency_ms: np.ndarray, scores: np.ndarray) -> jax.Array:
  """Latencies with the mean and the spread of the scores they are to train."""
  spread = latency_ms.std()
  slope = scores.std() / spread if spread > 0.0 else 0.0
  label = scores.mean() + slope * (latency_ms - latency_ms.mean())
  return jnp.asarray(label, jnp.float32)


def hardware_latencies(
    *, num_source: int = 100, epochs: int = 250
) -> _base.Method:
  """Multi-Predict's transfer between spaces, https://arxiv.org/abs/2306.02459.

  The features of a network are its latencies on the source devices, scaled to
  0..1 over the table, so that every network that is predicted is measured on
  each of them. A perceptron is trained in the other space and tuned on the
  support for 50 epochs of one batch. Weights start from the other space's for
  every device and draw; the published code does not restore them.

  Args:
    num_source: architectures of the other space it is trained on.
    epochs: passes over them.

  Returns:
    A method whose scores are an order; without a measurement, `num_support`
    0, that of the network as it comes from the other space.

  Raises:
    ValueError: a number below 1; in use, a problem without another space.
  """
  _checks.at_least_one(num_source=num_source, epochs=epochs)

  def rows(problem: _base.Problem) -> np.ndarray:
    other = _across_spaces.elsewhere_of(problem)
    usable = np.isfinite(other.source_latency_ms).all(axis=0)
    usable &= np.isfinite(other.target_latency_ms)
    return np.flatnonzero(usable)

  def prepare(key: chex.PRNGKey, problem: _base.Problem) -> _State:
    other, usable = _across_spaces.elsewhere_of(problem), rows(problem)
    init_key, choose_key, train_key = jax.random.split(key, 3)
    scaled = _scaled(other.source_latency_ms[:, usable]).T
    label = _scaled(other.target_latency_ms[usable])
    chosen = jax.random.permutation(choose_key, len(usable))[:num_source]
    vectors = jnp.asarray(scaled, jnp.float32)[chosen]
    params = _train(
        train_key,
        _Network().init(init_key, vectors),
        vectors,
        jnp.asarray(label, jnp.float32)[chosen],
        epochs,
        _BATCH,
        epochs,
    )
    return _State(params, _vectors(problem))

  def predict(
      keys: chex.PRNGKey,
      problem: _base.Problem,
      state: Any,
      support: _base.Support,
  ) -> _base.Scores:
    vectors = jnp.asarray(state.vectors)
    apply = jax.jit(_Network().apply)
    scores = []
    for key, ids, row in zip(
        keys, support.ids, support.latency_ms, strict=True
    ):
      params = state.params
      if len(ids):
        # The published labels are scaled by the extremes of the target's whole
        # table, which nobody has who measures a few of its rows.
        label = _like(row, np.asarray(apply(params, vectors[ids])))
        params = _train(
            key, params, vectors[ids], label, _TUNE_EPOCHS, len(ids), epochs
        )
      scores.append(np.asarray(apply(params, vectors)))
    return _base.Scores(scores=np.stack(scores), is_ms=False)

  def budget(problem: _base.Problem, num_support: int) -> types.Budget:
    other = _across_spaces.elsewhere_of(problem)
    trained = min(num_source, len(rows(problem)))
    per_network = len(other.source_latency_ms) + 1
    return _budget(problem, num_support, trained * per_network)

  return _base.Method(
      prepare, predict, budget, check=_across_spaces.check_elsewhere
  )
