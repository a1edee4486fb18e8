"""Trains CATE on pairs of random networks of like size; nothing measured."""

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax

from nasflat_jax import types
from nasflat_jax.encodings import _cate
from nasflat_jax.encodings import _fit
from nasflat_jax.encodings import _graph

_BATCH = 32
_LEARNING_RATE = 1e-3
_WEIGHT_DECAY = 0.01
_WARM_UP = 100
_SMOOTHING = 0.1
_PARTNERS = 2
# Shares of nodes to guess, and of those that are hidden and not swapped.
_GUESSED, _HIDDEN = 0.2, 0.8
# Partners differ by at most this share of the largest network's parameters:
# NASFLAT's 2e5 of the 1.5e6 of NAS-Bench-201.
_NEAR = 0.13


def pairs(
    rng: np.random.Generator, params: np.ndarray  # [N]
) -> np.ndarray:
  """`[P, 2]` rows of networks of like size, the smaller one second.

  Every network gets two partners, drawn from the smaller ones whose number of
  parameters is near.
  """
  order = np.argsort(params, kind='stable')
  size = params[order]
  first = np.searchsorted(size, size - _NEAR * size[-1])
  place = np.arange(len(size))
  chosen = np.flatnonzero(first < place)
  partners = [
      rng.integers(first[chosen], place[chosen]) for _ in range(_PARTNERS)
  ]
  found = np.concatenate([np.stack([chosen, p], axis=1) for p in partners])
  return order[found]


def corrupt(
    key: chex.PRNGKey, spec: types.SpaceSpec, ops: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """Hides or swaps a fifth of the operations.

  Args:
    key: of the choice.
    spec: the space.
    ops: `[...]` operations.

  Returns:
    The tokens that the model sees, and True where it is to guess.
  """
  guess_key, hide_key, swap_key = jax.random.split(key, 3)
  guessed = jax.random.bernoulli(guess_key, _GUESSED, ops.shape)
  hidden = jax.random.bernoulli(hide_key, _HIDDEN, ops.shape)
  swapped = jax.random.randint(swap_key, ops.shape, 0, _graph.num_ops(spec))
  replaced = jnp.where(hidden, _cate.mask_token(spec), swapped)
  return jnp.where(guessed, replaced, ops), guessed


def train(
    key: chex.PRNGKey,
    space: types.SearchSpace,
    genotype: np.ndarray,  # [N, G]
    held_out: np.ndarray,  # [M, G]
    *,
    num_epochs: int,
    progress: Callable[[int, int], None],
) -> tuple[dict[str, Any], dict[str, float]]:
  """The encoder's variables and how well hidden operations are guessed.

  AdamW at 1e-3 with 100 steps of warm-up, a tenth of all if there are fewer
  than 1,000, and a linear decay; weight decay 0.01 on matrices; label
  smoothing 0.1.

  Note:
    Two blocks of four heads and one over the pair, not 12 and 24 of eight, and
    batches of 32, not 1,024: minutes on a CPU, and an embedding that is cheap
    to compute in every step of a predictor's training. Tokens carry their
    position, the token of a hidden operation is no operation's own, and a node
    sees itself and all that lead to it: NASFLAT's FBNet vector depends on the
    last layer only.

  Args:
    key: of the initial weights, the pairs, the order and the noise.
    space: the search space.
    genotype: networks to train on.
    held_out: networks to judge on.
    num_epochs: passes over the pairs.
    progress: called with the steps done and all of them.
  """
  spec = space.spec
  init_key, order_key, noise_key, judge_key = jax.random.split(key, 4)
  rng = np.random.default_rng(np.asarray(jax.random.key_data(order_key)))

  def pairs_of(genotype):
    ops = np.asarray(_graph.ops(space, genotype))
    return ops[pairs(rng, np.asarray(space.costs(genotype).params))]

  ops = pairs_of(genotype)
  num_steps = num_epochs * (len(ops) // _BATCH)
  order = _fit.epochs(rng, len(ops), num_steps, _BATCH)
  module = _cate.PairModel(spec)
  variables = _graph.variables_of(module, init_key, jnp.asarray(ops[:1]))

  def loss(params, other, batch, key):
    corrupt_key, drop_key = jax.random.split(key)
    tokens, guessed = corrupt(corrupt_key, spec, batch)
    logits = jnp.asarray(
        module.apply(
            {'params': params}, tokens, train=True, rngs={'dropout': drop_key}
        )
    )
    labels = optax.smooth_labels(
        jax.nn.one_hot(batch, logits.shape[-1]), _SMOOTHING
    )
    each = optax.softmax_cross_entropy(logits, labels)
    return (each * guessed).sum() / jnp.maximum(guessed.sum(), 1), other

  warm_up = min(_WARM_UP, num_steps // 10)
  optimizer = optax.adamw(
      optax.join_schedules(
          [
              optax.linear_schedule(0.0, _LEARNING_RATE, warm_up),
              optax.linear_schedule(_LEARNING_RATE, 0.0, num_steps - warm_up),
          ],
          [warm_up],
      ),
      weight_decay=_WEIGHT_DECAY,
      mask=lambda params: jax.tree.map(lambda x: x.ndim > 1, params),
  )
  variables, losses = _fit.minimise(
      noise_key, loss, variables, ops[order], optimizer, progress=progress
  )
  accuracy = _guessed(judge_key, module, variables, pairs_of(held_out))
  return {'params': variables['params']['encoder']}, {
      'loss': float(losses[-max(len(losses) // 10, 1) :].mean()),
      'masked_op_accuracy': accuracy,
  }


def _guessed(
    key: chex.PRNGKey,
    module: _cate.PairModel,
    variables: dict[str, Any],
    ops: np.ndarray,  # [P, 2, V]
) -> float:
  """Share of corrupted operations that are guessed right."""
  tokens, guessed = corrupt(key, module.spec, jnp.asarray(ops))
  logits = jnp.asarray(jax.jit(module.apply)(variables, tokens))
  right = logits.argmax(-1) == ops
  return float((right & guessed).sum() / guessed.sum())
