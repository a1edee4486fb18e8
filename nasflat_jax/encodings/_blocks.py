"""Blocks of features, each a hypothesis about what latency is made of.

Every block is computed from the genotype alone, centred, and scaled so that
the mean squared length of a row is 1 over a fixed sample of the space: a unit
prior variance on each coefficient then means the same in every block.
"""

from collections.abc import Callable
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.encodings import _scale

Encode = Callable[[chex.Array], jax.Array]

_TOTALS = (
    'multiply_adds',
    'weight_bytes',
    'activation_bytes',
    'kernels',
    'critical_path',
)
_PER_OPERATION = _TOTALS[:4]  # a critical path is of the whole network
# Multiply-adds per byte at which a device turns from memory to compute bound.
_BALANCES = (1.0, 4.0, 16.0, 64.0)


def _uses(space: types.SearchSpace, genotype: jax.Array) -> jax.Array:
  """`[B, G, O]` one-hot genotype."""
  return (genotype[:, :, None] == jnp.arange(len(space.spec.gene_names))) * 1.0


def _genes_are_nodes(space: types.SearchSpace) -> bool:
  """Whether the inner nodes of one cell are the genes, in their order."""
  spec = space.spec
  return spec.num_cells == 1 and spec.num_nodes == spec.num_genes + 2


def _can_be_dead(space: types.SearchSpace) -> bool:
  """Whether genes may choose operations that cannot reach the output."""
  names = space.spec.gene_names
  # Where genes are the nodes, an absent node is one that a gene chose.
  pruned = 'absent' in names and not _genes_are_nodes(space)
  return 'none' in names or pruned


@functools.partial(jax.jit, static_argnums=0)
def _one_hot(space: types.SearchSpace, genotype: jax.Array) -> jax.Array:
  return _uses(space, genotype).reshape(len(genotype), -1)


@functools.partial(jax.jit, static_argnums=0)
def _op_counts(space: types.SearchSpace, genotype: jax.Array) -> jax.Array:
  return _uses(space, genotype).sum(axis=1)


@functools.partial(jax.jit, static_argnums=0)
def live_op_count_columns(
    space: types.SearchSpace, genotype: jax.Array
) -> jax.Array:
  """`[B, O]` live uses of each operation; `[B, 0]` where none can be dead."""
  if not _can_be_dead(space):
    return jnp.zeros((len(genotype), 0))
  graph = space.decode(genotype)
  uses = graph.ops[..., None] == jnp.arange(len(space.spec.gene_names))
  return (uses & graph.live_mask[..., None]).sum(axis=(1, 2)) * 1.0


@functools.partial(jax.jit, static_argnums=0)
def _live_costs(space: types.SearchSpace, genotype: jax.Array) -> jax.Array:
  if not (_can_be_dead(space) and _genes_are_nodes(space)):
    return jnp.zeros((len(genotype), 0))
  live, costs = space.decode(genotype).live_mask, space.op_costs(genotype)
  columns = [
      (jnp.asarray(getattr(costs, name)) * live[:, 0, 1:-1]).sum(axis=1)
      for name in _PER_OPERATION
  ]
  return jnp.stack(columns, axis=1)


@functools.partial(jax.jit, static_argnums=0)
def total_cost_columns(
    space: types.SearchSpace, genotype: jax.Array
) -> jax.Array:
  """`[B, 5]` whole-network costs, in their own units."""
  costs = space.costs(genotype)
  return jnp.stack([jnp.asarray(getattr(costs, n)) for n in _TOTALS], axis=1)


@functools.partial(jax.jit, static_argnums=0)
def _roofline(space: types.SearchSpace, genotype: jax.Array) -> jax.Array:
  costs = space.op_costs(genotype)
  moved = jnp.asarray(costs.weight_bytes) + jnp.asarray(costs.activation_bytes)
  compute = jnp.asarray(costs.multiply_adds)
  columns = [
      jnp.maximum(compute / balance, moved).sum(axis=1)
      for balance in _BALANCES
  ]
  return jnp.stack(columns, axis=1)


