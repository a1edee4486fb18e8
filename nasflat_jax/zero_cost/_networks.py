"""The default network of a search space."""

from __future__ import annotations

from nasflat_jax import types
from nasflat_jax.zero_cost import _darts
from nasflat_jax.zero_cost import _fbnet
from nasflat_jax.zero_cost import _nasbench101
from nasflat_jax.zero_cost import _nasbench201
from nasflat_jax.zero_cost import _network
from nasflat_jax.zero_cost import _transnas

_DEFAULTS = {
    'darts': _darts.darts,
    'nasbench101': _nasbench101.nasbench101,
    'nasbench201': _nasbench201.nasbench201,
    'fbnet': _fbnet.fbnet,
    'transnas_micro': _transnas.transnas_micro,
}


def names() -> tuple[str, ...]:
  """Spaces that `default` knows."""
  return tuple(_DEFAULTS)


def default(space: types.SearchSpace) -> _network.Network:
  """The networks that a space's published scores are of.

  Raises:
    ValueError: the space has no networks here; pass one of your own.
  """
  name = space.spec.name
  if name not in _DEFAULTS:
    raise ValueError(
        f'no network of {name!r} is known, only of {", ".join(_DEFAULTS)}; '
        'pass one as network='
    )
  return _DEFAULTS[name]()
