"""Measure, look, and measure next where the prediction is least certain."""

from __future__ import annotations

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import methods
from nasflat_jax import samplers
from nasflat_jax import transfer
from nasflat_jax.trials import _choose

# Measurements between two looks. The first ones are a D-optimal design.
_STEP = 5


def sequential(problem: methods.Problem) -> _choose.Chooser:
  """Sequential design by the posterior variance of the `bayesian` method.

  Unlike a design made beforehand, it learns from the first measurements which
  features the device's latency follows.

  Args:
    problem: the task.

  Returns:
    A chooser for `draw`.
  """
  sources = transfer.fit_sources(problem.space, *problem.source_rows)
  model = transfer.bayesian_model(problem.space, sources)
  features = model.design_features(problem.genotype)
  design = jax.jit(samplers.d_optimal, static_argnames='num_samples')

  def choose(
      key: chex.PRNGKey,
      where: np.ndarray,  # [N]
      measure: Callable[[int], float],
      num_support: int,
  ) -> np.ndarray:
    first = min(_STEP, num_support)
    chosen = np.asarray(
        design(key, features, num_samples=first, where=jnp.asarray(where))
    )
    latency_ms = [measure(int(row)) for row in chosen]
    while len(chosen) < num_support:
      adapted = transfer.adapt_bayesian(
          model, problem.genotype[chosen][None], np.array(latency_ms)[None]
      )
      left = where.copy()
      left[chosen] = False
      more = adapted.propose(
          problem.genotype,
          min(_STEP, num_support - len(chosen)),
          where=left[None],
      )[0]
      latency_ms += [measure(int(row)) for row in more]
      chosen = np.concatenate([chosen, more])
    return chosen

  return choose
