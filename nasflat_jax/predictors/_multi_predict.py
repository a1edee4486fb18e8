"""The latency predictor of Multi-Predict.

Akhauri and Abdelfattah, "Multi-Predict: Few Shot Predictors For Efficient
Neural Architecture Search", AutoML 2023, https://arxiv.org/abs/2306.02459.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.predictors import _gcn
from nasflat_jax.predictors import _layers

_GRAPH_WIDTH = 200
_GRAPH_LAYERS = 4
_GRAPH_HEAD = (200, 200, 30)
_FLAT = (100, 100, 30)


def _bits(spec: types.SpaceSpec) -> np.ndarray:  # [O, F]
  """What an operation of a gene looks like: one-hot, or FBNet's six bits."""
  if spec.name != 'fbnet':
    return np.eye(len(spec.gene_names), dtype=np.float32)
  # Two kernel sizes, four pairs of expansion and groups; `skip` has none.
  parts = [name.partition('_')[::2] for name in spec.gene_names]
  columns = [
      sorted({part[side] for part in parts if part[1]}) for side in (0, 1)
  ]
  return np.asarray(
      [
          [part[side] == value for side in (0, 1) for value in columns[side]]
          for part in parts
      ],
      np.float32,
  )


class _Network(nn.Module):
  """Network of the architecture, hardware embedding, joint head, sigmoid."""

  spec: types.SpaceSpec
  num_devices: int
  width: int
  device_dim: int

  @nn.compact
  def __call__(
      self,
      architectures: types.Architectures,
      device_index: jax.Array,  # [B]
      deterministic: bool,
  ) -> jax.Array:  # [B]
    device = _layers.device_rows(
        self, self.num_devices, self.device_dim, device_index
    )
    encoding = architectures.encoding
    # A chain has nothing to convolve: its layers are in one fixed order.
    if len(self.spec.edges) == self.spec.num_nodes - 1:
      bits = jnp.asarray(_bits(self.spec))[architectures.genotype]
      hidden = bits.reshape(len(bits), -1)
      hidden = jnp.concatenate([hidden, encoding], axis=-1)
      encoding, widths = encoding[:, :0], _FLAT
    else:
      encode = _gcn.GraphEncoder(
          self.spec, _GRAPH_WIDTH, _GRAPH_LAYERS, name='encoder'
      )
      hidden, widths = encode(architectures, deterministic), _GRAPH_HEAD
    for depth, width in enumerate(widths):
      hidden = nn.relu(hidden) if depth else hidden
      hidden = _layers.Linear(width, name=f'trunk_{depth}')(hidden)
    head = _gcn.DeviceHead((self.width, self.width), name='head')
    return jax.nn.sigmoid(head(hidden, device, encoding))


def multi_predict(
    spec: types.SpaceSpec,
    *,
    num_devices: int,
    width: int = 1000,
    device_dim: int = _gcn.DEVICE_DIM,
) -> types.Predictor:
  """Multi-Predict's predictor as an `(init, apply)` pair over batches.

  Cells go through four graph convolutions of 200 and three linear layers to 30
  numbers; chains of layers (FBNet, Once-for-All) through three linear layers on
  the genotype. A head of two hidden layers joins them with the hardware
  embedding. The supplementary encoding, zero-cost proxies in the paper, enters
  at the head (cells) or beside the genotype (chains). Scores lie in 0..1;
  higher is slower.

  Note:
    The convolutions are those of `gcn`: they average and normalise, where the
    reference sums.

  Args:
    spec: the search space.
    num_devices: rows of the hardware embedding table. Reserve one for the
      target.
    width: of the head's two hidden layers.
    device_dim: width of the hardware embedding.

  Returns:
    `Predictor`: `init(key, architectures, devices) -> params` and
    `apply(params, architectures, devices, *, key=None) -> scores [B]`.

  Raises:
    ValueError: a size is below 1.
  """
  _gcn.check_sizes(
      num_devices=num_devices, width=width, device_dim=device_dim
  )
  return _gcn.from_network(_Network(spec, num_devices, width, device_dim))
