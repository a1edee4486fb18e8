"""What a network is written with: layers that find their weights by name.

A network is a plain function `(net, genotype, images) -> logits` of one
architecture. The same function is run to declare the weights, to score, and
without batch normalisation for synflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import math
from typing import Any, NamedTuple

import chex
import jax
from jax import lax
import jax.numpy as jnp

from nasflat_jax.zero_cost import _choose
from nasflat_jax.zero_cost import _convolution
from nasflat_jax.zero_cost import _mode
from nasflat_jax.zero_cost import _normalisation
from nasflat_jax.zero_cost import _steps
from nasflat_jax.zero_cost import _sums

ROOT_EPSILON = _normalisation.ROOT_EPSILON
PLAIN = _mode.Mode()


class Layer(NamedTuple):
  """A layer with weights.

  Attributes:
    shape: of its kernel, `[k, k, I, O]` or `[I, O]`.
    repeats: copies along leading axes, outer loops first.
    normalised: whether a batch normalisation follows, so that its scale does
      not matter.
    bias: whether it has a bias.
  """

  shape: tuple[int, ...]
  repeats: tuple[int, ...] = ()
  normalised: bool = False
  bias: bool = False

  @property
  def fan_in(self) -> int:
    """Weights that meet in one output."""
    return math.prod(self.shape[:-1])

  @property
  def full_shape(self) -> tuple[int, ...]:
    """Of the kernels of all copies together."""
    return (*self.repeats, *self.shape)


class Net:
  """Layers of one run of a network.

  Attributes:
    features: the last input of `global_pool`, `[N, H, W, C]`.
  """

  def __init__(
      self,
      kernels: Mapping[str, chex.Array],
      *,
      biases: Mapping[str, chex.Array] | None = None,
      probe: chex.Array | None = None,
      epsilon: chex.Array | float = ROOT_EPSILON,
      mode: _mode.Mode = PLAIN,
      declared: dict[str, Layer] | None = None,
      scope: str = '',
      num_images: int = 0,
  ) -> None:
    """Starts a run; `Network.run` does, a network function never.

    Args:
      kernels: layer name to kernel, a leading axis where it is repeated.
      biases: layer name to bias `[O]`.
      probe: `[len(SUMS)]`, whose cotangent are sums over layers.
      epsilon: `[]` root of what is added to variances after convolutions.
      mode: what to record.
      declared: collects the layers instead of reading weights.
      scope: prefix of layer names.
      num_images: N, the side of `gram`.
    """
    self._kernels = kernels
    self._biases = biases or {}
    self._probe = jnp.zeros(len(_sums.SUMS)) if probe is None else probe
    self._epsilon = epsilon
    self._mode = mode
    self._declared = declared
    self._scope = scope
    self._num_images = num_images
    self.features: jax.Array | None = None
    self.extra = _choose.empty_extra(mode, num_images)

  def conv_norm(
      self,
      name: str,
      x: chex.Array,
      features: int,
      size: int,
      *,
      stride: int = 1,
      groups: int = 1,
      relu: bool = False,
  ) -> jax.Array:
    """ReLU if asked for, convolution without bias, batch normalisation.

    Args:
      name: of the layer.
      x: `[N, H, W, C]`.
      features: output channels O.
      size: side of the kernel.
      stride: of both axes.
      groups: of channels; 0 for a depthwise convolution.
      relu: whether the input goes through a ReLU first.

    Returns:
      `[N, H / stride, W / stride, O]`.
    """
    step = _steps.Conv(name, features, size, stride, groups, relu)
    return self.choose('', None, [(step,)], x)

  def choose(
      self,
      name: str,
      gene: chex.Array | None,
      candidates: Sequence[_steps.Candidate],
      x: chex.Array,
  ) -> jax.Array:
    """The candidate that a gene chooses; only that one runs.

    Args:
      name: scope of the candidates' layers; names within must be distinct.
      gene: `[]` integer; None where there is one candidate.
      candidates: steps run one after the other; `()` is the identity.
      x: `[N, H, W, C]`.

    Returns:
      `[N, H', W', O]`, the same shape for all candidates.
    """
    prefix = f'{self._scope}{name}/' if name else self._scope
    if self._declared is not None:
      return self._declare_candidates(self._declared, prefix, candidates, x)
    weights = [
        {
            step.name: self._joined(prefix, step)
            for step in _steps.convolutions(candidate)
        }
        for candidate in candidates
    ]
    y, extra = _choose.choose(
        gene, candidates, x, self._epsilon, self._probe, weights, self._mode
    )
    self._add(**extra)
    return y

  def conv(
      self, name: str, x: chex.Array, features: int, size: int, stride: int = 1
  ) -> jax.Array:
    """Convolution `[N, H, W, C]` to O channels, neither bias nor norm."""
    step = _steps.Conv(name, features, size, stride, norm=False)
    return self.choose('', None, [(step,)], x)

  def linear(self, name: str, x: chex.Array, features: int) -> jax.Array:
    """`[N, C]` times a kernel plus a bias: `[N, O]`."""
    layer = Layer((x.shape[-1], features), bias=True)
    kernel = self._kernel(name, layer)
    bias = jnp.zeros(features)
    if self._declared is None:
      bias = self._biases[f'{self._scope}{name}']
    if self._mode.rescale:
      bias = bias * jnp.exp(-self.extra['log_scale'])
    self.count(kernel.size + features, kernel.size)
    if not self._mode.batch_norm:  # forward mode, which a probe forbids
      return x @ kernel + bias
    return _sums.probed(lambda x, w: x @ w + bias, x, kernel, self._probe)

  def batch_norm(self, x: chex.Array) -> jax.Array:
    """Batch normalisation in training mode with scale 1 and offset 0."""
    self.count(2 * x.shape[-1], 2 * math.prod(x.shape[1:]))
    if not self._mode.batch_norm:
      return x
    y, _, extra = _normalisation.normalise(
        x, _normalisation.root_epsilon(x.dtype), self._mode
    )
    self._add(**extra)
    return y

  def relu(self, x: chex.Array) -> jax.Array:
    """Rectified linear unit."""
    if self._mode.gram:
      self._add(gram=_normalisation.agreement(x))
    self.count(0, math.prod(x.shape[1:]))
    return jax.nn.relu(x)

  def avg_pool_2x2(self, x: chex.Array) -> jax.Array:
    """Mean over disjoint 2x2 windows; an odd last row or column is dropped."""
    self.count(0, math.prod(x.shape[1:]))
    return _convolution.avg_pool_2x2(x)

  def max_pool_2x2(self, x: chex.Array) -> jax.Array:
    """Maximum of disjoint 2x2 windows; an odd last row or column is dropped."""
    y = _convolution.max_pool_2x2(x)
    self.count(0, 4 * math.prod(y.shape[1:]))
    return y

  def global_pool(
      self, x: chex.Array, *, border: int = 0, counted: bool = True
  ) -> jax.Array:
    """Mean over positions, `[N, H, W, C] -> [N, C]`; `x` is the features.

    Flops, if `counted`, are one for each element of a map `border` larger.
    """
    self.features = x
    height, width, channels = x.shape[1:]
    if counted:
      self.count(0, (height + border) * (width + border) * channels)
    return x.mean((1, 2))

  def bottleneck(self, x: chex.ArrayTree) -> Any:
    """Marks a point where `x` is all that later layers see.

    Returns `x`, an array or a pytree of arrays; without batch normalisation,
    `x` divided by its greatest value, whose logarithm is kept: activations
    then never overflow.
    """
    if not self._mode.rescale:
      return x
    tops = [jnp.abs(leaf).max() for leaf in jax.tree.leaves(x)]
    top = lax.stop_gradient(jnp.stack(tops).max())
    top = jnp.where(top > 0, top, 1.0)
    self._add(log_scale=jnp.log(top))
    return jax.tree.map(lambda leaf: leaf / top, x)

  def repeat(
      self,
      name: str,
      num: int,
      function: Callable[..., Any],
      x: chex.ArrayTree,
      genes: chex.ArrayTree | None = None,
  ) -> Any:
    """Runs `x = function(net, x)` `num` times, each with weights of its own.

    Compiled once, whatever `num`; every turn ends in a `bottleneck`. Loops may
    be nested.

    Args:
      name: scope of the layers.
      num: turns.
      function: `(net, x) -> x`, or `(net, x, gene) -> x` with `genes`.
      x: `[N, H, W, C]`, or a pytree of arrays; their shapes stay.
      genes: `[num, ...]`, a row for each turn, or a pytree of such.

    Returns:
      As `x`.
    """
    prefix = f'{self._scope}{name}/'
    if self._declared is not None:
      inner: dict[str, Layer] = {}
      net = Net({}, mode=self._mode, declared=inner, scope=prefix)
      first = [] if genes is None else [jax.tree.map(lambda x: x[0], genes)]
      y = function(net, x, *first)
      for key, layer in inner.items():
        repeats = (num, *layer.repeats)
        self._declared[key] = layer._replace(repeats=repeats)
      return y

    own = {k: v for k, v in self._kernels.items() if k.startswith(prefix)}

    def body(carry, row):
      x, extra = carry
      kernels, *gene = row
      net = Net(
          kernels,
          probe=self._probe,
          epsilon=self._epsilon,
          mode=self._mode,
          scope=prefix,
          num_images=self._num_images,
      )
      net.extra = extra
      x = net.bottleneck(function(net, x, *gene))
      return (x, net.extra), None

    rows = (own,) if genes is None else (own, genes)
    (x, self.extra), _ = lax.scan(body, (x, self.extra), rows)
    return x

  def _kernel(self, name: str, layer: Layer) -> jax.Array:
    if self._declared is not None:
      self._declared[f'{self._scope}{name}'] = layer
      return jnp.zeros(layer.shape)
    kernel = jnp.asarray(self._kernels[f'{self._scope}{name}'])
    if self._mode.norms:
      self._add(norms=jnp.sqrt((kernel * kernel).sum()))
    return kernel

  def _joined(self, prefix: str, step: _steps.Conv) -> chex.Array:
    """The kernel of a step, of all its layers side by side."""
    kernels = [self._kernels[f'{prefix}{layer}'] for layer in step.layers]
    return kernels[0] if len(kernels) == 1 else jnp.concatenate(kernels, -1)

  def _declare_candidates(self, declared, prefix, candidates, x):
    y = x
    for candidate in candidates:
      y, mode = x, self._mode
      for step in candidate:
        kernel = {}
        if isinstance(step, _steps.Conv):
          shape = step.kernel_shape(y.shape[-1])
          kernel = {step.name: jnp.zeros(shape)}
          own = (*shape[:-1], step.features // len(step.layers))
          for layer in step.layers:
            if f'{prefix}{layer}' in declared:
              raise ValueError(f'two layers are called {prefix}{layer}')
            declared[f'{prefix}{layer}'] = Layer(own, normalised=step.norm)
        y, _, _ = _steps.forward((step,), y, self._epsilon, kernel, mode)
    return y

  def count(
      self, params: chex.Array | float, flops: chex.Array | float
  ) -> None:
    """Adds parameters and flops, in units, which may depend on genes."""
    if self._mode.counts:
      self._add(params=params * 1e-6, flops=flops * 1e-6)

  def _add(self, **values: chex.Array | float) -> None:
    for name, value in values.items():
      self.extra[name] = self.extra[name] + value
