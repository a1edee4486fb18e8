"""What both TransNASBench-101 spaces share: operations, stems and task heads.

Duan et al., CVPR 2021 (https://arxiv.org/abs/2105.11871). Images are 256 x 256;
the stem takes a quarter of their side and gives 64 channels. Heads are those of
the networks on which NAS-Bench-Suite-Zero counted parameters and FLOPs: 63
scenes and 100 objects, where the benchmark itself trained 47 and 75.
"""

from __future__ import annotations

import math

import numpy as np

from nasflat_jax.spaces import _layer_costs as layers

TASKS = (
    'class_scene', 'class_object', 'room_layout', 'jigsaw', 'segmentsemantic',
    'normal', 'autoencoder',
)  # fmt: skip
BASE_CHANNELS = 64
_OUTPUTS = {
    'class_scene': 63, 'class_object': 100, 'room_layout': 9, 'jigsaw': 1000,
}  # fmt: skip
_IMAGE = 256
# A jigsaw is nine tiles of 64 x 64, through the same encoder in one batch.
_TILES, _TILE = 9, 64
_ONCE = [layers.FIELDS.index(n) for n in ('params', 'weight_bytes')]
_LAUNCHES = [layers.FIELDS.index(n) for n in ('kernels', 'critical_path')]


def check_task(space: str, setting: str, known: tuple[str, ...]) -> None:
  """`ValueError` that lists the settings, for an unknown one."""
  if setting not in known:
    raise ValueError(
        f'{space}: unknown setting {setting!r}; known: ' + ', '.join(known)
    )


def stem(image: int) -> tuple[np.ndarray, int]:
  """Two 3x3 convolutions of stride 2: `[7]` costs, and the side they leave."""
  half, quarter = image // 2, image // 4
  narrow = BASE_CHANNELS // 2
  cost = (
      layers.conv(3, narrow, 3, image, half)
      + layers.relu(narrow * half**2)
      + layers.conv(narrow, BASE_CHANNELS, 3, half, quarter)
  )
  return cost, quarter


def relu_conv_norm(
    channels_in: int,
    channels_out: int,
    kernel: int,
    size_in: layers.Size,
    size_out: layers.Size,
) -> np.ndarray:
  """The convolution of both spaces, with the ReLU before it."""
  return layers.conv(
      channels_in, channels_out, kernel, size_in, size_out
  ) + layers.relu(channels_in * layers.pixels(size_in))


def image_side(task: str) -> int:
  """Side of what the stem sees."""
  return _TILE if task == 'jigsaw' else _IMAGE


def repeated(task: str, encoder: np.ndarray) -> np.ndarray:
  """Costs `[..., 7]` of an encoder, for as many tiles as the task has."""
  if task != 'jigsaw':
    return encoder
  factor = np.full(len(layers.FIELDS), float(_TILES))
  factor[_ONCE + _LAUNCHES] = 1.0
  return encoder * factor


def head(task: str, channels: int, size: int) -> np.ndarray:
  """`[7]` costs of a task's head on `[channels, size, size]` features."""
  if task == 'segmentsemantic':
    return _segmentation(channels, size)
  if task in ('normal', 'autoencoder'):
    return _generator(channels, size)
  wide = channels * (_TILES if task == 'jigsaw' else 1)
  return classifier(wide, (size, size), _OUTPUTS[task])


def classifier(
    channels: int, size: tuple[int, int], outputs: int
) -> np.ndarray:
  """`[7]` costs of global pooling and a linear layer."""
  # The reference's counter takes one row and one column more, as it does on
  # NAS-Bench-201.
  counted = channels * (size[0] + 1) * (size[1] + 1)
  pool = layers.elementwise(channels * layers.pixels(size), channels, counted)
  return pool + layers.linear(channels, outputs)


def _generator(channels: int, size: int) -> np.ndarray:
  """Fourteen layers from features to an image, 2 to 6 of them upsampling."""
  ups = int(math.log2(_IMAGE / size))
  plan = (
      (1024, False), (1024, False), (512, ups >= 6), (512, False),
      (256, ups >= 5), (128, False), (64, ups >= 4), (64, False),
      (32, ups >= 3), (32, False), (16, True), (32, False), (16, True),
  )  # fmt: skip
  return _decoder(channels, size, plan, 3)


def _segmentation(channels: int, size: int) -> np.ndarray:
  """Eight layers from features to 17 maps of classes."""
  ups = int(math.log2(_IMAGE / size))
  widths = [1024 >> place for place in range(7 - ups)]
  plan = [(width, False) for width in widths]
  plan += [(widths[-1] >> place, True) for place in range(1, ups)]
  plan += [(plan[-1][0], True)]
  return _decoder(channels, size, tuple(plan), 17)


def _decoder(
    channels: int, size: int, plan: tuple[tuple[int, bool], ...], outputs: int
) -> np.ndarray:
  """3x3 layers with bias, norm and activation, some transposed; then a last."""
  cost = layers.vector()
  for wide, up in plan:
    cost = cost + layers.conv(channels, wide, 3, size, size)
    if up:  # as many multiply-adds, four times as much to write
      added = 3 * wide * size**2
      cost = cost + layers.vector(flops=2 * added, activation_bytes=4 * added)
      size *= 2
    cost = cost + layers.relu(wide * size**2) + layers.vector(params=wide)
    channels = wide
  last = layers.conv(channels, outputs, 3, size, size, norm=False)
  bias = layers.vector(params=outputs, weight_bytes=4 * outputs)
  return cost + last + bias
