"""Sums over layers, as the cotangent of a dummy input.

The gradient of a loss by a "probe" that nothing depends on would be zero. Here
every layer's backward pass adds to it what proxies need of that layer, so that
sums over all layers come out of one backward pass, and no weight gradient
leaves its layer.
"""

from __future__ import annotations

from collections.abc import Callable

import chex
import jax
from jax import lax
import jax.numpy as jnp

# What is summed; `squared` alone keeps its derivative, which grasp needs.
SUMS = (
    'gradient_norm', 'saliency', 'signed_saliency', 'fisher', 'squared',
    'normalised_squared',
)  # fmt: skip


def layer_sums(
    kernel: chex.Array,
    gradient: chex.Array,
    output: chex.Array,  # [N, ..., O]
    cotangent: chex.Array,  # [N, ..., O]
    squared: chex.Array,  # []
    *,
    normalised: bool,
) -> jax.Array:  # [len(SUMS)]
  """What one layer adds to `SUMS`.

  Fisher is `fan_in * sum over channels of mean(s^2) / 2`, `s` being for an
  image and a channel the sum over positions of output times cotangent; the
  fan-in is there because the reference copies a channel's value to all of its
  weights.

  Args:
    kernel: `[..., O]`.
    gradient: of the loss by the kernel.
    output: of the layer.
    cotangent: of its output.
    squared: squared norm of the gradient; the only sum that keeps its
      derivative.
    normalised: whether a batch normalisation follows.

  Returns:
    `[len(SUMS)]`.
  """
  fan_in = kernel.size // kernel.shape[-1]
  return assemble(
      *saliencies(kernel, gradient),
      fan_in * response(output, cotangent),
      squared,
      normalised=normalised,
  )


def squared_norm(
    apply: Callable[[chex.Array, chex.Array], jax.Array],
    x: chex.Array,  # [N, ..., C]
    cotangent: chex.Array,  # [N, ..., O]
    gradient: chex.Array,
) -> jax.Array:  # []
  """`(gradient ** 2).sum()`; its derivative needs no second weight gradient.

  The gradient is linear in `x` and in the cotangent, and its product with any
  kernel `g` is that of the cotangent with `apply(x, g)`. So a change `dx, dc`
  changes the sum by `2 (<c, apply(dx, g)> + <dc, apply(x, g)>)`, `g` being the
  gradient: the layer again, which a CPU runs faster than weight gradients.
  Forward mode only: both halves run as one call, which has no transpose.

  Args:
    apply: the layer without its bias, linear in input and kernel.
    x: its input.
    cotangent: of its output.
    gradient: of its kernel by `x` and `cotangent`, and of nothing else: its own
      tangent is not used.

  Returns:
    `[]`; its derivative is that by `x` and `cotangent`, through the gradient.
  """

  @jax.custom_jvp
  def run(x, cotangent, gradient):
    del x, cotangent
    return (gradient * gradient).sum()

  @run.defjvp
  def jvp(primals, tangents):
    x, cotangent, gradient = primals
    moved, changed, _ = tangents
    y = apply(jnp.concatenate([moved, x]), gradient)
    change = (y * jnp.concatenate([cotangent, changed])).sum()
    return run(*primals), 2 * change

  return run(x, cotangent, gradient)


def saliencies(
    kernel: chex.Array, gradient: chex.Array
) -> tuple[jax.Array, jax.Array]:
  """Sums of `|w g|` and of `w g`, of a kernel or of a part of it."""
  product = lax.stop_gradient(kernel * gradient)
  return jnp.abs(product).sum(), product.sum()


def response(
    output: chex.Array,  # [N, ..., O]
    cotangent: chex.Array,  # [N, ..., O]
) -> jax.Array:  # []
  """Fisher over the fan-in, of all channels or of some."""
  axes = tuple(range(1, output.ndim - 1))
  by_channel = lax.stop_gradient((output * cotangent).sum(axes))
  return (by_channel * by_channel).mean(axis=0).sum() / 2


def assemble(
    saliency: chex.Array,
    signed: chex.Array,
    fisher: chex.Array,
    squared: chex.Array,
    *,
    normalised: bool,
) -> jax.Array:  # [len(SUMS)]
  """`SUMS` of one layer from its sums; `squared` is of the gradient."""
  still = lax.stop_gradient(squared)
  return jnp.stack([
      jnp.sqrt(still), saliency, signed, fisher, squared, still * normalised,
  ])  # fmt: skip


def probed(
    apply: Callable[[chex.Array, chex.Array], jax.Array],
    x: chex.Array,
    kernel: chex.Array,
    probe: chex.Array,  # [len(SUMS)]
) -> jax.Array:
  """`apply(x, kernel)`, whose sums are the probe's cotangent.

  Args:
    apply: a layer without normalisation, `[N, ..., O]`.
    x: its input.
    kernel: its kernel.
    probe: `[len(SUMS)]`, only there for its cotangent.

  Returns:
    The layer's output.
  """

  @jax.custom_vjp
  def run(x, kernel, probe):
    del probe
    return apply(x, kernel)

  def fwd(x, kernel, probe):
    del probe
    y = apply(x, kernel)
    return y, (x, kernel, y)

  def bwd(residuals, cotangent):
    x, kernel, y = residuals
    dx, gradient = jax.vjp(apply, x, kernel)[1](cotangent)
    squared = (gradient * gradient).sum()
    sums = layer_sums(
        kernel, gradient, y, cotangent, squared, normalised=False
    )
    return dx, jnp.zeros_like(kernel), sums

  run.defvjp(fwd, bwd)
  return run(x, kernel, probe)
