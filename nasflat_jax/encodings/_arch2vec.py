"""arch2vec: a variational graph isomorphism autoencoder.

Yan et al., NeurIPS 2020 (https://arxiv.org/abs/2006.06936), as NASFLAT uses
it (https://arxiv.org/abs/2403.02446).
"""

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from nasflat_jax import types
from nasflat_jax.encodings import _graph


class Encoder(nn.Module):
  """Graph isomorphism layers and two linear maps to a normal per node.

  Attributes:
    spec: the space.
    width: latent numbers of a node.
    hidden: hidden width.
    layers: graph isomorphism layers.

  Note:
    The linear maps read the states of all layers, as the readout of Xu et al.
    (https://arxiv.org/abs/1810.00826, eq. 4.2): after four sums over
    neighbours alone, short training cannot tell a node's own operation. Layers
    are 64 wide, not 128: half the time on two cores.
  """

  spec: types.SpaceSpec
  width: int = 32
  hidden: int = 64
  layers: int = 4

  @nn.compact
  def __call__(
      self, ops: jax.Array, *, train: bool = False  # [B, V]
  ) -> tuple[jax.Array, jax.Array]:
    """Means and log standard deviations, both `[B, V, width]`."""
    edges = _graph.adjacency(self.spec)
    wired = jnp.asarray(edges | edges.T, jnp.float32)
    place = jnp.asarray(_graph.node_features(self.spec))
    place = jnp.broadcast_to(place, (*ops.shape, place.shape[1]))
    one_hot = jax.nn.one_hot(ops, _graph.num_ops(self.spec))
    x = jnp.concatenate([one_hot, place], axis=-1)

    def norm(x):
      return nn.BatchNorm(use_running_average=not train, momentum=0.99)(x)

    states = [x]
    for layer in range(self.layers):
      epsilon = self.param(f'epsilon_{layer}', nn.initializers.zeros, ())
      x = (1.0 + epsilon) * x + jnp.einsum('uv,bvf->buf', wired, x)
      x = nn.relu(norm(nn.Dense(self.hidden)(x)))
      x = nn.relu(norm(nn.Dense(self.hidden)(x)))
      states.append(x)
    x = jnp.concatenate(states, axis=-1)
    return nn.Dense(self.width)(x), nn.Dense(self.width)(x)


class Autoencoder(nn.Module):
  """The encoder, and the decoder that training needs.

  Attributes:
    spec: the space.
    dropout: rate of the decoder's dropout.
  """

  spec: types.SpaceSpec
  dropout: float = 0.3

  def setup(self) -> None:
    self.encoder = Encoder(self.spec)
    self.drop = nn.Dropout(self.dropout)
    self.op_logits = nn.Dense(_graph.num_ops(self.spec))

  def __call__(
      self, ops: jax.Array, *, train: bool = False  # [B, V]
  ) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Logits of operations `[B, V, O]` and of edges `[B, V, V]`, mu, log sigma.

    The noise and the dropout are drawn only where `train` is set.
    """
    mean, log_std = self.encoder(ops, train=train)
    z = mean
    if train:
      noise = jax.random.normal(self.make_rng('noise'), mean.shape)
      z = mean + jnp.exp(log_std) * noise
    z = self.drop(z, deterministic=not train)
    return self.op_logits(z), jnp.einsum('buf,bvf->buv', z, z), mean, log_std


def columns(
    spec: types.SpaceSpec, variables: chex.ArrayTree, ops: jax.Array
) -> jax.Array:
  """Moments of mu over the nodes, `[B, M]`, see `_graph.moments`.

  Args:
    spec: the space.
    variables: of `Encoder`.
    ops: `[B, V]` operation of every node.
  """
  mean, _ = Encoder(spec).apply(variables, ops)
  return _graph.moments(mean)


def loss(
    spec: types.SpaceSpec,
    outputs: tuple[jax.Array, jax.Array, jax.Array, jax.Array],
    ops: jax.Array,  # [B, V]
) -> jax.Array:
  """Cross-entropy of operations and edges, and the divergence to a normal.

  NASFLAT's divergence is averaged over batch and nodes twice, hence tiny.

  Args:
    spec: the space.
    outputs: of `Autoencoder`.
    ops: what should be reconstructed.
  """
  op_logits, edge_logits, mean, log_std = outputs
  upper = np.triu_indices(spec.num_nodes, 1)
  wired = jnp.asarray(_graph.adjacency(spec)[upper], jnp.float32)
  edges = edge_logits[:, upper[0], upper[1]]
  divergence = -0.5 * (
      1.0 + 2.0 * log_std - jnp.square(mean) - jnp.exp(2.0 * log_std)
  ).sum(axis=-1)
  return (
      optax.softmax_cross_entropy_with_integer_labels(op_logits, ops).mean()
      + optax.sigmoid_binary_cross_entropy(edges, wired).mean()
      + divergence.mean() / divergence.size
  )
