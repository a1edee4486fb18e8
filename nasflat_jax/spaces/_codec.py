"""Genotypes as numbers, and the moves and chains that spaces share.

A genotype of `G` genes, each one of `O` operations, is read as a base-`O`
number whose first gene is the most significant digit; where genes have ranges
of their own, a digit counts from the start of its range, in the base of its
length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
import functools
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types


def to_index(genotype: chex.Array, num_ops: int) -> jax.Array:
  """Reads `[B, G]` genes as `[B]` int32 base-`num_ops` numbers."""
  genotype = jnp.asarray(genotype, jnp.int32)
  powers = num_ops ** np.arange(genotype.shape[-1])[::-1]
  return (genotype * jnp.asarray(powers, jnp.int32)).sum(-1, dtype=jnp.int32)


def from_index(
    index: chex.Array, num_genes: int, num_ops: int
) -> jax.Array:
  """Writes `[B]` int32 numbers as `[B, G]` genes; inverse of `to_index`."""
  powers = num_ops ** np.arange(num_genes)[::-1]
  index = jnp.asarray(index, jnp.int32)[..., None]
  return (index // jnp.asarray(powers, jnp.int32)) % num_ops


def in_range(genotype: chex.Array, num_ops: int) -> jax.Array:
  """`[B]` True where every gene of `[B, G]` names an operation."""
  genotype = jnp.asarray(genotype)
  return ((genotype >= 0) & (genotype < num_ops)).all(-1)


def host_genotype(spec: types.SpaceSpec, genotype: chex.Array) -> np.ndarray:
  """Checks a genotype on the host.

  Args:
    spec: the space's description.
    genotype: `[B, G]` integers.

  Returns:
    `[B, G]` NumPy int32.

  Raises:
    ValueError: if the shape or a gene does not fit the space.
  """
  genotype = np.asarray(genotype)
  if genotype.ndim != 2 or genotype.shape[1] != spec.num_genes:
    raise ValueError(
        f'{spec.name}: genotypes have shape [B, {spec.num_genes}], got '
        f'{list(genotype.shape)}'
    )
  if genotype.size and not np.issubdtype(genotype.dtype, np.integer):
    raise ValueError(
        f'{spec.name}: genes are integers, got {genotype.dtype}'
    )
  low, high = np.array(_ranges(spec)).T
  bad = (genotype < low) | (genotype >= high)
  if bad.any():
    row, gene = (int(place) for place in np.argwhere(bad)[0])
    raise ValueError(
        f'{spec.name}: row {row} has a gene outside '
        f'{low[gene]}..{high[gene] - 1}: {genotype[row].tolist()}'
    )
  return genotype.astype(np.int32)


def _ranges(spec: types.SpaceSpec) -> tuple[tuple[int, int], ...]:
  """First code of each gene and one past its last."""
  if spec.gene_ranges is not None:
    return spec.gene_ranges
  return ((0, len(spec.gene_names)),) * spec.num_genes


def num_indices(space: types.SearchSpace) -> int:
  """One more than the largest number `index_of` gives, valid or not.

  Example:
    >>> from nasflat_jax import spaces
    >>> num_indices(spaces.NASBENCH201)
    15625
  """
  return math.prod(high - low for low, high in _ranges(space.spec))


def string_list(spec: types.SpaceSpec, strings: Iterable[str]) -> list[str]:
  """The strings as a list; `ValueError` for a bare string or a non-string."""
  if isinstance(strings, str):
    raise ValueError(
        f'{spec.name}: expected a list of strings, got the string {strings!r}'
    )
  strings = list(strings)
  for place, string in enumerate(strings):
    if not isinstance(string, str):
      raise ValueError(
          f'{spec.name}: entry {place} is not a string: {string!r}'
      )
  return strings


def joined_names(spec: types.SpaceSpec, genotype: chex.Array) -> list[str]:
  """The names of the genes of each row of `[B, G]`, joined by `|`.

  Raises:
    ValueError: if a genotype does not fit the space.
  """
  rows = host_genotype(spec, genotype).tolist()
  return ['|'.join([spec.gene_names[gene] for gene in row]) for row in rows]


def from_joined_names(
    spec: types.SpaceSpec, strings: Iterable[str]
) -> np.ndarray:
  """`[B, G]` NumPy int32 genotypes of names joined by `|`.

  Raises:
    ValueError: naming the first string that is not of the space, and where.
  """
  strings = string_list(spec, strings)
  codes = {name: code for code, name in enumerate(spec.gene_names)}
  genotype = np.zeros((len(strings), spec.num_genes), np.int32)
  for place, string in enumerate(strings):
    names = string.split('|')
    unknown = [name for name in names if name not in codes]
    if unknown or len(names) != spec.num_genes:
      raise ValueError(
          f'{spec.name}: string {place} is not an architecture: {string!r}; '
          f'expected {spec.num_genes} operations joined by |, each one of '
          + ', '.join(spec.gene_names)
      )
    genotype[place] = [codes[name] for name in names]
  return genotype


def chain(spec: types.SpaceSpec, genotype: chex.Array) -> types.Architectures:
  """The graphs input -> genes in order -> output of `[B, G]`, all live."""
  genotype = jnp.asarray(genotype, jnp.int32)
  chex.assert_shape(genotype, (None, spec.num_genes))
  rows = genotype.shape[0]
  ends = jnp.full((rows, 1), len(spec.gene_names), jnp.int32)
  nodes = jnp.ones((rows, 1, spec.num_nodes), bool)
  ops = jnp.concatenate([ends, genotype, ends + 1], axis=1)
  return types.Architectures(
      genotype=genotype,
      ops=ops[:, None],
      edge_mask=jnp.ones((rows, 1, len(spec.edges)), bool),
      node_mask=nodes,
      live_mask=nodes,
      encoding=jnp.zeros((rows, 0), jnp.float32),
  )


def index_of(space: types.SearchSpace, genotype: chex.Array) -> list[int]:
  """The exact number of each genotype, on the host, for a space of any size.

  Args:
    space: a search space.
    genotype: `[B, G]` integers.

  Returns:
    `B` Python integers: the genes as digits of base `O`, or of the length of
    each gene's range, first gene most significant.

  Raises:
    ValueError: if a genotype does not fit the space.

  Example:
    >>> from nasflat_jax import spaces
    >>> index_of(spaces.FBNET, [[8] * 22]) == [9 ** 22 - 1]
    True
  """
  ranges = _ranges(space.spec)
  numbers = []
  for row in host_genotype(space.spec, genotype).tolist():
    number = 0
    for gene, (low, high) in zip(row, ranges, strict=True):
      number = number * (high - low) + gene - low
    numbers.append(number)
  return numbers


def genotype_of(
    space: types.SearchSpace, indices: Iterable[int]
) -> np.ndarray:
  """The genotype of each number; inverse of `index_of`.

  Args:
    space: a search space.
    indices: `B` integers from 0 to `num_indices(space) - 1`.

  Returns:
    `[B, G]` NumPy int32.

  Raises:
    ValueError: if a number is outside the space.

  Example:
    >>> from nasflat_jax import spaces
    >>> genotype_of(spaces.NASBENCH201, [7]).tolist()
    [[0, 0, 0, 0, 1, 2]]
  """
  spec = space.spec
  ranges, size = _ranges(spec), num_indices(space)
  numbers = [int(number) for number in indices]
  genotype = np.zeros((len(numbers), spec.num_genes), np.int32)
  for row, number in enumerate(numbers):
    if not 0 <= number < size:
      raise ValueError(
          f'{spec.name}: index {number} at place {row} is outside '
          f'0..{size - 1}'
      )
    for gene in reversed(range(spec.num_genes)):
      low, high = ranges[gene]
      number, digit = divmod(number, high - low)
      genotype[row, gene] = low + digit
  return genotype


def members(space: types.SearchSpace) -> np.ndarray:
  """All members of a space that can be enumerated, in the order of its numbers.

  Where the space has a benchmark's table, that is the table's order. Some may
  be invalid, as cells without a path from input to output are.

  Args:
    space: a search space with a `size`.

  Returns:
    `[size, G]` NumPy int32.

  Raises:
    ValueError: the space is too large to enumerate.

  Example:
    >>> from nasflat_jax import spaces
    >>> members(spaces.NASBENCH201).shape
    (15625, 6)
  """
  size = space.spec.size
  if size is None:
    raise ValueError(
        f'{space.spec.name} is too large to enumerate; give the members'
    )
  if space.from_index is None:
    return genotype_of(space, range(size))
  with jax.ensure_compile_time_eval():
    return np.asarray(space.from_index(np.arange(size)))


def random(
    key: chex.PRNGKey, n: int, *, num_genes: int, num_ops: int
) -> jax.Array:
  """Draws `[n, G]` genotypes, every gene uniform and independent."""
  return jax.random.randint(key, (n, num_genes), 0, num_ops, jnp.int32)


def mutate(
    key: chex.PRNGKey, genotype: chex.Array, *, num_ops: int
) -> jax.Array:
  """Changes one gene of each row to another value, all neighbours alike."""
  genotype = jnp.asarray(genotype, jnp.int32)
  gene_key, shift_key = jax.random.split(key)
  rows, num_genes = genotype.shape
  gene = jax.random.randint(gene_key, (rows,), 0, num_genes)
  shift = jax.random.randint(shift_key, (rows,), 1, num_ops)
  moved = jax.nn.one_hot(gene, num_genes, dtype=jnp.int32) * shift[:, None]
  return (genotype + moved) % num_ops


def mutate_valid(
    key: chex.PRNGKey,
    genotype: chex.Array,
    *,
    num_ops: int,
    is_valid: Callable[[chex.Array], jax.Array],
) -> jax.Array:
  """Changes one gene of each row, all *valid* neighbours alike.

  Lists the `G (O - 1)` neighbours of each row, so it suits small genotypes. A
  row without a valid neighbour stays as it is.
  """
  genotype = jnp.asarray(genotype, jnp.int32)
  rows, num_genes = genotype.shape
  gene, shift = np.divmod(np.arange(num_genes * (num_ops - 1)), num_ops - 1)
  moves = np.eye(num_genes, dtype=np.int32)[gene] * (shift + 1)[:, None]
  moves = jnp.asarray(moves, jnp.int32)
  neighbours = (genotype[:, None] + moves) % num_ops  # [B, M, G]
  valid = is_valid(neighbours.reshape(-1, num_genes)).reshape(rows, -1)
  logits = jnp.where(valid, 0.0, -jnp.inf)
  choice = jax.random.categorical(key, logits, axis=-1)
  child = jnp.take_along_axis(neighbours, choice[:, None, None], 1)[:, 0]
  return jnp.where(valid.any(-1, keepdims=True), child, genotype)


def crossover(
    key: chex.PRNGKey,
    a: chex.Array,
    b: chex.Array,
    *,
    is_valid: Callable[[chex.Array], jax.Array] | None = None,
) -> jax.Array:
  """Takes each gene from `a` or `b` alike; `a` where the child is invalid."""
  a, b = jnp.asarray(a, jnp.int32), jnp.asarray(b, jnp.int32)
  chex.assert_equal_shape([a, b])
  child = jnp.where(jax.random.bernoulli(key, 0.5, a.shape), a, b)
  if is_valid is None:
    return child
  return jnp.where(is_valid(child)[:, None], child, a)


def free_chain(
    spec: types.SpaceSpec,
    *,
    costs: Callable[..., types.Costs],
    op_costs: Callable[..., types.Costs],
    to_string: Callable[[chex.Array], list[str]],
    from_string: Callable[[Iterable[str]], np.ndarray],
) -> types.SearchSpace:
  """The space of a chain in which every gene may be every operation.

  Draws and moves are uniform, every genotype in range is valid, and members
  are numbered where `spec.size` says how many there are.
  """
  num_genes, num_ops = spec.num_genes, len(spec.gene_names)
  listed = spec.size is not None
  return types.SearchSpace(
      spec=spec,
      decode=functools.partial(chain, spec),
      random=functools.partial(random, num_genes=num_genes, num_ops=num_ops),
      mutate=functools.partial(mutate, num_ops=num_ops),
      crossover=crossover,
      is_valid=functools.partial(in_range, num_ops=num_ops),
      costs=costs,
      op_costs=op_costs,
      to_string=to_string,
      from_string=from_string,
      to_index=functools.partial(to_index, num_ops=num_ops)
      if listed else None,
      from_index=functools.partial(
          from_index, num_genes=num_genes, num_ops=num_ops
      ) if listed else None,
  )
