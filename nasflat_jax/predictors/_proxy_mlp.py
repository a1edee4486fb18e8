"""Multi-Predict's accuracy predictor: a perceptron on zero-cost proxies.

Akhauri and Abdelfattah, "Multi-Predict: Few Shot Predictors For Efficient
Neural Architecture Search", AutoML 2023, https://arxiv.org/abs/2306.02459.
"""

from __future__ import annotations

import math
from typing import Any

import chex
import flax.linen as nn
import jax

from nasflat_jax import types
from nasflat_jax.predictors import _gcn

_WIDTH = 128
_DEPTH = 3


def _normal(variance: float):
  return nn.initializers.normal(math.sqrt(variance))


class _Network(nn.Module):
  """Affine layers with ReLU, then a sigmoid."""

  width: int
  depth: int

  @nn.compact
  def __call__(self, encoding: jax.Array) -> jax.Array:  # [B, F] -> [B]
    hidden = encoding
    widths = (self.width,) * self.depth + (1,)
    for place, width in enumerate(widths):
      hidden = nn.relu(hidden) if place else hidden
      hidden = nn.Dense(
          width,
          kernel_init=_normal(2.0 / (hidden.shape[-1] + width)),
          bias_init=_normal(1.0 / width),
          name=f'layer_{place}',
      )(hidden)
    return jax.nn.sigmoid(hidden[:, 0])


def proxy_mlp(
    spec: types.SpaceSpec | None = None,
    *,
    width: int = _WIDTH,
    depth: int = _DEPTH,
) -> types.Predictor:
  """A perceptron that reads `Architectures.encoding` and nothing else.

  Multi-Predict's network across spaces: three hidden layers of 128 on the
  zero-cost proxies, with a mask of the known ones beside them
  (`encodings.proxies`), and a sigmoid, for labels scaled to 0..1. Nothing in it
  depends on the search space. It ignores `devices`.

  Args:
    spec: ignored; other predictors take it.
    width: of the hidden layers.
    depth: hidden layers.

  Returns:
    `Predictor`: `init(key, architectures, devices) -> params` and
    `apply(params, architectures, devices, *, key=None) -> scores [B]`, in
    0..1.

  Raises:
    ValueError: a size is below 1; at `init`, no encoding.
  """
  del spec
  _gcn.check_sizes(width=width, depth=depth)
  network = _Network(width, depth)

  def init(key, architectures, devices) -> chex.ArrayTree:
    del devices
    if not architectures.encoding.shape[1]:
      raise ValueError('proxy_mlp needs an encoding, got width 0')
    return network.init(key, architectures.encoding)['params']

  def apply(params: Any, architectures, devices, *, key=None) -> Any:
    del devices, key
    chex.assert_rank(architectures.encoding, 2)
    return network.apply({'params': params}, architectures.encoding)

  return types.Predictor(init, apply)
