"""Scoring many architectures in bounded memory."""

from typing import Any

import jax
import jax.numpy as jnp

from nasflat_jax import types


def score(
    predictor: types.Predictor,
    params: Any,
    architectures: types.Architectures,
    device: jax.Array,
    *,
    chunk_size: int = 1024,
) -> jax.Array:
  """Scores `N` architectures for one device, `chunk_size` at a time.

  Args:
    predictor: the pair.
    params: its parameters.
    architectures: `N` architectures.
    device: `[]` int32 row of the hardware embedding table.
    chunk_size: architectures per pass; bounds memory, does not change values.

  Returns:
    `[N]` scores, higher is slower.

  Raises:
    ValueError: `chunk_size` is below 1.
  """
  if chunk_size < 1:
    raise ValueError(f'chunk_size must be 1 or more, got {chunk_size}')
  total = architectures.genotype.shape[0]
  if not total:
    return jnp.zeros((0,), jnp.float32)
  chunk_size = min(chunk_size, total)
  num_chunks = -(-total // chunk_size)
  rows = jnp.minimum(jnp.arange(num_chunks * chunk_size), total - 1)

  def chunk(ids):
    devices = types.Devices(
        index=jnp.full(ids.shape, device, jnp.int32),
        reference=jnp.zeros((ids.shape[0], 0)),
    )
    part = jax.tree.map(lambda x: x[ids], architectures)
    return predictor.apply(params, part, devices)

  scores = jax.lax.map(chunk, rows.reshape(num_chunks, chunk_size))
  return scores.reshape(-1)[:total]
