"""Reads what a function does on the way to its result.

Modules of other people call ReLUs and means as plain functions, which nothing
can be hung on. Their traced program names them.
"""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from nasflat_jax.zero_cost import _normalisation

# Primitives that only wrap a program.
_CALLS = frozenset({
    'checkpoint', 'closed_call', 'custom_jvp_call', 'custom_vjp_call', 'jit',
    'pjit', 'remat2',
})  # fmt: skip


class Seen(NamedTuple):
  """What ran.

  Attributes:
    num_relus: calls of `jax.nn.relu`.
    gram: `[N, N]` units whose sign agrees, over the inputs of all ReLUs; None
      if not asked for.
    features: input of the last mean over all positions, `[N, H, W, C]`; None
      without one.
    flops: of ReLUs (1 an element), means and average pools (1 for each element
      of each window).
  """

  num_relus: int = 0
  gram: jax.Array | None = None
  features: jax.Array | None = None
  flops: int = 0


def watch(
    function: Callable[..., Any], *args: chex.ArrayTree, gram: bool = False
) -> tuple[Any, Seen]:
  """Runs a function of arrays, and sees what it does.

  Args:
    function: traceable; images along the first axis.
    *args: pytrees of arrays.
    gram: whether to compare the signs of ReLUs' inputs.

  Returns:
    Its result and what was seen.

  Raises:
    ValueError: a ReLU stands in a loop or a branch, where it is not seen.
  """
  closed, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
  watcher = _Watcher(gram)
  leaves = watcher.run(closed.jaxpr, closed.consts, jax.tree.leaves(args))
  result = jax.tree.unflatten(jax.tree.structure(shapes), leaves)
  return result, watcher.seen


class _Watcher:
  """An evaluation of programs that keeps notes."""

  def __init__(self, gram: bool) -> None:
    self._gram = gram
    self.seen = Seen()

  def run(self, program, consts, args) -> list[jax.Array]:
    known = dict(zip(program.constvars, consts, strict=True))
    known |= dict(zip(program.invars, args, strict=True))

    def read(variable):
      return variable.val if hasattr(variable, 'val') else known[variable]

    for equation in program.eqns:
      values = [read(variable) for variable in equation.invars]
      outputs = self._evaluate(equation, values)
      known |= dict(zip(equation.outvars, outputs, strict=True))
    return [read(variable) for variable in program.outvars]

  def _evaluate(self, equation, values) -> list[jax.Array]:
    name, settings = equation.primitive.name, equation.params
    if settings.get('name') == 'relu':
      self._see_relu(values[0])
    elif name in _CALLS:
      inner = settings.get('call_jaxpr', settings.get('jaxpr'))
      program = getattr(inner, 'jaxpr', inner)
      return self.run(program, getattr(inner, 'consts', ()), values)
    elif name in ('scan', 'while', 'cond') and 'name=relu' in str(settings):
      raise ValueError(
          f'a ReLU inside {name!r} is not seen; write loops over layers out'
      )
    elif name == 'reduce_sum' and values[0].ndim == 4:
      if tuple(settings['axes']) == (1, 2):
        self._see_mean(values[0])
    outputs = equation.primitive.bind(*values, **settings)
    outputs = outputs if equation.primitive.multiple_results else [outputs]
    if name == 'reduce_window_sum' and values[0].ndim == 4:
      window = settings['window_dimensions']
      if tuple(window[1:3]) == values[0].shape[1:3]:
        self._see_mean(values[0])
      else:
        size = math.prod(outputs[0].shape[1:]) * math.prod(window)
        self.seen = self.seen._replace(flops=self.seen.flops + size)
    return outputs

  def _see_relu(self, x: jax.Array) -> None:
    gram = self.seen.gram
    if self._gram:
      own = _normalisation.agreement(x)
      gram = own if gram is None else gram + own
    self.seen = self.seen._replace(
        num_relus=self.seen.num_relus + 1,
        gram=gram,
        flops=self.seen.flops + math.prod(jnp.shape(x)[1:]),
    )

  def _see_mean(self, x: jax.Array) -> None:
    size = math.prod(x.shape[1:])
    self.seen = self.seen._replace(
        features=x, flops=self.seen.flops + size
    )
