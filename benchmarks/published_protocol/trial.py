"""One trial of a task: pretrain once, then transfer by both protocols."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import data
from nasflat_jax import predictors
from nasflat_jax import types
from published_protocol import published
from published_protocol import training

FIRST = 128  # architectures that the published scores are taken on
_PRETRAIN_BATCH = 128
_PRETRAIN_RATE = 1e-3
_TRANSFER_BATCH = 16


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
  """What the trials of a task share.

  Attributes:
    table: latencies; a device's row in it is its row of the embedding.
    predictor: the network.
    architectures: the table's, as graphs.
    recipe: how to train.
    source: source devices.
    target: target devices, in the order of the transfers.
    pretrain_epochs: 150 as published.
  """

  table: data.LatencyTable
  predictor: types.Predictor
  architectures: types.Architectures
  recipe: published.Recipe
  source: Sequence[str]
  target: Sequence[str]
  pretrain_epochs: int


def _draw(key: jax.Array, rows: np.ndarray, size: int) -> np.ndarray:
  """Distinct rows, drawn by NumPy: nothing to compile for each size."""
  rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
  return rng.choice(rows, size, replace=False)


def pretrain(key: jax.Array, setting: Setting) -> Any:
  """Parameters after training on the sources, on pairs across devices.

  Latencies are scaled to 0..1 over all architectures of a device, as published.
  """
  row_key, init_key, train_key = jax.random.split(key, 3)
  table = setting.table
  values = table.select(setting.source).values
  usable = np.flatnonzero(np.isfinite(values).all(0))
  chosen = _draw(row_key, usable, setting.recipe.num_source)
  low = np.nanmin(values, axis=1, keepdims=True)
  high = np.nanmax(values, axis=1, keepdims=True)
  label = ((values - low) / (high - low))[:, chosen].reshape(-1)
  names = list(table.device_names)
  rows = np.array([names.index(name) for name in setting.source])
  size = len(label)
  batch = min(_PRETRAIN_BATCH, size)
  num_batches = -(-size // batch)
  run = training.trainer(
      setting.predictor,
      epochs=setting.pretrain_epochs,
      learning_rate=_PRETRAIN_RATE,
      batch_size=batch,
      num_batches=num_batches,
  )
  first = jax.tree.map(lambda x: x[:1], setting.architectures)
  device = types.Devices(
      index=jnp.zeros(1, jnp.int32), reference=jnp.zeros((1, 0))
  )
  params = jax.jit(setting.predictor.init)(init_key, first, device)
  columns = (
      np.tile(chosen, len(rows)), np.repeat(rows, len(chosen)),
      label.astype(np.float32), np.ones(size, bool),
  )
  last = run(
      train_key, params, setting.architectures,
      *(training.padded(column, num_batches * batch) for column in columns),
  )
  return jax.tree.map(lambda x: x[-1], last)


def _transfer(
    key: jax.Array, setting: Setting, params: Any, target: str, ids: np.ndarray
) -> Any:
  """Parameters of the last four epochs on a target's measurements."""
  table, recipe = setting.table, setting.recipe
  measured = table.row(target)[ids]
  row = table.device_names.index(target)
  if recipe.warm_start:
    # Reads the sources at the target's support, as published.
    source = table.select(setting.source).values[:, ids]
    rho = np.nan_to_num(
        np.asarray(training.correlations(source, measured)), nan=-1.0
    )
    best = table.device_names.index(setting.source[int(rho.argmax())])
    params = predictors.copy_device(params, jnp.int32(best), row)
  num_batches = -(-len(ids) // _TRANSFER_BATCH)
  run = training.trainer(
      setting.predictor,
      epochs=recipe.epochs,
      learning_rate=recipe.learning_rate,
      batch_size=_TRANSFER_BATCH,
      num_batches=num_batches,
  )
  columns = (
      ids, np.full(len(ids), row), measured.astype(np.float32),
      np.ones(len(ids), bool),
  )
  size = num_batches * _TRANSFER_BATCH
  return run(
      key, params, setting.architectures,
      *(training.padded(column, size) for column in columns),
  )


def _first_spearman(setting: Setting, last: Any, target: str) -> float:
  """Mean Spearman over four epochs on the first 128 architectures."""
  first = jax.tree.map(lambda x: x[:FIRST], setting.architectures)
  row = setting.table.device_names.index(target)
  score = training.scorer(setting.predictor)
  scores = jnp.stack([
      score(jax.tree.map(lambda x, e=epoch: x[e], last), first, row)
      for epoch in range(training.LAST_EPOCHS)
  ])
  truth = setting.table.row(target)[:FIRST]
  return float(jnp.mean(training.correlations(scores, truth)))


def _clean_spearman(
    setting: Setting, last: Any, target: str, ids: np.ndarray
) -> float:
  """Spearman after the last epoch on every architecture outside the support."""
  params = jax.tree.map(lambda x: x[-1], last)
  row = setting.table.device_names.index(target)
  score = training.scorer(setting.predictor)
  scores = score(params, setting.architectures, row)
  truth = setting.table.row(target).copy()
  truth[ids] = np.nan
  return float(training.correlations(scores[None], truth)[0])


def run(key: jax.Array, setting: Setting) -> Iterator[dict[str, Any]]:
  """One row per target device.

  Both protocols start from one pretrained network and meet the same 20
  measurements. `published_protocol` carries the weights over from size to size
  and from device to device, and is judged on the first 128 architectures;
  `reset_first_128` starts every device from the pretrained weights;
  `clean` does, too, and is judged on all other architectures.
  """
  pretrain_key, transfer_key = jax.random.split(key)
  pretrained = pretrain(pretrain_key, setting)
  carried = pretrained
  for number, target in enumerate(setting.target):
    device_key = jax.random.fold_in(transfer_key, number)
    usable = np.flatnonzero(np.isfinite(setting.table.row(target)))
    for size in setting.recipe.sizes:
      draw_key, leaky_key, clean_key = jax.random.split(
          jax.random.fold_in(device_key, size), 3
      )
      ids = _draw(draw_key, usable, size)
      last = _transfer(leaky_key, setting, carried, target, ids)
      carried = jax.tree.map(lambda x: x[-1], last)
    leaky = _first_spearman(setting, last, target)
    last = _transfer(clean_key, setting, pretrained, target, ids)
    yield {
        'device': target,
        'published_protocol': round(leaky, 4),
        'reset_first_128': round(_first_spearman(setting, last, target), 4),
        'clean': round(_clean_spearman(setting, last, target, ids), 4),
    }
