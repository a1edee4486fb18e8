"""Inverted residual blocks that differ in width, kernel or groups, as one.

A choice of FBNet is among eight such blocks, which take minutes to compile one
by one. Here one body serves them all. It takes the wide map a slice at a time:
all that stands between the pointwise convolutions is by channel, so slices meet
only in the sum of the second one, and a wider block is more turns of a loop.
Results are those of `_steps`, the backward pass is written out as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import chex
import jax
from jax import lax
import jax.numpy as jnp

from nasflat_jax.zero_cost import _family
from nasflat_jax.zero_cost import _mode
from nasflat_jax.zero_cost import _normalisation
from nasflat_jax.zero_cost import _steps
from nasflat_jax.zero_cost import _sums


class Slice(NamedTuple):
  """What the backward pass needs of a slice.

  Attributes:
    kernels: its kernels.
    wide: `[N, H, W, C]` first convolution, normalised.
    wide_moments: of its normalisation.
    deep: `[N, H', W', C]` second convolution, normalised.
    deep_moments: of its normalisation.
  """

  kernels: _family.Kernels
  wide: jax.Array
  wide_moments: _normalisation.Moments
  deep: jax.Array
  deep_moments: _normalisation.Moments


class Kept(NamedTuple):
  """What the backward pass needs besides input and output.

  Attributes:
    slices: with a leading axis, as long as the widest block wants.
    moments: of the last normalisation.
  """

  slices: Slice
  moments: _normalisation.Moments


def _moments(num: int) -> _normalisation.Moments:
  return _normalisation.Moments(jnp.ones(num), jnp.zeros(num))


def empty(blocks: _family.Family, x: chex.Array) -> Kept:
  """What is kept of an input `[N, H, W, C]` before anything ran."""
  channels, features = blocks.channels, blocks.features
  num, *sides = x.shape[:3]
  below = [-(-side // blocks.stride) for side in sides]
  size = blocks.sizes[-1]
  own = Slice(
      _family.Kernels(
          jnp.zeros((channels, channels)),
          jnp.zeros((size, size, 1, channels)),
          jnp.zeros((channels, features)),
      ),
      jnp.zeros((num, *sides, channels)),
      _moments(channels),
      jnp.zeros((num, *below, channels)),
      _moments(channels),
  )
  most = max(blocks.num_slices)
  slices = jax.tree.map(lambda x: jnp.zeros((most, *x.shape)), own)
  return Kept(slices, _moments(features))


def forward(
    blocks: _family.Family,
    member: chex.Array,  # []
    x: chex.Array,  # [N, H, W, C]
    epsilon: chex.Array,  # []
    weights: Sequence[_steps.Weights],
    mode: _mode.Mode,
) -> tuple[jax.Array, Kept | None, _mode.Extra]:
  """Runs a block.

  Args:
    blocks: the family.
    member: `[]` which of its blocks.
    x: `[N, H, W, C]`.
    epsilon: see `_normalisation.normalise`.
    weights: of each block.
    mode: what to record.

  Returns:
    `[N, H', W', O]`; what `backward` needs, None in a mode that has none; what
    was recorded.
  """
  kernels = _family.kernels(blocks, weights)
  kept = empty(blocks, x)

  def norm(z):
    """Output, moments, mean running variance."""
    if not mode.batch_norm:
      return z, _moments(z.shape[-1]), jnp.zeros(())
    y, moments, variance = _normalisation.standardise(z, epsilon, mode.passes)
    if not mode.variance:
      return y, moments, jnp.zeros(())
    num = z[..., 0].size // mode.passes
    return y, moments, _normalisation.running_variance(variance, num).mean()

  def turn(place, carry):
    z, found, slices = carry
    own = _family.one_slice(blocks, kernels, member, place)
    wide, wide_moments, wide_variance = norm(x @ own.expand)
    deep, deep_moments, deep_variance = norm(
        _family.depthwise(blocks, member, jax.nn.relu(wide), own.depthwise)
    )
    z += jax.nn.relu(deep) @ own.project
    found = dict(found)
    if mode.gram:
      found['gram'] += _normalisation.agreement(wide)
      found['gram'] += _normalisation.agreement(deep)
    if mode.variance:
      found['variance'] += jnp.stack([wide_variance, deep_variance])
    if mode.norms:
      found['squares'] += jnp.stack([(w * w).sum() for w in own])
    if slices is not None:
      slices = jax.tree.map(
          lambda rows, x: lax.dynamic_update_index_in_dim(rows, x, place, 0),
          slices,
          Slice(own, wide, wide_moments, deep, deep_moments),
      )
    return z, found, slices

  num_slices = blocks.of(member, blocks.num_slices)
  num, *below = kept.slices.deep.shape[1:4]
  shapes = {'gram': (num, num), 'variance': (2,), 'squares': (3,)}
  wanted = dict(gram=mode.gram, variance=mode.variance, squares=mode.norms)
  z, found, slices = lax.fori_loop(
      0,
      num_slices,
      turn,
      (
          jnp.zeros((num, *below, blocks.features)),
          {k: jnp.zeros(shapes[k]) for k, want in wanted.items() if want},
          kept.slices if mode.backward else None,
      ),
  )
  y, moments, last_variance = norm(z)
  extra: _mode.Extra = {}
  if mode.gram:
    extra['gram'] = found['gram']
  if mode.variance:
    variances = jnp.append(found['variance'] / num_slices, last_variance)
    extra['log_variance'] = 0.5 * jnp.log(variances).sum()
  if mode.norms:
    extra['norms'] = jnp.sqrt(found['squares']).sum()
  if mode.counts:
    extra['params'], extra['flops'] = _family.count(blocks, member, x.shape)
  return y, Kept(slices, moments) if mode.backward else None, extra


def backward(
    blocks: _family.Family,
    member: chex.Array,  # []
    x: chex.Array,  # [N, H, W, C]
    y: chex.Array,  # [N, H', W', O]
    kept: Kept,
    cotangent: chex.Array,  # [N, H', W', O]
) -> tuple[jax.Array, jax.Array]:
  """Cotangent of a block's input, and sums over its layers.

  Args:
    blocks: the family.
    member: `[]` which of its blocks ran.
    x: its input.
    y: its output.
    kept: of `forward`.
    cotangent: of its output.

  Returns:
    Cotangent of `x`; `[len(_sums.SUMS)]`.
  """
  inner = _normalisation.standardise_transpose(cotangent, y, kept.moments.scale)

  def turn(place, carry):
    dx, sums, squared = carry
    own = jax.tree.map(
        lambda rows: lax.dynamic_index_in_dim(rows, place, 0, keepdims=False),
        kept.slices,
    )
    kernels, wide, wide_moments, deep, deep_moments = own
    project = _gradient(jax.nn.relu(deep), inner)
    deep_inner = _normalisation.standardise_transpose(
        jnp.where(deep > 0, inner @ kernels.project.T, 0.0),
        deep,
        deep_moments.scale,
    )
    wide_inner, depthwise = _family.depthwise_transpose(
        blocks, member, jax.nn.relu(wide), kernels.depthwise, deep_inner
    )
    wide_inner = _normalisation.standardise_transpose(
        jnp.where(wide > 0, wide_inner, 0.0), wide, wide_moments.scale
    )
    expand = _gradient(x, wide_inner)
    in_expand, in_project = _family.are_weights(blocks, member, place)
    gradients = _family.Kernels(
        jnp.where(in_expand, expand, 0.0),
        depthwise,
        jnp.where(in_project, project, 0.0),
    )
    responses = (
        _sums.response(_before(wide, wide_moments), wide_inner),
        _sums.response(_before(deep, deep_moments), deep_inner),
        jnp.zeros(()),  # of the output, which is the sum of all slices
    )
    sums += jnp.stack([
        jnp.stack([*_sums.saliencies(kernel, gradient), response])
        for kernel, gradient, response in zip(kernels, gradients, responses)
    ])
    squared += jnp.stack([(g * g).sum() for g in gradients])
    return dx + wide_inner @ kernels.expand.T, sums, squared

  dx, sums, squared = lax.fori_loop(
      0,
      blocks.of(member, blocks.num_slices),
      turn,
      (jnp.zeros_like(x), jnp.zeros((3, 3)), jnp.zeros(3)),
  )
  saliency, signed, responses = sums.T
  response = _sums.response(_before(y, kept.moments), inner)
  fisher = _family.fan_in(blocks, member) * responses.at[2].set(response)
  by_layer = zip(saliency, signed, fisher, squared)
  return dx, sum(
      (_sums.assemble(*values, normalised=True) for values in by_layer),
      jnp.zeros(len(_sums.SUMS)),
  )


def _before(y: jax.Array, moments: _normalisation.Moments) -> jax.Array:
  """The input of a normalisation."""
  return y / moments.scale + moments.mean


def _gradient(x: jax.Array, cotangent: jax.Array) -> jax.Array:
  """Of a pointwise kernel, `[I, O]`."""
  return jnp.tensordot(x, cotangent, ((0, 1, 2), (0, 1, 2)))
