"""Ranks and crowding, the order of multi-objective populations."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nasflat_jax.search import _algorithm


def front_number(members: _algorithm.Members) -> jax.Array:
  """Which front each of `N` members is on, `[N]` int32 from 0.

  Non-dominated sorting under constraints (Deb et al., 2002): a member that
  breaks the constraints less dominates; between equals the objectives decide.
  Front 0 is dominated by none, front 1 by front 0 only, and so on. Compares all
  pairs, so it is meant for populations.
  """
  objectives, violation = members.objectives, members.violation
  nowhere_worse = (objectives[:, None] <= objectives).all(axis=-1)
  better = (objectives[:, None] < objectives).any(axis=-1)
  alike = violation[:, None] == violation
  dominates = (violation[:, None] < violation) | (
      alike & nowhere_worse & better
  )

  def peel(carry):
    number, left, front = carry
    beaten = (dominates & left[:, None]).any(axis=0)
    leads = left & ~beaten
    return jnp.where(leads, front, number), left & ~leads, front + 1

  start = (
      jnp.zeros(len(violation), jnp.int32),
      jnp.ones(len(violation), bool),
      jnp.zeros((), jnp.int32),
  )
  return jax.lax.while_loop(lambda carry: carry[1].any(), peel, start)[0]


def crowding(objectives: jax.Array, front: jax.Array) -> jax.Array:
  """How far the neighbours on its front are from each member, `[N]`.

  The sum over objectives of the distance between the two neighbours over the
  range of the front; infinity at the ends of a front (Deb et al., 2002).
  """
  rows = len(front)

  def along(values: jax.Array) -> jax.Array:
    sorting = jnp.lexsort((values, front))
    value, number = values[sorting], front[sorting]
    border = number[1:] != number[:-1]
    first = jnp.append(True, border)
    last = jnp.append(border, True)
    span = jax.ops.segment_max(value, number, rows)
    span -= jax.ops.segment_min(value, number, rows)
    gap = jnp.roll(value, -1) - jnp.roll(value, 1)
    gap = jnp.where(span[number] > 0.0, gap / span[number], 0.0)
    gap = jnp.where(first | last, jnp.inf, gap)
    return jnp.zeros(rows).at[sorting].set(gap)

  finite = jnp.where(jnp.isfinite(objectives), objectives, 0.0)
  return jax.vmap(along, 1, 1)(finite).sum(axis=1)
