"""The zero-cost encoding: training-free scores of a network, from a table."""

from collections.abc import Callable
import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import data
from nasflat_jax import spaces
from nasflat_jax import types

# NASFLAT's normalisation: these over a logarithm, `grasp` standardised, the
# others by their range.
_LOG = ('fisher', 'flops', 'grad_norm', 'params', 'snip', 'synflow')
_STANDARDISED = ('grasp',)
# A set of factors without collisions is found at the first try, almost always.
_TRIES = 100
# Of counts summed in float32.
_ROUNDING = 1e-4


def normalise(
    table: data.ZeroCostTable, where: np.ndarray | None = None
) -> np.ndarray:
  """Proxies of a table, scaled over its rows as NASFLAT does.

  Range to [0, 1], after log(1 + x) for `fisher`, `flops`, `grad_norm`,
  `params`, `snip` and `synflow`, unless they are logarithms in the table; mean
  0 and standard deviation 1 for `grasp`. Everything is float64: raw `synflow`
  nearly overflows float32.

  Args:
    table: raw scores of `N` networks.
    where: `[N]` the rows that set range, mean and deviation; None is all.

  Returns:
    `[N, P]` float64; NaN where the table has NaN.
  """
  where = np.ones(len(table.values), bool) if where is None else where
  columns = []
  for name, column in zip(table.proxies, table.values.T, strict=True):
    is_raw = name in _LOG and name not in table.logarithms
    values = np.log1p(column) if is_raw else column
    seen = values[where & np.isfinite(values)]
    if not len(seen):
      columns.append(np.full_like(values, np.nan))
      continue
    if name in _STANDARDISED:
      shift, spread = seen.mean(), seen.std()
    else:
      shift = seen.min()
      spread = seen.max() - shift
    columns.append((values - shift) / (spread or 1.0))
  return np.stack(columns, axis=1)


def completed(
    space: types.SearchSpace, table: data.ZeroCostTable
) -> data.ZeroCostTable:
  """The table, with cells that have operations off every path.

  On NAS-Bench-201 a cell that the table lacks takes the scores of the cell in
  which operations off every path from input to output are `none`, but its own
  `flops` and `params`, whose counts are exact (in millions, as upstream's).
  Other spaces have no such cells.

  Args:
    space: the space of the table.
    table: raw scores.

  Returns:
    A table of more rows, or the same one.
  """
  if space.spec.name != 'nasbench201':
    return table
  row_of = {row.tobytes(): i for i, row in enumerate(table.genotype)}
  cells = spaces.genotype_of(space, range(spaces.num_indices(space)))
  with jax.ensure_compile_time_eval():
    live = np.asarray(spaces.live_edges(cells))
  pruned = np.where(live, cells, 0).astype(np.int32)
  place = np.array([
      row_of.get(other.tobytes(), -1) if cell.tobytes() not in row_of else -1
      for cell, other in zip(cells, pruned, strict=True)
  ])
  added, scores = cells[place >= 0], table.values[place[place >= 0]]
  costs = space.costs(added)
  for name in ('flops', 'params'):
    if name in table.proxies:
      scores[:, table.proxies.index(name)] = getattr(costs, name) / 1e6
  return dataclasses.replace(
      table,
      genotype=np.concatenate([table.genotype, added]),
      values=np.concatenate([table.values, scores]),
  )


def _rows(
    space: types.SearchSpace,
    table: data.ZeroCostTable,
    rows: np.ndarray | None = None,  # [R, G]
) -> tuple[np.ndarray, np.ndarray]:
  """Networks with all proxies `[M, G]` and their columns `[M, P + 1]`."""
  if _has_published_counts(space, table):
    table = completed(space, table)
  where = None
  if rows is not None:
    given = {row.tobytes() for row in np.asarray(rows, np.int32)}
    where = np.array([row.tobytes() in given for row in table.genotype], bool)
    if where.sum() < 2:
      raise ValueError(
          f'rows: {table.source} has {where.sum()} of them, want at least 2 to '
          'normalise on'
      )
  values = normalise(table, where)
  missing = [
      name
      for name, column in zip(table.proxies, values.T, strict=True)
      if not np.isfinite(column).any()
  ]
  values = np.concatenate([values, np.ones((len(values), 1))], axis=1)
  known = np.isfinite(values).all(axis=1)
  if not known.any():
    what = f' (nowhere defined: {", ".join(missing)})' if missing else ''
    raise ValueError(
        f'{table.source}: no network has all of the proxies{what}'
    )
  return table.genotype[known], values[known]


