"""A multilayer perceptron on a flat description of the architecture."""

from __future__ import annotations

import flax.linen as nn
import jax

from nasflat_jax import types
from nasflat_jax.predictors import _gcn
from nasflat_jax.predictors import _layers

_INPUTS = ('one_hot', 'encoding', 'both')
_WIDTHS = (200, 200, 200)


class _Network(nn.Module):
  """The chosen inputs and the device's embedding into one head."""

  spec: types.SpaceSpec
  num_devices: int
  inputs: str
  widths: tuple[int, ...]

  @nn.compact
  def __call__(
      self,
      architectures: types.Architectures,
      device_index: jax.Array,  # [B]
      deterministic: bool,
  ) -> jax.Array:  # [B]
    del deterministic
    device = _layers.device_rows(
        self, self.num_devices, _gcn.DEVICE_DIM, device_index
    )
    genotype, encoding = architectures.genotype, architectures.encoding
    hot = jax.nn.one_hot(genotype, len(self.spec.gene_names))
    hot = hot.reshape(len(genotype), -1)
    if self.inputs == 'encoding':
      if not encoding.shape[1]:
        raise ValueError("inputs='encoding' needs an encoding, got width 0")
      hot = hot[:, :0]
    if self.inputs == 'one_hot':
      encoding = encoding[:, :0]
    head = _gcn.DeviceHead(self.widths, name='head')
    return head(hot, device, encoding)


def encoding_mlp(
    spec: types.SpaceSpec,
    *,
    num_devices: int,
    inputs: str = 'both',
    widths: tuple[int, ...] = _WIDTHS,
) -> types.Predictor:
  """A perceptron without a graph, as an `(init, apply)` pair over batches.

  What a graph network has to beat. Its input is a flat vector and the row of
  the hardware embedding table; layers are affine with ReLU. Scores have no
  unit; higher is slower.

  Args:
    spec: the search space.
    num_devices: rows of the hardware embedding table. Reserve one for the
      target.
    inputs: `one_hot` (the operation of every gene), `encoding`
      (`Architectures.encoding`) or `both`.
    widths: of the hidden layers.

  Returns:
    `Predictor`: `init(key, architectures, devices) -> params` and
    `apply(params, architectures, devices, *, key=None) -> scores [B]`.

  Raises:
    ValueError: unknown `inputs`, or `num_devices` below 1; at `init`, no
      encoding where `inputs='encoding'`.
  """
  if inputs not in _INPUTS:
    raise ValueError(
        f'inputs: unknown {inputs!r}; choose from {", ".join(_INPUTS)}'
    )
  _gcn.check_sizes(num_devices=num_devices)
  return _gcn.from_network(_Network(spec, num_devices, inputs, tuple(widths)))
