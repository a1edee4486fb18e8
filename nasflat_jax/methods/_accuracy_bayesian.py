"""The Bayesian predictor of accuracy as a method."""

from __future__ import annotations

import numpy as np

from nasflat_jax import transfer
from nasflat_jax import types
from nasflat_jax.methods import _accuracy_base as _base

_SOURCES = ('tasks', 'siblings', 'space', 'none')


def bayesian(
    *, sources: str = 'tasks', learn_prior: bool = True
) -> _base.AccuracyMethod:
  """Closed-form transfer over kernels, see `transfer.accuracy_model`.

  Args:
    sources: what is heard of other tasks. `tasks`: models of tasks of the same
      space, which never speak of a network they were fitted on, and linear
      models of other spaces; `space`: the former alone; `siblings`: `tasks`,
      and accuracies of the very networks on other tasks; `none`: nothing.
    learn_prior: whether hypotheses' probabilities are learned on sources.

  Returns:
    The method.

  Raises:
    ValueError: an unknown choice.
  """
  if sources not in _SOURCES:
    raise ValueError(
        f'sources: unknown {sources!r}; choose from {", ".join(_SOURCES)}'
    )

  def prepare(key, problem: _base.AccuracyProblem) -> transfer.AccuracyModel:
    del key
    return transfer.accuracy_model(
        problem.networks,
        () if sources == 'none' else problem.sources,
        siblings=problem.siblings if sources == 'siblings' else None,
        across=sources != 'space',
        learn_prior=learn_prior,
    )

  def predict(keys, problem, state, ids, accuracy) -> np.ndarray:
    del keys, problem
    return transfer.adapt_accuracy(state, ids, accuracy)

  def budget(
      problem: _base.AccuracyProblem, num_support: int
  ) -> types.Budget:
    if sources == 'none':
      return _base.target_budget(problem, num_support)
    read = problem.num_source_labels
    if sources == 'space':
      space = problem.networks.space
      heard = transfer.same_space(space, problem.sources)
      read = sum(len(source.accuracy) for source in heard)
    if sources == 'siblings':
      read += sum(
          int(np.isfinite(values).sum()) for values in problem.siblings.values()
      )
    return types.Budget(source=read, reference=0, target=num_support)

  return _base.AccuracyMethod(
      prepare, predict, budget, reads_siblings=sources == 'siblings'
  )