def _has_published_counts(
    space: types.SearchSpace, table: data.ZeroCostTable
) -> bool:
  """Whether networks are of the size that `space.costs` counts.

  At other widths and depths a table cannot be completed by these counts.
  """
  names = [name for name in ('flops', 'params') if name in table.proxies]
  costs = space.costs(table.genotype)
  return bool(names) and all(
      np.allclose(
          table.column(name), getattr(costs, name) / 1e6, rtol=_ROUNDING
      )
      for name in names
  )


@functools.cache
def _published(
    space: types.SearchSpace,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
  return _lookup(*_rows(space, data.load_zero_cost(space.spec.name)))


def _lookup(
    genotype: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
  """Factors of the hash, then keys, genotypes and values sorted by key."""
  rng = np.random.default_rng(0)
  for _ in range(_TRIES):
    factors = rng.integers(2**31, size=genotype.shape[1]) * 2 + 1
    factors = factors.astype(np.uint32)
    keys = (genotype.astype(np.uint32) * factors).sum(1, dtype=np.uint32)
    if len(np.unique(keys)) == len(keys):
      order = np.argsort(keys)
      sorted_values = values[order].astype(np.float32)
      return factors, keys[order], genotype[order], sorted_values
  raise ValueError(
      f'{len(keys)} networks are too many for keys of 32 bits'
  )


def zcp(
    space: types.SearchSpace,
    *,
    table: data.ZeroCostTable | None = None,
    rows: chex.Array | None = None,  # [R, G]
) -> Callable[[chex.Array], jax.Array]:
  """Zero-cost proxies, `genotype [B, G] -> [B, 14]`.

  The 13 proxies of `data.PROXIES`, normalised over the table as in NASFLAT
  (https://arxiv.org/abs/2403.02446), which takes them from NAS-Bench-Suite-
  Zero (https://arxiv.org/abs/2210.03230); then 1 where the network's are
  known. A network without proxies has a row of zeros.

  Note:
    The public NAS-Bench-201 scores leave out the 6,180 cells with unreachable
    operations. Such a cell takes the scores of the one in which these are
    `none`, but its own flops and parameters: all but the 341 without a path
    from input to output are known. A table of one's own is completed likewise
    if its counts are those of the published networks, else not at all.

  Args:
    space: the search space, `nasbench201` or `fbnet`.
    table: raw scores of one's own, of P proxies, which are P + 1 columns (see
      `data.load_zero_cost` for a file of `nasflat-zerocost`); None takes the
      one that `$NASFLAT_ZERO_COST` names, else the published one.
    rows: `[R, G]` the networks that set the scale; None is all of the table.

  Returns:
    A jittable encoding: a look-up by hash, compared gene by gene.

  Raises:
    ValueError: if there is no table of the space, it is of another, none of its
      networks has all proxies, or it has fewer than two of `rows`.
    FileNotFoundError: if there is no data; names the command that gets it.
  """
  if table is None:
    own = data.own_zero_cost()
    if rows is not None or (own is not None and own.space == space.spec.name):
      table = data.load_zero_cost(space.spec.name)
  if table is None:
    factors, keys, genotypes, values = _published(space)
  elif table.space != space.spec.name:
    raise ValueError(
        f'{table.source} is of the space {table.space!r}, '
        f'not {space.spec.name!r}'
    )
  else:
    factors, keys, genotypes, values = _lookup(*_rows(space, table, rows))

  def encode(genotype: chex.Array) -> jax.Array:
    chex.assert_rank(genotype, 2)
    genotype = jnp.asarray(genotype, jnp.int32)
    hashed = (genotype.astype(jnp.uint32) * factors).sum(1, dtype=jnp.uint32)
    place = jnp.searchsorted(jnp.asarray(keys), hashed)
    place = jnp.minimum(place, len(keys) - 1)
    found = (jnp.asarray(genotypes)[place] == genotype).all(axis=1)
    return jnp.where(found[:, None], jnp.asarray(values)[place], 0.0)

  return encode
