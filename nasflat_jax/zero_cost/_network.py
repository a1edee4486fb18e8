"""A network of a search space as pure functions of its genotype."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import dataclasses
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax.zero_cost import _mode
from nasflat_jax.zero_cost import _net

Apply = Callable[[_net.Net, chex.Array, chex.Array], jax.Array]
Initial = Callable[
    [chex.PRNGKey, _net.Layer], tuple[chex.Array, chex.Array]
]


class Params(NamedTuple):
  """Weights of all candidates of all layers.

  Attributes:
    kernel: layer name to kernel, with a leading axis where it is repeated.
    bias: layer name to bias.
  """

  kernel: Mapping[str, chex.Array]
  bias: Mapping[str, chex.Array]


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
  """All networks of a space at one setting.

  Attributes:
    apply: `(net, genotype [G], images [N, H, W, 3]) -> logits [N, K]`.
    layers: its layers by name.
    input_shape: `(H, W, 3)`.
    num_classes: K.
    num_genes: G.
    initial: `(key, layer) -> (kernel, bias)`.
    simplify: `genotype [B, G] -> [B, G]`, the same network without operations
      on no path from input to output; None where there are none.
  """

  apply: Apply
  layers: Mapping[str, _net.Layer]
  input_shape: tuple[int, int, int]
  num_classes: int
  num_genes: int
  initial: Initial
  simplify: Callable[[np.ndarray], np.ndarray] | None = None

  def init(self, key: chex.PRNGKey) -> Params:
    """Draws the weights of all layers."""
    return _draw(self, key, self.initial)

  def init_normal(self, key: chex.PRNGKey) -> Params:
    """Standard normal kernels and zero biases, as zen wants them."""

    def normal(key, layer):
      kernel = _generator(key).normal(size=layer.full_shape)
      return kernel, np.zeros(layer.shape[-1])

    return _draw(self, key, normal)

  def run(
      self,
      params: Params,
      genotype: chex.Array,  # [G]
      images: chex.Array,  # [N, H, W, 3]
      *,
      probe: chex.Array | None = None,
      epsilon: chex.Array | float = _net.ROOT_EPSILON,
      mode: _mode.Mode = _net.PLAIN,
  ) -> tuple[jax.Array, jax.Array | None, _mode.Extra]:
    """Runs one architecture.

    Args:
      params: of `init`.
      genotype: `[G]` integers.
      images: `[N, H, W, 3]`.
      probe: `[len(SUMS)]`; its cotangent are sums over layers.
      epsilon: square root of what is added to variances after convolutions.
      mode: what to record.

    Returns:
      Logits `[N, K]`, features before the global pool, what was recorded.
    """
    net = _net.Net(
        params.kernel,
        biases=params.bias,
        probe=probe,
        epsilon=jnp.asarray(epsilon, images.dtype),
        mode=mode,
        num_images=images.shape[0],
    )
    logits = self.apply(net, genotype, images)
    return logits, net.features, net.extra


def network(
    apply: Apply,
    *,
    num_genes: int,
    input_shape: tuple[int, int, int],
    num_classes: int,
    initial: Initial | None = None,
    simplify: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Network:
  """Makes a `Network` of a function written with the layers of `Net`.

  Args:
    apply: `(net, genotype [G], images [N, H, W, 3]) -> logits [N, K]`.
    num_genes: G.
    input_shape: `(H, W, 3)`.
    num_classes: K.
    initial: `(key, layer) -> (kernel, bias)`; None is `default_initial`.
    simplify: see `Network`.

  Returns:
    The network.
  """
  declared: dict[str, _net.Layer] = {}

  def trace(genotype, images):
    return apply(_net.Net({}, declared=declared), genotype, images)

  with jax.enable_x64(False):  # only shapes matter
    jax.eval_shape(
        trace,
        jax.ShapeDtypeStruct((num_genes,), jnp.int32),
        jax.ShapeDtypeStruct((2, *input_shape), jnp.float32),
    )
  return Network(
      apply,
      declared,
      input_shape,
      num_classes,
      num_genes,
      initial or default_initial,
      simplify,
  )


def default_initial(
    key: chex.PRNGKey, layer: _net.Layer
) -> tuple[chex.Array, chex.Array]:
  """PyTorch's default: uniform within one over the root of the fan-in."""
  rng = _generator(key)
  bound = 1 / math.sqrt(layer.fan_in)
  kernel = rng.uniform(-bound, bound, layer.full_shape)
  return kernel, rng.uniform(-bound, bound, layer.shape[-1])


def fan_out_normal(
    key: chex.PRNGKey, layer: _net.Layer, *, linear: float = 1e-3
) -> tuple[chex.Array, chex.Array]:
  """Normal kernels of variance two over the fan-out.

  The fan-out of a convolution is `k * k * outputs`, groups not considered;
  biases are zero.

  Args:
    key: of the draw.
    layer: what to draw.
    linear: deviation of linear layers.

  Returns:
    Kernel and bias.
  """
  if len(layer.shape) == 2:
    scale = linear
  else:
    scale = math.sqrt(2 / (layer.shape[0] ** 2 * layer.shape[-1]))
  kernel = scale * _generator(key).normal(size=layer.full_shape)
  return kernel, np.zeros(layer.shape[-1])


def kaiming_normal(
    key: chex.PRNGKey, layer: _net.Layer
) -> tuple[chex.Array, chex.Array]:
  """`fan_out_normal` convolutions, `default_initial` linear layers."""
  initial = default_initial if len(layer.shape) == 2 else fan_out_normal
  return initial(key, layer)


def _generator(key: chex.PRNGKey) -> np.random.Generator:
  """Draws on the host: JAX would compile a program for each shape."""
  return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def _draw(net: Network, key: chex.PRNGKey, initial: Initial) -> Params:
  layers = sorted(net.layers.items())
  keys = jax.vmap(jax.random.fold_in, (None, 0))(key, np.arange(len(layers)))
  kernels, biases = {}, {}
  for own, (name, layer) in zip(keys, layers, strict=True):
    kernel, bias = initial(own, layer)
    kernels[name] = np.asarray(kernel, np.float32)
    if layer.bias:
      biases[name] = np.asarray(bias, np.float32)
  return Params(kernels, biases)
