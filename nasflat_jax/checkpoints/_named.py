"""Arrays of any tree by their path, and back into a tree of the same shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import chex
import jax
import numpy as np


def named(tree: chex.ArrayTree) -> dict[str, Any]:
  """Leaves of a tree by their path, e.g. `params/Dense_0/kernel`.

  Args:
    tree: a tree of arrays; nested mappings, tuples, lists or dataclasses.

  Returns:
    What `save_arrays` takes.
  """
  return {
      jax.tree_util.keystr(path, simple=True, separator='/'): leaf
      for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
  }


def fitted(arrays: Mapping[str, Any], like: chex.ArrayTree) -> Any:
  """Puts arrays where `named` found them.

  Args:
    arrays: what `named` gave, or the nested mappings that `load_arrays` makes
      of it.
    like: a tree of that structure; of its leaves only shape and dtype count.

  Returns:
    The tree.

  Raises:
    ValueError: the arrays do not fit; names the first that does not.
  """
  have, should = named(arrays), named(like)
  for path in sorted({*have, *should}):
    one, other = _layout(have.get(path)), _layout(should.get(path))
    if one != other:
      raise ValueError(f'{path}: {one}, should be {other}')
  leaves = [have[path] for path in should]
  return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _layout(leaf: Any) -> str:
  """Dtype and shape, e.g. `float32[41, 8]`."""
  if leaf is None:
    return 'absent'
  return f'{np.dtype(leaf.dtype)}{list(leaf.shape)}'
