"""The quantities that proxies are made of, each from one pass.

All functions are of one architecture and are meant to be mapped over genotypes
by `jax.lax.map`. Sums run over layers, a layer being a convolution or a linear
layer; biases and batch normalisations have no part in them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from nasflat_jax.zero_cost import _net
from nasflat_jax.zero_cost import _network
from nasflat_jax.zero_cost import _steps

# What a proxy may ask for: quantity, and the pass that gives it.
FORWARD = ('params', 'flops', 'norms', 'gram')
GRADIENT = ('gradient_norm', 'saliency', 'signed_saliency', 'fisher')
JACOBIAN = ('correlation',)
HESSIAN = ('curvature',)
SYNFLOW = ('synflow',)
ZEN = ('zen',)
QUANTITIES = (*FORWARD, *GRADIENT, *JACOBIAN, *HESSIAN, *SYNFLOW, *ZEN)


class Inputs(NamedTuple):
  """What all architectures share.

  Attributes:
    params: weights of all layers.
    zen_params: standard normal weights of all layers.
    images: `[N, H, W, 3]`.
    labels: `[N]` integers.
    noise: `[2, N, H, W, 3]` standard normal images of zen.
  """

  params: _network.Params
  zen_params: _network.Params
  images: chex.Array
  labels: chex.Array
  noise: chex.Array


def quantities(
    network: _network.Network, wanted: Collection[str]
) -> Callable[[chex.Array, Inputs], dict[str, jax.Array]]:
  """`(genotype [G], inputs) -> {quantity: value}` by as few passes as can be.

  Args:
    network: the space's networks.
    wanted: of `QUANTITIES`.

  Returns:
    An unbatched function. Values are `[]`, but `gram` and `correlation`
    `[N, N]`.
  """
  wanted = frozenset(wanted)

  def run(genotype: chex.Array, inputs: Inputs) -> dict[str, jax.Array]:
    found: dict[str, jax.Array] = {}
    if wanted & {*FORWARD, *GRADIENT, *JACOBIAN, *HESSIAN}:
      found |= _backward_pass(network, genotype, inputs, wanted)
    if 'synflow' in wanted:
      found['synflow'] = synflow(network, genotype, inputs.params)
    if 'zen' in wanted:
      found['zen'] = zen(network, genotype, inputs.zen_params, inputs.noise)
    return {name: found[name] for name in QUANTITIES if name in wanted}

  return run


def _backward_pass(network, genotype, inputs, wanted):
  """One forward pass, the loss's gradient, the Jacobian and the curvature."""
  num = inputs.images.shape[0]
  mode = _steps.Mode(
      gram='gram' in wanted,
      counts=bool(wanted & {'params', 'flops'}),
      norms='norms' in wanted,
  )
  gates = network.gates(num) if 'fisher' in wanted else {}
  kernels = inputs.params.kernel

  def gradient(moving: Mapping[str, chex.Array], epsilon: chex.Array):
    """Gradient by the kernels, and everything that needs no derivative."""

    def forward(kernels, gates, images):
      params = _network.Params(kernels, inputs.params.bias)
      logits, _, extra = network.run(
          params, genotype, images, gates=gates, epsilon=epsilon, mode=mode
      )
      return logits, extra

    logits, pull, extra = jax.vjp(
        forward, {**kernels, **moving}, gates, inputs.images, has_aux=True
    )
    found = dict(extra)
    weight_gradient, gate_gradient, _ = pull(
        loss_gradient(logits, inputs.labels)
    )
    if gates:
      found['fisher'] = fisher(gate_gradient, network.layers)
    if 'correlation' in wanted:
      jacobian = pull(jnp.ones_like(logits))[2]
      found['correlation'] = correlation(jacobian.reshape(num, -1))
    return weight_gradient, found

  epsilon = jnp.float32(math.sqrt(_net.EPSILON))
  plain = {
      name: kernels[name]
      for name, layer in network.layers.items()
      if not layer.normalised
  }
  if 'curvature' in wanted:
    weight_gradient, change, found = jax.jvp(
        gradient, (plain, epsilon), (plain, -epsilon), has_aux=True
    )
    found['curvature'] = curvature(weight_gradient, change, network.layers)
  else:
    weight_gradient, found = gradient(plain, epsilon)
  if wanted & {*GRADIENT}:
    found |= saliencies(kernels, weight_gradient, network.layers)
  return found


def loss_gradient(logits: chex.Array, labels: chex.Array) -> jax.Array:
  """`[N, K]` gradient of the mean cross-entropy by the logits."""
  target = jax.nn.one_hot(labels, logits.shape[-1])
  return (jax.nn.softmax(logits) - target) / logits.shape[0]


