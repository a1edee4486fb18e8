"""Runs a search: as one compiled program, or round by round on the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import os
import pathlib
import time
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from nasflat_jax import checkpoints
from nasflat_jax.search import _algorithm
from nasflat_jax.search import _archive

# What evaluates architectures: `genotype [B, G] -> Scores`.
Evaluate = Callable[[jax.Array], _algorithm.Scores]


class SearchResult(NamedTuple):
  """What a search has found.

  Attributes:
    archive: the best members, best first; rows at infinity are empty.
    history: `SearchInfo` of every round, with a leading `[R]`.
  """

  archive: _algorithm.Members
  history: _algorithm.SearchInfo

  @property
  def found(self) -> _algorithm.Members:
    """The members of the archive without empty rows, NumPy; host only.

    Feasible ones first, then by the first objective.
    """
    return _archive.best_first(self.archive)


class _Carry(NamedTuple):
  state: Any
  archive: _algorithm.Members


def _start(
    key: chex.PRNGKey,
    algorithm: _algorithm.SearchAlgorithm,
    evaluate: Evaluate,
    archive_size: int,
) -> _Carry:
  """The state before the first round; nothing is evaluated."""
  state = algorithm.init(key)
  genotype, _ = jax.eval_shape(algorithm.ask, key, state)
  scores = jax.eval_shape(evaluate, genotype)
  return _Carry(
      state,
      _algorithm.no_members(
          archive_size, genotype.shape[1], scores.objectives.shape[1]
      ),
  )


def run(
    key: chex.PRNGKey,
    algorithm: _algorithm.SearchAlgorithm,
    evaluate: Evaluate,
    *,
    num_rounds: int,
    archive_size: int = 64,
) -> SearchResult:
  """Runs a search as one program, a `lax.scan` over its rounds.

  Pure: `jit` it, `vmap` it over keys, and over budgets by making the algorithm
  and the objectives inside the function that is mapped.

  Args:
    key: typed PRNG key.
    algorithm: asks and is told.
    evaluate: `[B, G] -> Scores`, traceable, see `problem`.
    num_rounds: R, rounds of asking and telling.
    archive_size: members to keep. A front that is larger loses its crowded
      parts.

  Returns:
    The result.

  Example:
    >>> from nasflat_jax import search, spaces
    >>> space = spaces.FBNET
    >>> fewest = search.problem(search.cost(space, 'flops'))
    >>> evolution = search.regularised_evolution(space, num_children=10)
    >>> found = search.run(
    ...     jax.random.key(0), evolution, fewest, num_rounds=20).found
    >>> found.genotype.shape, bool(found.is_feasible.all())
    ((64, 22), True)
  """
  init_key, round_key = jax.random.split(key)
  carry = _start(init_key, algorithm, evaluate, archive_size)

  def play(carry, number):
    ask_key, tell_key = _round_keys(round_key, number)
    genotype, state = algorithm.ask(ask_key, carry.state)
    scores = evaluate(genotype)
    state, info = algorithm.tell(tell_key, state, genotype, scores)
    new = _algorithm.told(genotype, scores)
    return _Carry(state, _archive.keep(carry.archive, new)), info

  carry, history = jax.lax.scan(play, carry, jnp.arange(num_rounds))
  return SearchResult(carry.archive, history)


def _round_keys(key: chex.PRNGKey, number: chex.Numeric) -> jax.Array:
  return jax.random.split(jax.random.fold_in(key, number))


def _no_progress(done: int, total: int) -> None:
  del done, total


def run_on_host(
    key: chex.PRNGKey,
    algorithm: _algorithm.SearchAlgorithm,
    evaluate: Callable[[Any], _algorithm.Scores],
    *,
    num_rounds: int,
    num_objectives: int = 1,
    archive_size: int = 64,
    path: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    save_seconds: float = 0.0,
    progress: Callable[[int, int], None] = _no_progress,
) -> SearchResult:
  """Runs a search whose evaluation cannot be traced, e.g. a measurement.

  As `run`, with the same keys, hence the same result where both can run. The
  state is written to `path` between rounds, from which an interrupted search
  goes on as if nothing had happened.

  Args:
    key: typed PRNG key.
    algorithm: asks and is told; its functions are compiled.
    evaluate: `[B, G]` NumPy `-> Scores`; NaN where an evaluation failed.
    num_rounds: R.
    num_objectives: K.
    archive_size: members to keep.
    path: npz file of the state; None keeps it in memory only.
    settings: what the search depends on, plain JSON values: a file of another
      search is refused.
    save_seconds: least time between two writings; 0 writes after every round.
    progress: called with the rounds done and `num_rounds`.

  Returns:
    The result. The file stays; delete it when the result is safe.

  Raises:
    ValueError: the file is not of a search with these settings.
  """
  header = {'kind': 'search', 'num_rounds': num_rounds, **(settings or {})}
  init_key, round_key = jax.random.split(key)
  state = jax.jit(algorithm.init)(init_key)
  genes = jax.eval_shape(algorithm.ask, init_key, state)[0].shape[1]
  carry = _Carry(
      state, _algorithm.no_members(archive_size, genes, num_objectives)
  )
  blank = _algorithm.SearchInfo(
      num_failed=jnp.zeros(num_rounds, jnp.int32),
      num_feasible=jnp.zeros(num_rounds, jnp.int32),
      best=jnp.full((num_rounds, num_objectives), jnp.inf, jnp.float32),
  )
  saved = (jnp.zeros((), jnp.int32), carry, blank)
  if path is not None and pathlib.Path(path).exists():
    saved = checkpoints.restore_state(path, saved, header)
  start, carry, history = saved

  ask = jax.jit(algorithm.ask)

  @jax.jit
  def tell(key, carry, genotype, scores):
    state, info = algorithm.tell(key, carry.state, genotype, scores)
    new = _algorithm.told(genotype, scores)
    return _Carry(state, _archive.keep(carry.archive, new)), info

  written = time.monotonic()
  for number in range(int(start), num_rounds):
    ask_key, tell_key = _round_keys(round_key, number)
    genotype, state = ask(ask_key, carry.state)
    scores = jax.tree.map(jnp.asarray, evaluate(jax.device_get(genotype)))
    carry, info = tell(
        tell_key, carry._replace(state=state), genotype, scores
    )
    history = jax.tree.map(
        lambda rows, value: rows.at[number].set(value), history, info
    )
    is_due = time.monotonic() - written >= save_seconds
    if path is not None and (is_due or number + 1 == num_rounds):
      done = jnp.asarray(number + 1, jnp.int32)
      checkpoints.save_state(path, (done, carry, history), header)
      written = time.monotonic()
    progress(number + 1, num_rounds)
  return SearchResult(carry.archive, history)
