"""FBNet networks (Wu et al., https://arxiv.org/abs/1812.03443).

The space as HW-NAS-Bench lays it out (https://arxiv.org/abs/2103.10584): 22
layers, each a mobile inverted bottleneck of kernel 3 or 5 or a skip.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from nasflat_jax.measure import _layers

# Gene: (kernel, expansion, groups of the 1x1 convolutions); the last is skip.
BLOCKS = (
    (3, 1, 1), (3, 1, 2), (3, 3, 1), (3, 6, 1),
    (5, 1, 1), (5, 1, 2), (5, 3, 1), (5, 6, 1),
)  # fmt: skip
SKIP = len(BLOCKS)
LAYERS = (1, 4, 4, 4, 4, 4, 1)
CHANNELS = (16, 24, 32, 64, 112, 184, 352)
STEM = 16


class Setting(NamedTuple):
  """Where the space's networks run.

  Attributes:
    resolution: height and width of the images.
    num_classes: K.
    stem_stride: stride of the first convolution.
    strides: stride of the first layer of each stage.
    header: channels of the last 1x1 convolution.
  """

  resolution: int
  num_classes: int
  stem_stride: int
  strides: tuple[int, ...]
  header: int


SETTINGS = {
    'cifar100': Setting(32, 100, 1, (1, 1, 2, 2, 1, 2, 1), 1504),
    'imagenet': Setting(224, 1000, 2, (1, 2, 2, 2, 1, 2, 1), 1984),
}


class _Layer(NamedTuple):
  name: str
  op: int
  inputs: int
  outputs: int
  stride: int

  @property
  def keeps_shape(self) -> bool:
    return self.stride == 1 and self.inputs == self.outputs


def network(
    genotype: np.ndarray,  # [22]
    *,
    setting: Setting,
    num_classes: int,
) -> _layers.Network:
  """Stem, 22 layers, 1x1 header, global pool, linear classifier.

  A block is 1x1 convolution (grouped blocks shuffle channels after it),
  depthwise k x k convolution, 1x1 convolution without activation, and a
  residual where the shape allows. A skip is the identity, or a 1x1 convolution
  where width or stride change.

  Args:
    genotype: `[22]` operation of each layer.
    setting: resolution, strides and header.
    num_classes: K.

  Returns:
    The network.
  """
  layers = _plan(genotype, setting)
  table = _layers.ShapeTable()

  def declare(
      name: str, size: int, inputs: int, outputs: int, groups: int = 1
  ) -> None:
    table.conv(name, size, inputs, outputs, groups)
    table.batch_norm(name, outputs)

  declare('stem', 3, 3, STEM)
  for layer in layers:
    if layer.op == SKIP:
      if not layer.keeps_shape:
        declare(f'{layer.name}_skip', 1, layer.inputs, layer.outputs)
      continue
    size, expansion, groups = BLOCKS[layer.op]
    wide = layer.inputs * expansion
    declare(f'{layer.name}_expand', 1, layer.inputs, wide, groups)
    declare(f'{layer.name}_depthwise', size, wide, wide, wide)
    declare(f'{layer.name}_project', 1, wide, layer.outputs, groups)
  declare('header', 1, CHANNELS[-1], setting.header)
  table.linear('classifier', setting.header, num_classes)

  def conv_norm(
      params: _layers.Params,
      name: str,
      x: jax.Array,
      stride: int = 1,
      groups: int = 1,
  ) -> jax.Array:
    x = _layers.conv(params, name, x, stride=stride, groups=groups)
    return _layers.batch_norm(params, name, x)

  def apply_layer(
      params: _layers.Params, layer: _Layer, x: jax.Array
  ) -> jax.Array:
    name, stride = layer.name, layer.stride
    if layer.op == SKIP:
      if layer.keeps_shape:
        return x
      return jax.nn.relu(conv_norm(params, f'{name}_skip', x, stride))
    _, expansion, groups = BLOCKS[layer.op]
    wide = layer.inputs * expansion
    y = jax.nn.relu(conv_norm(params, f'{name}_expand', x, groups=groups))
    if groups > 1:
      y = _layers.channel_shuffle(y, groups)
    y = jax.nn.relu(conv_norm(params, f'{name}_depthwise', y, stride, wide))
    y = conv_norm(params, f'{name}_project', y, groups=groups)
    return x + y if layer.keeps_shape else y

  def apply(params: _layers.Params, images: jax.Array) -> jax.Array:
    x = jax.nn.relu(conv_norm(params, 'stem', images, setting.stem_stride))
    for layer in layers:
      x = apply_layer(params, layer, x)
    x = jax.nn.relu(conv_norm(params, 'header', x))
    return _layers.linear(params, 'classifier', _layers.global_pool(x))

  resolution = setting.resolution
  return _layers.make_network(table, apply, (resolution, resolution, 3))


def _plan(genotype: np.ndarray, setting: Setting) -> list[_Layer]:
  """The layers with their widths and strides."""
  layers: list[_Layer] = []
  inputs = STEM
  for stage, (count, outputs) in enumerate(zip(LAYERS, CHANNELS)):
    for position in range(count):
      number = len(layers)
      # Names carry the operation: blocks that differ never share weights.
      name = f'layer{number}_op{genotype[number]}'
      stride = setting.strides[stage] if position == 0 else 1
      layers.append(
          _Layer(name, int(genotype[number]), inputs, outputs, stride)
      )
      inputs = outputs
  return layers
