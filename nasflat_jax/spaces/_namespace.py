"""Search spaces by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _fbnet
from nasflat_jax.spaces import _nasbench101
from nasflat_jax.spaces import _nasbench201
from nasflat_jax.spaces import _ofa

_SPACES = {
    space.spec.name: space
    for space in (
        _nasbench201.NASBENCH201,
        _fbnet.FBNET,
        _ofa.OFA,
        _nasbench101.NASBENCH101,
    )
}


def names() -> tuple[str, ...]:
  """The names `get` accepts."""
  return tuple(_SPACES)


def get(name: str) -> types.SearchSpace:
  """The search space of that name.

  Raises:
    ValueError: listing the known names, if there is none.

  Example:
    >>> get('fbnet').spec.num_genes
    22
  """
  if name not in _SPACES:
    raise ValueError(
        f'unknown search space {name!r}; known: ' + ', '.join(_SPACES)
    )
  return _SPACES[name]


def space_token(
    space: types.SearchSpace | str,
    among: Sequence[types.SearchSpace | str] | None = None,
) -> np.ndarray:
  """Which space a network is of, for a predictor that sees several.

  Args:
    space: a space, or its name.
    among: the spaces to tell apart; None takes all of `names()`. Give them
      where weights are kept: the package may know more spaces one day.

  Returns:
    `[S]` NumPy float32 one-hot; its `argmax` is the space's number.

  Raises:
    ValueError: if the space is not among them, or one of them twice.

  Example:
    >>> space_token('ofa', among=('fbnet', 'ofa')).tolist()
    [0.0, 1.0]
  """
  known = [_name(other) for other in (names() if among is None else among)]
  name = _name(space)
  if known.count(name) != 1 or len(set(known)) != len(known):
    raise ValueError(
        f'search space {name!r} must be once among ' + ', '.join(known)
    )
  return np.array([name == other for other in known], np.float32)


def _name(space: types.SearchSpace | str) -> str:
  return space if isinstance(space, str) else space.spec.name
