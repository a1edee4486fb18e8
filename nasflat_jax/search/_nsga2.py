"""NSGA-II: several objectives by fronts and crowding."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nasflat_jax import types
from nasflat_jax.search import _algorithm
from nasflat_jax.search import _crowding
from nasflat_jax.search import _moves


def _select(members: _algorithm.Members, size: int) -> _algorithm.Members:
  """The best by front, then by crowding; best first."""
  members = _algorithm.without_repeats(members)
  front = _crowding.front_number(members)
  alone = _crowding.crowding(members.objectives, front)
  kept = jnp.lexsort((-alone, front))[:size]
  return _algorithm.take(members, kept)


def nsga2(
    space: types.SearchSpace,
    *,
    num_objectives: int = 2,
    num_children: int = 100,
    crossover_prob: float = 0.9,
    mutation_prob: float | None = None,
    violation: _algorithm.Violation | None = None,
    num_draws: int = 10,
) -> _algorithm.SearchAlgorithm:
  """NSGA-II, Deb et al. (2002, https://doi.org/10.1109/4235.996017).

  As many children as members. Parents win binary tournaments by front, then by
  crowding; members and children together are cut back in the same order.
  Constraints enter by constrained domination.

  Note:
    Copies of a member leave the population: in a space of thousands they would
    soon fill it. Genes cross uniformly, by the space's own move.

  Args:
    space: the search space.
    num_objectives: K, 1 or more.
    num_children: architectures asked for in a round, and kept.
    crossover_prob: probability that a child has two parents.
    mutation_prob: mean share of genes that mutation changes; None is one gene.
    violation: `[B, G] -> [B]`, by which children are drawn again, as in
      `constrained_evolution`; None leaves constraints to the evaluation.
    num_draws: the most draws of a child.

  Returns:
    The algorithm; its state is the population, best first.
  """
  if mutation_prob is None:
    mutation_prob = 1.0 / space.spec.num_genes

  def init(key):
    del key
    return _algorithm.no_members(
        num_children, space.spec.num_genes, num_objectives
    )

  def ask(key, state):
    pick_key, draw_key = jax.random.split(key)
    filled = state.is_filled
    rivals = _moves.pick(pick_key, filled, (2, num_children, 2))
    # The population is sorted: the lower row wins.
    mother, father = state.genotype[rivals.min(axis=-1)]

    def breed(key):
      cross_key, mix_key, mutate_key = jax.random.split(key, 3)
      crosses = jax.random.bernoulli(
          cross_key, crossover_prob, (num_children, 1)
      )
      child = space.crossover(mix_key, mother, father)
      child = jnp.where(crosses, child, mother)
      return _moves.mutate_genes(mutate_key, space, child, mutation_prob)

    def draw(key):
      return jax.lax.cond(
          filled.any(), breed, lambda key: space.random(key, num_children), key
      )

    return _moves.draw_within(draw_key, draw, violation, num_draws), state

  def tell(key, state, genotype, scores):
    del key
    children = _algorithm.told(genotype, scores)
    everyone = _algorithm.together(state, children)
    return _select(everyone, num_children), _algorithm.inform(children)

  return _algorithm.SearchAlgorithm(init, ask, tell)
