"""Genotypes relaxed to probabilities, so that they have gradients."""

from __future__ import annotations

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import spaces
from nasflat_jax import types

_CHECKED = 512
_TOLERANCE = 1e-4


def relax(
    space: types.SearchSpace,
    function: Callable[[jax.Array], jax.Array],
) -> Callable[[jax.Array], jax.Array]:
  """The expectation of an additive function over random genotypes.

  A relaxed genotype gives each gene a distribution over operations, drawn
  independently. A function that adds up over genes,

      f(g) = c + sum_i a_i(g_i),

  as one-hot genes, counts, costs of a chain and rooflines do, has the
  expectation `c + sum_i sum_o p_io a_i(o)`: linear in the probabilities, exact,
  and `f` itself where they are 0 and 1. So features may go in relaxed where a
  predictor is linear in features; what it gives is its value at the expected
  features. The table of `a` is read off `f` by changing one gene at a time.

  Args:
    space: a search space in which every gene may take every operation.
    function: `[B, G] -> [B, F]`, e.g. an encoding or `BayesianModel.encode`.

  Returns:
    `[B, G, O]` probabilities `-> [B, F]`; jittable and differentiable.

  Raises:
    ValueError: genes have ranges of their own, or the function does not add up
      over genes, as the live costs of a cell do not: their expectation depends
      on which genes go together.

  Example:
    >>> from nasflat_jax import encodings, spaces
    >>> encode = encodings.op_counts(spaces.FBNET)
    >>> relaxed = relax(spaces.FBNET, encode)
    >>> genotype = jnp.full((1, 22), 3)
    >>> bool(jnp.allclose(relaxed(jax.nn.one_hot(genotype, 9)),
    ...                   encode(genotype), atol=1e-5))
    True
  """
  spec = space.spec
  if spec.gene_ranges is not None:
    raise ValueError(f'{spec.name}: genes have ranges of their own')
  genes, count = spec.num_genes, len(spec.gene_names)
  sample = jnp.asarray(spaces.reference_sample(space)[:_CHECKED])
  base = np.asarray(sample[0])
  single = np.broadcast_to(base, (genes, count, genes)).copy()
  for gene in range(genes):
    single[gene, :, gene] = np.arange(count)
  values = np.asarray(
      function(jnp.asarray(single.reshape(-1, genes))), np.float64
  ).reshape(genes, count, -1)
  constant = np.asarray(function(jnp.asarray(base[None])), np.float64)[0]
  effect = jnp.asarray(values - constant, jnp.float32)  # [G, O, F]
  offset = jnp.asarray(constant, jnp.float32)  # [F]

  def relaxed(probabilities: chex.Array) -> jax.Array:
    chex.assert_shape(probabilities, (None, genes, count))
    return offset + jnp.einsum('bgo,gof->bf', probabilities, effect)

  exact = np.asarray(function(sample))
  error = np.abs(relaxed(jax.nn.one_hot(sample, count)) - exact).max(axis=0)
  bad = np.flatnonzero(error > _TOLERANCE * (1.0 + np.abs(exact).max(axis=0)))
  if len(bad):
    raise ValueError(
        f'{spec.name}: column {bad[0]} of the function does not add up over '
        'genes'
    )
  return relaxed