@functools.cache
def _affine(
    columns: _scale.Columns, space: types.SearchSpace, standardise: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  mean, spread = _scale.mean_and_spread(columns, space)
  # Columns that never vary would only widen the matrices. What rounding
  # leaves of a constant column is not a spread.
  kept = np.flatnonzero(spread > 1e-6 * np.abs(mean))
  mean, spread = mean[kept], spread[kept]
  if standardise:
    length, scale = np.sqrt(len(kept)), spread
  else:
    length, scale = np.sqrt(np.square(spread).sum()), np.ones_like(spread)
  return kept, mean, 1.0 / (scale * (length or 1.0))


def _block(
    columns: _scale.Columns, space: types.SearchSpace, *, standardise: bool
) -> Encode:
  kept, mean, scale = _affine(columns, space, standardise)
  mean, scale = mean.astype(np.float32), scale.astype(np.float32)

  def encode(genotype: chex.Array) -> jax.Array:
    chex.assert_rank(genotype, 2)
    values = columns(space, jnp.asarray(genotype, jnp.int32))
    return (values.astype(jnp.float32)[:, kept] - mean) * scale

  return encode


def one_hot(space: types.SearchSpace) -> Encode:
  """Which operation each gene chooses, `genotype [B, G] -> [B, F]`.

  The block in which latency is a look-up table: one time for every operation
  at every position. Columns that are constant over the space are left out.

  Args:
    space: the search space.

  Returns:
    A jittable encoding, centred, rows of mean squared length 1.
  """
  return _block(_one_hot, space, standardise=False)


def op_counts(space: types.SearchSpace) -> Encode:
  """How often each operation is used, `genotype [B, G] -> [B, F]`.

  The block in which an operation takes the same time wherever it stands.

  Args:
    space: the search space.

  Returns:
    A jittable encoding, centred, rows of mean squared length 1.
  """
  return _block(_op_counts, space, standardise=False)


def live_op_counts(space: types.SearchSpace) -> Encode:
  """`op_counts` of live operations alone, `genotype [B, G] -> [B, F]`.

  The block of runtimes that do not execute what cannot reach the output. It
  has no columns in spaces in which everything reaches it.

  Args:
    space: the search space.

  Returns:
    A jittable encoding, centred, rows of mean squared length 1.
  """
  return _block(live_op_count_columns, space, standardise=False)


def live_costs(space: types.SearchSpace) -> Encode:
  """Costs of live operations alone, `genotype [B, G] -> [B, 4]`.

  Multiply-adds, weight bytes, activation bytes and kernels, standardised; for
  runtimes that do not execute what cannot reach the output. It has no columns
  in spaces in which everything reaches it, or whose genes are not the nodes.

  Args:
    space: the search space.

  Returns:
    A jittable encoding, rows of mean squared length 1.
  """
  return _block(_live_costs, space, standardise=True)


def total_costs(space: types.SearchSpace) -> Encode:
  """Compute, memory traffic, launches: `genotype [B, G] -> [B, 5]`.

  Multiply-adds, weight bytes, activation bytes, kernels and critical path of
  the whole network in the space's default setting, standardised.

  Args:
    space: the search space.

  Returns:
    A jittable encoding, rows of mean squared length 1.
  """
  return _block(total_cost_columns, space, standardise=True)


def roofline(space: types.SearchSpace) -> Encode:
  """Time under a roofline, `genotype [B, G] -> [B, 4]`.

  The sum over operations of `max(multiply-adds / b, bytes)` (Williams et al.,
  2009), for devices whose balance `b` is 1, 4, 16 and 64 multiply-adds per
  byte; standardised.

  Args:
    space: the search space.

  Returns:
    A jittable encoding, rows of mean squared length 1.
  """
  return _block(_roofline, space, standardise=True)
