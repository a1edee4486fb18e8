"""AdaProxy under the three norms of its paper, as a pure JAX function.

Lu et al. 2022, https://arxiv.org/abs/2111.01203. The problem is convex for
every norm; one solver serves all, as they differ only in a proximal map.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

# 1, 2 or infinity, as names: a static argument that hashes by value.
NORMS = ('1', '2', 'inf')
# Penalties relative to the least one under which nothing changes.
_PATH = (10.0, *(10.0 ** (-k / 3.0) for k in range(13)))


class AdaProxyFit(NamedTuple):
  """A proxy's operators, scaled to a target.

  Attributes:
    scale: `[]` the common factor `a`.
    change: `[F]` the relative changes `b`.
    offset: `[]` the part `c` that no operator takes, milliseconds.
    penalty: `[]` the penalty chosen, relative to the least one under which no
      operator changes; 10 stands for any above it.
    error: `[P]` mean squared error of the folds, of each penalty.
  """

  scale: jax.Array  # []
  change: jax.Array  # [F]
  offset: jax.Array  # []
  penalty: jax.Array  # []
  error: jax.Array  # [P]


def _soften(values: jax.Array, amount: jax.Array) -> jax.Array:
  return jnp.sign(values) * jnp.maximum(jnp.abs(values) - amount, 0.0)


def _shorten(values: jax.Array, amount: jax.Array) -> jax.Array:
  length = jnp.sqrt(jnp.sum(values**2))
  safe = jnp.where(length > 0.0, length, 1.0)
  return values * jnp.maximum(1.0 - amount / safe, 0.0)


def _cap(values: jax.Array, amount: jax.Array) -> jax.Array:
  """Moreau: what the projection on the ball of the 1-norm leaves."""
  size = jnp.sort(jnp.abs(values))[::-1]
  excess = jnp.cumsum(size) - amount
  rank = jnp.arange(1, values.shape[0] + 1)
  used = jnp.maximum(jnp.sum(size * rank > excess), 1)
  level = jnp.maximum(excess[used - 1] / used, 0.0)
  # Where the whole of `values` lies in the ball, `level` is 0 and so is this.
  return jnp.clip(values, -level, level)


# Proximal map of the norm, and the dual norm.
_MAPS = {
    '1': (_soften, lambda x: jnp.max(jnp.abs(x))),
    '2': (_shorten, lambda x: jnp.sqrt(jnp.sum(x**2))),
    'inf': (_cap, lambda x: jnp.sum(jnp.abs(x))),
}


def _eliminate(columns, latency_ms, where):
  """What the free scale and offset leave of the columns and the latencies."""
  weight = where.astype(columns.dtype)
  count = jnp.maximum(weight.sum(), 1.0)
  mean, level = weight @ columns / count, weight @ latency_ms / count
  centred = (columns - mean) * weight[:, None]
  deviation = (latency_ms - level) * weight
  total = centred.sum(axis=1)
  energy = total @ total
  usable = energy > 1e-10 * jnp.sum(columns.sum(axis=1) ** 2 * weight)
  total = jnp.where(usable, total, 0.0) / jnp.sqrt(
      jnp.where(usable, energy, 1.0)
  )
  rest = centred - total[:, None] * (total @ centred)
  return rest, deviation - total * (total @ deviation), count


def _restore(columns, latency_ms, where, change):
  """The best scale and offset once the changes are known."""
  weight = where.astype(columns.dtype)
  count = jnp.maximum(weight.sum(), 1.0)
  total = columns.sum(axis=1)
  left = latency_ms - columns @ change
  mean, level = weight @ total / count, weight @ left / count
  centred = (total - mean) * weight
  energy = centred @ centred
  usable = energy > 1e-10 * jnp.sum(total**2 * weight)
  slope = centred @ left / jnp.where(usable, energy, 1.0)
  # Rows that the proxy finds alike: half the latency to either part.
  safe = jnp.where(mean > 0.0, mean, jnp.inf)
  scale = jnp.where(usable, slope, 0.5 * level / safe)
  return scale, level - scale * mean


def _solve(gram, cross, penalties, norm, num_steps):
  """Solutions `[P, F]` of `b'Gb - 2 h'b + penalty |b|`, warm-started.

  Accelerated proximal gradient descent (Beck and Teboulle 2009) that restarts
  whenever its momentum points uphill (O'Donoghue and Candes 2015).
  """
  proximal, _ = _MAPS[norm]
  step = 0.5 / jnp.maximum(jnp.linalg.eigvalsh(gram)[-1], 1e-12)

  def along(start, penalty):
    def body(_, carry):
      point, ahead, momentum = carry
      slope = 2.0 * (gram @ ahead - cross)
      new = proximal(ahead - step * slope, step * penalty)
      restart = (ahead - new) @ (new - point) > 0.0
      momentum = jnp.where(restart, 1.0, momentum)
      following = 0.5 * (1.0 + jnp.sqrt(1.0 + 4.0 * momentum**2))
      push = jnp.where(restart, 0.0, (momentum - 1.0) / following)
      return new, new + push * (new - point), following

    one = jnp.ones((), start.dtype)
    solution, _, _ = jax.lax.fori_loop(0, num_steps, body, (start, start, one))
    return solution, solution

  return jax.lax.scan(along, jnp.zeros_like(cross), penalties)[1]


@functools.partial(
    jax.jit, static_argnames=('norm', 'num_folds', 'num_steps')
)
def adaproxy_path(
    columns: jax.Array,  # [n, F]
    latency_ms: jax.Array,  # [n]
    *,
    norm: str,
    where: jax.Array | None = None,  # [n]
    num_folds: int = 5,
    num_steps: int = 200,
) -> AdaProxyFit:
  """Adapts a proxy's operator latencies to a target; the penalty by folds.

  Unbatched: `vmap` it over targets and draws. Minimises over the common scale
  `a`, the offset `c` and the relative changes `b`

    `(1/n) |X (a + b) + c - y|^2 + penalty |b|_p`

  with an unsquared norm, as the paper has it. `a` and `c` are eliminated. The
  penalty is the one of 14 with the least squared error of rows left out, the
  largest of which allows no change at all.

  Note:
    The reference chooses the penalty by the rank correlation of 10 validation
    rows. Squared error over all folds is less noisy.

  Args:
    columns: `[n, F]` milliseconds that each operator takes in each row on the
      proxy: its features times its weights, of `fit_proxy`, whose redundant
      columns are zero.
    latency_ms: `[n]` measured on the target.
    norm: `1`, `2` or `inf`. Static.
    where: `[n]` True for rows that count; None counts all.
    num_folds: parts of the rows that are left out in turn; each row where there
      are fewer rows. Static.
    num_steps: of the solver, for each penalty. Static.

  Returns:
    The fit; its model has the weights `proxy * (scale + change)`.

  Raises:
    ValueError: an unknown norm, or fewer than two folds.

  Example:
    >>> x = jnp.array([[0., 0.], [1., 0.], [0., 2.], [1., 2.]])
    >>> fit = adaproxy_path(x, 3.0 * x.sum(axis=1) + 5.0, norm='1')
    >>> print((x @ (fit.scale + fit.change) + fit.offset).round(1))
    [ 5.  8. 11. 14.]
  """
  if norm not in NORMS:
    raise ValueError(f'norm: unknown {norm!r}; choose from {", ".join(NORMS)}')
  if num_folds < 2:
    raise ValueError(f'num_folds must be at least 2, got {num_folds}')
  chex.assert_rank([columns, latency_ms], [2, 1])
  chex.assert_equal_shape_prefix([columns, latency_ms], 1)
  where = jnp.ones_like(latency_ms, bool) if where is None else where
  folds = min(num_folds, latency_ms.shape[0])
  # Only ratios matter; values of order one keep float32 well conditioned.
  unit = jnp.sqrt(jnp.mean(columns**2) + 1e-30)
  level = jnp.sqrt(jnp.sum(where * latency_ms**2) / (where.sum() + 1e-9))
  level = jnp.where(level > 0.0, level, 1.0)
  columns, latency_ms = columns / unit, latency_ms / level
  latency_ms = jnp.where(where, latency_ms, 0.0)
  path = jnp.asarray(_PATH, columns.dtype)

  def reduced(rows):
    rest, deviation, count = _eliminate(columns, latency_ms, rows)
    return rest.T @ rest / count, rest.T @ deviation / count

  gram, cross = reduced(where)
  least = 2.0 * _MAPS[norm][1](cross)
  fold = jnp.cumsum(where) % folds

  def left_out(index):
    rows = where & (fold != index)
    gram, cross = reduced(rows)
    changes = _solve(gram, cross, least * path, norm, num_steps)

    def error(change):
      scale, offset = _restore(columns, latency_ms, rows, change)
      predicted = columns @ (scale + change) + offset
      return jnp.sum(
          jnp.where(where & ~rows, (predicted - latency_ms) ** 2, 0.0)
      )

    return jax.vmap(error)(changes)

  total = jax.lax.map(left_out, jnp.arange(folds)).sum(axis=0)
  best = jnp.argmin(total)
  change = _solve(gram, cross, least * path, norm, num_steps)[best]
  scale, offset = _restore(columns, latency_ms, where, change)
  factor = level / unit
  return AdaProxyFit(
      scale=scale * factor,
      change=change * factor,
      offset=offset * level,
      penalty=path[best],
      error=total / jnp.maximum(where.sum(), 1) * level**2,
  )
