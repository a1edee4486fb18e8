"""Every member of a space, or of a list, once."""

from __future__ import annotations

import chex
import jax.numpy as jnp
import numpy as np

from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.search import _algorithm


def all_members(space: types.SearchSpace) -> np.ndarray:
  """Every valid member of a space that can be enumerated, `[N, G]`.

  Args:
    space: the search space.

  Returns:
    `[N, G]` int32 in the order of their numbers.

  Raises:
    ValueError: the space cannot be enumerated.
  """
  everything = spaces.members(space)
  return everything[np.asarray(space.is_valid(everything))]


def num_rounds(num_members: int, num_children: int) -> int:
  """Rounds in which `exhaustive` sees all of `num_members`."""
  return -(-num_members // num_children)


def exhaustive(
    space: types.SearchSpace,
    *,
    genotype: chex.Array | None = None,
    num_children: int = 4096,
) -> _algorithm.SearchAlgorithm:
  """Asks for every member in turn; any number of objectives.

  With predictors of this package it is the method of choice where a space can
  be enumerated, or where another method proposes the candidates: all of
  NAS-Bench-201 is four rounds of 4,096.

  Args:
    space: the search space.
    genotype: `[N, G]` members to try; None takes all valid ones.
    num_children: architectures asked for in a round; bounds memory. The last
      round is filled up with the last member, and so are further ones.

  Returns:
    The algorithm; `num_rounds(N, num_children)` rounds see all members.

  Raises:
    ValueError: the space cannot be enumerated, or there is no member.
  """
  rows = all_members(space) if genotype is None else np.asarray(genotype)
  if not len(rows):
    raise ValueError('there is no architecture to try')
  members = jnp.asarray(rows, jnp.int32)
  chex.assert_shape(members, (None, space.spec.num_genes))

  def init(key):
    del key
    return jnp.zeros((), jnp.int32)

  def ask(key, state):
    del key
    rows = jnp.minimum(state + jnp.arange(num_children), len(members) - 1)
    # Stops counting at the end, where an int32 might overflow in time.
    after = jnp.minimum(state + num_children, len(members))
    return members[rows], after.astype(jnp.int32)

  def tell(key, state, genotype, scores):
    del key
    return state, _algorithm.inform(_algorithm.told(genotype, scores))

  return _algorithm.SearchAlgorithm(init, ask, tell)
