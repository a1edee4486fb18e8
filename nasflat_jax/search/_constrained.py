"""Evolution whose children hold the constraints before they are evaluated."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nasflat_jax import types
from nasflat_jax.search import _algorithm
from nasflat_jax.search import _moves


def constrained_evolution(
    space: types.SearchSpace,
    *,
    violation: _algorithm.Violation | None = None,
    num_children: int = 100,
    parent_ratio: float = 0.25,
    mutation_ratio: float = 0.5,
    mutation_prob: float = 0.1,
    num_draws: int = 100,
) -> _algorithm.SearchAlgorithm:
  """Evolution as Once-for-All and HELP run it, for 500 rounds.

  Cai et al. (2020, https://arxiv.org/abs/1908.09791) and Lee et al. (2021,
  https://arxiv.org/abs/2106.08630). The best quarter of all so far are parents;
  half of the children are mutants of one, the others cross two. Every child,
  and every member of the random first round, is drawn again until its
  predicted constraint holds. One objective.

  Note:
    They draw for ever; here a child has `num_draws` chances, and of one that
    never holds the constraint the draw that broke it least is evaluated and
    ranked behind all that hold it. A mutation always changes its gene, where
    theirs may draw the same operation again, and copies of a parent are no
    parents: with them the quarter would soon be one architecture.

  Args:
    space: the search space.
    violation: `[B, G] -> [B]`, jittable and cheap, see `total_violation`; None
      where nothing is known before the evaluation. It may hold traced arrays,
      such as a budget under `vmap`.
    num_children: architectures asked for in a round.
    parent_ratio: parents, as a share of the children.
    mutation_ratio: share of mutants among the children.
    mutation_prob: mean share of genes that a mutation changes.
    num_draws: the most draws of a child.

  Returns:
    The algorithm; its state are the parents.

  Raises:
    ValueError: there would be no parent.
  """
  num_parents = round(parent_ratio * num_children)
  num_mutants = round(mutation_ratio * num_children)
  if num_parents < 1:
    raise ValueError(
        f'{num_children} children at parent_ratio {parent_ratio} leave no '
        'parent'
    )
  if not 0 <= num_mutants <= num_children:
    raise ValueError(
        f'mutation_ratio must be from 0 to 1, got {mutation_ratio}'
    )

  def init(key):
    del key
    return _algorithm.no_members(num_parents, space.spec.num_genes, 1)

  def ask(key, state):
    mutant_key, cross_key, draw_key = jax.random.split(key, 3)
    filled = state.is_filled
    parent = state.genotype[_moves.pick(mutant_key, filled, (num_mutants,))]
    pair = _moves.pick(cross_key, filled, (2, num_children - num_mutants))
    mother, father = state.genotype[pair]

    def breed(key):
      mutate_key, mix_key = jax.random.split(key)
      return jnp.concatenate([
          _moves.mutate_genes(mutate_key, space, parent, mutation_prob),
          space.crossover(mix_key, mother, father),
      ])

    def draw(key):
      return jax.lax.cond(
          filled.any(), breed, lambda key: space.random(key, num_children), key
      )

    children = _moves.draw_within(draw_key, draw, violation, num_draws)
    return children, state

  def tell(key, state, genotype, scores):
    del key
    _algorithm.require_one_objective(scores, 'constrained_evolution')
    children = _algorithm.told(genotype, scores)
    everyone = _algorithm.without_repeats(
        _algorithm.together(state, children)
    )
    best = _algorithm.order(everyone)[:num_parents]
    return _algorithm.take(everyone, best), _algorithm.inform(children)

  return _algorithm.SearchAlgorithm(init, ask, tell)
