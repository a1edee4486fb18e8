"""Moves in chains whose stages have two to four blocks.

Missing blocks are a skip at the end of their stage, so the fourth block of a
stage may only be there if the third one is.
"""

from __future__ import annotations

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np


class Stages(NamedTuple):
  """Which genes may be what.

  Attributes:
    ranges: for each gene its first code and one past its last.
    skip: code of a missing block.
    third: genes of the third blocks of the stages.
    fourth: genes of the fourth blocks.
  """

  ranges: tuple[tuple[int, int], ...]
  skip: int
  third: np.ndarray
  fourth: np.ndarray


def is_valid(genotype: chex.Array, stages: Stages) -> jax.Array:
  """`[B]` True where genes are in range and no block follows a skip."""
  genotype = jnp.asarray(genotype)
  low, high = np.array(stages.ranges).T
  in_range = ((genotype >= low) & (genotype < high)).all(-1)
  third, fourth = genotype[..., stages.third], genotype[..., stages.fourth]
  return in_range & ~((third == stages.skip) & (fourth != stages.skip)).any(-1)


def random_blocks(
    depth_key: chex.PRNGKey,
    block_key: chex.PRNGKey,
    shape: tuple[int, int],
    skip: int,
) -> jax.Array:
  """Draws blocks of `shape` rows and stages, `[B, 4 S]`.

  Depths of 2 to 4 and codes below `skip` are uniform and independent.
  """
  depth = jax.random.randint(depth_key, (*shape, 1), 2, 5)
  block = jax.random.randint(block_key, (*shape, 4), 0, skip, jnp.int32)
  return jnp.where(jnp.arange(4) < depth, block, skip).reshape(shape[0], -1)


def mutate(
    key: chex.PRNGKey, genotype: chex.Array, stages: Stages
) -> jax.Array:
  """Changes one gene of `[B, G]`, uniformly among the valid neighbours.

  A stage grows or shrinks at its end only: by its last block, one at a time.
  """
  genotype = jnp.asarray(genotype, jnp.int32)
  rows, num_genes = genotype.shape
  low, high = np.array(stages.ranges).T
  codes = np.arange(high.max())
  in_range = (codes >= low[:, None]) & (codes < high[:, None])  # [G, O]
  is_skip = codes == stages.skip
  third, fourth = stages.third, stages.fourth
  skipped = (genotype == stages.skip)[..., None]  # [B, G, 1]
  allowed = jnp.broadcast_to(in_range, (rows, *in_range.shape))
  allowed &= genotype[..., None] != codes
  allowed = allowed.at[:, third].set(
      allowed[:, third] & (skipped[:, fourth] | ~is_skip)
  )
  allowed = allowed.at[:, fourth].set(
      allowed[:, fourth] & (~skipped[:, third] | is_skip)
  )
  logits = jnp.where(allowed.reshape(rows, -1), 0.0, -jnp.inf)
  choice = jax.random.categorical(key, logits, axis=-1)[:, None]
  changed = jnp.arange(num_genes) == choice // len(codes)
  return jnp.where(changed, (choice % len(codes)).astype(jnp.int32), genotype)


def crossover(
    key: chex.PRNGKey, a: chex.Array, b: chex.Array, stages: Stages
) -> jax.Array:
  """Takes each gene from `a` or `b` `[B, G]` with equal chances.

  Where the third block of a stage is a skip, the fourth comes from the same
  parent, in which it is one too: children of valid parents are valid.
  """
  a, b = jnp.asarray(a, jnp.int32), jnp.asarray(b, jnp.int32)
  chex.assert_equal_shape([a, b])
  from_a = jax.random.bernoulli(key, 0.5, a.shape)
  child = jnp.where(from_a, a, b)
  tied = child[:, stages.third] == stages.skip
  from_a = from_a.at[:, stages.fourth].set(
      jnp.where(tied, from_a[:, stages.third], from_a[:, stages.fourth])
  )
  return jnp.where(from_a, a, b)
