"""How much of the objective space a front covers.

Own code, not moocore's or pymoo's: with the two to four objectives met here
the exact algorithm is a page, and as a JAX function it runs inside `jit` and
under `vmap`, over seeds or over the rounds of a search, which a C extension
cannot.
"""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp


def hypervolume(
    objectives: jax.Array,  # [B, K]
    reference: jax.Array,  # [K]
    *,
    where: jax.Array | None = None,  # [B]
) -> jax.Array:  # []
  """The volume between a set and a reference point; exact.

  The measure of the points that are worse than some row and better than
  `reference` (Zitzler and Thiele, 1998, the size of the space covered). By
  slicing objectives (While et al., 2006, doi 10.1109/TEVC.2005.851275):
  one sort for two objectives, and one hypervolume of the rest for each row and
  each further objective, so `O(B^(K - 1) log B)`: hundreds of rows for `K = 4`.
  Jittable; `vmap` it.

  Args:
    objectives: `[B, K]`, smaller is better. Rows that are not below the
      reference in everything, dominated ones and those with a NaN add nothing.
    reference: `[K]` a point that is worse than what is wanted.
    where: `[B]` True for rows that count; None counts all.

  Returns:
    `[]` volume in the product of the objectives' units.

  Example:
    >>> float(hypervolume(jnp.array([[1., 2.], [2., 1.]]), jnp.array([3., 3.])))
    3.0
  """
  objectives = jnp.asarray(objectives)
  if not jnp.issubdtype(objectives.dtype, jnp.floating):
    objectives = objectives.astype(float)  # counts; the reference may be none
  reference = jnp.asarray(reference, objectives.dtype)
  chex.assert_rank([objectives, reference], [2, 1])
  chex.assert_shape(objectives, (None, reference.shape[0]))
  counts = (objectives < reference).all(axis=1)
  if where is not None:
    counts &= where
  # A row at the reference covers nothing.
  gaps = jnp.where(counts[:, None], reference - objectives, 0.0)
  return _volume(gaps)


def _volume(gaps: jax.Array) -> jax.Array:
  """Volume of the union of boxes `[B, K]` that share a corner."""
  rows, width = gaps.shape
  if not rows:
    return jnp.zeros((), gaps.dtype)
  if width == 1:
    return gaps.max()
  gaps = gaps[jnp.argsort(-gaps[:, -1])]
  # Between its last extent and the next smaller one, the slice is the union of
  # the boxes so far.
  height = gaps[:, -1] - jnp.append(gaps[1:, -1], 0.0)
  if width == 2:
    return jnp.sum(jax.lax.cummax(gaps[:, 0]) * height)

  def slice_volume(row: jax.Array) -> jax.Array:
    inside = jnp.arange(rows) <= row
    return _volume(jnp.where(inside[:, None], gaps[:, :-1], 0.0))

  return jnp.sum(jax.lax.map(slice_volume, jnp.arange(rows)) * height)
