"""An objective and a constraint of your own: any function of genotypes.

An objective is a function `genotype [B, G] -> [B]`. If JAX can trace it, the
whole search is one program. If it cannot, `search.tabulate` makes a table of
it, or `search.run_on_host` calls it round by round.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import search
from nasflat_jax import spaces

SPACE = spaces.FBNET


def roughness(genotype: jax.Array) -> jax.Array:
  """How often the operation changes from layer to layer; a compiler's view."""
  return jnp.sum(genotype[:, 1:] != genotype[:, :-1], axis=1).astype(float)


def num_skips(genotype: jax.Array) -> jax.Array:
  """How many layers are skipped."""
  skip = SPACE.spec.gene_names.index('skip')
  return jnp.sum(genotype == skip, axis=1).astype(float)


def main(num_rounds: int = 60, num_seeds: int = 2) -> search.Members:
  """Trades compute against roughness, and returns the first seed's front."""
  problem = search.problem(
      search.maximised(search.cost(SPACE, 'flops')),
      roughness,
      constraints=[search.at_least(num_skips, 3.0)],
  )
  run = functools.partial(
      search.run,
      algorithm=search.nsga2(SPACE, num_children=64),
      evaluate=problem,
      num_rounds=num_rounds,
      archive_size=32,
  )
  keys = jax.random.split(jax.random.key(0), num_seeds)
  results = jax.jit(jax.vmap(lambda key: run(key)))(keys)  # all seeds at once
  front = jax.tree.map(lambda leaf: leaf[0], results).found
  print('MFLOPs  changes  skips')
  for flops, changes, genotype in zip(
      -front.objectives[:, 0] / 1e6, front.objectives[:, 1], front.genotype
  ):
    skips = int(num_skips(np.asarray(genotype)[None])[0])
    print(f'{flops:6.0f}  {changes:7.0f}  {skips:5d}')
  return front


if __name__ == '__main__':
  main()
