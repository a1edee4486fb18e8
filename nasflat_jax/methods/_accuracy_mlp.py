"""Multi-Predict's perceptron on zero-cost proxies, every trial from a copy."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nasflat_jax import predictors
from nasflat_jax import types
from nasflat_jax.encodings import proxies as proxy_columns
from nasflat_jax.methods import _accuracy_base as _base

_SOURCES = ('none', 'tasks')
_DECAY = 5e-4
_BATCH = 128
_CHUNK = 4096


def _architectures(encoding: jax.Array) -> types.Architectures:
  rows = encoding.shape[0]
  mask = jnp.zeros((rows, 0, 0), bool)
  none = jnp.zeros((rows, 0), jnp.int32)
  return types.Architectures(
      genotype=none, ops=none[:, None], edge_mask=mask, node_mask=mask,
      live_mask=mask, encoding=encoding,
  )


def _scaled(accuracy: np.ndarray) -> np.ndarray:
  """Between 0 and 1, by the least and the greatest of what is known."""
  low = accuracy.min(axis=-1, keepdims=True)
  spread = accuracy.max(axis=-1, keepdims=True) - low
  return (accuracy - low) / np.where(spread > 0.0, spread, 1.0)


def zcp_mlp(
    *,
    sources: str = 'none',
    learning_rate: float = 4e-3,
    num_steps: int = 250,
    source_learning_rate: float = 4e-3,
    source_epochs: int = 30,
) -> _base.AccuracyMethod:
  """Multi-Predict's network across spaces, on proxies and which are known.

  Args:
    sources: `none` fits a fresh network to the labels of the target; `tasks`
      fine-tunes one that was fitted to all sources together.
    learning_rate: of the steps on the target's labels, all of them at once.
    num_steps: how many. The paper fine-tunes with 50 of 4e-4, which leave a
      fresh network where it was; these are the rate and epochs of its
      pretraining.
    source_learning_rate: of pretraining, batches of 128.
    source_epochs: passes over the sources' labels; 250 in the paper, on one
      source of some hundred labels.

  Returns:
    The method. Weights are those of the prepared state for every trial.

  Note:
    The loss is a sum of absolute errors, labels are scaled to 0..1 by the least
    and greatest known (the paper: of the whole table), cosine decay, AdamW with
    decay 5e-4.

  Raises:
    ValueError: an unknown choice, or a count below 1.
  """
  if sources not in _SOURCES:
    raise ValueError(
        f'sources: unknown {sources!r}; choose from {", ".join(_SOURCES)}'
    )
  for name, count in (
      ('num_steps', num_steps), ('source_epochs', source_epochs),
  ):
    if count < 1:
      raise ValueError(f'{name} must be at least 1, got {count}')
  predictor = predictors.proxy_mlp()

  def loss(params: Any, encoding: jax.Array, label: jax.Array) -> jax.Array:
    scores = predictor.apply(params, _architectures(encoding), None)
    return jnp.sum(jnp.abs(scores - label))

  @functools.partial(jax.jit, static_argnames=('steps',))
  def descend(params, encoding, label, batches, rate, steps):
    """`batches` [steps, b] rows of each step, or None for all rows."""
    optimiser = optax.adamw(
        optax.cosine_decay_schedule(rate, steps), weight_decay=_DECAY
    )

    def step(carry, rows):
      params, state = carry
      known = (
          (encoding, label) if rows is None else (encoding[rows], label[rows])
      )
      grads = jax.grad(loss)(params, *known)
      updates, state = optimiser.update(grads, state, params)
      return (optax.apply_updates(params, updates), state), None

    carry = params, optimiser.init(params)
    (params, _), _ = jax.lax.scan(step, carry, batches, length=steps)
    return params

  def prepare(key, problem: _base.AccuracyProblem):
    encoding = jnp.asarray(proxy_columns.masked(problem.networks.proxies))
    if sources == 'none' or not problem.sources:
      return encoding, None
    known = [
        proxy_columns.masked(source.networks.proxies)
        for source in problem.sources
    ]
    label = [_scaled(source.accuracy) for source in problem.sources]
    rows, labels = np.concatenate(known), np.concatenate(label)
    init_key, order_key = jax.random.split(key)
    first = _architectures(jnp.asarray(rows[:1]))
    params = predictor.init(init_key, first, None)
    steps = source_epochs * max(1, len(rows) // _BATCH)
    batches = jax.random.randint(order_key, (steps, _BATCH), 0, len(rows))
    return encoding, descend(
        params, jnp.asarray(rows), jnp.asarray(labels, jnp.float32), batches,
        source_learning_rate, steps=steps,
    )

  @jax.jit
  def fit(keys, encoding, label, pretrained):
    def one(key, encoding, label):
      params = pretrained
      if params is None:
        params = predictor.init(key, _architectures(encoding), None)
      return descend(
          params, encoding, label, None, learning_rate, steps=num_steps
      )

    return jax.vmap(one)(keys, encoding, label)

  @jax.jit
  def score(params, encoding):
    return jax.vmap(
        lambda one: predictor.apply(one, _architectures(encoding), None)
    )(params)

  def predict(keys, problem, state, ids, accuracy) -> np.ndarray:
    del problem
    encoding, pretrained = state
    label = jnp.asarray(_scaled(np.asarray(accuracy)), jnp.float32)
    params = fit(keys, encoding[ids], label, pretrained)
    rows = jnp.pad(encoding, ((0, -len(encoding) % _CHUNK), (0, 0)))
    parts = [
        np.asarray(score(params, rows[start : start + _CHUNK]))
        for start in range(0, len(rows), _CHUNK)
    ]
    return np.concatenate(parts, axis=1)[:, : len(encoding)]

  budget = _base.target_budget if sources == 'none' else _base.source_budget
  return _base.AccuracyMethod(prepare, predict, budget)
