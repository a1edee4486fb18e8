"""Trains arch2vec on random networks of a space; no measurement enters."""

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax

from nasflat_jax import types
from nasflat_jax.encodings import _arch2vec
from nasflat_jax.encodings import _fit
from nasflat_jax.encodings import _graph

_BATCH = 32
_LEARNING_RATE = 1e-3
_CLIP_NORM = 5.0


def train(
    key: chex.PRNGKey,
    space: types.SearchSpace,
    genotype: np.ndarray,  # [N, G]
    held_out: np.ndarray,  # [M, G]
    *,
    num_epochs: int,
    progress: Callable[[int, int], None],
) -> tuple[dict[str, Any], dict[str, float]]:
  """The encoder's variables and how well held-out networks are rebuilt.

  Adam at 1e-3, gradients clipped to norm 5, batches of 32.

  Note:
    The reference sets eval mode after its first epoch and never leaves it;
    here noise, dropout and batch statistics stay on until the end. The graph
    is the space's own, also for FBNet, where the reference has no edges, and
    nodes carry the position's features.

  Args:
    key: of the initial weights, the order of rows and the noise.
    space: the search space.
    genotype: networks to train on.
    held_out: networks to judge on.
    num_epochs: passes over `genotype`.
    progress: called with the steps done and all of them.
  """
  spec = space.spec
  init_key, order_key, noise_key = jax.random.split(key, 3)
  ops = np.asarray(_graph.ops(space, genotype))
  rng = np.random.default_rng(np.asarray(jax.random.key_data(order_key)))
  num_steps = num_epochs * (len(ops) // _BATCH)
  order = _fit.epochs(rng, len(ops), num_steps, _BATCH)
  module = _arch2vec.Autoencoder(spec)
  variables = _graph.variables_of(module, init_key, jnp.asarray(ops[:1]))

  def loss(params, other, batch, key):
    keys = jax.random.split(key)
    outputs, other = module.apply(
        {'params': params, **other}, batch, train=True,
        rngs={'noise': keys[0], 'dropout': keys[1]}, mutable=list(other),
    )
    return _arch2vec.loss(spec, outputs, batch), other

  variables, losses = _fit.minimise(
      noise_key, loss, variables, ops[order],
      optax.chain(
          optax.clip_by_global_norm(_CLIP_NORM), optax.adam(_LEARNING_RATE)
      ),
      progress=progress,
  )
  encoder = {name: tree['encoder'] for name, tree in variables.items()}
  report = _rebuilt(module, variables, space, held_out)
  final = losses[-max(len(losses) // 10, 1) :]
  return encoder, {'loss': float(final.mean()), **report}


def _rebuilt(
    module: _arch2vec.Autoencoder,
    variables: dict[str, Any],
    space: types.SearchSpace,
    genotype: np.ndarray,
) -> dict[str, float]:
  """Shares of operations and of node pairs that are rebuilt from mu."""
  ops = _graph.ops(space, genotype)
  op_logits, edge_logits, *_ = jax.jit(module.apply)(variables, ops)
  upper = np.triu_indices(space.spec.num_nodes, 1)
  wired = _graph.adjacency(space.spec)[upper]
  found = np.asarray(edge_logits)[:, upper[0], upper[1]] > 0.0
  return {
      'op_accuracy': float((op_logits.argmax(-1) == ops).mean()),
      'edge_accuracy': float((found == wired).mean()),
  }
