"""The measured networks once more, in NumPy float64, from their definition."""

import numpy as np


def relu(x):
  return np.maximum(x, 0)


def conv(x, kernel, stride=1, groups=1):
  """Sums shifted images, one for each tap of the kernel."""
  batch, height, width, inputs = x.shape
  size, _, per_group, outputs = kernel.shape
  half = size // 2
  padded = np.zeros((batch, height + 2 * half, width + 2 * half, inputs))
  padded[:, half : half + height, half : half + width] = x
  result = 0
  for i in range(size):
    for j in range(size):
      tap = padded[:, i : i + height : stride, j : j + width : stride]
      tap = tap.reshape(*tap.shape[:3], groups, per_group)
      weights = kernel[i, j].reshape(per_group, groups, outputs // groups)
      result = result + np.einsum('bhwgi,igo->bhwgo', tap, weights)
  return result.reshape(*result.shape[:3], outputs)


class Layers:
  """Applies layers by name with parameters in float64."""

  def __init__(self, params):
    self.trainable = params['trainable']
    self.statistics = params['statistics']

  def kernel(self, name):
    return np.asarray(self.trainable[name]['kernel'], np.float64)

  def conv(self, name, x, stride=1, groups=1):
    return conv(x, self.kernel(name), stride, groups)

  def norm(self, name, x):
    layer = {**self.trainable[name], **self.statistics[name]}
    v = {k: np.asarray(layer[k], np.float64) for k in layer}
    normal = (x - v['mean']) / np.sqrt(v['variance'] + 1e-5)
    return v['scale'] * normal + v['offset']

  def conv_norm(self, name, x, stride=1, groups=1):
    return self.norm(name, self.conv(name, x, stride, groups))

  def classifier(self, x):
    bias = np.asarray(self.trainable['classifier']['bias'], np.float64)
    return x.mean((1, 2)) @ self.kernel('classifier') + bias


def avg_pool(x):
  """3x3 windows, each cut at the border."""
  result = np.zeros_like(x)
  for i in range(x.shape[1]):
    for j in range(x.shape[2]):
      window = x[:, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
      result[:, i, j] = window.mean((1, 2))
  return result


def nasbench201(params, genotype, images, num_cells):
  """NAS-Bench-201: gene 0-1, 0-2, 1-2, 0-3, 1-3, 2-3."""
  net = Layers(params)
  x = net.conv_norm('stem', images.astype(np.float64))
  for stage in range(3):
    if stage:
      r = f'reduction{stage}'
      y = net.conv_norm(f'{r}_a', relu(x), stride=2)
      y = net.conv_norm(f'{r}_b', relu(y))
      b, h, w, c = x.shape
      pooled = x.reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4))
      x = y + net.conv(f'{r}_shortcut', pooled)
    for cell in range(num_cells):

      def edge(gene, source, stage=stage, cell=cell):
        op = genotype[gene]
        if op == 0:
          return 0 * source
        if op == 1:
          return source
        if op == 4:
          return avg_pool(source)
        size = {2: '1x1', 3: '3x3'}[op]
        name = f'stage{stage}_cell{cell}_edge{gene}_{size}'
        return net.conv_norm(name, relu(source))

      n1 = edge(0, x)
      n2 = edge(1, x) + edge(2, n1)
      x = edge(3, x) + edge(4, n1) + edge(5, n2)
  return net.classifier(relu(net.norm('head', x)))


def fbnet(params, genotype, images, strides, stem_stride):
  """FBNet: stem, 22 blocks or skips, header."""
  net = Layers(params)
  x = relu(net.conv_norm('stem', images.astype(np.float64), stem_stride))
  number = 0
  for stage, (count, width) in enumerate(
      [(1, 16), (4, 24), (4, 32), (4, 64), (4, 112), (4, 184), (1, 352)]
  ):
    for position in range(count):
      op = genotype[number]
      name = f'layer{number}_op{op}'
      stride = strides[stage] if position == 0 else 1
      same = stride == 1 and x.shape[-1] == width
      number += 1
      if op == 8:
        if not same:
          x = relu(net.conv_norm(f'{name}_skip', x, stride))
        continue
      expansion, groups = [(1, 1), (1, 2), (3, 1), (6, 1)][op % 4]
      wide = x.shape[-1] * expansion
      y = relu(net.conv_norm(f'{name}_expand', x, groups=groups))
      if groups == 2:
        first, second = y[..., : wide // 2], y[..., wide // 2 :]
        y = np.stack([first, second], -1).reshape(y.shape)
      y = relu(net.conv_norm(f'{name}_depthwise', y, stride, wide))
      y = net.conv_norm(f'{name}_project', y, groups=groups)
      x = x + y if same else y
  return net.classifier(relu(net.conv_norm('header', x)))
