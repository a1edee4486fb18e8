"""Meta-learning: HELP, MAML, FOMAML, Meta-SGD and Reptile.

All train the network of HELP (https://arxiv.org/abs/2106.08630) on episodes of
the source devices and adapt it to a target by two gradient steps. They differ
in what they learn and in whether a device is described by its latencies at
reference architectures, which only HELP reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax

from nasflat_jax import checkpoints
from nasflat_jax import predictors
from nasflat_jax import transfer
from nasflat_jax import types
from nasflat_jax.methods import _base
from nasflat_jax.methods import _checks

_NUM_SUPPORT = 10  # of an episode, as published
# Episodes as published; 2000 on the other spaces.
_EPISODES = {'fbnet': 4000}
_CHUNK = 1024  # architectures scored at once, bounds the memory


class _Learner(NamedTuple):
  predictor: types.Predictor
  algorithm: types.TransferAlgorithm


def help(
    *,
    episodes: int = 0,
    inner_steps: int = 2,
    learning_rate: float = 1e-4,
    num_draws: int = 10,
) -> _base.Method:
  """HELP, https://arxiv.org/abs/2106.08630; reads reference latencies.

  Scores are on the scale of the labels, not in milliseconds.

  Note:
    A target's labels are scaled by the middle 80 % of its support and
    reference latencies, and clipped to [0, 1]. HELP scales by the middle 80 %
    of its whole pool and draws the support from there, which takes 720 or
    3200 measurements. The last weights are used; HELP keeps those that are
    best on validation devices, which a task does not have. Episodes come from
    `source_ids`, as many rows as are given.

  Args:
    episodes: outer steps of meta-training; 0 takes the published 4000 on
      FBNet and 2000 elsewhere.
    inner_steps: gradient steps on the support, in training and on a target.
    learning_rate: of Adam in the outer loop.
    num_draws: draws of z whose scores are averaged.

  Returns:
    The method.

  Raises:
    ValueError: a count is out of range; `prepare`: the problem has no
      reference architectures.
  """
  _checks.at_least_one(num_draws=num_draws)
  return _method(
      transfer.help,
      episodes,
      learning_rate,
      inner_steps,
      num_draws=num_draws,
      reads_references=True,
  )


def maml(
    *,
    episodes: int = 0,
    inner_steps: int = 2,
    inner_learning_rate: float = 1e-2,
    learning_rate: float = 1e-4,
) -> _base.Method:
  """MAML, https://arxiv.org/abs/1703.03400, on HELP's network and episodes.

  Labels, episodes and weights as in `help`, without references and without
  the hardware branch.

  Args:
    episodes: outer steps; 0 takes HELP's number, see `help`.
    inner_steps: gradient steps on the support, in training and on a target.
    inner_learning_rate: of these steps.
    learning_rate: of Adam in the outer loop.

  Returns:
    The method.

  Raises:
    ValueError: a count is out of range.
  """
  return _method(
      transfer.maml,
      episodes,
      learning_rate,
      inner_steps,
      inner_learning_rate=inner_learning_rate,
  )


def fomaml(
    *,
    episodes: int = 0,
    inner_steps: int = 2,
    inner_learning_rate: float = 1e-2,
    learning_rate: float = 1e-4,
) -> _base.Method:
  """First-order MAML, https://arxiv.org/abs/1703.03400 section 5.2.

  Keywords as of `maml`.
  """
  return _method(
      transfer.maml,
      episodes,
      learning_rate,
      inner_steps,
      inner_learning_rate=inner_learning_rate,
      order=1,
  )


def meta_sgd(
    *,
    episodes: int = 0,
    inner_steps: int = 2,
    learning_rate: float = 1e-4,
) -> _base.Method:
  """Meta-SGD, https://arxiv.org/abs/1707.09835: learned step sizes.

  One for each parameter element, from 1e-3. Keywords as of `maml`.
  """
  return _method(
      transfer.maml, episodes, learning_rate, inner_steps, learned_rates=True
  )


def reptile(
    *,
    episodes: int = 0,
    inner_steps: int = 2,
    inner_learning_rate: float = 1e-2,
    learning_rate: float = 1e-4,
) -> _base.Method:
  """Reptile, https://arxiv.org/abs/1803.02999, with Adam in the outer loop.

  Keywords as of `maml`.
  """
  return _method(
      transfer.reptile,
      episodes,
      learning_rate,
      inner_steps,
      inner_learning_rate=inner_learning_rate,
  )


def _method(
    algorithm: Callable[..., types.TransferAlgorithm],
    episodes: int,
    learning_rate: float,
    inner_steps: int,
    *,
    num_draws: int = 1,
    reads_references: bool = False,
    **keywords: Any,
) -> _base.Method:
  """A method from `(predictor, *, optimizer, inner_steps, **keywords)`."""
  _checks.at_least_one(inner_steps=inner_steps)
  if episodes < 0:
    raise ValueError(f'episodes must be 0 or more, got {episodes}')

  # One object for equal arguments: it keys the compiled programs.
  @functools.cache
  def learner(spec: types.SpaceSpec) -> _Learner:
    predictor = predictors.help(spec, hardware_embedding=reads_references)
    return _Learner(predictor, algorithm(
        predictor,
        optimizer=optax.adam(learning_rate),
        inner_steps=inner_steps,
        **keywords,
    ))

  def check(problem: _base.Problem) -> None:
    if reads_references and not problem.reference_ids.size:
      raise ValueError('help needs reference_ids in its problem')

  def train(
      key: chex.PRNGKey, problem: _base.Problem, num_episodes: int
  ) -> chex.ArrayTree:
    references = None
    if reads_references:
      references = problem.source_latency_ms[:, problem.reference_ids]
    genotype, latency_ms = problem.source_rows
    data = transfer.episode_data(
        problem.space.decode, genotype, latency_ms, references
    )
    state = transfer.meta_train(
        key,
        learner(problem.space.spec).algorithm,
        data,
        num_episodes=num_episodes,
        num_support=max(min(_NUM_SUPPORT, len(genotype) // 2), 1),
    )
    return state.meta_params

  def prepare(key: chex.PRNGKey, problem: _base.Problem) -> chex.ArrayTree:
    check(problem)
    published = _EPISODES.get(problem.space.spec.name, 2000)
    return train(key, problem, episodes or published)

  def restore(problem: _base.Problem, arrays: Mapping[str, Any]) -> Any:
    like = jax.eval_shape(
        lambda key: train(key, problem, 0), jax.random.key(0)
    )
    return checkpoints.fitted(arrays, like)

  def predict(
      keys: chex.PRNGKey,
      problem: _base.Problem,
      state: Any,
      support: _base.Support,
  ) -> _base.Scores:
    measured, embedding = support.latency_ms, np.zeros((len(support.ids), 0))
    if reads_references:
      reference_ms = support.reference_ms
      if reference_ms is None:
        raise ValueError('help needs reference_ms in its support')
      measured = np.concatenate([measured, reference_ms], axis=1)
      embedding = transfer.embed_reference(reference_ms)
    label = transfer.scale_latency(support.latency_ms, measured)
    run = _scorer(problem.space, *learner(problem.space.spec), num_draws)
    scores = run(
        keys,
        state,
        _chunks(problem.genotype),
        problem.genotype[support.ids],
        jnp.asarray(np.clip(label, 0.0, 1.0), jnp.float32),
        jnp.asarray(embedding, jnp.float32),
    )
    return _base.Scores(
        scores=np.asarray(scores)[:, : len(problem.genotype)], is_ms=False
    )

  budget = (
      _base.reference_budget if reads_references else _base.source_rows_budget
  )
  return _base.Method(
      prepare,
      predict,
      budget,
      reads_references,
      check,
      dump=checkpoints.named,
      restore=restore,
  )


def _chunks(genotype: np.ndarray) -> np.ndarray:
  """`[K, _CHUNK, G]`: the last row fills up the last chunk."""
  total = len(genotype)
  rows = np.arange(-(-total // _CHUNK) * _CHUNK).reshape(-1, _CHUNK)
  return genotype[np.minimum(rows, total - 1)]


@functools.lru_cache(maxsize=16)
def _scorer(space, predictor, algorithm, num_draws):
  """Compiled adaptation and scoring of `T` pairs, one pair after another.

  `(keys [T], meta_params, genotype [K, B, G], support [T, n, G], label [T, n],
  reference [T, R]) -> [T, K * B]`.
  """

  def devices(reference: jax.Array, size: int) -> types.Devices:
    return types.Devices(
        index=jnp.zeros((size,), jnp.int32),
        reference=jnp.tile(reference, (size, 1)),
    )

  @jax.jit
  def run(keys, meta_params, genotype, support, label, reference):
    def one(row) -> jax.Array:
      key, support, label, reference = row
      batch = types.Batch(
          architectures=space.decode(support),
          devices=devices(reference, len(label)),
          label=label,
          where=jnp.ones(label.shape, bool),
      )
      params = jax.vmap(algorithm.adapt, (0, None, None))(
          jax.random.split(key, num_draws), meta_params, batch
      )

      def score(chunk) -> jax.Array:
        scores = jax.vmap(predictor.apply, (0, None, None))(
            params, space.decode(chunk), devices(reference, len(chunk))
        )
        return scores.mean(axis=0)

      return jax.lax.map(score, genotype).reshape(-1)

    return jax.lax.map(one, (keys, support, label, reference))

  return run
