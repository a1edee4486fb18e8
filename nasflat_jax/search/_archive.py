"""The best architectures that a search has seen."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nasflat_jax.search import _algorithm
from nasflat_jax.search import _crowding
from nasflat_jax.search import _pareto


def keep(
    archive: _algorithm.Members, new: _algorithm.Members
) -> _algorithm.Members:
  """The best of an archive and of what was just evaluated, best first.

  With one objective the best distinct architectures, feasible ones first. With
  several the Pareto front of the feasible ones, the most alone first; while
  there is none, those that break the constraints least. Failed evaluations and
  copies never enter.

  Args:
    archive: `A` members.
    new: `B` members.

  Returns:
    `A` members.
  """
  size = archive.violation.shape[0]
  everyone = _algorithm.without_repeats(_algorithm.together(archive, new))
  if everyone.objectives.shape[1] == 1:
    best = _algorithm.order(everyone)
    return _algorithm.take(everyone, best[:size])
  feasible = everyone.is_feasible
  front = _pareto.non_dominated(everyone.objectives, feasible)
  # Before there is a feasible one, all compete by their violation.
  counts = jnp.where(feasible.any(), front, everyone.is_filled)
  alone = _crowding.crowding(
      everyone.objectives, jnp.where(counts, 0, 1).astype(jnp.int32)
  )
  best = jnp.lexsort((-alone, everyone.violation, ~counts))[:size]
  kept, counts = _algorithm.take(everyone, best), counts[best]
  return kept._replace(
      objectives=jnp.where(counts[:, None], kept.objectives, jnp.inf),
      violation=jnp.where(counts, kept.violation, jnp.inf),
  )


def best_first(archive: _algorithm.Members) -> _algorithm.Members:
  """The filled rows on the host, feasible first, by the first objective."""
  archive = jax.device_get(archive)
  rows = jnp.lexsort((
      *archive.objectives.T[::-1], archive.violation, ~archive.is_filled
  ))
  kept = jax.device_get(rows)[: int(archive.is_filled.sum())]
  return jax.tree.map(lambda leaf: leaf[kept], archive)
