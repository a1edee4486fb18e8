"""Which architectures need which proxies: duplicates are scored once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nasflat_jax.zero_cost import _network
from nasflat_jax.zero_cost import _proxies


class Job(NamedTuple):
  """Distinct architectures and what to compute of them.

  Attributes:
    genotype: `[J, G]`.
    fns: the proxies.
  """

  genotype: np.ndarray
  fns: tuple[_proxies.Proxy, ...]


class Plan(NamedTuple):
  """Work that gives all scores of a list of architectures.

  Attributes:
    fns: the proxies.
    genotype: `[B, G]` the architectures.
    simple: `[B, G]` the same without operations on no path, whose scores they
      take from proxies that cannot tell them apart.
    jobs: what to compute, one compiled program for each.
  """

  fns: tuple[_proxies.Proxy, ...]
  genotype: np.ndarray
  simple: np.ndarray
  jobs: tuple[Job, ...]


def plan(
    fns: Sequence[_proxies.Proxy],
    genotype: np.ndarray,  # [B, G]
    network: _network.Network,
    *,
    merge_duplicates: bool = True,
) -> Plan:
  """Finds what has to be computed.

  Networks that are their own simplest form need everything, the others only
  the proxies that see the difference.

  Args:
    fns: proxies.
    genotype: `[B, G]`, may hold an architecture several times.
    network: of `zero_cost.nasbench201` and the like.
    merge_duplicates: whether networks that differ only in operations on no path
      from input to output are scored once by proxies that cannot tell them
      apart.

  Returns:
    The plan; `join` makes scores of what its jobs give.
  """
  genes = np.asarray(genotype, np.int32)
  simple = genes
  if merge_duplicates and network.simplify is not None:
    simple = np.asarray(network.simplify(genes), np.int32)
  seeing = tuple(fn for fn in fns if fn.sees_dead)
  own, simplest = _distinct(genes), _distinct(simple)
  known = {row.tobytes() for row in simplest}
  other = np.array([row.tobytes() not in known for row in own], bool)
  if len(seeing) == len(fns):
    jobs = [Job(own, seeing)]
  else:
    jobs = [Job(simplest, tuple(fns)), Job(own[other], seeing)]
  jobs = [job for job in jobs if len(job.genotype) and job.fns]
  return Plan(tuple(fns), genes, simple, tuple(jobs))


def join(made: Plan, scores: Sequence[np.ndarray]) -> np.ndarray:
  """Scores of the plan's architectures.

  Args:
    made: the plan.
    scores: `[J, F]` of each job: its architectures by its proxies.

  Returns:
    `[B, P]` float64.
  """
  values: dict[tuple[str, bytes], float] = {}
  for job, found in zip(made.jobs, scores, strict=True):
    for column, fn in enumerate(job.fns):
      for row, value in zip(job.genotype, found[:, column], strict=True):
        values[fn.name, row.tobytes()] = float(value)
  table = np.empty((len(made.genotype), len(made.fns)))
  for column, fn in enumerate(made.fns):
    rows = made.genotype if fn.sees_dead else made.simple
    table[:, column] = [values[fn.name, row.tobytes()] for row in rows]
  return table


def _distinct(genes: np.ndarray) -> np.ndarray:
  """Distinct rows in order of appearance."""
  first = np.unique(genes, axis=0, return_index=True)[1]
  return genes[np.sort(first)]
