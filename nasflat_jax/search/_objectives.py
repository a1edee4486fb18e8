"""Properties of architectures: accuracy, its stand-ins, and costs.

Each is a function `genotype [B, G] -> [B]`, traceable, to be an objective or
part of a constraint; any function of yours that does the same will do.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax import zero_cost
from nasflat_jax.search import _exhaustive
from nasflat_jax.search import _hash
from nasflat_jax.search import _problem


def table(
    space: types.SearchSpace,
    genotype: chex.Array,  # [N, G]
    value: chex.Array,  # [N]
) -> _problem.Property:
  """A property that is listed, e.g. measured accuracy.

  Args:
    space: the search space.
    genotype: `[N, G]` distinct architectures.
    value: `[N]` what is known of each; NaN where nothing is.

  Returns:
    `[B, G] -> [B]`, NaN, hence a failed evaluation, for all others.

  Raises:
    ValueError: the shapes do not fit, or an architecture is listed twice.

  Example:
    >>> from nasflat_jax import spaces
    >>> genotype = np.zeros((1, 22), np.int32)
    >>> accuracy = table(spaces.FBNET, genotype, np.array([0.7]))
    >>> accuracy(np.stack([genotype[0], genotype[0] + 1])).round(2).tolist()
    [0.69..., nan]
  """
  rows = np.asarray(genotype, np.int32)
  values = np.asarray(value, np.float32)
  if rows.shape != (len(values), space.spec.num_genes) or values.ndim != 1:
    raise ValueError(
        f'{space.spec.name}: a table takes genotypes '
        f'[N, {space.spec.num_genes}] and values [N], got {rows.shape} and '
        f'{values.shape}'
    )
  if len(np.unique(rows, axis=0)) != len(rows):
    raise ValueError(f'{space.spec.name}: an architecture is listed twice')
  if not len(rows):
    raise ValueError(f'{space.spec.name}: the table is empty')
  hashes = _hash.row_hash(rows)
  order = np.argsort(hashes)
  # Some rows may share a hash of 32 bits: as many places are looked at.
  width = int(np.unique(hashes, return_counts=True)[1].max())
  hashed, listed_rows, listed = (
      jnp.asarray(array[order]) for array in (hashes, rows, values)
  )

  def lookup(genotype: chex.Array) -> jax.Array:
    genotype = jnp.asarray(genotype, jnp.int32)
    start = jnp.searchsorted(hashed, _hash.row_hash(genotype))
    found = jnp.full(genotype.shape[:-1], jnp.nan)
    for step in range(width):
      place = jnp.minimum(start + step, len(listed) - 1)
      is_it = (listed_rows[place] == genotype).all(axis=-1)
      found = jnp.where(is_it, listed[place], found)
    return found

  return lookup


def tabulate(
    space: types.SearchSpace,
    function: Callable[[np.ndarray], Any],
    *,
    genotype: chex.Array | None = None,
) -> _problem.Property:
  """Scores a whole space in one call, and makes a table of it.

  For what cannot be traced, or costs more than looking it up.

  Args:
    space: the search space.
    function: `[N, G]` NumPy `-> [N]`.
    genotype: `[N, G]` what to score; None takes all valid members.

  Returns:
    As `table`.
  """
  members = (
      _exhaustive.all_members(space)
      if genotype is None
      else np.asarray(genotype, np.int32)
  )
  return table(space, members, np.asarray(function(members)))


def zero_cost_vote(
    space: types.SearchSpace,
    genotype: chex.Array,  # [N, G]
    scores: chex.Array,  # [N, P]
    *,
    combine: Callable[[np.ndarray], np.ndarray] = zero_cost.vote,
) -> _problem.Property:
  """Zero-cost proxies as a stand-in for accuracy; larger is better.

  Args:
    space: the search space.
    genotype: `[N, G]` distinct architectures that were scored.
    scores: `[N, P]`, larger is better, see `zero_cost.score`; NaN comes last.
    combine: `[N, P] -> [N]`; `zero_cost.vote`, the majority on every pair, or
      `zero_cost.rank_average`.

  Returns:
    As `table`, scaled to 0 to 1.
  """
  total = np.asarray(combine(np.asarray(scores, np.float64)), np.float64)
  spread = np.ptp(total)
  return table(space, genotype, (total - total.min()) / (spread or 1.0))


def predicted(
    space: types.SearchSpace,
    predictor: types.Predictor,
    params: Any,
    *,
    device: int = 0,
    encode: Callable[[chex.Array], jax.Array] | None = None,
) -> _problem.Property:
  """What a network predicts, e.g. accuracy.

  Args:
    space: the search space.
    predictor: the pair.
    params: its parameters.
    device: row of its hardware table; 0 where it has one output.
    encode: `[B, G] -> [B, F]` supplementary encoding, where it reads one.

  Returns:
    `[B, G] -> [B]` scores.
  """

  def scores(genotype: chex.Array) -> jax.Array:
    genotype = jnp.asarray(genotype, jnp.int32)
    architectures = space.decode(genotype)
    if encode is not None:
      architectures = dataclasses.replace(
          architectures, encoding=encode(genotype)
      )
    rows = genotype.shape[0]
    devices = types.Devices(
        index=jnp.full((rows,), device, jnp.int32),
        reference=jnp.zeros((rows, 0)),
    )
    return predictor.apply(params, architectures, devices)

  return scores


def cost(space: types.SearchSpace, name: str) -> _problem.Property:
  """An analytic cost of the space, e.g. `flops` or `params`.

  Energy is none: it is measured, and predicted as latency is, see
  `transfer.adapt_bayesian`, which does not care for the unit.

  Args:
    space: the search space.
    name: a field of `types.Costs`.

  Returns:
    `[B, G] -> [B]` in the field's unit.

  Raises:
    ValueError: there is no such cost.
  """
  known = types.Costs.__annotations__
  if name not in known:
    raise ValueError(f'unknown cost {name!r}; choose from {", ".join(known)}')

  def value(genotype: chex.Array) -> jax.Array:
    return jnp.asarray(
        getattr(space.costs(jnp.asarray(genotype, jnp.int32)), name)
    )

  return value
