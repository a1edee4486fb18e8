"""The thirteen proxies in NumPy float64, by their definitions.

Nothing here is shared with the package: convolutions are loops, gradients come
from a tape, and products with the Hessian from complex numbers: the tape's
gradient is analytic between kinks, so the imaginary part it returns for weights
`w + i h d` is `h` times the Hessian's product with `d`, without cancellation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import itertools
import math

import numpy as np

_EPSILON = 1e-5
TINY = 1e-30
_numbers = itertools.count()


class Value:
  """An array, and how its cotangent reaches what it was made of."""

  def __init__(self, data, *edges):
    self.data = np.asarray(data)
    self.edges = edges  # pairs (Value, cotangent -> its cotangent)
    self.number = next(_numbers)

  def __add__(self, other):
    return _broadcast(np.add, self, other, lambda g: g, lambda g: g)

  def __mul__(self, other):
    return _broadcast(
        np.multiply, self, other,
        lambda g: g * other.data, lambda g: g * self.data,
    )

  def __pow__(self, power):
    slope = power * self.data ** (power - 1)
    return Value(self.data**power, (self, lambda g: g * slope))

  def mean(self, axes, keepdims=True):
    y = self.data.mean(axes, keepdims=keepdims)
    num = self.data.size / y.size

    def pull(g):
      g = g if keepdims else np.expand_dims(g, axes)
      return np.broadcast_to(g / num, self.data.shape)

    return Value(y, (self, pull))


def _broadcast(function, a, b, pull_a, pull_b):
  def fitted(pull, shape):
    def run(g):
      g = pull(g)
      g = g.sum(tuple(range(g.ndim - len(shape))))
      wide = tuple(i for i, n in enumerate(shape) if n < g.shape[i])
      return g.sum(wide, keepdims=True)

    return run

  return Value(
      function(a.data, b.data),
      (a, fitted(pull_a, a.data.shape)),
      (b, fitted(pull_b, b.data.shape)),
  )


def cotangents(root: Value, start: np.ndarray) -> dict[int, np.ndarray]:
  """Cotangents of everything that `root` was made of, by number."""
  found = {root.number: start}
  waiting = {root.number: root}
  while waiting:
    value = waiting.pop(max(waiting))
    for parent, pull in value.edges:
      found[parent.number] = found.get(parent.number, 0) + pull(
          found[value.number]
      )
      waiting[parent.number] = parent
  return found


def relu(x: Value) -> Value:
  on = x.data.real > 0
  return Value(np.where(on, x.data, 0), (x, lambda g: np.where(on, g, 0)))


def convolve(
    x: Value, w: Value, stride: int, groups: int, dilation: int = 1
) -> Value:
  size, _, inputs, features = w.data.shape
  pad, outputs = size // 2 * dilation, features // groups
  num, height, width, _ = x.data.shape
  high, wide = (height - 1) // stride + 1, (width - 1) // stride + 1
  shape = (num, height + 2 * pad, width + 2 * pad, x.data.shape[3])
  padded = np.zeros(shape, x.data.dtype)
  padded[:, pad : pad + height, pad : pad + width] = x.data

  def places():
    for i, j, g in itertools.product(range(size), range(size), range(groups)):
      window = (
          slice(None),
          slice(i * dilation, i * dilation + (high - 1) * stride + 1, stride),
          slice(j * dilation, j * dilation + (wide - 1) * stride + 1, stride),
          slice(g * inputs, (g + 1) * inputs),
      )
      yield (i, j), window, slice(g * outputs, (g + 1) * outputs)

  y = np.zeros((num, high, wide, features), np.result_type(x.data, w.data))
  for ij, window, out in places():
    y[..., out] += padded[window] @ w.data[ij][:, out]

  def pull_x(cotangent):
    dx = np.zeros(shape, np.result_type(cotangent, w.data))
    for ij, window, out in places():
      dx[window] += cotangent[..., out] @ w.data[ij][:, out].T
    return dx[:, pad : pad + height, pad : pad + width]

  def pull_w(cotangent):
    dw = np.zeros(w.data.shape, np.result_type(cotangent, padded))
    for ij, window, out in places():
      dw[ij][:, out] = np.tensordot(
          padded[window], cotangent[..., out], ((0, 1, 2), (0, 1, 2))
      )
    return dw

  return Value(y, (x, pull_x), (w, pull_w))


def standardise(x: Value) -> Value:
  centred = x + x.mean((0, 1, 2)) * Value(-1.0)
  variance = (centred * centred).mean((0, 1, 2))
  return centred * (variance + Value(_EPSILON)) ** -0.5


def pool_3x3(x: Value) -> Value:
  """The mean of the real pixels around each pixel."""
  height, width = x.data.shape[1:3]

  def windows():
    for i, j in itertools.product(range(height), range(width)):
      yield i, j, slice(max(i - 1, 0), i + 2), slice(max(j - 1, 0), j + 2)

  y = np.zeros_like(x.data)
  for i, j, rows, columns in windows():
    y[:, i, j] = x.data[:, rows, columns].mean((1, 2))

  def pull(g):
    dx = np.zeros_like(g)
    for i, j, rows, columns in windows():
      target = dx[:, rows, columns]
      target += g[:, None, None, i, j] / math.prod(target.shape[1:3])
    return dx

  return Value(y, (x, pull))


def pool_2x2(x: Value) -> Value:
  height, width = (n // 2 for n in x.data.shape[1:3])
  y = sum(
      x.data[:, i : 2 * height : 2, j : 2 * width : 2]
      for i in (0, 1) for j in (0, 1)
  )  # fmt: skip

  def pull(g):
    dx = np.zeros(x.data.shape, g.dtype)
    dx[:, : 2 * height, : 2 * width] = g.repeat(2, 1).repeat(2, 2) / 4
    return dx

  return Value(y / 4, (x, pull))


def maximum(parts: Sequence[Value]) -> Value:
  """The greatest of each place; the first one if there are several."""
  stacked = np.stack([part.data.real for part in parts])
  which = stacked.argmax(axis=0)
  y = np.choose(which, [part.data for part in parts])

  def of(place):
    return lambda g: np.where(which == place, g, 0)

  return Value(y, *((part, of(i)) for i, part in enumerate(parts)))


def _shifted(x: Value, down: int, right: int) -> Value:
  """The pixel that far down and right, minus infinity outside."""
  height, width = x.data.shape[1:3]
  padded = np.pad(
      x.data, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf
  )
  rows, columns = slice(1 + down, 1 + down + height), slice(
      1 + right, 1 + right + width
  )

  def pull(g):
    dx = np.zeros((len(g), height + 2, width + 2, g.shape[-1]), g.dtype)
    dx[:, rows, columns] = g
    return dx[:, 1:-1, 1:-1]

  return Value(padded[:, rows, columns], (x, pull))


def max_pool_3x3(x: Value) -> Value:
  return maximum([
      _shifted(x, i, j) for i, j in itertools.product((-1, 0, 1), repeat=2)
  ])


def max_pool_2x2(x: Value) -> Value:
  height, width = (n // 2 for n in x.data.shape[1:3])

  def every_second(i, j):
    rows, columns = slice(i, 2 * height, 2), slice(j, 2 * width, 2)

    def pull(g):
      dx = np.zeros(x.data.shape, g.dtype)
      dx[:, rows, columns] = g
      return dx

    return Value(x.data[:, rows, columns], (x, pull))

  return maximum([
      every_second(i, j) for i, j in itertools.product((0, 1), repeat=2)
  ])


def every_second(x: Value) -> Value:
  """Every second row and column."""

  def pull(g):
    dx = np.zeros(x.data.shape, g.dtype)
    dx[:, ::2, ::2] = g
    return dx

  return Value(x.data[:, ::2, ::2], (x, pull))


def shuffle(x: Value, groups: int) -> Value:
  channels = x.data.shape[-1]
  order = [
      group * (channels // groups) + place
      for place in range(channels // groups)
      for group in range(groups)
  ]
  return Value(x.data[..., order], (x, lambda g: g[..., np.argsort(order)]))


def moved_up(x: Value) -> Value:
  """One pixel up and left, zeros at the end."""
  y = np.zeros_like(x.data)
  y[:, :-1, :-1] = x.data[:, 1:, 1:]

  def pull(g):
    dx = np.zeros_like(g)
    dx[:, 1:, 1:] = g[:, :-1, :-1]
    return dx

  return Value(y, (x, pull))


def beside(a: Value, b: Value) -> Value:
  """Channels of both."""
  place = a.data.shape[-1]
  return Value(
      np.concatenate([a.data, b.data], -1),
      (a, lambda g: g[..., :place]),
      (b, lambda g: g[..., place:]),
  )


class Net:
  """One run of a network, and what the definitions ask of it."""

  def __init__(self, kernels, biases, *, batch_norm=True):
    self._kernels, self._biases = kernels, biases
    self._batch_norm = batch_norm
    self.kernels: dict[tuple[str, int], Value] = {}
    self.outputs: dict[tuple[str, int], Value] = {}
    self.codes: list[np.ndarray] = []
    self.variances: list[np.ndarray] = []
    self.features: Value | None = None
    self.params = 0
    self.flops = 0

  def _weight(self, name, turn):
    stored = self._kernels[name]
    value = Value(stored if turn == -1 else stored[turn])
    self.kernels[name, turn] = value
    self.params += value.data.size
    return value

  def conv(
      self, name, x, *, turn=-1, stride=1, groups=1, first_relu=False,
      norm=True, counted=True, dilation=1, affine=True,
  ):  # fmt: skip
    if first_relu:
      x = self.relu(x, counted)
    w = self._weight(name, turn)
    y = convolve(x, w, stride, groups or x.data.shape[-1], dilation)
    self.flops += w.data.size * math.prod(y.data.shape[1:3])
    self.outputs[name, turn] = y
    return self.norm(y, affine) if norm else y

  def halves(self, name, x, *, turn=-1, stride=2, affine=True):
    """ReLU, two pointwise layers a pixel apart, one normalisation."""
    x = self.relu(x)
    parts = []
    for layer, source in ((f'{name}_a', x), (f'{name}_b', moved_up(x))):
      w = self._weight(layer, turn)
      y = convolve(source, w, stride, 1)
      self.flops += w.data.size * math.prod(y.data.shape[1:3])
      self.outputs[layer, turn] = y
      parts.append(y)
    return self.norm(beside(*parts), affine)

  def norm(self, x, affine=True):
    self.params += 2 * x.data.shape[-1] * affine
    self.flops += (1 + affine) * math.prod(x.data.shape[1:])
    if not self._batch_norm:
      return x
    flat = x.data.reshape(-1, x.data.shape[-1])
    if len(flat) > 1:
      self.variances.append(flat.var(axis=0, ddof=1))
    return standardise(x)

  def relu(self, x, counted=True):
    self.codes.append(x.data.real.reshape(len(x.data), -1) > 0)
    self.flops += counted * math.prod(x.data.shape[1:])
    return relu(x)

  def head(self, name, x, pool_elements):
    """Global pool and linear layer."""
    self.features = x
    self.flops += pool_elements
    x = x.mean((1, 2), keepdims=False)
    w, b = self._weight(name, -1), Value(self._biases[name])
    y = Value(
        x.data @ w.data,
        (x, lambda g: g @ w.data.T),
        (w, lambda g: x.data.T @ g),
    )
    self.params += b.data.size
    self.flops += w.data.size
    self.outputs[name, -1] = y + b
    return self.outputs[name, -1]


def nasbench201(arch: str, num_cells: int) -> Callable[[Net, Value], Value]:
  """The network of an architecture string."""
  nodes = [
      [edge.split('~') for edge in node.strip('|').split('|')]
      for node in arch.split('+')
  ]

  def cell(net, x, stage, turn):
    values, edge = [x], 0
    for node in nodes:
      total = Value(np.zeros_like(x.data))
      for op, sender in node:
        source = values[int(sender)]
        name = f'{stage}/edge_{edge}/'
        edge += 1
        if op.startswith('nor_conv'):
          name += op.removeprefix('nor_')
          y = net.conv(name, source, turn=turn, first_relu=True)
        elif op == 'avg_pool_3x3':
          net.flops += 9 * math.prod(x.data.shape[1:])
          y = pool_3x3(source)
        elif op == 'skip_connect':
          y = source
        else:
          continue
        total = total + y
      values.append(total)
    return values[-1]

  def run(net, x):
    x = net.conv('stem', x)
    for stage in range(3):
      if stage:
        name = f'reduction_{stage}/'
        y = net.conv(name + 'conv_a', x, stride=2, first_relu=True)
        y = net.conv(name + 'conv_b', y, first_relu=True)
        net.flops += math.prod(x.data.shape[1:])
        x = y + net.conv(name + 'shortcut', pool_2x2(x), norm=False)
      for turn in range(num_cells):
        x = cell(net, x, f'stage_{stage}', turn)
    # Published counts take one row and column too many for this pool.
    pooled = x.data.shape[-1] * (x.data.shape[1] + 1) ** 2
    return net.head('head', net.relu(net.norm(x)), pooled)

  return run


def cross_entropy(logits: Value, labels: np.ndarray) -> Value:
  z = logits.data - logits.data.real.max(axis=1, keepdims=True)
  share = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
  rows = np.arange(len(labels))
  one_hot = np.zeros(z.shape)
  one_hot[rows, labels] = 1
  loss = -np.log(share[rows, labels]).mean()
  return Value(loss, (logits, lambda g: g * (share - one_hot) / len(labels)))


def gradients(build, kernels, biases, images, labels):
  """Loss's gradient by every kernel, and the cotangents of everything."""
  net = Net(kernels, biases)
  logits = build(net, images)
  found = cotangents(cross_entropy(logits, labels), np.ones(()))
  gradient = {
      key: found.get(value.number, np.zeros_like(value.data))
      for key, value in net.kernels.items()
  }
  return net, logits, gradient, found


