"""One architecture from every quantile of a number."""

from __future__ import annotations

import functools

import chex
import jax
import jax.numpy as jnp

from nasflat_jax.samplers._admit import admit_finite


def stratified(
    key: chex.PRNGKey,
    features: jax.Array,  # [N, 1]
    *,
    num_samples: int,
    where: jax.Array | None = None,  # [N]
) -> jax.Array:  # [num_samples]
  """Chooses one architecture from each of `num_samples` quantile ranges.

  The admitted rows are sorted by their number, the key breaking ties, and cut
  into contiguous strata whose sizes differ by one at the most; a row is drawn
  uniformly from each. The number may be the parameter count (NASFLAT's
  `params`), the multiply-adds, or the latency on the target device itself. The
  last is an oracle, since it needs every measurement that a sampler is meant to
  save: an upper bound to compare with, which the caller must mark as such.

  Args:
    key: typed PRNG key.
    features: `[N, 1]` the number to sort by, in any unit.
    num_samples: how many to choose, n. Static under `jit`.
    where: `[N]` True for architectures that may be chosen; None admits all.
      Leave out degenerate and unmeasured ones here.

  Returns:
    `[num_samples]` int32, distinct, in the order of the strata. Where fewer
    rows are admitted than asked for, a traced call cannot tell; an untraced
    one raises.

  Raises:
    ValueError: `features` is not one column, an admitted row is not finite, or
      `num_samples` is negative or exceeds the rows admitted.

  Note:
    NASFLAT's code reads its NASBench-201 parameter counts from a file of
    accuracies, so that its `params` sampler there stratifies by accuracy.

  Example:
    >>> flops = jnp.array([[4.], [1.], [3.], [2.]])
    >>> ids = stratified(jax.random.key(0), flops, num_samples=4)
    >>> ids.tolist()
    [1, 3, 2, 0]
  """
  if features.ndim != 2 or features.shape[1] != 1:
    raise ValueError(
        'stratified sorts by one number: features must have shape [N, 1], got '
        f'{tuple(features.shape)}'
    )
  features, where = admit_finite(features, where, num_samples)
  return one_per_stratum(key, features[:, 0], where, num_samples)


@functools.partial(jax.jit, static_argnums=3)
def one_per_stratum(
    key: chex.PRNGKey,
    values: jax.Array,  # [N]
    where: jax.Array,  # [N]
    num_samples: int,
) -> jax.Array:  # [num_samples]
  """Draws one admitted row from each range of the sorted values.

  Args:
    key: typed PRNG key.
    values: `[N]` what to sort by.
    where: `[N]` bool, the admitted rows.
    num_samples: the number of ranges.

  Returns:
    `[num_samples]` int32, distinct if `num_samples` rows are admitted.
  """
  if num_samples == 0:
    return jnp.zeros(0, jnp.int32)
  tie_key, draw_key = jax.random.split(key)
  ties = jax.random.permutation(tie_key, len(values))
  # The rows left out come last.
  order = jnp.lexsort((ties, values, ~where))
  size, longer = jnp.divmod(jnp.sum(where), num_samples)
  stratum = jnp.arange(num_samples)
  # The first strata take the remainder; no product of counts can overflow.
  start = stratum * size + jnp.minimum(stratum, longer)
  offset = jax.random.randint(
      draw_key, (num_samples,), 0, size + (stratum < longer)
  )
  return order[start + offset].astype(jnp.int32)
