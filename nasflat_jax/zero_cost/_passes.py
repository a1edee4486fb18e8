"""The quantities that proxies are made of, each from one pass.

All functions are of one architecture and are meant to be mapped over genotypes
by `jax.lax.map`. Sums run over layers, a layer being a convolution or a linear
layer; biases and batch normalisations have no part in them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax.zero_cost import _mode
from nasflat_jax.zero_cost import _network
from nasflat_jax.zero_cost import _normalisation
from nasflat_jax.zero_cost import _sums

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
    absolute: their absolute values, by which synflow goes; taken beforehand,
      as hundreds of small operations are slow to compile.
    zen_params: standard normal weights of all layers.
    images: `[N, H, W, 3]`.
    labels: `[N]` integers.
    noise: `[2, N, H, W, 3]` standard normal images of zen.
  """

  params: _network.Params
  absolute: _network.Params
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
      found['synflow'] = synflow(network, genotype, inputs.absolute)
    if 'zen' in wanted:
      found['zen'] = zen(network, genotype, inputs.zen_params, inputs.noise)
    return {name: found[name] for name in QUANTITIES if name in wanted}

  return run


def _backward_pass(network, genotype, inputs, wanted):
  """One forward pass, the loss's gradient, the Jacobian and the curvature."""
  num = inputs.images.shape[0]
  mode = _mode.Mode(
      gram='gram' in wanted,
      counts=bool(wanted & {'params', 'flops'}),
      norms='norms' in wanted,
  )
  kernels = inputs.params.kernel

  def sums(moving: Mapping[str, chex.Array], epsilon: chex.Array):
    """Squared norm of the gradient, and what needs no derivative."""

    def forward(probe, images):
      params = _network.Params({**kernels, **moving}, inputs.params.bias)
      logits, _, extra = network.run(
          params, genotype, images, probe=probe, epsilon=epsilon, mode=mode
      )
      return logits, extra

    probe = jnp.zeros(len(_sums.SUMS))
    logits, pull, extra = jax.vjp(forward, probe, inputs.images, has_aux=True)
    found = dict(extra)
    by_layers = pull(loss_gradient(logits, inputs.labels))[0]
    found |= dict(zip(_sums.SUMS, by_layers))
    if 'correlation' in wanted:
      jacobian = pull(jnp.ones_like(logits))[1]
      found['correlation'] = correlation(jacobian.reshape(num, -1))
    return found.pop('squared'), found

  epsilon = _normalisation.root_epsilon(inputs.images.dtype)
  plain = {
      name: kernels[name]
      for name, layer in network.layers.items()
      if not layer.normalised
  }
  if 'curvature' not in wanted:
    return sums(plain, epsilon)[1]
  _, change, found = jax.jvp(
      sums, (plain, epsilon), (plain, -epsilon), has_aux=True
  )
  # -w^T H g. The loss does not change if a layer before a batch normalisation
  # and the root of that normalisation's epsilon are scaled together. So (Euler)
  # moving the gradient along the weights of such layers is moving it along
  # minus the roots of epsilon, and subtracting it: no product with these
  # weights is needed. The other layers move along their weights.
  found['curvature'] = found['normalised_squared'] - change / 2
  return found


def loss_gradient(logits: chex.Array, labels: chex.Array) -> jax.Array:
  """`[N, K]` gradient of the mean cross-entropy by the logits."""
  target = jax.nn.one_hot(labels, logits.shape[-1])
  return (jax.nn.softmax(logits) - target) / logits.shape[0]


def correlation(rows: chex.Array) -> jax.Array:
  """`[N, N]` Pearson correlation of rows `[N, M]`; NaN for constant rows."""
  rows = rows - rows.mean(axis=1, keepdims=True)
  norm = jnp.sqrt((rows * rows).sum(axis=1, keepdims=True))
  rows = rows / norm
  return rows @ rows.T


def absolute(params: _network.Params) -> _network.Params:
  """Absolute values of all weights, on the host."""
  return jax.tree.map(lambda x: np.abs(np.asarray(x)), params)


def synflow(
    network: _network.Network, genotype: chex.Array, params: _network.Params
) -> jax.Array:
  """Logarithm of `sum of w dR/dw`, R the logits' sum for an image of ones.

  Without batch normalisation, with absolute weights. The sum is R's derivative
  when all weights grow at their own rate: one forward-mode pass.

  Args:
    network: the space's networks.
    genotype: `[G]`.
    params: `absolute` weights.

  Returns:
    `[]`.
  """
  images = jnp.ones((1, *network.input_shape))
  mode = _mode.Mode(batch_norm=False, rescale=True)

  def total(kernel):
    logits, _, extra = network.run(
        params._replace(kernel=kernel), genotype, images, mode=mode
    )
    return logits.sum(), extra['log_scale']

  _, derivative, log_scale = jax.jvp(
      total, (params.kernel,), (params.kernel,), has_aux=True
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
      mode=_mode.Mode(passes=2, variance=True),
  )
  if features is None:
    raise ValueError('zen needs a network that calls global_pool')
  a, b = jnp.split(features, 2)
  difference = jnp.abs(a - b).sum((1, 2, 3)).mean()
  return jnp.log(difference) + extra['log_variance']
