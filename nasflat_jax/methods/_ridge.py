"""Ridge regression of the target's latency on what is in the genotype."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import chex
import numpy as np

from nasflat_jax import encodings
from nasflat_jax import predictors
from nasflat_jax import types
from nasflat_jax.methods import _base


def ridge_counts() -> _base.Method:
  """Ridge on the number of uses of each operation, no source device.

  Five parameters on NAS-Bench-201, nine on FBNet. Latency is fitted in
  milliseconds, not in logarithms: on most hardware it is nearly a sum over
  operations.
  """
  return _ridge(lambda p: predictors.op_counts(p.genotype, p.num_ops))


def ridge_onehot() -> _base.Method:
  """Ridge on the operation of each gene, no source device.

  25 free parameters on NAS-Bench-201, 177 on FBNet: needs many measurements.
  """
  return _ridge(lambda p: predictors.one_hot(p.genotype, p.num_ops))


def ridge_costs() -> _base.Method:
  """Ridge on the cost encoding (`encodings.costs`), no source device.

  What a network asks of any hardware: ten columns on NAS-Bench-201, five on
  FBNet and Once-for-All. Latency is fitted in milliseconds.
  """

  def encode(problem: _base.Problem) -> np.ndarray:
    encoding = encodings.costs(problem.space)(problem.genotype)
    return np.asarray(encoding, np.float64)

  return _ridge(encode)


def predict_by_ridge(
    keys: chex.PRNGKey,
    problem: _base.Problem,
    state: Any,  # [N, F]
    support: _base.Support,
) -> _base.Scores:
  """Ridge of each pair's support on what `prepare` says of the networks."""
  del keys, problem
  model = predictors.fit_ridge(state[support.ids], support.latency_ms)
  scores = predictors.predict_linear(model, state)
  return _base.Scores(scores=scores, is_ms=True)


def _ridge(encode: Callable[[_base.Problem], np.ndarray]) -> _base.Method:
  """Ridge on `encode(problem) -> [N, F]`."""

  def prepare(key: chex.PRNGKey, problem: _base.Problem) -> np.ndarray:
    del key
    return encode(problem)

  return _base.Method(prepare, predict_by_ridge, target_only_budget)


def target_only_budget(
    problem: _base.Problem, num_support: int
) -> types.Budget:
  """The budget of a method that reads the support rows and nothing else."""
  del problem
  return types.Budget(source=0, reference=0, target=num_support)
