"""Convolutions and pools of the scored networks, NHWC.

Zero padding is symmetric, half the kernel on every side, as in PyTorch.
"""

from __future__ import annotations

import functools

import chex
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

# Output channels up to which XLA's convolution is slow on a CPU.
_NARROW = 16


def convolve(
    x: chex.Array,  # [N, H, W, C]
    kernel: chex.Array,  # [k, k, C / groups, O]
    *,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
) -> jax.Array:
  """Convolution without bias.

  Args:
    x: `[N, H, W, C]`.
    kernel: `[k, k, C / groups, O]`.
    stride: of both axes.
    groups: of channels; `C` for a depthwise convolution.
    dilation: of both axes of the kernel.

  Returns:
    `[N, H / stride, W / stride, O]`, sizes rounded up.
  """
  size = kernel.shape[0]
  # XLA runs grouped convolutions, and worse their gradients, as plain loops on
  # a CPU, and a convolution whose kernel is mapped over is a grouped one.
  if groups > 1 and groups == x.shape[-1] == kernel.shape[-1]:
    return _depthwise(x, kernel, stride, dilation)
  if groups > 1 and size == 1:
    return _grouped_pointwise(x, kernel, stride, groups)
  narrow = kernel.shape[-1] <= _NARROW and jax.default_backend() == 'cpu'
  if groups == stride == dilation == 1 < size and narrow:
    return _of_pixels(x, kernel)
  return lax.conv_general_dilated(
      x,
      kernel,
      (stride, stride),
      [(size // 2 * dilation,) * 2] * 2,
      rhs_dilation=(dilation, dilation),
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
      feature_group_count=groups,
  )


def transpose(
    x: chex.Array,  # [N, H, W, C]
    kernel: chex.Array,  # [k, k, C / groups, O]
    cotangent: chex.Array,  # [N, H', W', O]
    *,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
) -> tuple[jax.Array, jax.Array]:
  """Cotangents of `convolve`'s input and kernel.

  Written as ordinary convolutions, transposed in memory first: what JAX derives
  is the same convolution with permuted axes, which XLA runs on a CPU up to 250
  times slower when it stands in a loop or a branch.

  Args:
    x: input of the convolution.
    kernel: its kernel.
    cotangent: of its output.
    stride: of both axes.
    groups: of channels.
    dilation: of both axes of the kernel.

  Returns:
    `[N, H, W, C]` and `[k, k, C / groups, O]`.
  """
  size = kernel.shape[0]
  depthwise = groups == x.shape[-1] == kernel.shape[-1]
  if (groups > 1 or dilation > 1) and not depthwise:
    run = functools.partial(
        convolve, stride=stride, groups=groups, dilation=dilation
    )
    return jax.vjp(run, x, kernel)[1](cotangent)
  if groups == 1:
    return (
        _input_cotangent(kernel, cotangent, stride, x.shape[1:3]),
        _kernel_cotangent(x, cotangent, size, stride),
    )
  products = _depthwise_products(x, cotangent, size, stride, dilation)
  # Zeros between and after the windows undo the stride.
  spread = lax.pad(
      cotangent,
      jnp.zeros((), cotangent.dtype),
      (
          (0, 0, 0),
          *(
              (0, side - (num - 1) * stride - 1, stride - 1)
              for side, num in zip(x.shape[1:3], cotangent.shape[1:3])
          ),
          (0, 0, 0),
      ),
  )
  return (
      _depthwise(spread, kernel[::-1, ::-1], 1, dilation),
      products.reshape(kernel.shape),
  )


def _input_cotangent(
    kernel: chex.Array,  # [k, k, C, O]
    cotangent: chex.Array,  # [N, H', W', O]
    stride: int,
    sides: tuple[int, int],
) -> jax.Array:  # [N, H, W, C]
  """Cotangent of an ungrouped convolution's input.

  Pixels of one remainder by the stride see the same taps of the kernel, so the
  cotangent is an ordinary convolution to `stride ** 2` times the channels,
  which are then laid out as pixels. Spreading `cotangent` with zeros instead
  would spend most products on zeros.
  """
  size = kernel.shape[0]
  pad = size // 2
  # Input pixel stride * q + r meets tap r + pad - stride * d of window q + d.
  remainders = np.arange(stride)
  first = -((size - 1 - pad) // stride)
  last = (stride - 1 + pad) // stride
  taps = remainders + pad - stride * np.arange(first, last + 1)[:, None]
  taps = np.where((taps >= 0) & (taps < size), taps, size)  # [d, r]
  padded = jnp.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))
  # [d, r, d, r, C, O] -> [d, d, O, r, r, C]
  phases = padded[taps][:, :, taps].transpose(0, 2, 5, 1, 3, 4)
  num, height, width, outputs = cotangent.shape
  channels = kernel.shape[2]
  phases = phases.reshape(len(taps), len(taps), outputs, -1)
  if stride == 1:
    return convolve(cotangent, phases)
  y = lax.conv_general_dilated(
      cotangent,
      phases,
      (1, 1),
      [(-first, last)] * 2,
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )
  y = y.reshape(num, height, width, stride, stride, channels)
  y = y.transpose(0, 1, 3, 2, 4, 5)
  y = y.reshape(num, height * stride, width * stride, channels)
  return y[:, : sides[0], : sides[1]]


def _kernel_cotangent(
    x: chex.Array,  # [N, H, W, C]
    cotangent: chex.Array,  # [N, H', W', O]
    size: int,
    stride: int,
) -> jax.Array:  # [k, k, C, O]
  """Cotangent of an ungrouped convolution's kernel.

  Channels as images, images as channels, the cotangent as the kernel. On an
  accelerator, where architectures run side by side, that would be a grouped
  convolution; there, and for pointwise kernels, it is a matrix product for each
  tap of the kernel.
  """
  if size == 1 or jax.default_backend() != 'cpu':
    return _products(x, cotangent, size, stride)
  pad = size // 2
  y = lax.conv_general_dilated(
      x.transpose(3, 1, 2, 0),
      cotangent.transpose(1, 2, 0, 3),
      (1, 1),
      [
          (pad, (num - 1) * stride + size - side - pad)
          for side, num in zip(x.shape[1:3], cotangent.shape[1:3])
      ],
      rhs_dilation=(stride, stride),
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )
  return y.transpose(1, 2, 0, 3)


def _products(
    x: chex.Array, cotangent: chex.Array, size: int, stride: int
) -> jax.Array:
  """As `_kernel_cotangent`, a matrix product for each tap."""
  taps = [
      jnp.einsum('nhwc,nhwo->co', window, cotangent)
      for window in _windows(x, size, stride, 1)
  ]
  return jnp.stack(taps).reshape(size, size, *taps[0].shape)


def _of_pixels(x: chex.Array, kernel: chex.Array) -> jax.Array:
  """Several pixels of the output as channels of one, stride 1.

  Up to twice as fast on a CPU where there are few channels, though a seventh
  to three quarters more products are with zeros: two pixels side by side of
  more than 8 channels, a square of four of fewer.
  """
  num, height, width, _ = x.shape
  size, outputs = kernel.shape[0], kernel.shape[-1]
  tall = 2 if outputs <= _NARROW // 2 and height % 2 == 0 else 1
  wide = 2 if width % 2 == 0 else 1
  pad = size // 2
  moved = [
      jnp.pad(
          kernel,
          ((i, tall - 1 - i), (j, wide - 1 - j), (0, 0), (0, 0)),
      )
      for i in range(tall)
      for j in range(wide)
  ]
  y = lax.conv_general_dilated(
      x,
      jnp.concatenate(moved, -1),
      (tall, wide),
      [(pad, pad)] * 2,
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )
  y = y.reshape(num, height // tall, width // wide, tall, wide, outputs)
  y = y.transpose(0, 1, 3, 2, 4, 5) if tall > 1 else y
  return y.reshape(num, height, width, outputs)


def _windows(
    x: chex.Array, size: int, stride: int, dilation: int
) -> list[jax.Array]:
  """The input at each position of the kernel, `[N, H', W', C]` each."""
  pad = size // 2 * dilation
  padded = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
  height, width = (-(-n // stride) for n in x.shape[1:3])
  return [
      lax.slice(
          padded,
          (0, i, j, 0),
          (
              x.shape[0],
              i + (height - 1) * stride + 1,
              j + (width - 1) * stride + 1,
              x.shape[3],
          ),
          (1, stride, stride, 1),
      )
      for i in range(0, size * dilation, dilation)
      for j in range(0, size * dilation, dilation)
  ]


def _depthwise(
    x: chex.Array, kernel: chex.Array, stride: int, dilation: int
) -> jax.Array:
  """A sum of shifted products, which a CPU vectorises over channels."""
  size = kernel.shape[0]
  weights = kernel.reshape(size * size, -1)
  windows = _windows(x, size, stride, dilation)
  total = windows[0] * weights[0]
  for window, weight in zip(windows[1:], weights[1:]):
    total = total + window * weight
  return total


def _depthwise_products(
    x: chex.Array,
    cotangent: chex.Array,
    size: int,
    stride: int,
    dilation: int,
) -> jax.Array:
  """`[k * k, C]` sums over images and positions of window times cotangent.

  A loop over windows: side by side they compile and run five times slower.
  """
  pad = size // 2 * dilation
  padded = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
  extent = tuple((n - 1) * stride + 1 for n in cotangent.shape[1:3])

  def product(place: chex.Array) -> jax.Array:
    window = lax.dynamic_slice(
        padded,
        (0, place // size * dilation, place % size * dilation, 0),
        (x.shape[0], *extent, x.shape[3]),
    )
    return (window[:, ::stride, ::stride] * cotangent).sum((0, 1, 2))

  return lax.map(product, jnp.arange(size * size))


def _grouped_pointwise(
    x: chex.Array, kernel: chex.Array, stride: int, groups: int
) -> jax.Array:
  """One matrix product for each group."""
  x = x[:, ::stride, ::stride]
  *leading, channels = x.shape
  x = x.reshape(*leading, groups, channels // groups)
  outputs = kernel.shape[-1]
  weight = kernel[0, 0].reshape(channels // groups, groups, outputs // groups)
  return jnp.einsum('nhwgi,igo->nhwgo', x, weight).reshape(*leading, outputs)


def halves(
    x: chex.Array,  # [N, H, W, C]
    kernel: chex.Array,  # [1, 1, C, O]
    *,
    stride: int,
) -> jax.Array:  # [N, H', W', O]
  """Two pointwise convolutions, the second of pixels one right and down.

  Beyond the last row and column there is zero, so that sizes are rounded up.
  """
  first, second = jnp.split(kernel[0, 0], 2, -1)
  moved = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))[:, 1:, 1:]
  return jnp.concatenate(
      [
          x[:, ::stride, ::stride] @ first,
          moved[:, ::stride, ::stride] @ second,
      ],
      axis=-1,
  )


def avg_pool_3x3(x: chex.Array) -> jax.Array:
  """Mean over 3x3 windows, stride 1; the border counts only real pixels."""
  return _window_sum(x) * _inverse_count(x)


def avg_pool_3x3_transpose(cotangent: chex.Array) -> jax.Array:
  """Cotangent of `avg_pool_3x3`'s input; the sum is its own transpose."""
  return _window_sum(cotangent * _inverse_count(cotangent))


def _window_sum(x: chex.Array) -> jax.Array:
  """Sums over 3x3 windows, by rows and then by columns."""
  x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
  x = x[:, :-2] + x[:, 1:-1] + x[:, 2:]
  return x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]


def _inverse_count(x: chex.Array) -> np.ndarray:
  """`[1, H, W, 1]` one over the real pixels of each window."""
  rows, columns = (
      3 - (np.arange(n) == 0) - (np.arange(n) == n - 1) for n in x.shape[1:3]
  )
  count = np.outer(rows, columns)[None, :, :, None]
  return (1.0 / count).astype(x.dtype)


def avg_pool_2x2(x: chex.Array) -> jax.Array:
  """Mean over disjoint 2x2 windows; an odd last row or column is dropped."""
  total = lax.reduce_window(
      x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), 'VALID'
  )
  return total * 0.25


def max_pool_3x3(x: chex.Array) -> jax.Array:
  """Maximum of the real pixels of 3x3 windows, stride 1."""
  x = jnp.pad(
      x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-jnp.inf
  )
  x = jnp.maximum(jnp.maximum(x[:, :-2], x[:, 1:-1]), x[:, 2:])
  return jnp.maximum(jnp.maximum(x[:, :, :-2], x[:, :, 1:-1]), x[:, :, 2:])


def max_pool_2x2(x: chex.Array) -> jax.Array:
  """Maximum of disjoint 2x2 windows; an odd last row or column is dropped."""
  height, width = (side // 2 * 2 for side in x.shape[1:3])
  x = x[:, :height, :width]
  x = jnp.maximum(x[:, ::2], x[:, 1::2])
  return jnp.maximum(x[:, :, ::2], x[:, :, 1::2])


def channel_shuffle(x: chex.Array, groups: int) -> jax.Array:
  """Interleaves the channels of `groups` feature groups (ShuffleNet)."""
  *leading, channels = x.shape
  x = x.reshape(*leading, groups, channels // groups)
  return jnp.swapaxes(x, -1, -2).reshape(*leading, channels)