def saliencies(
    kernels: Mapping[str, chex.Array],
    gradients: Mapping[str, chex.Array],
    layers: Mapping[str, _net.Layer],
) -> dict[str, jax.Array]:
  """Sums over layers of gradient norms and of weight times gradient."""
  norm = saliency = signed = jnp.zeros(())
  for name, layer in layers.items():
    gradient = gradients[name]
    axes = tuple(range(1 if layer.repeats else 0, gradient.ndim))
    norm += jnp.sqrt((gradient * gradient).sum(axes)).sum()
    product = kernels[name] * gradient
    saliency += jnp.abs(product).sum()
    signed += product.sum()
  return {
      'gradient_norm': norm, 'saliency': saliency, 'signed_saliency': signed
  }


def fisher(
    gate_gradients: Mapping[str, chex.Array],
    layers: Mapping[str, _net.Layer],
) -> jax.Array:
  """`sum over layers of fan_in * sum over channels of mean(s^2) / 2`.

  The fan-in is there because the reference copies a channel's value to all of
  its weights.
  """
  total = jnp.zeros(())
  for name, gradient in gate_gradients.items():
    channels = (gradient * gradient).mean(axis=-2) / 2
    total += layers[name].fan_in * channels.sum()
  return total


def correlation(rows: chex.Array) -> jax.Array:
  """`[N, N]` Pearson correlation of rows `[N, M]`; NaN for constant rows."""
  rows = rows - rows.mean(axis=1, keepdims=True)
  norm = jnp.sqrt((rows * rows).sum(axis=1, keepdims=True))
  rows = rows / norm
  return rows @ rows.T


def curvature(
    gradients: Mapping[str, chex.Array],
    changes: Mapping[str, chex.Array],
    layers: Mapping[str, _net.Layer],
) -> jax.Array:
  """`-w^T H g` of the loss, grasp.

  The loss does not change if a layer before a batch normalisation and the root
  of that normalisation's epsilon are scaled together. So (Euler) moving the
  gradient along the weights of such layers is moving it along minus the roots
  of epsilon, and subtracting it: no product with these weights is needed.

  Args:
    gradients: of the loss.
    changes: of the gradients along the weights of the other layers and minus
      the root of epsilon.
    layers: of the network.

  Returns:
    `[]`.
  """
  total = jnp.zeros(())
  for name, layer in layers.items():
    gradient = gradients[name]
    if layer.normalised:
      total += (gradient * gradient).sum()
    total -= (gradient * changes[name]).sum()
  return total


def synflow(
    network: _network.Network, genotype: chex.Array, params: _network.Params
) -> jax.Array:
  """Logarithm of `sum of w dR/dw`, R the logits' sum for an image of ones.

  Without batch normalisation, with absolute weights. The sum is R's derivative
  when all weights grow at their own rate: one forward-mode pass.
  """
  kernel = {name: jnp.abs(x) for name, x in params.kernel.items()}
  bias = {name: jnp.abs(x) for name, x in params.bias.items()}
  images = jnp.ones((1, *network.input_shape))
  mode = _steps.Mode(batch_norm=False, rescale=True)

  def total(kernel):
    logits, _, extra = network.run(
        _network.Params(kernel, bias), genotype, images, mode=mode
    )
    return logits.sum(), extra['log_scale']

  _, derivative, log_scale = jax.jvp(
      total, (kernel,), (kernel,), has_aux=True
  )
  return jnp.log(derivative) + log_scale


def zen(
    network: _network.Network,
    genotype: chex.Array,
    params: _network.Params,
    noise: chex.Array,  # [2, N, H, W, 3]
    *,
    step: float = 0.01,
) -> jax.Array:
  """Zen-NAS: `log |F(a) - F(a + step b)| + sum of log deviations`.

  Args:
    network: the space's networks.
    genotype: `[G]`.
    params: standard normal weights.
    noise: `[2, N, H, W, 3]` images a and b.
    step: of the perturbation.

  Returns:
    `[]`; F are the features before the global pool, the difference is summed
    over channels and positions and averaged over images.
  """
  first, second = noise
  _, features, extra = network.run(
      params,
      genotype,
      jnp.concatenate([first, first + step * second]),
      mode=_steps.Mode(passes=2, variance=True),
  )
  if features is None:
    raise ValueError('zen needs a network that calls global_pool')
  a, b = jnp.split(features, 2)
  difference = jnp.abs(a - b).sum((1, 2, 3)).mean()
  return jnp.log(difference) + extra['log_variance']
