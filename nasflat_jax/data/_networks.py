"""Which genotypes are one network, so that none is in support and query."""

from __future__ import annotations

import numpy as np

from nasflat_jax import spaces

# Sender and receiver of each gene of TransNAS-Bench-101's cell, in its order.
_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
_NONE, _SKIP = 0, 1


def networks(space: str, genotype: np.ndarray) -> np.ndarray:
  """`[N]` int64, equal for genotypes that are the same network.

  * `nasbench101`: by the benchmark's hash of the pruned cell.
  * `nasbench201`: isomorphic cells; the benchmark trained each anew.
  * `transnas_micro`: cells that compute the same, see `_cell`. Of 4,096 there
    are 1,229; the benchmark trained 2,994 of them.
  * Others: every genotype is a network of its own.
  """
  if space == 'nasbench101':
    keys = np.array(spaces.nasbench101_hash(genotype))
  elif space == 'nasbench201':
    keys = np.asarray(spaces.isomorphism_class(genotype))
  elif space == 'transnas_micro':
    keys = np.array([_cell(genes) for genes in genotype.tolist()])
  else:
    keys = np.arange(len(genotype))
  return np.unique(keys, return_inverse=True)[1].reshape(-1)


def _cell(genes: list[int]) -> str:
  """The sum that a cell outputs, written in one way.

  Edges that carry nothing are dropped and the terms of a sum sorted. A skip is
  the identity, but not from the cell's input, where some cells halve the
  resolution.
  """
  terms: list[list[str]] = [['x'], [], [], []]
  for gene, (sender, receiver) in zip(genes, _EDGES, strict=True):
    if gene == _NONE or not terms[sender]:
      continue
    if gene == _SKIP and sender > 0:
      terms[receiver] += terms[sender]
    else:
      inner = '+'.join(sorted(terms[sender]))
      terms[receiver].append(f'{gene}({inner})')
  return '+'.join(sorted(terms[-1]))
