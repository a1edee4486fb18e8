"""Draws that evolution is made of."""

from __future__ import annotations

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from nasflat_jax import types
from nasflat_jax.search import _algorithm


def mutate_genes(
    key: chex.PRNGKey,
    space: types.SearchSpace,
    genotype: jax.Array,  # [B, G]
    prob: float,
) -> jax.Array:
  """Changes a binomial number of genes, `prob` of them on average.

  A gene at a time by the space's own move, so that members stay valid; a gene
  may be hit twice.
  """

  def move(genotype, key):
    key, hit_key = jax.random.split(key)
    hit = jax.random.bernoulli(hit_key, prob, (len(genotype), 1))
    return jnp.where(hit, space.mutate(key, genotype), genotype), None

  keys = jax.random.split(key, space.spec.num_genes)
  return jax.lax.scan(move, jnp.asarray(genotype, jnp.int32), keys)[0]


def pick(
    key: chex.PRNGKey, allowed: jax.Array, shape: tuple[int, ...]
) -> jax.Array:
  """Rows drawn with replacement among those allowed; any where none is."""
  logits = jnp.where(allowed | ~allowed.any(), 0.0, -jnp.inf)
  return jax.random.categorical(key, logits, shape=shape)


def draw_within(
    key: chex.PRNGKey,
    draw: Callable[[chex.PRNGKey], jax.Array],  # key -> [B, G]
    violation: _algorithm.Violation | None,
    num_draws: int,
) -> jax.Array:
  """Draws each child again until it holds the constraints.

  Args:
    key: typed PRNG key.
    draw: gives `[B, G]` children.
    violation: how much children break the constraints; None accepts all.
    num_draws: the most draws of a child. Of one that never holds them, the draw
      that broke them least is kept.

  Returns:
    `[B, G]` children.
  """
  if violation is None:
    return draw(key)

  def judged(key):
    children = draw(key)
    broken = jnp.asarray(violation(children), jnp.float32)
    return children, jnp.where(jnp.isnan(broken), jnp.inf, broken)

  def unfinished(carry):
    _, broken, count = carry
    return (broken > 0.0).any() & (count < num_draws)

  def again(carry):
    children, broken, count = carry
    other, less = judged(jax.random.fold_in(key, count))
    better = (broken > 0.0) & (less < broken)
    return (
        jnp.where(better[:, None], other, children),
        jnp.where(better, less, broken),
        count + 1,
    )

  start = (*judged(jax.random.fold_in(key, 0)), jnp.ones((), jnp.int32))
  return jax.lax.while_loop(unfinished, again, start)[0]
