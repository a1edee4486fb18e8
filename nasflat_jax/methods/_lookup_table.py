"""A look-up table of operations, fitted to whole-network measurements."""

from __future__ import annotations

from typing import Any

import chex
import numpy as np

from nasflat_jax import predictors
from nasflat_jax.methods import _base
from nasflat_jax.methods import _ridge


def lookup_table(*, per_gene: bool = False) -> _base.Method:
  """Latency is a sum of one time per operation, none of them negative.

  Non-negative least squares on the support rows. An operation that no support
  architecture uses gets 0 ms.

  Args:
    per_gene: one entry for each operation of each gene (30 on NAS-Bench-201,
      198 on FBNet), which takes as many measurements to fill; False shares an
      operation's entry between genes.
  """
  encode = predictors.one_hot if per_gene else predictors.op_counts

  def prepare(key: chex.PRNGKey, problem: _base.Problem) -> np.ndarray:
    del key
    return encode(problem.genotype, problem.num_ops)

  def predict(
      keys: chex.PRNGKey,
      problem: _base.Problem,
      state: Any,
      support: _base.Support,
  ) -> _base.Scores:
    del keys, problem
    scores = [
        predictors.predict_linear(
            predictors.fit_non_negative(state[ids], row), state
        )
        for ids, row in zip(support.ids, support.latency_ms, strict=True)
    ]
    return _base.Scores(scores=np.stack(scores), is_ms=True)

  return _base.Method(prepare, predict, _ridge.target_only_budget)
