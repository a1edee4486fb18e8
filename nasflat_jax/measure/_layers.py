"""Layers of the measured networks: inference mode, NHWC, float32.

A network's parameters are two dictionaries, layer name to arrays: `trainable`
(kernels, biases, and the scale and offset of batch normalisation) and
`statistics` (running mean and variance). Batch normalisation is not folded
into the convolution before it: it is a multiply and an add per channel, which
XLA fuses with its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import math
from typing import NamedTuple

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

Params = Mapping[str, Mapping[str, Mapping[str, jax.Array]]]
Shapes = dict[str, dict[str, dict[str, jax.ShapeDtypeStruct]]]

_EPSILON = 1e-5  # PyTorch's default, with which the tables were measured.


class Network(NamedTuple):
  """A network as a pair of pure functions.

  Attributes:
    init: `key -> params`, a plain pytree (see `num_params`).
    apply: `(params, images [B, H, W, 3]) -> logits [B, K]`; inference mode.
    input_shape: `(H, W, 3)`, the shape of one image.
    shapes: the pytree of `params` as `jax.ShapeDtypeStruct`.
  """

  init: Callable[[jax.Array], Params]
  apply: Callable[[Params, jax.Array], jax.Array]
  input_shape: tuple[int, int, int]
  shapes: Shapes


class ShapeTable:
  """Collects the shapes of a network's layers while it is being built."""

  def __init__(self) -> None:
    """Starts with no layer."""
    self.shapes: Shapes = {'trainable': {}, 'statistics': {}}

  def _add(self, group: str, name: str, **shapes: tuple[int, ...]) -> None:
    layer = self.shapes[group].setdefault(name, {})
    for leaf, shape in shapes.items():
      layer[leaf] = jax.ShapeDtypeStruct(shape, jnp.float32)

  def conv(
      self, name: str, size: int, inputs: int, outputs: int, groups: int = 1
  ) -> None:
    """Declares a convolution without bias."""
    if inputs % groups or outputs % groups:
      raise ValueError(
          f'{name}: {inputs} inputs and {outputs} outputs do not divide into '
          f'{groups} groups'
      )
    self._add(
        'trainable', name, kernel=(size, size, inputs // groups, outputs)
    )

  def batch_norm(self, name: str, channels: int) -> None:
    """Declares a batch normalisation with scale and offset."""
    self._add('trainable', name, scale=(channels,), offset=(channels,))
    self._add('statistics', name, mean=(channels,), variance=(channels,))

  def linear(self, name: str, inputs: int, outputs: int) -> None:
    """Declares a linear layer with bias."""
    self._add('trainable', name, kernel=(inputs, outputs), bias=(outputs,))


def conv(
    params: Params, name: str, x: jax.Array, *, stride: int = 1, groups: int = 1
) -> jax.Array:
  """Convolution, zero-padded by half the kernel on every side, no bias.

  Args:
    params: parameters that hold `trainable[name]['kernel']`, `[k, k, I, O]`.
    name: the layer's name.
    x: `[B, H, W, C]`.
    stride: of both axes. Padding is symmetric as in PyTorch, so a strided
      window is centred on even positions (XLA's `SAME` is not symmetric).
    groups: number of feature groups; `C` for a depthwise convolution.

  Returns:
    `[B, H / stride, W / stride, O]`.
  """
  kernel = params['trainable'][name]['kernel']
  padding = [(size // 2, size // 2) for size in kernel.shape[:2]]
  return lax.conv_general_dilated(
      x,
      kernel,
      (stride, stride),
      padding,
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
      feature_group_count=groups,
  )


def batch_norm(params: Params, name: str, x: jax.Array) -> jax.Array:
  """Batch normalisation of `[B, H, W, C]` by running statistics."""
  affine, running = params['trainable'][name], params['statistics'][name]
  scale = affine['scale'] * lax.rsqrt(running['variance'] + _EPSILON)
  return x * scale + (affine['offset'] - running['mean'] * scale)


def linear(params: Params, name: str, x: jax.Array) -> jax.Array:
  """`[B, C]` times a kernel plus a bias: `[B, K]`."""
  layer = params['trainable'][name]
  return x @ layer['kernel'] + layer['bias']


def avg_pool_3x3(x: jax.Array) -> jax.Array:
  """Mean over 3x3 windows, stride 1; the border counts only real pixels."""
  total = lax.reduce_window(
      x, 0.0, lax.add, (1, 3, 3, 1), (1, 1, 1, 1), 'SAME'
  )
  # A NumPy constant: a reduce_window of ones would be evaluated by the
  # compiler, once for each pool of the network.
  rows, columns = (
      3 - (np.arange(n) == 0) - (np.arange(n) == n - 1) for n in x.shape[1:3]
  )
  count = np.outer(rows, columns)[None, :, :, None]
  return total * (1.0 / count).astype(np.float32)


def avg_pool_2x2(x: jax.Array) -> jax.Array:
  """Mean over disjoint 2x2 windows; an odd last row or column is dropped."""
  total = lax.reduce_window(
      x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), 'VALID'
  )
  return total * 0.25


def channel_shuffle(x: jax.Array, groups: int) -> jax.Array:
  """Interleaves the channels of `groups` feature groups (ShuffleNet)."""
  *leading, channels = x.shape
  x = x.reshape(*leading, groups, channels // groups)
  return jnp.swapaxes(x, -1, -2).reshape(*leading, channels)


def global_pool(x: jax.Array) -> jax.Array:
  """Mean over positions: `[B, H, W, C] -> [B, C]`."""
  return x.mean((1, 2))


def init_params(
    shapes: Shapes,
    normal: Callable[[str, tuple[int, ...], float], jax.Array | np.ndarray],
) -> Params:
  """He-normal kernels, unit scale and variance, zero for the rest.

  Args:
    shapes: what `ShapeTable` collected.
    normal: `(name, shape, std) ->` normal draws for the layer's kernel.

  Returns:
    Parameters of those shapes.
  """

  def leaf(name: str, kind: str, shape: tuple[int, ...]) -> jax.Array:
    if kind == 'kernel':
      std = math.sqrt(2 / math.prod(shape[:-1]))
      return jnp.asarray(normal(name, shape, std))
    fill = np.ones if kind in ('scale', 'variance') else np.zeros
    return jnp.asarray(fill(shape, np.float32))

  return {
      group: {
          name: {k: leaf(name, k, s.shape) for k, s in leaves.items()}
          for name, leaves in layers.items()
      }
      for group, layers in shapes.items()
  }


def make_network(
    table: ShapeTable,
    apply: Callable[[Params, jax.Array], jax.Array],
    input_shape: tuple[int, int, int],
) -> Network:
  """Completes a network: checks images, derives `init` from the shapes."""
  num_weights = sum(
      math.prod(layer['kernel'].shape)
      for layer in table.shapes['trainable'].values()
      if 'kernel' in layer
  )

  @jax.jit
  def init(key: jax.Array) -> Params:
    # One draw, cut up: every draw would be a program of its own to compile.
    weights = jax.random.normal(key, (num_weights,))
    start = 0

    def normal(name: str, shape: tuple[int, ...], std: float) -> jax.Array:
      nonlocal start
      del name
      stop = start + math.prod(shape)
      kernel = std * weights[start:stop].reshape(shape)
      start = stop
      return kernel

    return init_params(table.shapes, normal)

  def checked(params: Params, images: jax.Array) -> jax.Array:
    if images.ndim != 4 or images.shape[1:] != input_shape:
      raise ValueError(
          f'images: got shape {images.shape}, want [B, '
          f'{", ".join(map(str, input_shape))}]'
      )
    return apply(params, images)

  return Network(init, checked, input_shape, table.shapes)


def num_params(params: Params) -> int:
  """Trainable parameters; running statistics do not count."""
  return sum(math.prod(x.shape) for x in jax.tree.leaves(params['trainable']))
