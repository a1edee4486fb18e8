"""What the learned encodings see of a network: its nodes and its wiring."""

from typing import Any

import chex
from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types

# Of the polynomials of the position that weigh the nodes.
_DEGREE = 3


def ops(space: types.SearchSpace, genotype: chex.Array) -> jax.Array:
  """`[B, C * V]` operation of every node, input and output included."""
  decoded = space.decode(jnp.asarray(genotype, jnp.int32)).ops
  return jnp.asarray(decoded).reshape(len(genotype), -1)


def num_ops(spec: types.SpaceSpec) -> int:
  """Number of node operations, input and output included."""
  return len(spec.op_names)


def node_features(spec: types.SpaceSpec) -> np.ndarray:
  """`[V, K]` what belongs to the position; `K` may be 0."""
  return np.array(spec.node_features, np.float32).reshape(spec.num_nodes, -1)


def adjacency(spec: types.SpaceSpec) -> np.ndarray:
  """`[V, V]` True from sender to receiver, the wiring all members share."""
  edges = np.zeros((spec.num_nodes, spec.num_nodes), bool)
  for sender, receiver in spec.edges:
    edges[sender, receiver] = True
  return edges


def ancestors(spec: types.SpaceSpec) -> np.ndarray:
  """`[V, V]` True where the second node is the first or leads to it."""
  reach = adjacency(spec).T | np.eye(spec.num_nodes, dtype=bool)
  for _ in range(spec.num_nodes):  # squared until nothing can change
    reach = (reach.astype(int) @ reach.astype(int)) > 0
  return reach


def moments(states: jax.Array) -> jax.Array:  # [B, V, F]
  """Means over nodes, weighted by polynomials of their position.

  Legendre polynomials of degree 0 to 3 of the node's number, so the first of
  the four means is the plain one, and the others tell where in the network an
  operation stands.

  Args:
    states: `[B, V, F]` of every node.

  Returns:
    `[B, 4 * F]`.
  """
  place = np.linspace(-1.0, 1.0, states.shape[1])
  norm = np.sqrt(2.0 * np.arange(_DEGREE + 1) + 1.0) / len(place)
  weights = np.polynomial.legendre.legvander(place, _DEGREE) * norm
  means = jnp.einsum('bvf,vd->bdf', states, weights.astype(np.float32))
  return means.reshape(states.shape[0], -1)


def variables_of(
    module: nn.Module, key: chex.PRNGKey, *args: Any, **kwargs: Any
) -> dict[str, Any]:
  """Initial variables of a flax module, all of its methods used."""
  params_key, noise_key = jax.random.split(key)
  keys = {'params': params_key, 'noise': noise_key, 'dropout': noise_key}
  return dict(module.init(keys, *args, **kwargs))
