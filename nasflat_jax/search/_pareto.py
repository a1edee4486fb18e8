"""Which architectures no other one beats in everything."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
import numpy as np


def _screened(
    objectives: jax.Array,  # [B, K]
    where: jax.Array | None,  # [B]
) -> tuple[jax.Array, jax.Array]:
  """Rows that count, and objectives with the others at infinity.

  A row at infinity in everything dominates none: it is at best equal.
  """
  objectives = jnp.asarray(objectives)
  chex.assert_rank(objectives, 2)
  counts = ~jnp.isnan(objectives).any(axis=1)
  if where is not None:
    chex.assert_shape(where, (objectives.shape[0],))
    counts &= jnp.asarray(where, bool)
  return counts, jnp.where(counts[:, None], objectives, jnp.inf)


def _dominated_of_two(objectives: jax.Array) -> jax.Array:
  """`[B]` True where another row of `[B, 2]` dominates; sorting only."""
  order = jnp.lexsort((objectives[:, 1], objectives[:, 0]))
  first, second = objectives[order].T
  least = jax.lax.cummin(second)
  # Rows of equal first objective are a run, its best second one leading.
  start = jnp.searchsorted(first, first, side='left')
  beaten = (start > 0) & (least[start - 1] <= second)
  beaten |= second[start] < second
  return jnp.zeros_like(beaten).at[order].set(beaten)


def non_dominated(
    objectives: jax.Array,  # [B, K]
    where: jax.Array | None = None,  # [B]
    *,
    chunk_size: int = 256,
) -> jax.Array:  # [B]
  """The rows that no other row dominates; all objectives are minimised.

  A row dominates another if it is nowhere worse and somewhere better, so equal
  rows stay together. Two objectives take one sort, `O(B log B)`; more compare
  all pairs, `O(B^2 K)` in memory `O(chunk_size B)`: 15,625 rows are well within
  a second on two cores. Jittable; `vmap` it over devices.

  Args:
    objectives: `[B, K]`, smaller is better. Rows with a NaN never count.
    where: `[B]` True for rows that count; None counts all.
    chunk_size: rows compared with all others at once; bounds memory, changes
      no value.

  Returns:
    `[B]` bool, False where `where` is.

  Example:
    >>> non_dominated(jnp.array([[1., 3.], [2., 2.], [2., 4.]])).tolist()
    [True, True, False]
  """
  counts, objectives = _screened(objectives, where)
  rows, width = objectives.shape
  if not rows or not width:
    return counts
  if width == 1:
    return counts & (objectives[:, 0] <= objectives.min())
  if width == 2:
    return counts & ~_dominated_of_two(objectives)

  def is_dominated(row: jax.Array) -> jax.Array:
    nowhere_worse = (objectives <= row).all(axis=1)
    return (nowhere_worse & (objectives < row).any(axis=1)).any()

  beaten = jax.lax.map(
      is_dominated, objectives, batch_size=min(chunk_size, rows)
  )
  return counts & ~beaten


def pareto_front(
    objectives: chex.Array,  # [B, K]
    where: chex.Array | None = None,  # [B]
) -> np.ndarray:  # [P]
  """The Pareto front in order. Host only.

  Args:
    objectives: `[B, K]`, smaller is better. Rows with a NaN never count.
    where: `[B]` True for rows that count; None counts all.

  Returns:
    `[P]` rows that no other row dominates, by rising first objective, then by
    the next ones; of equal rows the first only.

  Example:
    >>> pareto_front(np.array([[2., 2.], [1., 3.], [2., 2.]])).tolist()
    [1, 0]
  """
  objectives = np.asarray(objectives)
  # Ranks are exact in float32, where float64 objectives that differ may not be.
  order = [np.unique(each, return_inverse=True)[1] for each in objectives.T]
  ranks = np.stack(order, axis=1).astype(np.float32)
  ranks[np.isnan(objectives)] = np.nan
  kept = np.flatnonzero(non_dominated(jnp.asarray(ranks), where))
  _, first = np.unique(objectives[kept], axis=0, return_index=True)
  return kept[first]
