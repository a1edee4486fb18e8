"""NASFLAT: pretrain a graph network on the sources, adapt it to the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import chex
import optax

from nasflat_jax import encodings
from nasflat_jax import predictors
from nasflat_jax import transfer
from nasflat_jax.methods import _base

_REPRESENTATIONS = ('operation', 'head')
_ADAPTATIONS = ('fine_tune', 'head', 'both')
_LAYERS = ('dense_graph_flow', 'graph_attention', 'layer_ensemble')


def nasflat(
    *,
    encoding: str = 'costs',
    device_representation: str = 'operation',
    adaptation: str = 'both',
    layer: str = 'layer_ensemble',
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
    device_representation: `operation` or `head`: where the hardware embedding
      enters the network.
    adaptation: `fine_tune`, `head` (closed form) or `both` (their mean).
    layer: `dense_graph_flow`, `graph_attention` or `layer_ensemble`.
    pretrain_steps: optimiser steps of 240 (architecture, device) rows.
    learning_rate: of pretraining, decayed by a cosine.
    adapt_steps: fine-tuning steps.
    adapt_learning_rate: of fine-tuning, decayed by a cosine.

  Returns:
    The method.

  Raises:
    ValueError: an unknown name; the message lists the choices.
  """
  _check('encoding', encoding, encodings.__all__)
  _check('device_representation', device_representation, _REPRESENTATIONS)
  _check('adaptation', adaptation, _ADAPTATIONS)
  _check('layer', layer, _LAYERS)
  parts = ('fine_tune', 'head') if adaptation == 'both' else (adaptation,)

  def prepare(
      key: chex.PRNGKey, problem: _base.Problem
  ) -> transfer.Pretrained:
    num_sources = len(problem.source_names)
    return transfer.pretrain_network(
        key,
        problem.space,
        *problem.source_rows,
        predictor=predictors.nasflat(
            problem.space.spec,
            num_devices=num_sources + 1,
            layer=getattr(predictors, layer),
            hardware_embedding=device_representation,  # type: ignore[arg-type]
        ),
        encoding=encoding,
        num_steps=pretrain_steps,
        schedule=optax.cosine_decay_schedule(
            learning_rate, pretrain_steps, alpha=1e-3
        ),
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
        keys, state, problem.genotype[support.ids], support.latency_ms
    )
    return _base.Scores(scores=adapted.predict(problem.genotype), is_ms=True)

  return _base.Method(prepare, predict, _base.source_rows_budget)


def _check(keyword: str, value: str, choices: Sequence[str]) -> None:
  if value not in choices:
    raise ValueError(
        f'{keyword}: unknown {value!r}; choose from {", ".join(choices)}'
    )