def proxies(
    build: Callable[[Net, Value], Value],
    kernels: Mapping[str, np.ndarray],
    biases: Mapping[str, np.ndarray],
    images: np.ndarray,  # [N, H, W, 3]
    labels: Sequence[int],
    zen_kernels: Mapping[str, np.ndarray],
    noise: np.ndarray,  # [2, N, H, W, 3]
) -> dict[str, float]:
  """All thirteen; not finite where the definition has no value."""
  labels = np.asarray(labels)
  x = Value(images)
  net, logits, gradient, found = gradients(build, kernels, biases, x, labels)
  weights = {key: value.data for key, value in net.kernels.items()}
  with np.errstate(all='ignore'):
    jacobian = cotangents(logits, np.ones(logits.data.shape))
    correlation = np.corrcoef(
        np.broadcast_to(jacobian.get(x.number, 0.0), images.shape).reshape(
            len(images), -1
        )
    )
    return {
        'params': net.params * 1e-6,
        'flops': net.flops * 1e-6,
        'l2_norm': sum(np.linalg.norm(w) for w in weights.values()),
        'grad_norm': sum(np.linalg.norm(g) for g in gradient.values()),
        'snip': sum(np.abs(weights[k] * g).sum() for k, g in gradient.items()),
        'plain': sum((weights[k] * g).sum() for k, g in gradient.items()),
        'fisher': _fisher(net, found),
        'jacov': _jacov(correlation),
        'epe_nas': _epe_nas(correlation, labels),
        'nwot': np.linalg.slogdet(_agreement(net.codes))[1],
        'grasp': -sum(
            (weights[k] * h).sum()
            for k, h in _hessian_product(
                build, kernels, biases, x, labels, gradient
            ).items()
        ),
        'synflow': synflow(build, kernels, biases, images.shape[1:]),
        'zen': zen(build, zen_kernels, biases, noise),
    }


