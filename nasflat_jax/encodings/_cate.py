"""CATE: a transformer on masked operations of networks of like size.

Yan et al., ICML 2021 (https://arxiv.org/abs/2102.07108), as NASFLAT uses it
(https://arxiv.org/abs/2403.02446).
"""

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.encodings import _graph

WIDTH = 32
_HEADS = 4
_DROPOUT = 0.1


def mask_token(spec: types.SpaceSpec) -> int:
  """Stands for a hidden operation; no operation has this number."""
  return _graph.num_ops(spec)


class Block(nn.Module):
  """Attention and a feed-forward layer, normalised first.

  Attributes:
    hidden: width of the feed-forward layer.
  """

  hidden: int

  @nn.compact
  def __call__(
      self, x: jax.Array, mask: jax.Array | None, *, train: bool  # [B, T, F]
  ) -> jax.Array:
    """`[B, T, F]`; `mask` is True where a token may look, `[B, 1, T, T]`."""
    drop = nn.Dropout(_DROPOUT, deterministic=not train)
    attend = nn.MultiHeadDotProductAttention(
        _HEADS, dropout_rate=_DROPOUT, deterministic=not train
    )
    normed = nn.LayerNorm()(x)
    x = x + drop(attend(normed, mask=mask))
    hidden = nn.gelu(nn.Dense(self.hidden)(nn.LayerNorm()(x)))
    return x + drop(nn.Dense(x.shape[-1])(drop(hidden)))


class Encoder(nn.Module):
  """Transformer in which a node sees itself and the nodes that lead to it.

  Attributes:
    spec: the space.
    blocks: transformer blocks.
  """

  spec: types.SpaceSpec
  blocks: int = 2

  @nn.compact
  def __call__(
      self, tokens: jax.Array, *, train: bool = False  # [B, V]
  ) -> jax.Array:
    """The state of every node, `[B, V, 32]`."""
    embed = nn.Embed(mask_token(self.spec) + 1, WIDTH, name='tokens')
    x = embed(tokens) * np.sqrt(WIDTH) + jnp.asarray(_positions(self.spec))
    x = nn.Dropout(_DROPOUT, deterministic=not train)(x)
    mask = jnp.asarray(_graph.ancestors(self.spec))[None, None]
    for _ in range(self.blocks):
      x = Block(hidden=4 * WIDTH)(x, mask, train=train)
    return nn.LayerNorm()(x)


class PairModel(nn.Module):
  """Both networks of a pair, side by side, and the guess of each operation.

  Attributes:
    spec: the space.
    blocks: transformer blocks over the pair.
  """

  spec: types.SpaceSpec
  blocks: int = 1

  @nn.compact
  def __call__(
      self, tokens: jax.Array, *, train: bool = False  # [B, 2, V]
  ) -> jax.Array:
    """Logits of the operation of every node, `[B, 2, V, O]`."""
    rows, _, num_nodes = tokens.shape
    encoder = Encoder(self.spec, name='encoder')
    x = encoder(tokens.reshape(2 * rows, num_nodes), train=train)
    segment = self.param(
        'segments', nn.initializers.normal(0.02), (2, 1, WIDTH)
    )
    x = x.reshape(rows, 2, num_nodes, WIDTH) + segment
    x = x.reshape(rows, 2 * num_nodes, WIDTH)
    for _ in range(self.blocks):
      x = Block(hidden=8 * WIDTH)(x, None, train=train)
    x = nn.tanh(nn.Dense(WIDTH)(nn.LayerNorm()(x)))
    x = nn.Dropout(_DROPOUT, deterministic=not train)(x)
    logits = nn.Dense(_graph.num_ops(self.spec))(x)
    return logits.reshape(rows, 2, num_nodes, -1)


def columns(
    spec: types.SpaceSpec, variables: chex.ArrayTree, ops: jax.Array
) -> jax.Array:
  """Moments of the states over the nodes, `[B, M]`, see `_graph.moments`.

  Args:
    spec: the space.
    variables: of `Encoder`.
    ops: `[B, V]` operation of every node.
  """
  return _graph.moments(jnp.asarray(Encoder(spec).apply(variables, ops)))


def _positions(spec: types.SpaceSpec) -> np.ndarray:
  """Sines and cosines of the node's number, `[V, 32]`."""
  places = np.arange(spec.num_nodes)[:, None]
  angle = places / 1e4 ** (np.arange(0, WIDTH, 2) / WIDTH)
  return np.concatenate([np.sin(angle), np.cos(angle)], 1).astype(np.float32)
