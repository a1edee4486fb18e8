"""The contract of search algorithms."""

from __future__ import annotations

import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import search
from nasflat_jax import types
from nasflat_jax.testing import _require

_ROUNDS = 4
_ARCHIVE = 5


def check_search(
    algorithm: search.SearchAlgorithm,
    space: types.SearchSpace,
    *,
    num_objectives: int = 1,
    name: str = 'search',
) -> None:
  """Checks `(init, ask, tell)` as `search.run` and `run_on_host` use it.

  Children are members of the space, the same number in every round; the state
  keeps its structure; one key gives one search, one trace; failed evaluations
  are kept neither in the archive nor among the `Members` of the state; and
  `vmap` over keys equals one search at a time.

  Args:
    algorithm: the algorithm. It is run for four rounds.
    space: the search space.
    num_objectives: K.
    name: the component's name in messages.

  Raises:
    AssertionError: the algorithm breaks its contract.

  Example:
    >>> from nasflat_jax import spaces
    >>> check_search(
    ...     search.random(spaces.FBNET, num_children=4), spaces.FBNET)
  """
  contract = _require.Contract(name)
  evaluate = _evaluation(space, num_objectives)
  key = jax.random.key(0)
  alone = _run_watched(contract, algorithm, space, evaluate, key)

  def one(key):
    return search.run(
        key, algorithm, evaluate, num_rounds=_ROUNDS, archive_size=_ARCHIVE
    )

  # The same key twice: also one key, one search.
  keys = jnp.stack([jax.random.key(1), key, key])
  together = jax.jit(jax.vmap(one))(keys)
  _check_members(contract, together.archive, 'archive')
  contract.require(
      together.archive.is_filled.any(axis=1).all(), 'nothing is found'
  )
  first, second = (
      jax.tree.map(lambda leaf: leaf[row], together) for row in (1, 2)
  )
  contract.same(first, second, 'one key, two searches')
  contract.close(
      first,
      alone,
      'vmap over keys differs from one search at a time',
  )


def _run_watched(contract, algorithm, space, evaluate, key):
  """Runs round by round and checks what is asked, told and kept."""
  seen: list[np.ndarray] = []

  def ask(key, state):
    genotype, after = algorithm.ask(key, state)
    _same_structure(contract, state, after, 'ask')
    return genotype, after

  def tell(key, state, genotype, scores):
    after, info = algorithm.tell(key, state, genotype, scores)
    _same_structure(contract, state, after, 'tell')
    contract.require(
        isinstance(info, search.SearchInfo), 'tell must give a SearchInfo'
    )
    jax.debug.callback(
        lambda state: _check_members(contract, state, 'state'), after
    )
    return after, info

  def watch(genotype):
    shape = (len(seen[0]) if seen else len(genotype), space.spec.num_genes)
    contract.shape(genotype, shape, np.int32, 'children')
    contract.require(
        space.is_valid(genotype).all(), 'ask gives an invalid genotype'
    )
    scores = evaluate(genotype)
    seen.append(np.isnan(np.asarray(scores.objectives)).any(axis=1))
    return scores

  watched = search.SearchAlgorithm(
      algorithm.init,
      contract.one_trace(ask, 'ask'),
      contract.one_trace(tell, 'tell'),
  )
  result = search.run_on_host(
      key,
      watched,
      watch,
      num_rounds=_ROUNDS,
      num_objectives=_width(evaluate, space),
      archive_size=_ARCHIVE,
  )
  contract.require(
      [int(n) for n in result.history.num_failed] == [s.sum() for s in seen],
      'info must count the evaluations that failed',
  )
  return result


def _width(evaluate, space) -> int:
  genotype = jnp.zeros((1, space.spec.num_genes), jnp.int32)
  return evaluate(genotype).objectives.shape[1]


def _same_structure(contract, before, after, what) -> None:
  shapes = (
      jax.tree.map(lambda x: (jnp.shape(x), jnp.result_type(x)), tree)
      for tree in (before, after)
  )
  contract.require(
      operator.eq(*shapes), f'{what} changes the structure of the state'
  )


def _evaluation(space: types.SearchSpace, num_objectives: int):
  """Made-up scores; a third fails, a third breaks the constraint."""
  low = np.array(space.spec.gene_ranges or ((0, 0),) * space.spec.num_genes)
  weights = np.random.default_rng(0).normal(
      size=(space.spec.num_genes, num_objectives)
  ).astype(np.float32)

  def evaluate(genotype: Any) -> search.Scores:
    codes = jnp.asarray(genotype) - low[:, 0]
    total = codes.sum(axis=1) % 3
    # Not a product: its rounding depends on how the batch is laid out.
    value = (codes[:, :, None] * weights).sum(axis=1)
    return search.Scores(
        objectives=jnp.where((total == 0)[:, None], jnp.nan, value),
        violation=jnp.where(total == 1, 1.0, -1.0),
    )

  return evaluate


def _check_members(contract, tree, what) -> None:
  is_members = lambda leaf: isinstance(leaf, search.Members)
  for leaf in jax.tree.leaves(tree, is_leaf=is_members):
    if is_members(leaf):
      filled = np.asarray(leaf.is_filled)
      contract.require(
          np.isfinite(np.asarray(leaf.objectives)[filled]).all(),
          f'{what}: a failed evaluation is kept',
      )