def moved(kernels, direction):
  """Kernels, complex, a tiny imaginary step away in a direction."""
  result = {name: w.astype(complex) for name, w in kernels.items()}
  for (name, turn), d in direction.items():
    target = result[name] if turn == -1 else result[name][turn]
    target += 1j * TINY * d
  return result


def _hessian_product(build, kernels, biases, x, labels, direction):
  stepped = moved(kernels, direction)
  changed = gradients(build, stepped, biases, x, labels)[2]
  return {key: g.imag / TINY for key, g in changed.items()}


def _fisher(net, found):
  total = 0.0
  for key, output in net.outputs.items():
    cotangent = found.get(output.number, np.zeros_like(output.data))
    product = (output.data * cotangent).reshape(
        len(cotangent), -1, cotangent.shape[-1]
    )
    channels = 0.5 * (product.sum(axis=1) ** 2).mean(axis=0)
    # The reference copies a channel's value to each of its weights.
    weights = net.kernels[key].data
    total += (np.ones_like(weights) * channels).sum()
  return total


def _agreement(codes):
  total = 0.0
  for code in codes:
    c = code.astype(float)
    total = total + c @ c.T + (1 - c) @ (1 - c).T
  return total


def _jacov(correlation):
  if not np.isfinite(correlation).all():
    return math.nan
  values = np.linalg.eigvalsh(correlation)
  return -(np.log(values + 1e-5) + 1 / (values + 1e-5)).sum()


