"""A search space of your own: six residual blocks of five widths.

A space is a `SearchSpace` of pure functions. `testing.check_space` tells you
what is missing; then encodings, predictors, samplers and searches work on it.
"""

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import search
from nasflat_jax import testing
from nasflat_jax import transfer
from nasflat_jax import types

BLOCKS, WIDTH = 6, 64
HIDDEN = np.array([0, 32, 64, 128, 256])  # 0 skips the block
NAMES = ('skip', 'w32', 'w64', 'w128', 'w256')
OPS = len(NAMES)
BUDGET_MS = 1.0

# A block is two dense layers, WIDTH -> hidden -> WIDTH: costs by operation.
_MULTIPLY_ADDS = 2.0 * WIDTH * HIDDEN
_COSTS = {
    'multiply_adds': _MULTIPLY_ADDS,
    'flops': 2.0 * _MULTIPLY_ADDS,
    'params': _MULTIPLY_ADDS + HIDDEN + WIDTH * (HIDDEN > 0),
    'weight_bytes': 4.0 * _MULTIPLY_ADDS,
    'activation_bytes': 4.0 * (HIDDEN + WIDTH * (HIDDEN > 0)),
    'kernels': 2.0 * (HIDDEN > 0),
    'critical_path': 2.0 * (HIDDEN > 0),
}


def op_costs(genotype):
  """`[B, G]` costs: exact for NumPy, float32 under `jit`."""
  xp, dtype = (
      (np, np.float64) if isinstance(genotype, np.ndarray)
      else (jnp, jnp.float32)
  )
  return types.Costs(**{
      name: xp.asarray(table, dtype)[genotype] for name, table in _COSTS.items()
  })


def costs(genotype):
  """`[B]` costs of whole networks."""
  return jax.tree.map(lambda leaf: leaf.sum(axis=-1), op_costs(genotype))


def decode(genotype):
  """Input, the blocks in a chain, output."""
  genotype = jnp.asarray(genotype, jnp.int32)
  rows = len(genotype)
  ends = jnp.full((rows, 1), OPS, jnp.int32)
  nodes = jnp.ones((rows, 1, BLOCKS + 2), bool)
  return types.Architectures(
      genotype=genotype,
      ops=jnp.concatenate([ends, genotype, ends + 1], axis=1)[:, None],
      edge_mask=jnp.ones((rows, 1, BLOCKS + 1), bool),
      node_mask=nodes,
      live_mask=nodes,
      encoding=jnp.zeros((rows, 0)),
  )


def random(key, n):
  """Every block any width."""
  return jax.random.randint(key, (n, BLOCKS), 0, OPS, jnp.int32)


def mutate(key, genotype):
  """One block gets another width."""
  gene_key, shift_key = jax.random.split(key)
  rows = (len(genotype), 1)
  gene = jax.random.randint(gene_key, rows, 0, BLOCKS)
  shift = jax.random.randint(shift_key, rows, 1, OPS)
  return (genotype + jnp.where(jnp.arange(BLOCKS) == gene, shift, 0)) % OPS


def crossover(key, a, b):
  """Each block from either parent."""
  return jnp.where(jax.random.bernoulli(key, 0.5, a.shape), a, b)


def is_valid(genotype):
  """`[B]` True where all genes are widths."""
  return jnp.all((genotype >= 0) & (genotype < OPS), axis=-1)


def to_string(genotype):
  """Names joined by `-`."""
  return ['-'.join(NAMES[g] for g in row) for row in np.asarray(genotype)]


def from_string(strings):
  """The inverse, NumPy; `ValueError` that names the string."""
  rows = []
  for place, text in enumerate(strings):
    names = text.split('-')
    if len(names) != BLOCKS or not set(names) <= set(NAMES):
      raise ValueError(f'blocks: string {place} is no network: {text!r}')
    rows.append([NAMES.index(name) for name in names])
  return np.array(rows, np.int32).reshape(-1, BLOCKS)


_POWERS = OPS ** np.arange(BLOCKS)[::-1]
# What the operations are, in words that other spaces know too.
_OPERATORS = (
    types.Operator('skip'),
    *(types.Operator('conv', expansion=h // 32) for h in HIDDEN[1:].tolist()),
    types.Operator('input'),
    types.Operator('output'),
)
_FEATURES = tuple((float(h) / 256,) for h in HIDDEN) + ((0.0,), (0.0,))
SPACE = types.SearchSpace(
    spec=types.SpaceSpec(
        name='blocks',
        gene_names=NAMES,
        op_names=(*NAMES, 'input', 'output'),
        operators=_OPERATORS,
        num_genes=BLOCKS,
        num_cells=1,
        num_nodes=BLOCKS + 2,
        edges=tuple((v, v + 1) for v in range(BLOCKS + 1)),
        node_features=((),) * (BLOCKS + 2),
        op_features=(_FEATURES,) * (BLOCKS + 2),
        size=OPS**BLOCKS,
    ),
    decode=decode,
    random=random,
    mutate=mutate,
    crossover=crossover,
    is_valid=is_valid,
    costs=costs,
    op_costs=op_costs,
    to_string=to_string,
    from_string=from_string,
    to_index=lambda g: (jnp.asarray(g) * _POWERS).sum(-1, dtype=jnp.int32),
    from_index=lambda i: (
        jnp.asarray(i, jnp.int32)[..., None] // _POWERS % OPS
    ).astype(jnp.int32),
)


def measure(genotype):
  """An imaginary device: launches, and wide blocks that miss the cache."""
  found = op_costs(np.asarray(genotype))
  misses = np.where(found.weight_bytes > 5e4, 1.5, 1.0)
  return (found.kernels * 0.05 + misses * found.weight_bytes / 1e6).sum(axis=1)


def main() -> search.Members:
  """Checks the space, adapts to ten measurements, searches all 15,625."""
  testing.check_space(SPACE)
  support = np.asarray(transfer.choose_support(jax.random.key(0), SPACE, 10))
  adapted = transfer.adapt_bayesian(
      transfer.bayesian_model(SPACE), support[None], measure(support)[None]
  )
  bound = search.latency_quantile(adapted, level=0.95)
  found = search.run(
      jax.random.key(1),
      search.exhaustive(SPACE),
      search.problem(
          search.maximised(search.cost(SPACE, 'params')),
          constraints=[search.at_most(bound, BUDGET_MS)],
      ),
      num_rounds=search.num_rounds(SPACE.spec.size, 4096),
      archive_size=5,
  ).found
  for name, ms in zip(to_string(found.genotype), measure(found.genotype)):
    print(f'{ms:.3f} ms  {name}')
  return found


if __name__ == '__main__':
  main()
