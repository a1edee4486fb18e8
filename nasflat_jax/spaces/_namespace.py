"""Search spaces by name."""

from __future__ import annotations

from collections.abc import Sequence
import importlib

import numpy as np

from nasflat_jax import types


def _spaces() -> dict[str, types.SearchSpace]:
  """The public constants of the package, in the order of their names."""
  package = importlib.import_module('nasflat_jax.spaces')
  members = [getattr(package, name) for name in package.__all__]
  found = [m for m in members if isinstance(m, types.SearchSpace)]
  return {space.spec.name: space for space in found}


def names() -> tuple[str, ...]:
  """The names `get` accepts, sorted."""
  return tuple(sorted(_spaces()))


def get(name: str) -> types.SearchSpace:
  """The search space of that name.

  Raises:
    ValueError: listing the known names, if there is none.

  Example:
    >>> get('fbnet').spec.num_genes
    22
  """
  found = _spaces()
  if name not in found:
    raise ValueError(
        f'unknown search space {name!r}; known: ' + ', '.join(names())
    )
  return found[name]


def space_token(
    space: types.SearchSpace | str,
    among: Sequence[types.SearchSpace | str],
) -> np.ndarray:
  """Which space a network is of, for a predictor that sees several.

  Args:
    space: a space, or its name.
    among: the spaces to tell apart, in the order of their numbers. There is no
      default: tokens that counted all of `names()` would mean other spaces as
      soon as the package knows one more.

  Returns:
    `[S]` NumPy float32 one-hot; its `argmax` is the space's number.

  Raises:
    ValueError: if the space is not among them, or one of them twice.

  Example:
    >>> space_token('ofa', among=('fbnet', 'ofa')).tolist()
    [0.0, 1.0]
  """
  known = [_name(other) for other in among]
  name = _name(space)
  if known.count(name) != 1 or len(set(known)) != len(known):
    raise ValueError(
        f'search space {name!r} must be once among ' + ', '.join(known)
    )
  return np.array([name == other for other in known], np.float32)


def _name(space: types.SearchSpace | str) -> str:
  return space if isinstance(space, str) else space.spec.name
