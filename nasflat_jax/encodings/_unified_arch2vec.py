"""arch2vec of all spaces: one graph autoencoder, trained on a mixture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from nasflat_jax.encodings import _fit
from nasflat_jax.encodings import _graph
from nasflat_jax.encodings import _unified

_BATCH = 32
_LEARNING_RATE = 1e-3
_CLIP_NORM = 5.0
_DIVERGENCE = 1e-3


class Encoder(nn.Module):
  """Graph isomorphism layers and two linear maps to a normal per node.

  Attributes:
    width: latent numbers of a node.
    hidden: hidden width.
    layers: graph isomorphism layers.

  Note:
    As `_arch2vec.Encoder`, but the wiring is each network's own, in both
    directions, and layers are normalised by node instead of by batch, whose
    spaces differ.
  """

  width: int = 32
  hidden: int = 64
  layers: int = 4

  @nn.compact
  def __call__(
      self, graph: _unified.Cells
  ) -> tuple[jax.Array, jax.Array]:
    """Means and log standard deviations, both `[..., V, width]`."""
    both = graph.wiring + jnp.swapaxes(graph.wiring, -1, -2)
    x = nn.Dense(self.hidden)(graph.inputs) * graph.mask[..., None]
    states = [x]
    for layer in range(self.layers):
      epsilon = self.param(f'epsilon_{layer}', nn.initializers.zeros, ())
      x = (1.0 + epsilon) * x + both @ x
      x = nn.relu(nn.LayerNorm()(nn.Dense(self.hidden)(x)))
      x = nn.relu(nn.LayerNorm()(nn.Dense(self.hidden)(x)))
      x = x * graph.mask[..., None]
      states.append(x)
    x = jnp.concatenate(states, axis=-1)
    return nn.Dense(self.width)(x), nn.Dense(self.width)(x)


class Autoencoder(nn.Module):
  """The encoder, and the decoder that training needs.

  Attributes:
    num_ops: distinct operators of all spaces.
    dropout: rate of the decoder's dropout.
  """

  num_ops: int
  dropout: float = 0.1

  def setup(self) -> None:
    self.encoder = Encoder()
    self.drop = nn.Dropout(self.dropout)
    self.op_logits = nn.Dense(self.num_ops)
    self.senders = nn.Dense(32)
    self.receivers = nn.Dense(32)

  def __call__(
      self, graph: _unified.Cells, *, train: bool = False
  ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Logits of operations `[..., V, O]` and edges, mean, log deviation.

    Edges are directed, `[..., V, V]` from sender to receiver.
    """
    mean, log_std = self.encoder(graph)
    z = mean
    if train:
      noise = jax.random.normal(self.make_rng('noise'), mean.shape)
      z = mean + jnp.exp(log_std) * noise
    z = self.drop(z, deterministic=not train)
    edges = self.senders(z) @ jnp.swapaxes(self.receivers(z), -1, -2)
    return self.op_logits(z), edges / np.sqrt(32.0), mean, log_std


def columns(variables: chex.ArrayTree, graph: _unified.Cells) -> jax.Array:
  """Means of the nodes, `[..., V, 32]`."""
  return Encoder().apply(variables, graph)[0]


def train(
    key: chex.PRNGKey,
    pool: _unified.Pool,
    held_out: _unified.Pool,
    *,
    num_epochs: int,
    progress: Callable[[int, int], None],
) -> tuple[dict[str, Any], dict[int, dict[str, float]], float]:
  """The encoder's variables, what it rebuilds of each space, the last loss.

  Adam at 1e-3 with a cosine, gradients clipped to norm 5, batches of 32 cells
  of all spaces.

  Args:
    key: of the initial weights, the order of rows and the noise.
    pool: cells to train on.
    held_out: cells to judge on.
    num_epochs: passes over `pool`.
    progress: called with the steps done and all of them.
  """
  init_key, order_key, noise_key = jax.random.split(key, 3)
  module = Autoencoder(len(pool.operators))
  graphs = jax.tree.map(jnp.asarray, pool.cells)
  codes = jnp.asarray(pool.codes)
  first = jax.tree.map(lambda x: x[:1], graphs)
  variables = _graph.variables_of(module, init_key, first)

  def loss(params, other, rows, key):
    keys = jax.random.split(key)
    graph = jax.tree.map(lambda x: x[rows], graphs)
    outputs = module.apply(
        {'params': params}, graph, train=True,
        rngs={'noise': keys[0], 'dropout': keys[1]},
    )
    return _loss(outputs, graph, codes[rows]), other

  rng = np.random.default_rng(np.asarray(jax.random.key_data(order_key)))
  num_steps = num_epochs * (len(pool.codes) // _BATCH)
  schedule = optax.cosine_decay_schedule(_LEARNING_RATE, num_steps)
  variables, losses = _fit.minimise(
      noise_key, loss, variables,
      _fit.epochs(rng, len(pool.codes), num_steps, _BATCH),
      optax.chain(
          optax.clip_by_global_norm(_CLIP_NORM), optax.adam(schedule)
      ),
      progress=progress,
  )
  report = _rebuilt(module, variables, held_out)
  encoder = {name: tree['encoder'] for name, tree in variables.items()}
  return encoder, report, float(losses[-max(len(losses) // 10, 1) :].mean())


def _pairs(mask: jax.Array) -> jax.Array:
  """`[..., V, V]` True for pairs of nodes, the first before the second."""
  both = mask[..., :, None] & mask[..., None, :]
  return both & np.triu(np.ones(both.shape[-2:], bool), 1)


def _loss(outputs, graph: _unified.Cells, codes: jax.Array) -> jax.Array:
  op_logits, edge_logits, mean, log_std = outputs
  divergence = -0.5 * (
      1.0 + 2.0 * log_std - jnp.square(mean) - jnp.exp(2.0 * log_std)
  ).mean(axis=-1)
  nodes, pairs = graph.mask, _pairs(graph.mask)
  each = optax.softmax_cross_entropy_with_integer_labels(op_logits, codes)
  wired = optax.sigmoid_binary_cross_entropy(edge_logits, graph.wiring)
  return (
      jnp.mean(each + _DIVERGENCE * divergence, where=nodes)
      + jnp.mean(wired, where=pairs)
  )


def _rebuilt(
    module: Autoencoder, variables: dict[str, Any], held_out: _unified.Pool
) -> dict[int, dict[str, float]]:
  """By space, shares of operations and edges rebuilt, and those by chance.

  Chance is the commonest operation of the space, and the commoner of wired
  and not; input and output do not count as operations to guess.
  """
  op_logits, edge_logits, *_ = jax.jit(module.apply)(variables, held_out.cells)
  guessed = np.asarray(op_logits).argmax(-1)
  found = np.asarray(edge_logits) > 0.0
  kinds = np.array([operator.kind for operator in held_out.operators])
  inner = held_out.cells.mask & ~np.isin(
      kinds[held_out.codes], ('input', 'output')
  )
  pairs = np.asarray(_pairs(jnp.asarray(held_out.cells.mask)))
  report = {}
  for space in np.unique(held_out.space):
    rows = held_out.space == space
    codes = held_out.codes[rows][inner[rows]]
    wired = held_out.cells.wiring[rows][pairs[rows]] > 0
    report[int(space)] = {
        'op': float((guessed[rows][inner[rows]] == codes).mean()),
        'op_chance': float(np.bincount(codes).max() / len(codes)),
        'edge': float((found[rows][pairs[rows]] == wired).mean()),
        'edge_chance': float(max(wired.mean(), 1.0 - wired.mean())),
    }
  return report
