"""The sampler every other one is compared with."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

from nasflat_jax.samplers._admit import admit


def random(
    key: chex.PRNGKey,
    features: jax.Array,  # [N, F]
    *,
    num_samples: int,
    where: jax.Array | None = None,  # [N]
) -> jax.Array:  # [num_samples]
  """Chooses distinct architectures uniformly.

  Args:
    key: the PRNG key, consumed.
    features: `[N, F]` features of the pool; only their number matters.
    num_samples: how many to choose. Static under `jit`.
    where: `[N]` True for architectures that may be chosen; None admits all.
      Leave out degenerate and unmeasured ones here.

  Returns:
    `[num_samples]` int32 row numbers. Where fewer rows are admitted than
    asked for, a traced call cannot tell; an untraced one raises.

  Raises:
    ValueError: `num_samples` is negative or exceeds the rows admitted.

  Example:
    >>> import jax
    >>> ids = random(jax.random.key(0), jnp.zeros((9, 1)), num_samples=9)
    >>> sorted(ids.tolist()) == list(range(9))
    True
  """
  where = admit(features, where, num_samples)
  num = features.shape[0]
  # The admitted rows come first in a random order of their own.
  order = jnp.lexsort((jax.random.permutation(key, num), ~where))
  return order[:num_samples].astype(jnp.int32)
