"""Chains whose stages have two to four blocks: moves, strings, spaces.

Missing blocks are a skip at the end of their stage, so the fourth block of a
stage may only be there if the third one is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _codec


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


def _from_string(
    strings: Iterable[str],
    *,
    spec: types.SpaceSpec,
    stages: Stages,
    expected: str,
) -> np.ndarray:
  """Host; `[B, G]` NumPy int32 genotypes of `|`-joined names.

  Raises:
    ValueError: naming the first string that is not of the space, and where.
  """
  strings = _codec.string_list(spec, strings)
  codes = {name: code for code, name in enumerate(spec.gene_names)}
  genotype = np.full((len(strings), spec.num_genes), -1, np.int32)
  for place, string in enumerate(strings):
    genes = [codes.get(name, -1) for name in string.split('|')]
    if len(genes) == spec.num_genes:
      genotype[place] = genes
  bad = ~np.asarray(is_valid(genotype, stages))
  if bad.any():
    place = int(bad.argmax())
    raise ValueError(
        f'{spec.name}: string {place} is not an architecture: '
        f'{strings[place]!r}; expected {expected}'
    )
  return genotype


def make_space(
    spec: types.SpaceSpec,
    stages: Stages,
    *,
    random: Callable[[chex.PRNGKey, int], jax.Array],
    costs: Callable[..., types.Costs],
    op_costs: Callable[..., types.Costs],
    expected: str,
) -> types.SearchSpace:
  """The space of a chain of genes, with the moves of this module.

  A skip is an identity, as in FBNet, so every node is live. Strings are the
  names of the genes, joined by `|`.

  Args:
    spec: the description of a chain.
    stages: which genes may be what.
    random: `(key, n) -> [n, G]`.
    costs: of networks.
    op_costs: of genes.
    expected: what a string must be, for the error's message.
  """
  return types.SearchSpace(
      spec=spec,
      decode=functools.partial(_codec.chain, spec),
      random=random,
      mutate=functools.partial(mutate, stages=stages),
      crossover=functools.partial(crossover, stages=stages),
      is_valid=functools.partial(is_valid, stages=stages),
      costs=costs,
      op_costs=op_costs,
      to_string=functools.partial(_codec.joined_names, spec),
      from_string=functools.partial(
          _from_string, spec=spec, stages=stages, expected=expected
      ),
  )
