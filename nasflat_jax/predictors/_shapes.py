"""What the parameters of a predictor look like, without any arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from nasflat_jax import types


def param_shapes(
    predictor: types.Predictor,
    decode: Callable[[chex.Array], types.Architectures],
    num_genes: int,
    *,
    num_references: int = 0,
) -> chex.ArrayTree:
  """Shapes and dtypes of a predictor's parameters.

  Args:
    predictor: the pair.
    decode: `genotype [B, G] -> Architectures`, encoding included.
    num_genes: G.
    num_references: R, reference latencies that describe a device.

  Returns:
    A tree of `jax.ShapeDtypeStruct`.
  """

  def init() -> chex.ArrayTree:
    device = types.Devices(
        index=jnp.zeros(1, jnp.int32),
        reference=jnp.zeros((1, num_references)),
    )
    architecture = decode(jnp.zeros((1, num_genes), jnp.int32))
    return predictor.init(jax.random.key(0), architecture, device)

  return jax.eval_shape(init)
