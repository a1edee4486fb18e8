"""NASFLAT: pretrain a graph network on the sources, adapt it to the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import functools
from typing import Any, NamedTuple

import chex
import numpy as np
import optax

from nasflat_jax import checkpoints
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


class _Arrays(NamedTuple):
  """What pretraining leaves behind; see `transfer.Pretrained`."""

  params: Any
  source_reference: np.ndarray  # [S, R]


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
  warm = warm_start and device_representation != 'latency_vector'

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

  def check(problem: _base.Problem) -> None:
    if reads and not problem.reference_ids.size:
      raise ValueError(
          f'device_representation: {device_representation!r} needs reference'
          ' architectures that are measured on all devices; there are none'
      )
    transfer.decoder(problem.space, encoding)

  def source_network(problem: _base.Problem) -> types.Predictor:
    return network(problem.space.spec, len(problem.source_names) + 1)

  def prepare(
      key: chex.PRNGKey, problem: _base.Problem
  ) -> transfer.Pretrained:
    check(problem)
    ids = problem.reference_ids
    return transfer.pretrain_network(
        key,
        problem.space,
        *problem.source_rows,
        predictor=source_network(problem),
        reference_ms=problem.source_latency_ms[:, ids] if reads else None,
        warm_start=warm,
        encoding=encoding,
        num_steps=pretrain_steps,
        schedule=schedule,
        adapt_steps=adapt_steps,
        adapt_learning_rate=adapt_learning_rate,
        parts=parts,
    )

  def dump(state: Any) -> dict[str, Any]:
    return checkpoints.named(_Arrays(state.params, state.reference))

  def restore(
      problem: _base.Problem, arrays: Mapping[str, Any]
  ) -> transfer.Pretrained:
    num_sources = len(problem.source_names)
    num_references = len(problem.reference_ids) if reads else 0
    like = _Arrays(
        predictors.param_shapes(
            source_network(problem),
            transfer.decoder(problem.space, encoding),
            problem.space.spec.num_genes,
            num_references=num_references,
        ),
        np.zeros((num_sources, num_references), np.float32),
    )
    params, reference = checkpoints.fitted(arrays, like)
    return transfer.Pretrained(
        problem.space,
        source_network(problem),
        params,
        num_sources,
        encoding=encoding,
        adapt_steps=adapt_steps,
        learning_rate=adapt_learning_rate,
        parts=parts,
        warm_start=warm,
        source_reference=np.asarray(reference),
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
  return _base.Method(
      prepare,
      predict,
      budget,
      reads_references=reads,
      check=check,
      dump=dump,
      restore=restore,
  )


def _check(keyword: str, value: str, choices: Sequence[str]) -> None:
  if value not in choices:
    raise ValueError(
        f'{keyword}: unknown {value!r}; choose from {", ".join(choices)}'
    )
