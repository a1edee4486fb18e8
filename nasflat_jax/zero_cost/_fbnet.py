"""The networks of FBNet (https://arxiv.org/abs/1812.03443).

As HW-NAS-Bench lays the space out (https://arxiv.org/abs/2103.10584) and
NASFLAT scores it.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import chex
import jax

from nasflat_jax.zero_cost import _net
from nasflat_jax.zero_cost import _network
from nasflat_jax.zero_cost import _steps

# Kernel, expansion and groups of all operations but the last, skip.
_BLOCKS = {
    'k3_e1': (3, 1, 1), 'k3_e1_g2': (3, 1, 2),
    'k3_e3': (3, 3, 1), 'k3_e6': (3, 6, 1),
    'k5_e1': (5, 1, 1), 'k5_e1_g2': (5, 1, 2),
    'k5_e3': (5, 3, 1), 'k5_e6': (5, 6, 1),
}  # fmt: skip
_DEPTHS = (1, 4, 4, 4, 4, 4, 1)
_CHANNELS = (16, 24, 32, 64, 112, 184, 352)
_STEM = 16


class _Setting(NamedTuple):
  resolution: int
  num_classes: int
  stem_stride: int
  strides: tuple[int, ...]
  header: int


_SETTINGS = {
    'cifar': _Setting(32, 100, 1, (1, 1, 2, 2, 1, 2, 1), 1504),
    'imagenet': _Setting(224, 1000, 2, (1, 2, 2, 2, 1, 2, 1), 1984),
}


@functools.cache
def fbnet(
    *, setting: str = 'cifar', num_classes: int = 0
) -> _network.Network:
  """Stem, 22 blocks, 1x1 header, global pool, linear classifier.

  Kernels are normal with variance two over the outputs of a position, the
  classifier's with deviation 0.001, its bias is zero.

  Args:
    setting: `cifar` (32x32) or `imagenet` (224x224).
    num_classes: K; 0 takes 100 and 1000.

  Returns:
    The network.

  Raises:
    ValueError: an unknown setting.
  """
  if setting not in _SETTINGS:
    raise ValueError(
        f'setting: unknown {setting!r}; choose from {", ".join(_SETTINGS)}'
    )
  config = _SETTINGS[setting]
  num_classes = num_classes or config.num_classes
  return _network.network(
      functools.partial(_apply, config=config, num_classes=num_classes),
      num_genes=sum(_DEPTHS),
      input_shape=(config.resolution, config.resolution, 3),
      num_classes=num_classes,
      initial=_network.fan_out_normal,
  )


def _candidates(
    inputs: int, outputs: int, stride: int
) -> tuple[_steps.Candidate, ...]:
  """A residual connection, if any, is left to the caller."""
  candidates: list[_steps.Candidate] = []
  for name, (size, expansion, groups) in _BLOCKS.items():
    wide = inputs * expansion
    shuffle = (_steps.Shuffle(groups),) if groups > 1 else ()
    candidates.append((
        _steps.Conv(f'{name}/expand', wide, 1, groups=groups),
        # The ReLU comes before the shuffle, which does not mind.
        *shuffle,
        # The reference's block has one ReLU, called twice and counted once.
        _steps.Conv(
            f'{name}/depthwise', wide, size, stride, 0, relu=True,
            relu_flops=False,
        ),
        _steps.Conv(f'{name}/project', outputs, 1, 1, groups, relu=True),
    ))
  if stride == 1 and inputs == outputs:
    candidates.append((_steps.Zero(),))  # the identity, through the residual
  else:
    candidates.append(
        (_steps.Conv('skip', outputs, 1, stride), _steps.Relu())
    )
  return tuple(candidates)


def _apply(
    net: _net.Net,
    genotype: chex.Array,  # [22]
    images: chex.Array,  # [N, H, W, 3]
    *,
    config: _Setting,
    num_classes: int,
) -> jax.Array:
  x = net.conv_norm('stem', images, _STEM, 3, stride=config.stem_stride)
  x = net.bottleneck(net.relu(x))
  start = 0
  for stage, (depth, outputs) in enumerate(zip(_DEPTHS, _CHANNELS)):
    genes = genotype[start : start + depth]
    start += depth
    first = functools.partial(
        _block, outputs=outputs, stride=config.strides[stage]
    )
    x = net.bottleneck(first(net, x, genes[0], name=f'stage_{stage}/first'))
    if depth > 1:
      # All but the first layer of a stage have one shape: compiled once.
      rest = functools.partial(_block, outputs=outputs, stride=1, name='')
      x = net.repeat(f'stage_{stage}/rest', depth - 1, rest, x, genes[1:])
  x = net.relu(net.conv_norm('header', x, config.header, 1))
  return net.linear('head', net.global_pool(x), num_classes)


def _block(
    net: _net.Net,
    x: jax.Array,
    gene: chex.Array,
    *,
    outputs: int,
    stride: int,
    name: str,
) -> jax.Array:
  inputs = x.shape[-1]
  y = net.choose(name, gene, _candidates(inputs, outputs, stride), x)
  return x + y if stride == 1 and inputs == outputs else y
