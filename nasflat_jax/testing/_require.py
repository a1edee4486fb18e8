"""Assertions that name the component at fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np


class Contract:
  """Assertions about one component."""

  def __init__(self, name: str):
    self.name = name

  def require(self, holds: Any, message: str) -> None:
    """Raises AssertionError with the component's name unless `holds`."""
    if not bool(holds):
      raise AssertionError(f'{self.name}: {message}')

  def shape(self, array: Any, shape: tuple, dtype: Any, what: str) -> None:
    """Requires an array of that shape and dtype."""
    got = getattr(array, 'shape', None), getattr(array, 'dtype', None)
    self.require(
        got == (shape, np.dtype(dtype)),
        f'{what} must be {shape} {np.dtype(dtype)}, got {got[0]} {got[1]}',
    )

  def finite(self, tree: chex.ArrayTree, what: str) -> None:
    """Requires every leaf to be finite."""
    for path, leaf in jax.tree.leaves_with_path(tree):
      self.require(
          np.isfinite(np.asarray(leaf)).all(),
          f'{what}{jax.tree_util.keystr(path)} is not finite',
      )

  def same(self, a: chex.ArrayTree, b: chex.ArrayTree, what: str) -> None:
    """Requires two trees to be equal bit by bit."""
    try:
      chex.assert_trees_all_equal(a, b)
    except AssertionError as error:
      raise AssertionError(f'{self.name}: {what}: {error}') from error

  def close(
      self,
      a: chex.ArrayTree,
      b: chex.ArrayTree,
      what: str,
      tolerance: float = 1e-4,
  ) -> None:
    """Requires two trees to agree to rounding in float32."""
    try:
      chex.assert_trees_all_close(a, b, rtol=tolerance, atol=tolerance)
    except AssertionError as error:
      raise AssertionError(f'{self.name}: {what}: {error}') from error

  def one_trace(self, function: Callable[..., Any], what: str) -> Any:
    """The function jitted; a second trace raises AssertionError."""
    traces = 0

    def counted(*args):
      nonlocal traces
      traces += 1
      self.require(
          traces == 1, f'{what} is traced again for inputs of the same shapes'
      )
      return function(*args)

    return jax.jit(counted)


def equal(a: chex.ArrayTree, b: chex.ArrayTree) -> bool:
  """True where two trees of one structure are equal bit by bit."""
  pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
  return all(np.array_equal(x, y) for x, y in pairs)


def stack(*trees: Any) -> Any:
  """Stacks trees along a new leading axis."""
  return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)
