"""Regularised evolution: the oldest die, not the worst."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from nasflat_jax import types
from nasflat_jax.search import _algorithm
from nasflat_jax.search import _moves


class EvolutionState(NamedTuple):
  """The population and the age of its members.

  Attributes:
    members: `P` of them.
    birth: `[P]` int32, when each was evaluated; -1 for an empty row.
    clock: `[]` int32, evaluations so far.
  """

  members: _algorithm.Members
  birth: jax.Array  # [P]
  clock: jax.Array


def regularised_evolution(
    space: types.SearchSpace,
    *,
    population_size: int = 100,
    tournament_size: int = 25,
    num_children: int = 1,
) -> _algorithm.SearchAlgorithm:
  """Aging evolution, Real et al. (2019, https://arxiv.org/abs/1802.01548).

  Random members until the population is full. Then the best of a random
  tournament gets a child with one gene changed, which takes the place of the
  oldest member. Constraints enter by Deb's rules. One objective.

  Args:
    space: the search space.
    population_size: P.
    tournament_size: members drawn, with replacement, to find a parent.
    num_children: children per round. The paper's 1 learns from each; more let
      a batch be evaluated at once.

  Returns:
    The algorithm. A failed evaluation takes nobody's place.

  Raises:
    ValueError: there are more children than members, or a number is below 1.
  """
  if tournament_size < 1:
    raise ValueError(
        f'tournament_size must be 1 or more, got {tournament_size}'
    )
  if not 1 <= num_children <= population_size:
    raise ValueError(
        f'num_children must be 1 to population_size ({population_size}), got '
        f'{num_children}'
    )

  def init(key):
    del key
    return EvolutionState(
        members=_algorithm.no_members(
            population_size, space.spec.num_genes, 1
        ),
        birth=jnp.full((population_size,), -1, jnp.int32),
        clock=jnp.zeros((), jnp.int32),
    )

  def ask(key, state):
    random_key, pick_key, mutate_key = jax.random.split(key, 3)
    place = jnp.zeros(population_size, jnp.int32)
    place = place.at[_algorithm.order(state.members)].set(
        jnp.arange(population_size, dtype=jnp.int32)
    )
    rivals = _moves.pick(
        pick_key, state.birth >= 0, (num_children, tournament_size)
    )
    best = jnp.argmin(place[rivals], axis=1)[:, None]
    parent = jnp.take_along_axis(rivals, best, axis=1)[:, 0]
    child = space.mutate(mutate_key, state.members.genotype[parent])
    newcomer = space.random(random_key, num_children)
    is_full = (state.birth >= 0).all()
    return jnp.where(is_full, child, newcomer), state

  def tell(key, state, genotype, scores):
    del key
    _algorithm.require_one_objective(scores, 'regularised_evolution')
    children = _algorithm.told(genotype, scores)
    born = state.clock + jnp.arange(len(genotype), dtype=jnp.int32)
    birth = jnp.append(state.birth, jnp.where(children.is_filled, born, -1))
    kept_birth, kept = jax.lax.top_k(birth, population_size)
    everyone = _algorithm.together(state.members, children)
    return EvolutionState(
        members=_algorithm.take(everyone, kept),
        birth=kept_birth,
        clock=state.clock + len(genotype),
    ), _algorithm.inform(children)

  return _algorithm.SearchAlgorithm(init, ask, tell)
