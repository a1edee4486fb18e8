"""What is known of networks without training them, as kernels' features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import dataclasses
import functools
import zlib

import jax.numpy as jnp
import numpy as np
from scipy import stats

from nasflat_jax import encodings
from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.encodings import structure

# Genotypes are encoded so many at a time: one program for every table.
_CHUNK = 4096
_STRUCTURE = ('counts', 'topology', 'positions', 'placed_costs')
# The column of `cell_columns` that counts paths.
_PATHS = 11


@dataclasses.dataclass(frozen=True)
class Kernel:
  """One kernel over some columns of a matrix of features.

  Attributes:
    name: what it stands for.
    start: first column.
    stop: one past the last.
    is_linear: an inner product; otherwise a Gaussian of the distance.
  """

  name: str
  start: int
  stop: int
  is_linear: bool


def normal_scores(values: np.ndarray) -> np.ndarray:
  """Ranks of each column of `[N, P]` as quantiles of a standard normal.

  Unlike a scale in units of the score, this means the same for every proxy,
  draw and space. NaN stay. A column that never varies is 0.

  Example:
    >>> normal_scores(np.array([[1.0], [np.nan], [100.0], [2.0]])).round(2)
    array([[-1.22],
           [  nan],
           [ 1.22],
           [ 0.  ]])
  """
  values = np.asarray(values, np.float64)
  scores = np.full(values.shape, np.nan)
  for column in range(values.shape[1]):
    known = np.isfinite(values[:, column])
    if not known.any():
      continue
    rank = stats.rankdata(values[known, column])
    score = stats.norm.ppf((rank - 0.5) / len(rank))
    spread = score.std()
    scores[known, column] = score / spread if spread > 1e-9 else 0.0
  return scores


def standardised(values: np.ndarray) -> np.ndarray:
  """Columns of mean 0 and spread 1; one without a spread is 0."""
  values = np.asarray(values, np.float64)
  mean, spread = values.mean(axis=0), values.std(axis=0)
  return (values - mean) / np.where(spread > 1e-9, spread, np.inf)


def unit(columns: np.ndarray) -> np.ndarray:
  """Standardised columns over the root of their number."""
  return columns / np.sqrt(max(1, columns.shape[1]))


@functools.cache
def _encodings(space: types.SearchSpace) -> dict[str, tuple]:
  return {
      'counts': (
          encodings.op_counts(space), encodings.live_op_counts(space),
      ),
      **{
          name: (getattr(encodings, name)(space),)
          for name in _STRUCTURE if name != 'counts'
      },
      'shared': (lambda g: structure.shared_columns(space, g),),
      'cells': (
          lambda g: structure.cell_columns(space, g).reshape(len(g), -1),
          lambda g: structure.live_counts(space, g),
      ),
  }


def encode(
    space: types.SearchSpace, name: str, genotype: np.ndarray
) -> np.ndarray:
  """`[N, F]` float64 of a block, e.g. `counts` or `topology`."""
  size = len(genotype)
  rows = np.concatenate(
      [genotype, np.broadcast_to(
          genotype[:1], (-size % _CHUNK, genotype.shape[1])
      )]
  )
  parts = [
      np.concatenate(
          [
              np.asarray(each(jnp.asarray(rows[start : start + _CHUNK])))
              for each in _encodings(space)[name]
          ],
          axis=1,
      )
      for start in range(0, len(rows), _CHUNK)
  ]
  return np.concatenate(parts)[:size].astype(np.float64)


@functools.cache
def _is_chain(space: types.SearchSpace) -> bool:
  cells = encode(space, 'cells', spaces.reference_sample(space)[:_CHUNK])
  return bool(np.ptp(cells[:, _PATHS]) < 1e-6)


def alike(space: types.SearchSpace, genotype: np.ndarray) -> np.ndarray:
  """`[N]` uint32, equal for networks that cannot be told apart by counting.

  Isomorphic cells get one number, and so do some that are not: the number is
  of the counts, depths and widths of the live graph. Where the graph is a
  chain, every genotype has a number of its own, up to collisions.
  """
  if _is_chain(space):
    rows = np.ascontiguousarray(genotype, np.int32)
  else:
    counts = np.round(encode(space, 'cells', genotype), 4)
    rows = np.abs(counts).astype(np.float32)  # no negative zero
  return np.array([zlib.crc32(row.tobytes()) for row in rows], np.uint32)


@dataclasses.dataclass(frozen=True, eq=False)
class Networks:
  """Networks of one task, without labels. Host only.

  Attributes:
    space: the search space.
    genotype: `[N, G]` int32.
    proxies: `[N, P]` normal scores of zero-cost proxies over the task's
      networks; NaN = absent.
  """

  space: types.SearchSpace
  genotype: np.ndarray  # [N, G]
  proxies: np.ndarray  # [N, P]

  def __post_init__(self) -> None:
    if len(self.genotype) != len(self.proxies):
      raise ValueError(
          f'{len(self.genotype)} genotypes and {len(self.proxies)} rows of '
          'proxies'
      )

  def select(self, rows: np.ndarray) -> Networks:
    """The same of some rows; their proxies keep their scores."""
    return Networks(self.space, self.genotype[rows], self.proxies[rows])

  @functools.cached_property
  def structure(self) -> dict[str, np.ndarray]:
    """Blocks `[N, F]` computed from the genotype alone."""
    blocks = {
        name: encode(self.space, name, self.genotype) for name in _STRUCTURE
    }
    if 'none' in self.space.spec.gene_names:
      # Counts of all and of live operations, each of unit length.
      blocks['counts'] /= np.sqrt(2.0)
    return blocks

  @functools.cached_property
  def group(self) -> np.ndarray:
    """`[N]`, see `alike`."""
    return alike(self.space, self.genotype)

  @functools.cached_property
  def shared(self) -> np.ndarray:
    """`[N, P + 18]` columns that mean the same in every space, standardised.

    Proxies, then counts, depths and costs; what is absent is 0.
    """
    return np.concatenate(
        [
            np.nan_to_num(self.proxies),
            standardised(encode(self.space, 'shared', self.genotype)),
        ],
        axis=1,
    )

  @property
  def proxy_columns(self) -> np.ndarray:
    """`[N, F]` proxies with 0 for absent ones, and which are absent."""
    known = np.isfinite(self.proxies)
    columns = np.nan_to_num(self.proxies)[:, known.any(axis=0)]
    absent = standardised(~known[:, known.any(axis=0)])
    return np.concatenate([columns, absent[:, absent.any(axis=0)]], axis=1)


def structure_kernels(
    networks: Networks,
) -> dict[str, tuple[np.ndarray, bool]]:
  """Kernels of the genotype: features `[N, F]` and whether they are linear."""
  blocks = networks.structure
  shape = np.concatenate([blocks['counts'], blocks['topology']], axis=1)
  return {
      **{name: (blocks[name], True) for name in _STRUCTURE},
      # Each part has rows of mean squared length 1.
      'near_shape': (shape / np.sqrt(2.0), False),
      'near_positions': (blocks['positions'], False),
  }


def network_kernels(
    networks: Networks,
) -> dict[str, tuple[np.ndarray, bool]]:
  """`structure_kernels`, and those of the proxies."""
  kernels = structure_kernels(networks)
  proxies = unit(networks.proxy_columns)
  if not proxies.shape[1]:
    return kernels
  shape = kernels['near_shape'][0]
  return {
      'proxies': (proxies, True),
      'near_proxies': (proxies, False),
      **kernels,
      'near_all': (
          np.concatenate([proxies, shape], axis=1) / np.sqrt(2.0), False
      ),
  }


def source_kernels(
    name: str, columns: Sequence[np.ndarray]
) -> dict[str, tuple[np.ndarray, bool]]:
  """Kernels of what other tasks say of the networks, `[N]` each."""
  if not columns:
    return {}
  each = standardised(np.stack(columns, axis=1))
  mean = standardised(each.mean(axis=1, keepdims=True))
  return {
      name: (unit(each), True),
      f'mean_{name}': (mean, True),
      f'near_{name}': (unit(each), False),
  }


def joined(
    kernels: Mapping[str, tuple[np.ndarray, bool]],
) -> tuple[np.ndarray, tuple[Kernel, ...]]:
  """All features side by side `[N, F]` float32, and where each kernel's are."""
  described, start = [], 0
  for name, (columns, is_linear) in kernels.items():
    stop = start + columns.shape[1]
    described.append(Kernel(name, start, stop, is_linear))
    start = stop
  features = np.concatenate([c for c, _ in kernels.values()], axis=1)
  return features.astype(np.float32), tuple(described)
