"""Networks as executables: shared weights, packed arguments, compile time."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any, NamedTuple
import zlib

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax.measure import _layers


class Executable(NamedTuple):
  """A compiled network with its arguments bound.

  Attributes:
    call: runs one forward pass and waits for the logits, `[B, K]`.
    compile_seconds: tracing, lowering and compilation.
  """

  call: Callable[[], Any]
  compile_seconds: float


class WeightPool:
  """Random weights shared by the networks that have the same layer.

  Within a network every layer has arrays of its own, as caches care about
  that; between networks, layers of the same name and shape are one.
  """

  def __init__(self, key: jax.Array) -> None:
    """An empty pool; weights are drawn when first asked for."""
    self._seed = np.asarray(jax.random.key_data(key)).ravel().tolist()
    self._layers: dict[Any, Any] = {}

  def params(self, shapes: _layers.Shapes) -> _layers.Params:
    """Parameters of the given shapes, see `init_params`."""
    return {
        group: {
            name: self._layer(group, name, leaves)
            for name, leaves in layers.items()
        }
        for group, layers in shapes.items()
    }

  def images(self, shape: tuple[int, ...]) -> jax.Array:
    """Standard normal images."""
    return jnp.asarray(self._normal('images', shape, 1.0))

  def _layer(
      self, group: str, name: str, leaves: dict[str, jax.ShapeDtypeStruct]
  ) -> Any:
    identity = (group, name, tuple(x.shape for x in leaves.values()))
    if identity not in self._layers:
      layer = _layers.init_params({group: {name: leaves}}, self._normal)
      self._layers[identity] = layer[group][name]
    return self._layers[identity]

  def _normal(
      self, name: str, shape: tuple[int, ...], std: float
  ) -> np.ndarray:
    # NumPy: jax.random would compile a program for every new shape.
    rng = np.random.default_rng([*self._seed, zlib.crc32(name.encode())])
    return np.float32(std) * rng.standard_normal(shape, np.float32)


def compile_network(
    network: _layers.Network,
    params: _layers.Params,
    images: jax.Array,  # [B, H, W, 3]
) -> Executable:
  """Compiles a network ahead of time for one batch of images.

  Parameters are arguments of the program, not constants. Calling a program
  costs the host about half a microsecond for each argument, which for small
  networks would be a tenth of their latency; so the four vectors of a batch
  normalisation travel as one matrix.

  Args:
    network: what to compile.
    params: its parameters.
    images: `[B, H, W, 3]` the batch that `call` runs on.

  Returns:
    The executable; `call` blocks until the device is done.

  Raises:
    ValueError: the logits are not finite, so that their time would mean little.
  """
  packed, unpack = _pack(params)
  packed = jax.device_put(packed)
  start = time.perf_counter()
  program = jax.jit(lambda leaves, x: network.apply(unpack(leaves), x))
  compiled = program.lower(packed, images).compile()
  compile_seconds = time.perf_counter() - start
  logits = np.asarray(compiled(packed, images))
  if not np.all(np.isfinite(logits)):
    raise ValueError('the network has logits that are not finite')

  def call() -> Any:
    return jax.block_until_ready(compiled(packed, images))

  return Executable(call, compile_seconds)


def _pack(params: _layers.Params) -> tuple[Any, Callable[[Any], Any]]:
  """Stacks each batch normalisation's vectors; returns the way back too."""
  trainable, statistics = params['trainable'], params['statistics']
  rest = {
      name: {k: v for k, v in layer.items() if k not in ('scale', 'offset')}
      for name, layer in trainable.items()
  }
  # [4, C] for each layer. One matrix for all layers would be fewer arguments,
  # but then no two layers have the same program and compiling takes four times
  # as long.
  norms = {
      name: np.stack([
          trainable[name]['scale'],
          trainable[name]['offset'],
          running['mean'],
          running['variance'],
      ])
      for name, running in statistics.items()
  }

  def unpack(packed: Any) -> Any:
    rest, norms = packed
    affine = {k: {'scale': v[0], 'offset': v[1]} for k, v in norms.items()}
    return {
        'trainable': {k: v | affine.get(k, {}) for k, v in rest.items()},
        'statistics': {
            k: {'mean': v[2], 'variance': v[3]} for k, v in norms.items()
        },
    }

  return (rest, norms), unpack
