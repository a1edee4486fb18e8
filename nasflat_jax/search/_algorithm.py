"""What a search algorithm is: three pure functions that ask and are told.

`B` architectures are asked for at a time, with `G` genes and `K` objectives.
Everything is minimised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from nasflat_jax.search import _hash

# How much constraints are broken, `[B, G] -> [B]`: 0 or less where they hold.
Violation = Callable[[jax.Array], jax.Array]


class Scores(NamedTuple):
  """What is known of `B` architectures after they were evaluated.

  Attributes:
    objectives: `[B, K]`, smaller is better; NaN where the evaluation failed.
    violation: `[B]` how much the constraints are broken, in units that compare
      between architectures; 0 or less where they hold.
  """

  objectives: jax.Array  # [B, K]
  violation: jax.Array  # [B]


class SearchInfo(NamedTuple):
  """What a person wants to see of a round.

  Attributes:
    num_failed: `[]` int32, evaluations that failed.
    num_feasible: `[]` int32, architectures that hold the constraints.
    best: `[K]` the least of each objective among those; infinity without any.
  """

  num_failed: jax.Array
  num_feasible: jax.Array
  best: jax.Array  # [K]


class SearchAlgorithm(NamedTuple):
  """A search as pure functions; `vmap` them over keys.

  Attributes:
    init: `key -> state`.
    ask: `(key, state) -> (genotype [B, G], state)`, the same `B` in every
      round.
    tell: `(key, state, genotype [B, G], scores) -> (state, info)`.
  """

  init: Callable[..., Any]
  ask: Callable[..., tuple[jax.Array, Any]]
  tell: Callable[..., tuple[Any, SearchInfo]]


class Members(NamedTuple):
  """Evaluated architectures; an empty row is at infinity in every score.

  Attributes:
    genotype: `[N, G]` int32.
    objectives: `[N, K]`, smaller is better.
    violation: `[N]`, 0 where the constraints hold.
  """

  genotype: jax.Array  # [N, G]
  objectives: jax.Array  # [N, K]
  violation: jax.Array  # [N]

  @property
  def is_filled(self) -> jax.Array:
    """`[N]` bool, False for empty rows."""
    return jnp.isfinite(self.violation)

  @property
  def is_feasible(self) -> jax.Array:
    """`[N]` bool, True where the constraints hold."""
    return self.violation <= 0.0


def no_members(size: int, num_genes: int, num_objectives: int) -> Members:
  """`size` empty rows."""
  return Members(
      genotype=jnp.zeros((size, num_genes), jnp.int32),
      objectives=jnp.full((size, num_objectives), jnp.inf, jnp.float32),
      violation=jnp.full((size,), jnp.inf, jnp.float32),
  )


def told(genotype: jax.Array, scores: Scores) -> Members:
  """What was evaluated as members; a failed evaluation is an empty row.

  Every algorithm and the archive take in results through here, so that a NaN,
  or an infinite objective, never becomes a member.
  """
  objectives = jnp.asarray(scores.objectives, jnp.float32)
  violation = jnp.asarray(scores.violation, jnp.float32)
  chex.assert_rank([genotype, objectives, violation], [2, 2, 1])
  chex.assert_equal_shape_prefix([genotype, objectives, violation], 1)
  works = jnp.isfinite(objectives).all(axis=1) & jnp.isfinite(violation)
  return Members(
      genotype=jnp.asarray(genotype, jnp.int32),
      objectives=jnp.where(works[:, None], objectives, jnp.inf),
      violation=jnp.where(works, jnp.maximum(violation, 0.0), jnp.inf),
  )


def inform(members: Members) -> SearchInfo:
  """Counts and the best of what was just evaluated."""
  feasible = members.is_feasible
  return SearchInfo(
      num_failed=jnp.sum(~members.is_filled, dtype=jnp.int32),
      num_feasible=jnp.sum(feasible, dtype=jnp.int32),
      best=jnp.min(
          jnp.where(feasible[:, None], members.objectives, jnp.inf),
          axis=0,
          initial=jnp.inf,
      ),
  )


def together(*members: Members) -> Members:
  """Members one after the other, all with as many objectives."""
  nums = [one.objectives.shape[1] for one in members]
  if len(set(nums)) > 1:
    raise ValueError(
        f'the search is of {nums[0]} objective(s), its scores have {nums[-1]}'
    )
  return jax.tree.map(lambda *rows: jnp.concatenate(rows), *members)


def take(members: Members, rows: jax.Array) -> Members:
  """Some of the members."""
  return jax.tree.map(lambda leaf: leaf[rows], members)


def order(members: Members) -> jax.Array:
  """Rows from best to worst: feasible first, then by the first objective.

  Deb's rules (2000, https://doi.org/10.1016/S0045-7825(99)00389-8): of two
  feasible architectures the better, a feasible one before any other, of two
  others the one that breaks less.
  """
  return jnp.lexsort((members.objectives[:, 0], members.violation))


def is_repeat(genotype: jax.Array) -> jax.Array:
  """`[N]` True where an earlier row of `[N, G]` is the same; by sorting."""
  # Two hashes bring equal rows together: sorting by every gene compiles for
  # seconds. Rows between two equal ones would have to share all 64 bits.
  keys = [_hash.row_hash(genotype, seed) for seed in range(2)]
  sorting = jnp.lexsort(keys)  # stable: earlier rows lead
  rows = genotype[sorting]
  same = jnp.zeros(len(rows), bool)
  same = same.at[1:].set((rows[1:] == rows[:-1]).all(axis=1))
  return jnp.zeros(len(rows), bool).at[sorting].set(same)


def without_repeats(members: Members) -> Members:
  """Members with later copies of a genotype emptied."""
  # Empty rows are sorted apart, so that they do not hide a member.
  tagged = jnp.concatenate(
      [members.genotype, members.is_filled[:, None].astype(jnp.int32)], axis=1
  )
  repeat = is_repeat(tagged)
  return members._replace(
      objectives=jnp.where(repeat[:, None], jnp.inf, members.objectives),
      violation=jnp.where(repeat, jnp.inf, members.violation),
  )


def require_one_objective(scores: Scores, name: str) -> None:
  """Raises a ValueError where there are several objectives."""
  width = jnp.shape(scores.objectives)[1]
  if width != 1:
    raise ValueError(
        f'{name} takes one objective, got {width}; nsga2 takes several'
    )
