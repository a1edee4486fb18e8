"""How many architectures run side by side."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

from nasflat_jax.zero_cost import _network
from nasflat_jax.zero_cost import _sums

# More were no faster, and compile to the same kernels.
_MOST = 64
# Of an accelerator's memory; the rest is for workspace and for others.
_SHARE = 0.4


def default(
    network: _network.Network, num_images: int, *, itemsize: int = 4
) -> int:
  """Architectures side by side on each local device.

  1 on a CPU, where one alone runs only the operations that its genes choose.
  An accelerator is slow at starting kernels, and is better off running every
  candidate for many: as many as its memory holds, at most 64.

  Args:
    network: the space's networks.
    num_images: N of the batch.
    itemsize: bytes of a number.

  Returns:
    At least 1.
  """
  device = jax.local_devices()[0]
  if device.platform == 'cpu':
    return 1
  limit = (device.memory_stats() or {}).get('bytes_limit', 0)
  # Twice: values and their derivatives by the curvature's direction.
  each = 2 * kept_bytes(network, num_images) * itemsize // 4
  return min(max(int(_SHARE * limit / each), 1), _MOST)


def kept_bytes(network: _network.Network, num_images: int) -> int:
  """Bytes that a float32 forward pass of one keeps for the backward one."""
  params = _network.Params(
      {k: _shape(layer.full_shape) for k, layer in network.layers.items()},
      {
          k: _shape(layer.shape[-1:])
          for k, layer in network.layers.items()
          if layer.bias
      },
  )

  def keep(params, images):
    def forward(probe, images):
      genotype = jnp.zeros(network.num_genes, jnp.int32)
      return network.run(params, genotype, images, probe=probe)[0]

    return jax.vjp(forward, jnp.zeros(len(_sums.SUMS)), images)[1]

  images = _shape((num_images, *network.input_shape))
  with jax.enable_x64(False):
    kept = jax.eval_shape(keep, params, images)
  # The weights among it are shared by all architectures.
  return max(_bytes(kept) - _bytes(params), _bytes(images))


def _shape(shape: tuple[int, ...]) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(shape, jnp.float32)


def _bytes(tree) -> int:
  return sum(
      math.prod(leaf.shape) * leaf.dtype.itemsize
      for leaf in jax.tree.leaves(tree)
  )
