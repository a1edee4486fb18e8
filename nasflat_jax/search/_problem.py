"""Objectives and constraints put together into what a search evaluates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import chex
import jax
import jax.numpy as jnp

from nasflat_jax.search import _algorithm

# A property of architectures, `genotype [B, G] -> [B]`.
Property = Callable[[chex.Array], jax.Array]


def maximised(function: Property) -> Property:
  """The objective that is small where a property is large: its negative."""
  return lambda genotype: -jnp.asarray(function(genotype))


def at_most(function: Property, limit: chex.Numeric) -> _algorithm.Violation:
  """The constraint that a property does not exceed a limit.

  Args:
    function: `[B, G] -> [B]`, e.g. `latency_quantile`.
    limit: in the property's unit; may be traced.

  Returns:
    `[B, G] -> [B]` the excess as a share of the limit, so that constraints in
    milliseconds and in parameters compare; 0 or less where it holds.

  Example:
    >>> broken = at_most(lambda genotype: genotype.sum(axis=1), 4.0)
    >>> broken(jnp.array([[1, 2], [3, 3]])).tolist()
    [-0.25, 0.5]
  """

  def violation(genotype: chex.Array) -> jax.Array:
    value = jnp.asarray(function(genotype))
    return (value - limit) / jnp.maximum(jnp.abs(limit), 1e-9)

  return violation


def at_least(function: Property, limit: chex.Numeric) -> _algorithm.Violation:
  """The constraint that a property does not fall below a limit.

  Args:
    function: `[B, G] -> [B]`, e.g. `probability_within`.
    limit: in the property's unit; may be traced.

  Returns:
    `[B, G] -> [B]` what is missing as a share of the limit; 0 or less where it
    holds.
  """

  def violation(genotype: chex.Array) -> jax.Array:
    value = jnp.asarray(function(genotype))
    return (limit - value) / jnp.maximum(jnp.abs(limit), 1e-9)

  return violation


def total_violation(
    constraints: Sequence[_algorithm.Violation],
) -> _algorithm.Violation:
  """All constraints as one: the sum of what is broken of each.

  Args:
    constraints: `[B, G] -> [B]` each, from `at_most` and `at_least`.

  Returns:
    `[B, G] -> [B]`, 0 where all hold; NaN where one is NaN.
  """

  def violation(genotype: chex.Array) -> jax.Array:
    total = jnp.zeros(genotype.shape[0])
    for broken in constraints:
      total += jnp.maximum(jnp.asarray(broken(genotype)), 0.0)
    return total

  return violation


def problem(
    *objectives: Property, constraints: Sequence[_algorithm.Violation] = ()
) -> Callable[[chex.Array], _algorithm.Scores]:
  """What a search evaluates: objectives to minimise, constraints to hold.

  Args:
    *objectives: `[B, G] -> [B]` each, smaller is better; see `maximised`.
    constraints: `[B, G] -> [B]` each, from `at_most` and `at_least`.

  Returns:
    `[B, G] -> Scores`, traceable where its parts are.

  Raises:
    ValueError: there is no objective.
  """
  if not objectives:
    raise ValueError('a problem has at least one objective')
  violation = total_violation(constraints)

  def evaluate(genotype: chex.Array) -> _algorithm.Scores:
    return _algorithm.Scores(
        objectives=jnp.stack(
            [jnp.asarray(each(genotype)) for each in objectives], axis=1
        ),
        violation=violation(genotype),
    )

  return evaluate
