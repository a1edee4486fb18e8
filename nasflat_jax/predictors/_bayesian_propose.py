"""What to measure next under a Bayesian posterior."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nasflat_jax.predictors import _bayesian


@jax.default_matmul_precision('highest')
def propose(
    posterior: _bayesian.BayesianPosterior,
    where: jax.Array,  # [B]
    features: jax.Array,  # [B, F]
    *,
    num_proposals: int,
) -> jax.Array:  # [num_proposals]
  """The architectures to measure next: those predicted with least certainty.

  Greedy: each is taken where the posterior variance of the log latency is
  largest, and lowers the variance of those after it as a measurement would
  under the present weights of the columns. Jittable.

  Args:
    posterior: from `fit_bayesian`.
    where: `[B]` True for architectures that may be proposed.
    features: `[B, F]` of the candidates.
    num_proposals: how many, n.

  Returns:
    `[n]` int32 rows of `features`, distinct where that many are allowed.
  """
  rows = _bayesian.with_intercept(features)

  def slope(mean, power):
    # d log(latency) / d warp = (latency / scale)^-power.
    return jnp.exp(-power * _bayesian.log_unwarp(rows @ mean, power))

  slopes = jax.vmap(slope)(posterior.mean, posterior.power)  # [P, B]

  def step(carry, _):
    covariance, variance, allowed = carry
    total = posterior.power_prob @ (slopes**2 * variance)
    taken = jnp.argmax(jnp.where(allowed, total, -jnp.inf))
    column = covariance @ rows[taken]  # [P, F + 1]
    gained = variance[:, taken] + posterior.noise
    covariance -= jnp.einsum('pf,pg,p->pfg', column, column, 1.0 / gained)
    variance -= (column @ rows.T) ** 2 / gained[:, None]
    return (covariance, variance, allowed.at[taken].set(False)), taken

  variance = jax.vmap(lambda c: jnp.sum((rows @ c) * rows, axis=1))(
      posterior.covariance
  )
  carry = posterior.covariance, variance, where
  _, chosen = jax.lax.scan(step, carry, length=num_proposals)
  return chosen.astype(jnp.int32)
