"""The hash by which NAS-Bench-101 tells cells apart."""

from __future__ import annotations

import hashlib

import chex
import numpy as np

from nasflat_jax.spaces import _codec
from nasflat_jax.spaces import _nasbench101 as _space
from nasflat_jax.spaces import _nasbench101_costs as _costs

_INPUT_LABEL, _OUTPUT_LABEL = -1, -2


def nasbench101_pruned(genotype: chex.Array) -> np.ndarray:
  """Host; the genotypes of the pruned cells.

  Vertices on no path from input to output are dropped, the others keep their
  order. Cells that prune to the same one have the same result; isomorphic
  ones need not, see `nasbench101_hash`.

  Args:
    genotype: `[B, 26]` valid genotypes.

  Returns:
    `[B, 26]` NumPy int32.

  Raises:
    ValueError: if a genotype does not fit the space.
  """
  genotype = _codec.host_genotype(_space.NASBENCH101.spec, genotype)
  edges, live = _costs.pruned(genotype)
  out = np.full_like(genotype, _costs.NO_EDGE)
  out[:, len(_costs.EDGES) :] = _costs.ABSENT
  for row in range(len(genotype)):
    kept = np.flatnonzero(live[row, 1:-1]) + 1
    place = {int(v): i for i, v in enumerate([0, *kept])}
    place[_costs.OUTPUT] = _costs.OUTPUT
    for gene, (sender, receiver) in enumerate(_costs.EDGES):
      if edges[row, sender, receiver]:
        moved = _costs.EDGES.index((place[sender], place[receiver]))
        out[row, moved] = genotype[row, gene]
    ops = genotype[row, len(_costs.EDGES) + kept - 1]
    out[row, len(_costs.EDGES) : len(_costs.EDGES) + len(ops)] = ops
  return out


def nasbench101_hash(genotype: chex.Array) -> list[str]:
  """Host; the benchmark's hash of each cell, equal for isomorphic cells.

  Every vertex of the pruned cell starts from its degrees and its operation,
  and is hashed as many times as there are vertices with what its neighbours
  have become; the result is the hash of all of them, sorted.

  Args:
    genotype: `[B, 26]` valid genotypes.

  Returns:
    `B` hexadecimal MD5 digests, the keys of the published table.

  Raises:
    ValueError: if a genotype does not fit the space.

  Example:
    >>> from nasflat_jax import spaces
    >>> cell = spaces.NASBENCH101.from_string(['(0, 1, 0, 0, 0, 1)'])
    >>> nasbench101_hash(cell)
    ['043721b9c7fe8c5fad811d47d83132ec']
  """
  return [
      _hash(*_space.present(row)) for row in nasbench101_pruned(genotype)
  ]


def _hash(matrix: np.ndarray, ops: list[int]) -> str:
  """The digest of an `[n, n]` adjacency matrix and `n - 2` operations."""
  count = len(matrix)
  labels = [_INPUT_LABEL, *ops, _OUTPUT_LABEL]
  degrees = zip(
      matrix.sum(1).tolist(), matrix.sum(0).tolist(), labels, strict=True
  )
  hashes = [_md5(str(vertex)) for vertex in degrees]
  senders = [np.flatnonzero(matrix[:, v]).tolist() for v in range(count)]
  receivers = [np.flatnonzero(matrix[v]).tolist() for v in range(count)]
  for _ in range(count):
    hashes = [
        _md5(
            '|'.join((
                ''.join(sorted(hashes[s] for s in senders[v])),
                ''.join(sorted(hashes[r] for r in receivers[v])),
                hashes[v],
            ))
        )
        for v in range(count)
    ]
  return _md5(str(sorted(hashes)))


def _md5(text: str) -> str:
  return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
