"""FLAN's network as a few-shot accuracy method, every trial from scratch."""

from __future__ import annotations

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np

from nasflat_jax import encodings
from nasflat_jax import predictors
from nasflat_jax import transfer
from nasflat_jax import types
from nasflat_jax.encodings import proxies as proxy_columns
from nasflat_jax.methods import _accuracy_base as _base
from nasflat_jax.methods import _checks

_ENCODINGS = ('none', 'zcp', 'unified_arch2vec', 'unified_cate')
# Labels are padded to a multiple of this, so that few programs are compiled.
_PADDED = 32


def flan(
    *, encoding: str = 'zcp', epochs: int = 150, learning_rate: float = 1e-3
) -> _base.AccuracyMethod:
  """FLAN, https://arxiv.org/abs/2403.02484, on the target's labels alone.

  A graph network (`predictors.flan`) ranks the labelled networks pairwise: a
  tenth of a second of one CPU core for each label.

  Args:
    encoding: beside the graph: `none`, `zcp` (the 13 proxies and which are
      known), `unified_arch2vec` or `unified_cate`.
    epochs: passes over the labels.
    learning_rate: at the first step, decayed by a cosine.

  Returns:
    The method.

  Raises:
    ValueError: an unknown encoding, or no epochs.
  """
  if encoding not in _ENCODINGS:
    raise ValueError(
        f'encoding: unknown {encoding!r}; choose from {", ".join(_ENCODINGS)}'
    )
  _checks.at_least_one(epochs=epochs)

  @functools.cache
  def network(spec: types.SpaceSpec) -> transfer.TaskNetwork:
    return transfer.task_network(
        predictors.flan(spec), epochs=epochs, learning_rate=learning_rate
    )

  def prepare(key, problem: _base.AccuracyProblem) -> types.Architectures:
    del key
    networks = problem.networks
    architectures = networks.space.decode(networks.genotype)
    if encoding == 'none':
      return architectures
    if encoding == 'zcp':
      columns = jnp.asarray(proxy_columns.masked(networks.proxies))
    else:
      encode = getattr(encodings, encoding)(networks.space)
      columns = encode(jnp.asarray(networks.genotype))
    return dataclasses.replace(architectures, encoding=columns)

  def predict(keys, problem, state, ids, accuracy) -> np.ndarray:
    size = np.shape(ids)[1]
    length = -(-size // _PADDED) * _PADDED
    wide = ((0, 0), (0, length - size))
    run = network(problem.networks.space.spec)
    params = run.fit(
        keys,
        state,
        jnp.asarray(np.pad(ids, wide)),
        jnp.asarray(np.pad(np.asarray(accuracy), wide), jnp.float32),
        where=jnp.asarray(np.pad(np.ones(np.shape(ids), bool), wide)),
    )
    return np.asarray(run.score(params, state))

  return _base.AccuracyMethod(prepare, predict, _base.target_budget)
