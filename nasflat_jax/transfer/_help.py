"""HELP: Meta-SGD whose start is modulated by how a device behaves.

Lee et al., NeurIPS 2021, https://arxiv.org/abs/2106.08630. A small network (the
modulator) maps the device's latencies at the reference architectures to a
normal distribution over z; a draw of z scales the head's initial weights, and
gradient steps with learned step sizes adapt everything to the support.
"""

from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import optax

from nasflat_jax import losses
from nasflat_jax import predictors
from nasflat_jax import types
from nasflat_jax.transfer import _maml


class HelpParams(NamedTuple):
  """Everything that HELP learns from its sources.

  Attributes:
    params: the initial parameters of the predictor.
    rates: step size of every element of `params`.
    modulator: two dense layers from the reference latencies to the mean and
      the unconstrained deviation of z.
  """

  params: chex.ArrayTree
  rates: chex.ArrayTree
  modulator: chex.ArrayTree


class Modulation(NamedTuple):
  """The normal distribution of z.

  Attributes:
    mean: `[603]`.
    deviation: `[603]` positive.
  """

  mean: jax.Array
  deviation: jax.Array


def init_modulator(key: chex.PRNGKey, num_references: int) -> chex.ArrayTree:
  """Parameters of the modulator, PyTorch's default: 13,376 of them at R = 10.

  Args:
    key: typed PRNG key.
    num_references: R, also the width of the hidden layer.

  Returns:
    A list of two `(kernel [in, out], bias [out])`.
  """
  widths = (num_references, num_references, 2 * predictors.MODULATION_SIZE)
  bound = num_references**-0.5
  layers = []
  for layer_key, width, after in zip(
      jax.random.split(key), widths[:-1], widths[1:], strict=True
  ):
    kernel_key, bias_key = jax.random.split(layer_key)
    layers.append((
        jax.random.uniform(kernel_key, (width, after), None, -bound, bound),
        jax.random.uniform(bias_key, (after,), None, -bound, bound),
    ))
  return layers


def modulation(modulator: Any, reference: jax.Array) -> Modulation:
  """The distribution of z for a device.

  Args:
    modulator: see `init_modulator`.
    reference: `[R]` normalised latencies of the reference architectures.

  Returns:
    `Modulation`.
  """
  chex.assert_rank(reference, 1)
  (kernel, bias), (last_kernel, last_bias) = modulator
  hidden = jax.nn.relu(reference @ kernel + bias)
  mean, unconstrained = jnp.split(hidden @ last_kernel + last_bias, 2)
  return Modulation(mean, jax.nn.softplus(unconstrained))


def divergence(z: Modulation) -> jax.Array:
  """`[]` Kullback-Leibler divergence to the standard normal, summed."""
  return jnp.sum(
      0.5 * (jnp.square(z.mean) + jnp.square(z.deviation) - 1.0)
      - jnp.log(z.deviation)
  )


def help(
    predictor: types.Predictor,
    *,
    optimizer: optax.GradientTransformation,
    inner_steps: int = 2,
    inner_learning_rate: float = 1e-3,
    kl_weight: float = 0.1,
) -> types.TransferAlgorithm:
  """HELP as a `TransferAlgorithm` on stacked `Episode`s.

  Learns the initial parameters, one step size for each of their elements
  (Meta-SGD, second order) and the modulator together. `adapt` draws z from
  its key: average the predictions of several keys, as HELP does of ten.

  Note:
    The published code adds the divergence of the last device of an episode
    once for each of its eight devices; here every device has its own, and the
    mean over devices of error plus weighted divergence is minimised.

  Args:
    predictor: `predictors.help` with its hardware branch.
    optimizer: of the outer loop.
    inner_steps: gradient steps on the support, in `step` and in `adapt`.
    inner_learning_rate: where the learned step sizes start.
    kl_weight: of the divergence in the outer loss.

  Returns:
    `TransferAlgorithm`; `meta_params` is `HelpParams`.

  Raises:
    ValueError: there is no inner step.
  """
  if inner_steps < 1:
    raise ValueError(f'inner_steps must be 1 or more, got {inner_steps}')

  def inner(meta: HelpParams, key, support: types.Batch):
    # All rows are of one device; padding may hold anything.
    reference = support.devices.reference[jnp.argmax(support.where)]
    z = modulation(meta.modulator, reference)
    noise = jax.random.normal(key, z.mean.shape)
    start = predictors.modulate(meta.params, z.mean + z.deviation * noise)
    adapted = _maml.descend(
        predictor, start, support, rates=meta.rates, num_steps=inner_steps
    )
    return adapted, z

  def init(key, source: types.Episode) -> types.TransferState:
    key, modulator_key = jax.random.split(key)
    architectures, devices = _maml.first_inputs(source)
    params = predictor.init(key, architectures, devices)
    rates = jax.tree.map(
        lambda x: jnp.full_like(x, inner_learning_rate), params
    )
    modulator = init_modulator(modulator_key, devices.reference.shape[-1])
    meta = HelpParams(params, rates, modulator)
    return types.TransferState(
        meta, optimizer.init(meta), jnp.zeros((), jnp.int32)
    )

  def task_loss(meta: HelpParams, key, episode: types.Episode) -> jax.Array:
    adapted, z = inner(meta, key, episode.support)
    error = _maml.batch_loss(
        predictor, losses.mean_squared_error, adapted, episode.query
    )
    return error + kl_weight * divergence(z)

  def adapt(key, meta_params: Any, support: types.Batch) -> chex.ArrayTree:
    return inner(meta_params, key, support)[0]

  return types.TransferAlgorithm(
      init, _maml.outer_step(optimizer, task_loss), adapt
  )
