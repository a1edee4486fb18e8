"""A network for one task, trained on many small draws of labels."""

from __future__ import annotations

from collections.abc import Callable
import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from nasflat_jax import losses
from nasflat_jax import predictors
from nasflat_jax import types
from nasflat_jax.transfer import _ranker


class TaskNetwork(NamedTuple):
  """Training and scoring as compiled functions, one per shape.

  Attributes:
    fit: `(keys [T], architectures, ids [T, n], label [T, n], *, where=None,
      params=None) -> params`, a leading axis `T`. `ids` are rows of the `N`
      architectures, `where [T, n]` is False for padding, `params` is what each
      of the draws starts from, e.g. a source's network; None draws it.
    score: `(params, architectures) -> [T, N]`.
  """

  fit: Callable[..., Any]
  score: Callable[..., jax.Array]


@functools.lru_cache(maxsize=32)
def task_network(
    predictor: types.Predictor,
    *,
    epochs: int = 150,
    batch_size: int = 8,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-5,
    shrinkage: float = 0.0,
    unit_labels: bool = False,
    loss_fn: Callable[..., jax.Array] = losses.pairwise_hinge,
    draws_at_once: int = 1,
    chunk_size: int = 512,
) -> TaskNetwork:
  """Training of `predictor` on one task, see `fit_ranker`.

  The defaults are FLAN's from scratch (https://arxiv.org/abs/2403.02484); its
  fine-tuning is `epochs=30`. Equal arguments give the same object, and so the
  same compiled programs; padded to one length with `where`, draws of any size
  share one.

  Args:
    predictor: e.g. `predictors.flan(...)`, made once.
    epochs: passes over the labelled rows.
    batch_size: rows of a step at most.
    learning_rate: at the first step, decayed by a cosine.
    weight_decay: towards zero.
    shrinkage: towards the parameters it started from.
    unit_labels: whether labels are scaled to 0..1 over the labelled rows.
    loss_fn: `(scores, label, *, where) -> []`.
    draws_at_once: draws that are vmapped; the others follow. One is best on a
      CPU.
    chunk_size: architectures per pass of `score`.

  Returns:
    The compiled pair.
  """

  @jax.jit
  def fit(keys, architectures, ids, label, *, where=None, params=None):
    chex.assert_rank([ids, label], 2)
    where = jnp.ones(ids.shape, bool) if where is None else where

    def one(row):
      key, ids, label, where = row
      if unit_labels:
        label = _unit(label, where)
      return _ranker.fit_ranker(
          key,
          predictor,
          jax.tree.map(lambda x: x[ids], architectures),
          label,
          where=where,
          params=params,
          epochs=epochs,
          batch_size=batch_size,
          learning_rate=learning_rate,
          weight_decay=weight_decay,
          shrinkage=shrinkage,
          loss_fn=loss_fn,
      )

    rows = keys, ids, label.astype(jnp.float32), where
    return jax.lax.map(one, rows, batch_size=draws_at_once)

  @jax.jit
  def score(params, architectures):
    return jax.lax.map(
        lambda one: predictors.score(
            predictor, one, architectures, jnp.int32(0), chunk_size=chunk_size
        ),
        params,
    )

  return TaskNetwork(fit, score)


def summed_error(
    scores: jax.Array,  # [B]
    label: jax.Array,  # [B]
    *,
    where: jax.Array,  # [B]
) -> jax.Array:  # []
  """Summed absolute error, Multi-Predict's loss."""
  return jnp.sum(jnp.where(where, jnp.abs(scores - label), 0.0))


def _unit(label: jax.Array, where: jax.Array) -> jax.Array:
  """Labels scaled to 0..1 over the rows that count."""
  least = jnp.min(jnp.where(where, label, jnp.inf))
  most = jnp.max(jnp.where(where, label, -jnp.inf))
  spread = jnp.where(most > least, most - least, 1.0)
  return jnp.where(where, (label - least) / spread, 0.0)
