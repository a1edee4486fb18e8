"""One of several candidates, chosen by a traced gene.

`lax.switch` runs only the chosen candidate, but its automatic gradient keeps
the residuals of all of them, mostly zeros. Here all candidates share one
buffer, as large as the largest needs. Inverted residual blocks share a program
as well (`_inverted`), which has a buffer of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
import functools
import math

import chex
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from nasflat_jax.zero_cost import _family
from nasflat_jax.zero_cost import _inverted
from nasflat_jax.zero_cost import _mode
from nasflat_jax.zero_cost import _normalisation
from nasflat_jax.zero_cost import _steps

_EXTRAS = {
    'gram': 'gram',
    'log_variance': 'variance',
    'norms': 'norms',
    'params': 'counts',
    'flops': 'counts',
}


def empty_extra(mode: _mode.Mode, num_images: int) -> _mode.Extra:
  """Zeros of everything that a run in this mode records."""
  shapes = {'gram': (num_images, num_images)}
  extra = {
      name: jnp.zeros(shapes.get(name, ()))
      for name, field in _EXTRAS.items()
      if getattr(mode, field)
  }
  if mode.rescale:
    extra['log_scale'] = jnp.zeros(())
  return extra


def choose(
    index: chex.Array | None,  # []
    candidates: Sequence[_steps.Candidate],
    x: chex.Array,  # [N, H, W, C]
    epsilon: chex.Array,  # []
    probe: chex.Array,  # [len(SUMS)]
    weights: Sequence[_steps.Weights],
    mode: _mode.Mode,
) -> tuple[jax.Array, _mode.Extra]:
  """Runs candidate `index`; all must give outputs of one shape.

  Args:
    index: `[]` integer; None where there is one candidate.
    candidates: their steps.
    x: `[N, H, W, C]`.
    epsilon: see `_normalisation.normalise`.
    probe: only there for its cotangent, sums over layers (`_sums.SUMS`); the
      weights have none.
    weights: of each candidate.
    mode: what to record.

  Returns:
    `[N, H', W', O]` and what was recorded.
  """
  family = _family.family(candidates, x.shape[-1])
  # Numbers of the candidates that have a program of their own; they come first.
  alone = [n for n in range(len(candidates)) if n not in family.places]
  place_of = np.argsort([*alone, *family.places])

  def branches(run_alone, run_family, index, *operands):
    runs = [functools.partial(run_alone, number) for number in alone]
    if len(candidates) == 1:
      return runs[0](*operands)
    if not family.blocks:
      return lax.switch(index, runs, *operands)
    place = jnp.asarray(place_of)[index]
    runs.append(functools.partial(run_family, place - len(alone)))
    # All places from the family's first on are the last program.
    return lax.switch(jnp.minimum(place, len(alone)), runs, *operands)

  def forward_alone(number, x, epsilon, weights):
    y, kept, extra = _steps.forward(
        candidates[number], x, epsilon, weights[number], mode
    )
    packed = _pack(candidates[number], kept, sizes)
    empty = None
    if family.blocks and mode.backward:
      empty = _inverted.empty(family, x)
    return y, complete(extra), (packed, empty)

  def forward_family(member, x, epsilon, weights):
    own = [weights[number] for number in family.places]
    y, kept, extra = _inverted.forward(family, member, x, epsilon, own, mode)
    return y, complete(extra), (tuple(map(jnp.zeros, sizes)), kept)

  def complete(extra):
    extra = {**empty_extra(mode, x.shape[0]), **extra}
    extra.pop('log_scale', None)
    return extra

  def backward_alone(number, x, y, kept, weights, cotangent):
    return _steps.backward(
        candidates[number],
        x,
        weights[number],
        _unpack(candidates[number], x, y, kept[0]),
        cotangent,
    )

  def backward_family(member, x, y, kept, weights, cotangent):
    del weights  # the chosen ones were kept
    return _inverted.backward(family, member, x, y, kept[1], cotangent)

  run_forward = functools.partial(branches, forward_alone, forward_family)
  run_backward = functools.partial(branches, backward_alone, backward_family)
  weights = tuple(weights)
  index = jnp.zeros((), jnp.int32) if index is None else index
  sizes = (0, 0)
  if not mode.backward:
    y, extra, _ = run_forward(index, x, epsilon, weights)
    return y, extra
  if alone:
    wanted = [_sizes(candidates[number], x) for number in alone]
    sizes = tuple(max(column) for column in zip(*wanted))

  @jax.custom_vjp
  def run(index, x, epsilon, probe, weights):
    del probe
    y, extra, _ = run_forward(index, x, epsilon, weights)
    return y, extra

  def fwd(index, x, epsilon, probe, weights):
    del probe
    y, extra, kept = run_forward(index, x, epsilon, weights)
    return (y, extra), (index, x, y, epsilon, kept, weights)

  def bwd(residuals, cotangents):
    index, x, y, epsilon, kept, weights = residuals
    dx, sums = run_backward(index, x, y, kept, weights, cotangents[0])
    still = jax.tree.map(jnp.zeros_like, (epsilon, weights))
    return None, dx, still[0], sums, still[1]

  run.defvjp(fwd, bwd)
  return run(index, x, epsilon, probe, weights)


def _shapes(
    candidate: _steps.Candidate, x: chex.Array
) -> list[tuple[int, ...]]:
  """Shapes of the outputs of its convolutions."""
  shapes = []
  shape = x.shape
  for step in candidate:
    if isinstance(step, _steps.Conv):
      num, *sides = shape[:-1]
      sides = [-(-side // step.stride) for side in sides]
      shape = (num, *sides, step.features)
      shapes.append(shape)
    else:
      before = jax.ShapeDtypeStruct(shape, x.dtype)
      shape = jax.eval_shape(_steps.plain(step), before).shape
  return shapes


def _ends_in_convolution(candidate: _steps.Candidate) -> bool:
  return bool(candidate) and isinstance(candidate[-1], _steps.Conv)


def _sizes(candidate: _steps.Candidate, x: chex.Array) -> tuple[int, int]:
  """Numbers to keep: of outputs (the last one is at hand) and of moments."""
  shapes = _shapes(candidate, x)
  kept = shapes[:-1] if _ends_in_convolution(candidate) else shapes
  return sum(map(math.prod, kept)), 2 * sum(shape[-1] for shape in shapes)


def _pack(candidate, kept, sizes):
  """The two buffers of `_sizes`, filled up with zeros."""
  if sizes == (0, 0):
    return jnp.zeros(0), jnp.zeros(0)
  outputs = [y for y, _ in kept]
  if _ends_in_convolution(candidate):
    outputs = outputs[:-1]
  numbers = [number for _, moments in kept for number in moments]
  return tuple(
      _fill([value.ravel() for value in values], size)
      for values, size in zip((outputs, numbers), sizes)
  )


def _fill(values: list[jax.Array], size: int) -> jax.Array:
  missing = size - sum(value.size for value in values)
  return jnp.concatenate([*values, jnp.zeros(missing)])


def _unpack(candidate, x, y, packed):
  """What `_pack` packed."""
  outputs, numbers = packed
  shapes = _shapes(candidate, x)
  kept = []
  for place, shape in enumerate(shapes):
    size = math.prod(shape)
    if place == len(shapes) - 1 and _ends_in_convolution(candidate):
      output = y
    else:
      output, outputs = outputs[:size].reshape(shape), outputs[size:]
    moments = _normalisation.Moments(numbers[: shape[-1]],
                             numbers[shape[-1] : 2 * shape[-1]])
    numbers = numbers[2 * shape[-1] :]
    kept.append((output, moments))
  return kept
