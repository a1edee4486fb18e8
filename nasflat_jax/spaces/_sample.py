"""A fixed sample of a space, for whatever needs a typical member."""

from __future__ import annotations

import jax
import numpy as np

from nasflat_jax import types

_SIZE = 4096
_SEED = 0


def reference_sample(space: types.SearchSpace) -> np.ndarray:
  """Random members of a space, always the same ones.

  Encodings are centred and scaled on them, so that no measured row enters.

  Args:
    space: the search space.

  Returns:
    `[4096, G]` int32 genotypes.
  """
  if space.spec.gene_ranges is None:
    rng = np.random.default_rng(_SEED)
    return rng.integers(
        len(space.spec.gene_names),
        size=(_SIZE, space.spec.num_genes),
        dtype=np.int32,
    )
  # Genes depend on each other: only the space can draw its members.
  with jax.ensure_compile_time_eval():
    return np.asarray(space.random(jax.random.key(_SEED), _SIZE))
