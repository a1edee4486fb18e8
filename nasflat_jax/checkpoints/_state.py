"""The state of an interrupted pretraining: saved often, resumed exactly."""

from collections.abc import Mapping
import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax.checkpoints import _format


def save_state(
    path: str | os.PathLike[str], state: Any, header: Mapping[str, Any]
) -> None:
  """Writes the leaves of any pytree of arrays, atomically.

  Args:
    path: the npz file.
    state: e.g. a `TransferState`.
    header: the settings of the run, to be compared on resuming.
  """
  leaves = jax.tree.leaves(state)
  tree = {f'{i:05d}': np.asarray(leaf) for i, leaf in enumerate(leaves)}
  _format.save_arrays(path, tree, header)


def restore_state(
    path: str | os.PathLike[str], like: Any, header: Mapping[str, Any]
) -> Any:
  """Reads what `save_state` wrote into the structure of `like`.

  Args:
    path: the npz file.
    like: a state of the same structure, shapes and dtypes.
    header: the settings of this run.

  Returns:
    The saved state.

  Raises:
    ValueError: the file is of a run with other settings, or is not a state of
      this structure.
  """
  tree, saved = _format.load_arrays(path)
  changed = sorted(
      name for name in {*saved, *header} if saved.get(name) != header.get(name)
  )
  if changed:
    listed = ', '.join(
        f'{n} was {saved.get(n)!r}, is {header.get(n)!r}' for n in changed
    )
    raise ValueError(
        f'{path}: an unfinished run with other settings ({listed})'
    )
  leaves, structure = jax.tree.flatten(like)
  read = [tree[name] for name in sorted(tree)]
  shapes = [(x.shape, x.dtype) for x in leaves]
  if [(x.shape, x.dtype) for x in read] != shapes:
    raise ValueError(f'{path}: does not hold a state of this run')
  return jax.tree.unflatten(structure, [jnp.asarray(x) for x in read])
