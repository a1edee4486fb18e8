"""A space of 7,776 networks whose best one is known: five genes of six."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import spaces

GENES, CODES = 5, 6


def _random(key, n):
  return jax.random.randint(key, (n, GENES), 0, CODES, jnp.int32)


def _mutate(key, genotype):
  gene_key, shift_key = jax.random.split(key)
  rows = (len(genotype), 1)
  gene = jax.random.randint(gene_key, rows, 0, GENES)
  shift = jax.random.randint(shift_key, rows, 1, CODES)
  moved = jnp.where(jnp.arange(GENES) == gene, shift, 0)
  return ((genotype + moved) % CODES).astype(jnp.int32)


def _crossover(key, a, b):
  return jnp.where(jax.random.bernoulli(key, 0.5, a.shape), a, b)


def _is_valid(genotype):
  return ((genotype >= 0) & (genotype < CODES)).all(-1)


# Only what searches use; the rest is FBNet's and does not fit.
SPACE = spaces.FBNET._replace(
    spec=spaces.FBNET.spec.__class__(
        name='toy',
        gene_names=tuple('abcdef'),
        op_names=(*'abcdef', 'input', 'output'),
        operators=(),
        num_genes=GENES,
        num_cells=1,
        num_nodes=GENES + 2,
        edges=(),
        node_features=(),
        op_features=(),
        size=CODES**GENES,
    ),
    random=_random,
    mutate=_mutate,
    crossover=_crossover,
    is_valid=_is_valid,
)


@functools.cache
def _tables():
  rng = np.random.default_rng(0)
  return (
      rng.normal(size=(GENES, CODES)).astype(np.float32),
      0.7 * rng.normal(size=(GENES - 1, CODES, CODES)).astype(np.float32),
  )


def loss(genotype):
  """A rugged landscape: each gene by itself and with its neighbour."""
  single, pair = (jnp.asarray(table) for table in _tables())
  genes = jnp.asarray(genotype)
  alone = single[jnp.arange(GENES), genes].sum(axis=1)
  place = jnp.arange(GENES - 1)
  return alone + pair[place, genes[:, :-1], genes[:, 1:]].sum(axis=1)


def cost(genotype):
  """What large codes cost, from 0 to 1."""
  return jnp.asarray(genotype).sum(axis=1) / (GENES * (CODES - 1.0))
