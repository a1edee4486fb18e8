"""NASFLAT: pretrain a graph network on the sources, adapt it to the target."""

from __future__ import annotations

from collections.abc import Sequence
import functools
from typing import Any

import chex
import optax

from nasflat_jax import encodings
from nasflat_jax import predictors
from nasflat_jax import transfer
from nasflat_jax import types
from nasflat_jax.methods import _base

_REPRESENTATIONS = ('operation', 'head', 'latency_vector', 'both')
_READING = ('latency_vector', 'both')
_ADAPTATIONS = ('fine_tune', 'head', 'both')
_LAYERS = ('dense_graph_flow', 'graph_attention', 'layer_ensemble')
_PREDICTORS = (*_LAYERS, 'gcn', 'encoding_mlp')


def nasflat(
    *,
    encoding: str = 'costs',
    device_representation: str = 'operation',
    adaptation: str = 'both',
    predictor: str = 'layer_ensemble',
    warm_start: bool = True,
    pretrain_steps: int = 800,
    learning_rate: float = 1e-3,
    adapt_steps: int = 100,
    adapt_learning_rate: float = 2e-3,
) -> _base.Method:
  """The NASFLAT predictor, https://arxiv.org/abs/2403.02446.

  `prepare` pretrains one network on `source_ids` of every source device;
  `predict` adapts a fresh copy of it to each pair (see
  `transfer.adapt_devices`) and returns milliseconds.

  Args:
    encoding: supplementary encoding, a public name of `encodings`.
    device_representation: what describes a device and where it enters the
      network (see `predictors.nasflat`): `operation` or `head`, a learned row;
      `latency_vector`, its latencies at `Problem.reference_ids`, as in HELP,
      https://arxiv.org/abs/2106.08630; `both`, row and latencies. The latter
      two measure the references on the target, too.
    adaptation: `fine_tune`, `head` (closed form) or `both` (their mean).
    predictor: the network: `dense_graph_flow`, `graph_attention` or
      `layer_ensemble`, NASFLAT's with that layer; or `gcn` or `encoding_mlp`,
      which have a learned row at their head for `operation` and `head` alike.
    warm_start: fine-tuning starts from the embedding of the source that orders
      the support best, else from a random one; a `latency_vector` has none.
    pretrain_steps: optimiser steps of 240 (architecture, device) rows.
    learning_rate: of pretraining, decayed by a cosine.
    adapt_steps: fine-tuning steps.
    adapt_learning_rate: of fine-tuning, decayed by a cosine.

  Returns:
    The method.

  Raises:
    ValueError: an unknown name; the message lists the choices. Or a network
      that cannot read latencies is to.
  """
  _check('encoding', encoding, encodings.__all__)
  _check('device_representation', device_representation, _REPRESENTATIONS)
  _check('adaptation', adaptation, _ADAPTATIONS)
  _check('predictor', predictor, _PREDICTORS)
  reads = device_representation in _READING
  if reads and predictor not in _LAYERS:
    raise ValueError(
        f'device_representation: {device_representation!r} needs one of'
        f' {", ".join(_LAYERS)} for predictor, got {predictor!r}'
    )
  parts = ('fine_tune', 'head') if adaptation == 'both' else (adaptation,)

  schedule = optax.cosine_decay_schedule(
      learning_rate, pretrain_steps, alpha=1e-3
  )

  # One object for equal arguments: it keys the compiled programs.
  @functools.cache
  def network(spec: types.SpaceSpec, num_devices: int) -> types.Predictor:
    if predictor not in _LAYERS:
      return getattr(predictors, predictor)(spec, num_devices=num_devices)
    return predictors.nasflat(
        spec,
        num_devices=num_devices,
        layer=getattr(predictors, predictor),
        hardware_embedding=device_representation,  # type: ignore[arg-type]
    )

  def prepare(
      key: chex.PRNGKey, problem: _base.Problem
  ) -> transfer.Pretrained:
    ids = problem.reference_ids
    if reads and not len(ids):
      raise ValueError(
          f'device_representation: {device_representation!r} needs reference'
          ' architectures that are measured on all devices; there are none'
      )
    return transfer.pretrain_network(
        key,
        problem.space,
        *problem.source_rows,
        predictor=network(problem.space.spec, len(problem.source_names) + 1),
        reference_ms=problem.source_latency_ms[:, ids] if reads else None,
        warm_start=warm_start and device_representation != 'latency_vector',
        encoding=encoding,
        num_steps=pretrain_steps,
        schedule=schedule,
        adapt_steps=adapt_steps,
        adapt_learning_rate=adapt_learning_rate,
        parts=parts,
    )

  def predict(
      keys: chex.PRNGKey,
      problem: _base.Problem,
      state: Any,
      support: _base.Support,
  ) -> _base.Scores:
    adapted = transfer.adapt_devices(
        keys,
        state,
        problem.genotype[support.ids],
        support.latency_ms,
        support.reference_ms if reads else None,
    )
    return _base.Scores(scores=adapted.predict(problem.genotype), is_ms=True)

  budget = _base.reference_budget if reads else _base.source_rows_budget
  return _base.Method(prepare, predict, budget, reads_references=reads)


def _check(keyword: str, value: str, choices: Sequence[str]) -> None:
  if value not in choices:
    raise ValueError(
        f'{keyword}: unknown {value!r}; choose from {", ".join(choices)}'
    )
