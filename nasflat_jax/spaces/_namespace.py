"""Search spaces by name."""

from __future__ import annotations

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
