"""NAS-Bench-201 and FBNet networks in PyTorch, as zero-cost proxies see them.

NAS-Bench-201: Dong and Yang, https://arxiv.org/abs/2001.00326. FBNet: Wu et
al., https://arxiv.org/abs/1812.03443, in the CIFAR-100 setting of
HW-NAS-Bench, https://arxiv.org/abs/2103.10584. Images are NCHW, networks stay
in training mode: batch normalisation takes the statistics of the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import functools
import math

import numpy as np
import torch
from torch import nn

# Sender and receiver of each gene, in the order of the architecture string.
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
NONE, SKIP, CONV_1X1, CONV_3X3, AVG_POOL = range(5)

# Name, then kernel, expansion and groups of the 1x1 convolutions.
BLOCKS = (
    ('k3_e1', 3, 1, 1), ('k3_e1_g2', 3, 1, 2),
    ('k3_e3', 3, 3, 1), ('k3_e6', 3, 6, 1),
    ('k5_e1', 5, 1, 1), ('k5_e1_g2', 5, 1, 2),
    ('k5_e3', 5, 3, 1), ('k5_e6', 5, 6, 1),
)  # fmt: skip
FBNET_SKIP = len(BLOCKS)
_DEPTHS = (1, 4, 4, 4, 4, 4, 1)
_CHANNELS = (16, 24, 32, 64, 112, 184, 352)
_STRIDES = (1, 1, 2, 2, 1, 2, 1)
_STEM, _HEADER = 16, 1504


class BatchNorm(nn.BatchNorm2d):
  """Batch normalisation that can be made the identity (for synflow)."""

  bypass = False

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    return x if self.bypass else super().forward(x)


class GlobalPool(nn.Module):
  """Mean over positions, `[B, C, H, W] -> [B, C]`.

  Attributes:
    border: what the FLOP counter of the space's published values adds to the
      side of the map: 1 for NAS-Bench-201, 0 for FBNet.
  """

  def __init__(self, border: int) -> None:
    super().__init__()
    self.border = border

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    return x.mean((2, 3))


class Network(nn.Module):
  """Body, global pool, linear classifier.

  Attributes:
    genotype: the genes as a tuple.
  """

  def __init__(
      self,
      genotype: Sequence[int],
      body: nn.Module,
      pool: GlobalPool,
      classifier: nn.Linear,
  ) -> None:
    super().__init__()
    self.genotype = tuple(int(gene) for gene in genotype)
    self.body, self.pool, self.classifier = body, pool, classifier
    self.train()

  def features(self, images: torch.Tensor) -> torch.Tensor:
    """Maps `[B, 3, H, W]` to `[B, C, H', W']`, after the last ReLU."""
    return self.body(images)

  def forward(self, images: torch.Tensor) -> torch.Tensor:
    return self.classifier(self.pool(self.features(images)))


def _conv(
    key: str,
    inputs: int,
    outputs: int,
    size: int,
    *,
    stride: int = 1,
    groups: int = 1,
    cell: int | None = None,
) -> nn.Conv2d:
  """Convolution without bias that knows where `load` finds its kernel."""
  layer = nn.Conv2d(
      inputs, outputs, size, stride, size // 2, groups=groups, bias=False
  )
  layer.source = (f'{key}/kernel', cell)
  return layer


def _linear(inputs: int, outputs: int) -> nn.Linear:
  layer = nn.Linear(inputs, outputs)
  layer.source = ('head/kernel', None)
  return layer


class _Zero(nn.Module):
  """Zeros that stay in the graph, so that every gradient exists."""

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    return x * 0


class _Cell(nn.Module):
  """Four nodes; each is the sum of its edges."""

  def __init__(
      self, genotype: Sequence[int], width: int, stage: int, cell: int
  ) -> None:
    super().__init__()
    conv = functools.partial(_conv, inputs=width, outputs=width, cell=cell)
    edges: list[nn.Module] = []
    for edge, op in enumerate(genotype):
      name = f'stage_{stage}/edge_{edge}'
      if op == NONE:
        edges.append(_Zero())
      elif op == SKIP:
        edges.append(nn.Identity())
      elif op == AVG_POOL:
        edges.append(nn.AvgPool2d(3, 1, 1, count_include_pad=False))
      elif op in (CONV_1X1, CONV_3X3):
        size = 1 if op == CONV_1X1 else 3
        layer = conv(f'{name}/conv_{size}x{size}', size=size)
        edges.append(nn.Sequential(nn.ReLU(), layer, BatchNorm(width)))
      else:
        raise ValueError(f'gene {edge}: no operation {op}; want 0 to 4')
    self.edges = nn.ModuleList(edges)

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    nodes = [x]
    for receiver in (1, 2, 3):
      arrivals = [
          edge(nodes[sender])
          for edge, (sender, to) in zip(self.edges, EDGES)
          if to == receiver
      ]
      nodes.append(sum(arrivals[1:], arrivals[0]))
    return nodes[-1]


class _Reduction(nn.Module):
  """Residual block of stride 2 that doubles the width."""

  def __init__(self, number: int, width: int) -> None:
    super().__init__()
    name, wide = f'reduction_{number}', 2 * width
    self.main = nn.Sequential(
        nn.ReLU(),
        _conv(f'{name}/conv_a', width, wide, 3, stride=2),
        BatchNorm(wide),
        nn.ReLU(),
        _conv(f'{name}/conv_b', wide, wide, 3),
        BatchNorm(wide),
    )
    self.shortcut = nn.Sequential(
        nn.AvgPool2d(2, 2), _conv(f'{name}/shortcut', width, wide, 1)
    )

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    return self.main(x) + self.shortcut(x)


def nasbench201(
    genotype: Sequence[int],
    channels: int = 16,
    num_cells: int = 5,
    num_classes: int = 10,
) -> Network:
  """The network of `[6]` genes with PyTorch's default initial values.

  Args:
    genotype: edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3; 0 none, 1 skip, 2 conv 1x1,
      3 conv 3x3, 4 average pool.
    channels: width of the first of three stages.
    num_cells: cells of each stage.
    num_classes: K.
  """
  if len(genotype) != len(EDGES):
    raise ValueError(f'nasbench201: got {len(genotype)} genes, want 6')
  width = channels
  parts: list[nn.Module] = [_conv('stem', 3, width, 3), BatchNorm(width)]
  for stage in range(3):
    if stage:
      parts.append(_Reduction(stage, width))
      width *= 2
    parts += [_Cell(genotype, width, stage, c) for c in range(num_cells)]
  parts += [BatchNorm(width), nn.ReLU()]
  return Network(
      genotype,
      nn.Sequential(*parts),
      GlobalPool(1),
      _linear(width, num_classes),
  )


class _Block(nn.Module):
  """1x1 (and shuffle), depthwise, 1x1; one ReLU module is called twice."""

  def __init__(
      self, name: str, op: int, inputs: int, outputs: int, stride: int
  ) -> None:
    super().__init__()
    op_name, size, expansion, self.groups = BLOCKS[op]
    name, wide = f'{name}/{op_name}', inputs * expansion
    self.relu = nn.ReLU()
    self.expand = _conv(f'{name}/expand', inputs, wide, 1, groups=self.groups)
    self.expand_norm = BatchNorm(wide)
    self.depthwise = _conv(
        f'{name}/depthwise', wide, wide, size, stride=stride, groups=wide
    )
    self.depthwise_norm = BatchNorm(wide)
    self.project = _conv(
        f'{name}/project', wide, outputs, 1, groups=self.groups
    )
    self.project_norm = BatchNorm(outputs)
    self.residual = stride == 1 and inputs == outputs

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    y = self.relu(self.expand_norm(self.expand(x)))
    if self.groups > 1:
      y = y.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)
    y = self.relu(self.depthwise_norm(self.depthwise(y)))
    y = self.project_norm(self.project(y))
    return x + y if self.residual else y


def fbnet(genotype: Sequence[int], num_classes: int = 100) -> Network:
  """The network of `[22]` genes for 32x32 images.

  Convolutions are normal of variance `2 / fan_out`, the classifier is normal
  of standard deviation 0.001 with zero bias.

  Args:
    genotype: 0 to 7 as `BLOCKS`, 8 skip.
    num_classes: K.
  """
  if len(genotype) != sum(_DEPTHS):
    raise ValueError(f'fbnet: got {len(genotype)} genes, want {sum(_DEPTHS)}')
  parts: list[nn.Module] = [
      _conv('stem', 3, _STEM, 3), BatchNorm(_STEM), nn.ReLU()
  ]  # fmt: skip
  inputs, number = _STEM, 0
  for depth, outputs, first_stride in zip(_DEPTHS, _CHANNELS, _STRIDES):
    for position in range(depth):
      op, name = int(genotype[number]), f'block_{number}'
      stride = 1 if position else first_stride
      if op == FBNET_SKIP:
        if stride > 1 or inputs != outputs:
          layer = _conv(f'{name}/skip', inputs, outputs, 1, stride=stride)
          parts += [layer, BatchNorm(outputs), nn.ReLU()]
      elif 0 <= op < FBNET_SKIP:
        parts.append(_Block(name, op, inputs, outputs, stride))
      else:
        raise ValueError(f'gene {number}: no operation {op}; want 0 to 8')
      inputs, number = outputs, number + 1
  parts += [_conv('header', inputs, _HEADER, 1), BatchNorm(_HEADER), nn.ReLU()]
  network = Network(
      genotype,
      nn.Sequential(*parts),
      GlobalPool(0),
      _linear(_HEADER, num_classes),
  )
  for module in network.modules():
    if isinstance(module, nn.Conv2d):
      fan_out = module.out_channels * math.prod(module.kernel_size)
      nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
  nn.init.normal_(network.classifier.weight, std=1e-3)
  nn.init.zeros_(network.classifier.bias)
  return network


def load(
    module: Network,
    weights: Mapping[str, np.ndarray],
    genotype: Sequence[int] | None = None,
) -> None:
  """Copies kernels and the classifier's bias into a network.

  Args:
    module: changed in place; keeps its number type.
    weights: flat, kernels as `[height, width, in, out]`, those of a
      NAS-Bench-201 edge with a leading axis over the cells of the stage.
      Without `head/bias` the bias becomes zero.
    genotype: if given, must be the module's.

  Raises:
    ValueError: for another genotype, a missing kernel or a wrong shape.
  """
  if genotype is not None and tuple(map(int, genotype)) != module.genotype:
    raise ValueError(f'load: {genotype} is not {module.genotype}')
  for layer in module.modules():
    if not isinstance(layer, nn.Conv2d | nn.Linear):
      continue
    key, cell = layer.source
    if key not in weights:
      raise ValueError(f'load: no {key!r} among the weights')
    kernel = weights[key] if cell is None else weights[key][cell]
    axes = (1, 0) if kernel.ndim == 2 else (3, 2, 0, 1)
    _copy(layer.weight, np.transpose(kernel, axes), key)
  bias = module.classifier.bias
  values = weights.get('head/bias', np.zeros(bias.shape, np.float32))
  _copy(bias, values, 'head/bias')


def _copy(parameter: nn.Parameter, values: np.ndarray, key: str) -> None:
  if parameter.shape != values.shape:
    raise ValueError(
        f'load: {key!r} has shape {values.shape} as PyTorch lays it out, want '
        f'{tuple(parameter.shape)}'
    )
  with torch.no_grad():
    parameter.copy_(torch.from_numpy(np.ascontiguousarray(values)))
