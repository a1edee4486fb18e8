"""Source tables in, a `Pretrained` network out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import functools
from typing import Any

import chex
import numpy as np
import optax

from nasflat_jax import types
from nasflat_jax.transfer import _adapt_devices
from nasflat_jax.transfer import _fine_tune
from nasflat_jax.transfer import _pretrain


def pretrain_network(
    key: chex.PRNGKey,
    space: types.SearchSpace,
    genotype: np.ndarray,
    latency_ms: np.ndarray,
    *,
    predictor: types.Predictor,
    encoding: str,
    num_steps: int,
    schedule: optax.Schedule,
    adapt_steps: int = 100,
    adapt_learning_rate: float = 2e-3,
    parts: tuple[str, ...] = ('fine_tune', 'head'),
    warm_start: bool = True,
    reference_ms: np.ndarray | None = None,
    batch: Mapping[str, int] | None = None,
    restore: Callable[[types.TransferState], types.TransferState] | None = None,
    on_chunk: Callable[[types.TransferState, float], None] | None = None,
) -> _adapt_devices.Pretrained:
  """Trains one network on the measured rows of all source devices.

  Args:
    key: typed PRNG key.
    space: the search space.
    genotype: `[N, G]` architectures measured on the sources.
    latency_ms: `[S, N]` milliseconds; NaN is unmeasured.
    predictor: with `S + 1` rows of hardware embedding.
    encoding: public name of `encodings`.
    num_steps: optimiser steps.
    schedule: learning rate by step, for AdamW.
    adapt_steps: fine-tuning steps of the result.
    adapt_learning_rate: fine-tuning rate of the result.
    parts: estimates of the result, see `Pretrained`.
    warm_start: of the result, see `Pretrained`.
    reference_ms: `[S, R]` milliseconds of the reference architectures, for a
      predictor that reads them; None is R = 0.
    batch: `num_devices` and `num_architectures` of a batch, see `pretrain`.
    restore: see `pretrain`.
    on_chunk: see `pretrain`.

  Returns:
    The pretrained network.
  """
  num_sources = latency_ms.shape[0]
  algorithm = _algorithm(predictor, schedule, adapt_steps, num_sources)
  decode = _adapt_devices.decoder(space, encoding)
  data = _pretrain.source_data(decode, genotype, latency_ms, reference_ms)
  final = _pretrain.pretrain(
      key,
      algorithm,
      data,
      num_steps=num_steps,
      restore=restore,
      on_chunk=on_chunk,
      **(batch or {}),
  )
  params: Any = final.meta_params
  return _adapt_devices.Pretrained(
      space,
      predictor,
      params,
      num_sources,
      encoding=encoding,
      adapt_steps=adapt_steps,
      learning_rate=adapt_learning_rate,
      parts=tuple(parts),
      warm_start=warm_start,
      source_reference=np.asarray(data.reference),
  )


@functools.lru_cache(maxsize=16)
def _algorithm(
    predictor: types.Predictor,
    schedule: optax.Schedule,
    adapt_steps: int,
    num_sources: int,
) -> types.TransferAlgorithm:
  """The same object for the same arguments: it keys the compiled training."""
  optimizer = optax.adamw(schedule, weight_decay=1e-5)
  return _fine_tune.fine_tune(
      predictor,
      optimizer=optimizer,
      adapt_optimizer=optimizer,
      adapt_steps=adapt_steps,
      num_sources=num_sources,
  )
