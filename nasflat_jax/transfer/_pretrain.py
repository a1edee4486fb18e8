"""Pretraining on the measured tables of source devices."""

from collections.abc import Callable
import dataclasses
import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SourceData:
  """Measured rows of the source devices.

  Attributes:
    architectures: the `N` measured architectures, shared by all devices.
    label: `[S, N]` float32 normalised latency, 0 where unmeasured.
    where: `[S, N]` bool, False where unmeasured.
    reference: `[S, R]` float32 normalised latency of the reference
      architectures; `R = 0` if unused.
  """

  architectures: types.Architectures
  label: chex.Array  # [S, N]
  where: chex.Array  # [S, N]
  reference: chex.Array  # [S, R]


def standardise_log(
    latency_ms: np.ndarray, where: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Standardises log latency over the last axis.

  Args:
    latency_ms: `[..., N]` milliseconds; NaN is unmeasured.
    where: `[..., N]` rows to fit on; None fits on all measured ones. Pass the
      support mask for a target, whose other rows must set nothing.

  Returns:
    `(label [..., N] float32, shift [...], scale [...])` with
    `label = (log latency - shift) / scale`, 0 where unmeasured. A constant
    device has scale 1.
  """
  measured = np.isfinite(latency_ms)
  fit = measured if where is None else measured & where
  log = np.where(measured, np.log(np.where(measured, latency_ms, 1.0)), 0.0)
  count = np.maximum(fit.sum(-1), 1)
  shift = np.where(fit, log, 0.0).sum(-1) / count
  spread = np.where(fit, log - shift[..., None], 0.0)
  scale = np.sqrt((spread**2).sum(-1) / count)
  scale = np.where(scale > 1e-6, scale, 1.0)
  label = np.where(measured, (log - shift[..., None]) / scale[..., None], 0.0)
  return label.astype(np.float32), shift, scale


def source_data(
    decode: Callable[[chex.Array], types.Architectures],
    genotype: np.ndarray,
    latency_ms: np.ndarray,
    reference_ms: np.ndarray | None = None,
) -> SourceData:
  """Packs source tables for pretraining.

  Args:
    decode: `genotype [N, G] -> Architectures`, the space's or `decoder(...)`.
    genotype: `[N, G]` measured architectures.
    latency_ms: `[S, N]` milliseconds; NaN is unmeasured.
    reference_ms: `[S, R]` milliseconds of the reference architectures, for
      predictors that read `Devices.reference`; None is R = 0.

  Returns:
    `SourceData` with per-device standardised log latency.

  Raises:
    ValueError: a latency is not above 0.
  """
  if (np.asarray(latency_ms) <= 0.0).any():
    raise ValueError(
        'source_data takes latencies above 0 ms; NaN marks unmeasured ones'
    )
  label, _, _ = standardise_log(latency_ms)
  return SourceData(
      architectures=decode(jnp.asarray(genotype, jnp.int32)),
      label=jnp.asarray(label),
      where=jnp.asarray(np.isfinite(latency_ms)),
      reference=jnp.asarray(normalised_reference(reference_ms, len(label))),
  )


def normalised_reference(
    reference_ms: np.ndarray | None, num_devices: int
) -> np.ndarray:  # [D, R]
  """`Devices.reference` of `num_devices` devices, free of their scale.

  Args:
    reference_ms: `[D, R]` milliseconds of the reference architectures, or
      None for R = 0.
    num_devices: D.

  Returns:
    `[D, R]` float32: log latency, standardised over a device's references.

  Raises:
    ValueError: not `[D, R]`, or not positive and finite.
  """
  if reference_ms is None:
    return np.zeros((num_devices, 0), np.float32)
  reference_ms = np.asarray(reference_ms, np.float64)
  if reference_ms.ndim != 2 or len(reference_ms) != num_devices:
    raise ValueError(
        f'reference_ms must be [D, R] with D = {num_devices}, got'
        f' {reference_ms.shape}'
    )
  if not (np.isfinite(reference_ms).all() and (reference_ms > 0).all()):
    raise ValueError('reference_ms takes positive, finite latencies')
  return standardise_log(reference_ms)[0]


def source_batch(
    key: chex.PRNGKey,
    data: SourceData,
    *,
    num_devices: int,
    num_architectures: int,
) -> types.Batch:
  """Draws some devices and, for each, some architectures.

  Every drawn device contributes `num_architectures` rows, so that the pairs of
  the ranking loss, which stay within a device, are many.

  Returns:
    A `Batch` of `num_devices * num_architectures` rows.
  """
  device_key, row_key = jax.random.split(key)
  total, size = data.label.shape
  device = jax.random.choice(
      device_key, total, (num_devices,), replace=num_devices > total
  )
  rows = jax.random.randint(
      row_key, (num_devices, num_architectures), 0, size
  )
  index = jnp.repeat(device, num_architectures).astype(jnp.int32)
  flat = rows.reshape(-1)
  return types.Batch(
      architectures=jax.tree.map(lambda x: x[flat], data.architectures),
      devices=types.Devices(index=index, reference=data.reference[index]),
      label=data.label[index, flat],
      where=data.where[index, flat],
  )


def pretrain(
    key: chex.PRNGKey,
    algorithm: types.TransferAlgorithm,
    data: SourceData,
    *,
    num_steps: int,
    num_devices: int = 5,
    num_architectures: int = 48,
    chunk_steps: int = 50,
    restore: Callable[[types.TransferState], types.TransferState] | None = None,
    on_chunk: Callable[[types.TransferState, float], None] | None = None,
) -> types.TransferState:
  """Runs `algorithm.step` on random source batches.

  Step `i` draws its batch and its dropout from `fold_in(key, i)`, so a run
  resumed from a saved state equals an uninterrupted one.

  Args:
    key: typed PRNG key.
    algorithm: e.g. `fine_tune(...)`.
    data: measured rows of the sources.
    num_steps: total steps, those before a restored state included.
    num_devices: devices per batch.
    num_architectures: rows per device and batch.
    chunk_steps: steps per compiled call (`lax.scan`).
    restore: given the initial state, returns the one to start from.
    on_chunk: called with the state and the mean loss after each chunk.

  Returns:
    The final state.
  """
  num_devices = min(num_devices, data.label.shape[0])

  begin, run = _compiled(algorithm, num_devices, num_architectures)
  state = begin(key, data)
  if restore is not None:
    state = restore(state)
  done = int(state.step)
  while done < num_steps:
    size = min(chunk_steps, num_steps - done)
    state, loss = run(key, data, state, jnp.arange(done, done + size))
    done += size
    if on_chunk is not None:
      on_chunk(state, float(jnp.mean(loss)))
  return state


@functools.lru_cache(maxsize=16)
def _compiled(
    algorithm: types.TransferAlgorithm, num_devices: int, num_architectures: int
) -> tuple[Callable[..., types.TransferState], Callable[..., Any]]:
  """`(key, data) -> state` and `(key, data, state, steps) -> (state, loss)`.

  Kept, so that tables of one shape share a compiled program.
  """

  def draw(key, data):
    return source_batch(
        key, data, num_devices=num_devices, num_architectures=num_architectures
    )

  @jax.jit
  def begin(key, data):
    return algorithm.init(key, draw(key, data))

  @jax.jit
  def run(key, data, state, steps):
    def body(state, i):
      batch_key, step_key = jax.random.split(jax.random.fold_in(key, i))
      state, info = algorithm.step(step_key, state, draw(batch_key, data))
      return state, info.loss

    return jax.lax.scan(body, state, steps)

  return begin, run
