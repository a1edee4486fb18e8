"""Graph layers of NASFLAT: dense graph flow, graph attention, their ensemble.

NASFLAT, https://arxiv.org/abs/2403.02446. Every layer maps the node features
of one cell, `[V, H]`, to `[V, features]`, gated by the embedding of each
node's operation, `[V, K]`. Unbatched.
"""

from collections.abc import Callable
import math

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from nasflat_jax import graphs


def uniform_init(bound: float) -> Callable[..., jax.Array]:
  """Initialiser drawing from U(-bound, bound)."""

  def init(key, shape, dtype=jnp.float32):
    return jax.random.uniform(key, shape, dtype, -bound, bound)

  return init


def device_rows(
    module: nn.Module, num_devices: int, width: int, index: jax.Array
) -> jax.Array:  # [..., width]
  """Rows of a module's hardware embedding table, which `index` names."""
  table = module.param(
      'device_embedding', nn.initializers.normal(1.0), (num_devices, width)
  )
  return jnp.asarray(table)[index]


class Linear(nn.Module):
  """Affine map with PyTorch's default initialisation, U(+-1/sqrt(fan_in))."""

  features: int
  use_bias: bool = True

  @nn.compact
  def __call__(self, inputs: jax.Array) -> jax.Array:
    init = uniform_init(1.0 / math.sqrt(max(inputs.shape[-1], 1)))
    return nn.Dense(
        self.features,
        use_bias=self.use_bias,
        kernel_init=init,
        bias_init=init,
    )(inputs)


class Mlp(nn.Module):
  """Linear layers with ReLU, and dropout, between (and optionally after)."""

  features: tuple[int, ...]
  dropout: float = 0.0
  activate_last: bool = False

  @nn.compact
  def __call__(self, inputs: jax.Array, deterministic: bool) -> jax.Array:
    for depth, features in enumerate(self.features):
      inputs = Linear(features)(inputs)
      if depth + 1 < len(self.features) or self.activate_last:
        inputs = nn.Dropout(self.dropout)(nn.relu(inputs), deterministic)
    return inputs


class DenseGraphFlow(nn.Module):
  """DGF: `sigmoid(E W_o + b_o) * (A^T S) + S + b` with `S = H W`.

  The gate of a node's operation acts on the message it receives.
  """

  features: int
  passing: graphs.MessagePassing

  @nn.compact
  def __call__(
      self,
      nodes: jax.Array,  # [V, H]
      operations: jax.Array,  # [V, K]
      edge_mask: jax.Array,  # [E], or what `passing` takes for it
  ) -> jax.Array:  # [V, features]
    chex.assert_rank([nodes, operations], 2)
    init = uniform_init(1.0 / math.sqrt(self.features))
    support = nn.Dense(self.features, use_bias=False, kernel_init=init)(nodes)
    gate = jax.nn.sigmoid(Linear(self.features)(operations))
    bias = self.param('bias', init, (self.features,))
    return gate * self.passing.aggregate(support, edge_mask) + support + bias


class GraphAttention(nn.Module):
  """GAT with one head, a shared projection and an operation gate.

  `out = LayerNorm(sigmoid(E W_o + b_o)_i * sum_j alpha_ij z_j)`, `Z = H W`,
  `alpha_ij = softmax_j LeakyReLU_0.01(a . (z_i * z_j) / sqrt(features))`.

  Note:
    The softmax runs over a node and its predecessors only. The reference
    multiplies the logits by the adjacency instead, so that non-neighbours take
    part with logit 0. The node itself is included so that a node without
    predecessors has a defined mean. The logit is factorised,
    `a . (z_i * z_j) = (a * z_i) . z_j`, so no `V x V x features` array exists.
  """

  features: int
  passing: graphs.MessagePassing

  @nn.compact
  def __call__(
      self,
      nodes: jax.Array,  # [V, H]
      operations: jax.Array,  # [V, K]
      edge_mask: jax.Array,  # [E], or what `passing` takes for it
  ) -> jax.Array:  # [V, features]
    chex.assert_rank([nodes, operations], 2)
    values = Linear(self.features, use_bias=False)(nodes)
    attention = self.param(
        'attention',
        uniform_init(1.0 / math.sqrt(self.features)),
        (self.features,),
    )
    mixed = self.passing.attend(
        values * attention / math.sqrt(self.features),
        values,
        values,
        edge_mask,
        nn.leaky_relu,
    )
    gate = jax.nn.sigmoid(Linear(self.features)(operations))
    return nn.LayerNorm(epsilon=1e-5)(gate * mixed)


class LayerEnsemble(nn.Module):
  """Mean of dense graph flow and graph attention with separate weights."""

  features: int
  passing: graphs.MessagePassing

  @nn.compact
  def __call__(
      self,
      nodes: jax.Array,  # [V, H]
      operations: jax.Array,  # [V, K]
      edge_mask: jax.Array,  # [E], or what `passing` takes for it
  ) -> jax.Array:  # [V, features]
    flow = DenseGraphFlow(self.features, self.passing)
    attention = GraphAttention(self.features, self.passing)
    return 0.5 * (
        flow(nodes, operations, edge_mask)
        + attention(nodes, operations, edge_mask)
    )


# The names a factory's `layer` argument takes.
dense_graph_flow = DenseGraphFlow
graph_attention = GraphAttention
layer_ensemble = LayerEnsemble
