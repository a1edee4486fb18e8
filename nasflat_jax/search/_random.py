"""Random search, with which every other one is compared."""

from __future__ import annotations

from nasflat_jax import types
from nasflat_jax.search import _algorithm


def random(
    space: types.SearchSpace, *, num_children: int = 100
) -> _algorithm.SearchAlgorithm:
  """Draws members of a space; any number of objectives.

  Li and Talwalkar (2019, https://arxiv.org/abs/1902.07638) show how hard it is
  to beat.

  Args:
    space: the search space.
    num_children: architectures asked for in a round.

  Returns:
    The algorithm; it has no state.

  Example:
    >>> from nasflat_jax import spaces
    >>> algorithm = random(spaces.FBNET, num_children=3)
    >>> genotype, _ = algorithm.ask(jax.random.key(0), ())
    >>> genotype.shape
    (3, 22)
  """

  def init(key):
    del key
    return ()

  def ask(key, state):
    return space.random(key, num_children), state

  def tell(key, state, genotype, scores):
    del key
    return state, _algorithm.inform(_algorithm.told(genotype, scores))

  return _algorithm.SearchAlgorithm(init, ask, tell)