def _epe_nas(correlation, labels):
  total = 0.0
  for label in sorted(set(labels.tolist())):
    block = correlation[labels == label][:, labels == label]
    total += abs(sum(math.log(abs(r) + 1e-5) for r in block.ravel()))
  return total


def synflow(build, kernels, biases, shape):
  """Logarithm of the sum of weight times derivative, by reverse mode."""
  net = Net(
      {name: np.abs(w) for name, w in kernels.items()},
      {name: np.abs(b) for name, b in biases.items()},
      batch_norm=False,
  )
  logits = build(net, Value(np.ones((1, *shape))))
  found = cotangents(logits, np.ones(logits.data.shape))
  total = sum(
      np.abs(value.data * found.get(value.number, 0.0)).sum()
      for value in net.kernels.values()
  )
  return math.log(total) if total else -math.inf


def zen(build, kernels, biases, noise):
  """Log difference of features plus log deviations, two passes."""
  zeros = {name: np.zeros_like(b) for name, b in biases.items()}
  first, second = noise
  nets = []
  for images in (first, first + 0.01 * second):
    nets.append(Net(kernels, zeros))
    build(nets[-1], Value(images))
  a, b = (net.features.data for net in nets)
  score = np.log(np.abs(a - b).sum((1, 2, 3)).mean())
  for v_a, v_b in zip(nets[0].variances, nets[1].variances, strict=True):
    running = 0.9 * (0.9 + 0.1 * v_a) + 0.1 * v_b
    score += np.log(np.sqrt(running.mean()))
  return score
