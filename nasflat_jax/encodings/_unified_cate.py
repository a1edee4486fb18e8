"""CATE of all spaces: one transformer, trained on hidden operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from nasflat_jax.encodings import _cate
from nasflat_jax.encodings import _fit
from nasflat_jax.encodings import _graph
from nasflat_jax.encodings import _train_cate
from nasflat_jax.encodings import _unified

_BATCH = 32
_LEARNING_RATE = 3e-3
_WEIGHT_DECAY = 0.01
_WARM_UP = 100
_SMOOTHING = 0.1
_GUESSED, _HIDDEN = 0.2, 0.8
_PLACES = 4  # the last columns of the inputs: place and cell


class Encoder(nn.Module):
  """Transformer in which a node sees itself and the nodes that lead to it.

  Attributes:
    blocks: transformer blocks.
  """

  blocks: int = 2

  @nn.compact
  def __call__(
      self,
      graph: _unified.Cells,  # [B, V]
      hidden: jax.Array | None = None,  # [B, V]
      *,
      train: bool = False,
  ) -> jax.Array:
    """The state of every node, `[B, V, 32]`; `hidden` ones show their place."""
    width = _cate.WIDTH
    attributes = graph.inputs[..., :-_PLACES]
    x = nn.Dense(width, name='operations')(attributes)
    token = self.param('hidden', nn.initializers.normal(1.0), (width,))
    if hidden is not None:
      x = jnp.where(hidden[..., None], token, x)
    x = x + nn.Dense(width, name='places')(graph.inputs[..., -_PLACES:])
    x = nn.Dropout(0.1, deterministic=not train)(x)
    mask = _ancestors(graph.wiring)[:, None]
    for _ in range(self.blocks):
      x = _cate.Block(hidden=4 * width)(x, mask, train=train)
    return nn.LayerNorm()(x)


class PairModel(nn.Module):
  """Both cells of a pair, side by side, and the guess of each operation.

  Attributes:
    num_ops: distinct operators of all spaces.
    blocks: transformer blocks over the pair.
  """

  num_ops: int
  blocks: int = 1

  @nn.compact
  def __call__(
      self,
      graph: _unified.Cells,  # [2 * B, V], first the first of every pair
      hidden: jax.Array,  # [2 * B, V]
      *,
      train: bool = False,
  ) -> jax.Array:
    """Logits of the operation of every node, `[2 * B, V, O]`."""
    width = _cate.WIDTH
    x = Encoder(name='encoder')(graph, hidden, train=train)
    rows, num_nodes, _ = x.shape
    segment = self.param(
        'segments', nn.initializers.normal(0.02), (2, 1, 1, width)
    )
    x = x.reshape(2, rows // 2, num_nodes, width) + segment
    x = jnp.concatenate([x[0], x[1]], axis=1)
    seen = jnp.concatenate(jnp.split(graph.mask, 2), axis=1)
    mask = seen[:, None, None, :]
    for _ in range(self.blocks):
      x = _cate.Block(hidden=8 * width)(x, mask, train=train)
    x = nn.tanh(nn.Dense(width)(nn.LayerNorm()(x)))
    x = nn.Dropout(0.1, deterministic=not train)(x)
    logits = nn.Dense(self.num_ops)(x)
    return jnp.concatenate(jnp.split(logits, 2, axis=1))


def columns(variables: chex.ArrayTree, graph: _unified.Cells) -> jax.Array:
  """States of the nodes, `[..., V, 32]`."""
  flat = jax.tree.map(
      lambda x, k: x.reshape(-1, *x.shape[-k:]), graph, _unified.Cells(2, 2, 1)
  )
  states = jnp.asarray(Encoder().apply(variables, flat))
  return states.reshape(*graph.mask.shape, -1)


def train(
    key: chex.PRNGKey,
    pool: _unified.Pool,
    held_out: _unified.Pool,
    *,
    num_epochs: int,
    progress: Callable[[int, int], None],
) -> tuple[dict[str, Any], dict[int, dict[str, float]], float]:
  """The encoder's variables, its guesses by space and the last loss.

  As `_train_cate.train`: pairs of networks of like size in one space, the same
  cell of both; a fifth of the operations hidden or swapped for any other.

  Args:
    key: of the initial weights, the pairs, the order and the noise.
    pool: cells to train on.
    held_out: cells to judge on.
    num_epochs: passes over the pairs.
    progress: called with the steps done and all of them.
  """
  init_key, order_key, noise_key, judge_key = jax.random.split(key, 4)
  rng = np.random.default_rng(np.asarray(jax.random.key_data(order_key)))
  module = PairModel(len(pool.operators))
  graphs = jax.tree.map(jnp.asarray, pool.cells)
  codes = jnp.asarray(pool.codes)
  attributes = jnp.asarray(pool.attributes)
  pairs = _pairs(rng, pool)
  rows = pairs[:1].T.reshape(-1)
  first = jax.tree.map(lambda x: x[rows], graphs)
  variables = _graph.variables_of(module, init_key, first, first.mask)

  def loss(params, other, batch, key):
    corrupt_key, drop_key = jax.random.split(key)
    rows = batch.T.reshape(-1)
    graph = jax.tree.map(lambda x: x[rows], graphs)
    graph, hidden, guessed = corrupt(corrupt_key, graph, attributes)
    logits = jnp.asarray(
        module.apply(
            {'params': params}, graph, hidden, train=True,
            rngs={'dropout': drop_key},
        )
    )
    labels = optax.smooth_labels(
        jax.nn.one_hot(codes[rows], logits.shape[-1]), _SMOOTHING
    )
    each = optax.softmax_cross_entropy(logits, labels)
    return (each * guessed).sum() / jnp.maximum(guessed.sum(), 1), other

  num_steps = num_epochs * (len(pairs) // _BATCH)
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
  order = _fit.epochs(rng, len(pairs), num_steps, _BATCH)
  # Dropout takes many bits: of a generator that is cheap on a CPU.
  bits = jax.random.key_data(noise_key)
  noise_key = jax.random.wrap_key_data(
      jnp.concatenate([bits, bits]), impl='rbg'
  )
  variables, losses = _fit.minimise(
      noise_key, loss, variables, pairs[order], optimizer, progress=progress
  )
  report = _guessed(judge_key, rng, module, variables, held_out)
  return (
      {'params': variables['params']['encoder']},
      report,
      float(losses[-max(len(losses) // 10, 1) :].mean()),
  )


def corrupt(
    key: chex.PRNGKey, graph: _unified.Cells, attributes: jax.Array
) -> tuple[_unified.Cells, jax.Array, jax.Array]:
  """Hides or swaps a fifth of the operations.

  Args:
    key: of the choice.
    graph: cells.
    attributes: `[O, A]` of all operators.

  Returns:
    The cells with some operations swapped, True where one is hidden, and True
    where the model is to guess.
  """
  guess_key, hide_key, swap_key = jax.random.split(key, 3)
  shape = graph.mask.shape
  guessed = jax.random.bernoulli(guess_key, _GUESSED, shape) & graph.mask
  hidden = guessed & jax.random.bernoulli(hide_key, _HIDDEN, shape)
  other = attributes[jax.random.randint(swap_key, shape, 0, len(attributes))]
  own = graph.inputs[..., :-_PLACES]
  swapped = jnp.where((guessed & ~hidden)[..., None], other, own)
  inputs = jnp.concatenate([swapped, graph.inputs[..., -_PLACES:]], axis=-1)
  return graph._replace(inputs=inputs), hidden, guessed


def _pairs(rng: np.random.Generator, pool: _unified.Pool) -> np.ndarray:
  """`[P, 2]` rows: the same cell of two networks of like size and space."""
  found = []
  cell = np.asarray(pool.cells.inputs[:, 0, -1])
  for space in np.unique(pool.space):
    for which in np.unique(cell[pool.space == space]):
      rows = np.flatnonzero((pool.space == space) & (cell == which))
      found.append(rows[_train_cate.pairs(rng, pool.params[rows])])
  return np.concatenate(found)


def _guessed(
    key: chex.PRNGKey,
    rng: np.random.Generator,
    module: PairModel,
    variables: dict[str, Any],
    held_out: _unified.Pool,
) -> dict[int, dict[str, float]]:
  """By space, the share of hidden or swapped operations guessed right.

  Chance is the commonest operation of the space; input and output, which a
  place gives away, do not count.
  """
  rows = _pairs(rng, held_out).T.reshape(-1)
  graph = jax.tree.map(lambda x: jnp.asarray(x[rows]), held_out.cells)
  graph, hidden, guessed = corrupt(
      key, graph, jnp.asarray(held_out.attributes)
  )
  logits = jax.jit(module.apply)(variables, graph, hidden)
  codes, space = held_out.codes[rows], held_out.space[rows]
  right = np.asarray(logits).argmax(-1) == codes
  kinds = np.array([operator.kind for operator in held_out.operators])
  asked = np.asarray(guessed) & ~np.isin(kinds[codes], ('input', 'output'))
  report = {}
  for number in np.unique(space):
    where = asked & (space == number)[:, None]
    report[int(number)] = {
        'op': float(right[where].mean()),
        'op_chance': float(np.bincount(codes[where]).max() / where.sum()),
    }
  return report


def _ancestors(wiring: jax.Array) -> jax.Array:  # [B, V, V]
  """True where the second node is the first or leads to it."""
  reach = jnp.swapaxes(wiring, -1, -2) + jnp.eye(wiring.shape[-1])
  for _ in range(max(wiring.shape[-1] - 2, 1).bit_length()):
    reach = jnp.minimum(reach @ reach, 1.0)
  return reach > 0
