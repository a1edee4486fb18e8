"""Bayesian regression averaged over sums of kernels.

Each kernel is a notion of which networks are alike: their proxies, their
operations, their shape, or what models of other tasks say of them. A
*hypothesis* is how much each kernel counts and how noisy the labels are. As in
`_bayesian`, none is chosen: predictions are averaged with the marginal
likelihoods of the labels as weights, in closed form. A kernel may be any
positive semi-definite function, so that similarity need not be linear; that is
a Gaussian process whose kernel is a weighted sum with the weights integrated
out by quasi-Monte Carlo (Rasmussen and Williams, 2006).
"""

from __future__ import annotations

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

# Variance of the intercept, relative to that of the signal: labels are
# centred, but the mean of a few is not that of all.
_INTERCEPT = 1.0
# Shape and rate of the inverse-gamma prior of the signal's variance.
_SHAPE, _RATE = 1.0, 0.3
# Rows that are eliminated one by one; whole panels of them by products.
_PANEL = 20
# Hypotheses at a time, so that they stay in the cache.
_BATCH = 32
_LEAST_PIVOT = 1e-6


class KernelPrior(NamedTuple):
  """`H` hypotheses about `K` kernels.

  Attributes:
    weight: `[H, K]` prior variance that each kernel explains; rows add to 1.
    noise: `[H]` variance of a label's error, in the same units.
    log_prob: `[H]` logarithms of prior probabilities, up to a constant.
    slope: `[H, M]` expected coefficients of `M` columns that are believed
      beforehand, e.g. what another task says; None is nothing.
  """

  weight: jax.Array  # [H, K]
  noise: jax.Array  # [H]
  log_prob: jax.Array  # [H]
  slope: jax.Array | None = None  # [H, M]


class KernelPosterior(NamedTuple):
  """What the labels say.

  Attributes:
    dual: `[K, n]` coefficients: the prediction is the sum of every kernel's
      values between a network and the support, times these.
    intercept: `[]` what is added.
    prob: `[H]` posterior probabilities of the hypotheses.
    log_evidence: `[]` log marginal likelihood of all, up to a constant that
      depends on the number of labels alone.
    slope: `[M]` what to add of the columns believed beforehand.
  """

  dual: jax.Array  # [K, n]
  intercept: jax.Array
  prob: jax.Array  # [H]
  log_evidence: jax.Array
  slope: jax.Array  # [M]


def _eliminate(block: jax.Array) -> tuple[jax.Array, jax.Array]:
  """Inverse Cholesky factors of `[B, p, p]`, and halves of log determinants.

  Row by row; see `_bayesian` for why LAPACK is not called.
  """
  size = block.shape[-1]
  place = jnp.arange(size)

  def step(row, carry):
    left, right, log_det = carry
    pivot = jax.lax.rsqrt(jnp.maximum(left[:, row, row], _LEAST_PIVOT))
    top_left = left[:, row] * pivot[:, None]
    top_right = right[:, row] * pivot[:, None]
    below = jnp.where(place > row, top_left, 0.0)[:, :, None]
    left = (left - below * top_left[:, None]).at[:, row].set(top_left)
    right = (right - below * top_right[:, None]).at[:, row].set(top_right)
    return left, right, log_det - jnp.log(pivot)

  eye = jnp.broadcast_to(jnp.eye(size, dtype=block.dtype), block.shape)
  zero = jnp.zeros(len(block), block.dtype)
  _, inverse, log_det = jax.lax.fori_loop(0, size, step, (block, eye, zero))
  return inverse, log_det


def _solve(
    gram: jax.Array,  # [B, n, n]
    label: jax.Array,  # [B, n]
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """`gram^-1 label [B, n]`, its product with `label`, half of log det.

  Cholesky by panels; `n` is a multiple of the panel.
  """
  size = gram.shape[-1]
  white = label
  log_det = jnp.zeros(len(gram), gram.dtype)
  panels, parts = [], []
  for _ in range(0, size, _PANEL):
    inverse, half = _eliminate(gram[:, :_PANEL, :_PANEL])
    log_det += half
    part = jnp.einsum('bij,bj->bi', inverse, white[:, :_PANEL])
    below = jnp.einsum('bij,bkj->bik', gram[:, _PANEL:, :_PANEL], inverse)
    parts.append(part)
    panels.append((inverse, below))
    white = white[:, _PANEL:] - jnp.einsum('bij,bj->bi', below, part)
    gram = gram[:, _PANEL:, _PANEL:] - jnp.einsum(
        'bij,bkj->bik', below, below
    )
  quadratic = jnp.sum(jnp.concatenate(parts, axis=1) ** 2, axis=1)
  dual = jnp.zeros((len(gram), 0), gram.dtype)
  for (inverse, below), part in zip(panels[::-1], parts[::-1], strict=True):
    part = part - jnp.einsum('bij,bi->bj', below, dual)
    part = jnp.einsum('bij,bi->bj', inverse, part)
    dual = jnp.concatenate([part, dual], axis=1)
  return dual, quadratic, log_det


@jax.default_matmul_precision('highest')
def fit_kernels(
    prior: KernelPrior,
    gram: jax.Array,  # [K, n, n]
    label: jax.Array,  # [n]
    *,
    where: jax.Array | None = None,  # [n]
    known: jax.Array | None = None,  # [n, M]
) -> KernelPosterior:
  """Updates a prior by the labels of one task, in closed form.

  `label = b + slope . known + sum_k f_k(x) + error`, where `f_k` is a Gaussian
  process with covariance `s weight_k gram_k`, `b ~ N(0, s)`,
  `error ~ N(0, s noise)` and an inverse-gamma `s`. Time `O(H n^2 (n + K))`,
  memory `O(32 n^2)`. Jittable; `vmap` it over tasks and trials.

  Args:
    prior: the hypotheses.
    gram: `[K, n, n]` kernels between labelled networks, of order one.
    label: `[n]` centred, of order one; ignored in padding.
    where: `[n]` True for labelled rows, the others are padding, so that one
      compiled program serves every number of labels. None takes all rows.
    known: `[n, M]` the columns of `prior.slope`; 0 in padding.

  Returns:
    The posterior, averaged over hypotheses.
  """
  chex.assert_rank([gram, label], [3, 1])
  chex.assert_shape(gram, (prior.weight.shape[1], *label.shape * 2))
  if where is None:
    where = jnp.ones(label.shape, bool)
  chex.assert_equal_shape([label, where])
  hypotheses, size = prior.weight.shape[0], len(label)
  spare = -size % _PANEL
  label = jnp.where(where, label, 0.0)
  slope = prior.slope
  if slope is None:
    slope = jnp.zeros((hypotheses, 0), gram.dtype)
  if known is None:
    known = jnp.zeros((size, 0), gram.dtype)
  chex.assert_shape(known, (size, slope.shape[1]))
  expected = slope @ jnp.where(where[:, None], known, 0.0).T
  # What is left of the labels under each hypothesis, [H, n].
  left = jnp.broadcast_to(label - expected, (hypotheses, size))
  left = jnp.pad(left, ((0, 0), (0, spare)))
  where = jnp.pad(where, (0, spare))
  both = where[:, None] & where
  gram = jnp.pad(gram, ((0, 0), (0, spare), (0, spare)))
  gram = jnp.where(both, gram, 0.0)
  ones = jnp.where(both, jnp.asarray(_INTERCEPT, gram.dtype), 0.0)
  shape = _SHAPE + jnp.sum(where) / 2

  def one_batch(batch):
    weight, noise, log_prob, label = batch
    # A row of padding is one of the identity: its pivot is 1, it moves nothing.
    diagonal = jnp.where(where, noise[:, None], 1.0)
    total = jnp.einsum('hk,kij->hij', weight, gram) + ones
    total += jax.vmap(jnp.diag)(diagonal)
    dual, quadratic, log_det = _solve(total, label)
    evidence = -log_det - shape * jnp.log(_RATE + quadratic / 2)
    return dual, evidence + log_prob

  rest = -hypotheses % _BATCH
  padded = (
      jnp.pad(prior.weight, ((0, rest), (0, 0))),
      jnp.pad(prior.noise, (0, rest), constant_values=1.0),
      jnp.pad(prior.log_prob, (0, rest), constant_values=-jnp.inf),
      jnp.pad(left, ((0, rest), (0, 0))),
  )
  dual, evidence = jax.lax.map(
      one_batch,
      jax.tree.map(lambda x: x.reshape(-1, _BATCH, *x.shape[1:]), padded),
  )
  dual = dual.reshape(-1, size + spare)[:, :size]
  evidence = evidence.reshape(-1)
  prob = jax.nn.softmax(evidence)
  believed = prob[:hypotheses]
  return KernelPosterior(
      dual=jnp.einsum('h,hk,hn->kn', prob, padded[0], dual),
      intercept=_INTERCEPT * jnp.einsum('h,hn->', prob, dual),
      prob=believed,
      log_evidence=jax.nn.logsumexp(evidence)
      - jax.nn.logsumexp(prior.log_prob),
      slope=believed @ slope,
  )


@jax.default_matmul_precision('highest')
def predict_kernels(
    posterior: KernelPosterior,
    cross: jax.Array,  # [K, B, n]
    known: jax.Array | None = None,  # [B, M]
) -> jax.Array:  # [B]
  """The posterior mean of networks that may have no label. Jittable.

  Args:
    posterior: from `fit_kernels`.
    cross: `[K, B, n]` kernels between networks and the support.
    known: `[B, M]` the columns of `prior.slope`, where there are some.
  """
  mean = jnp.einsum('kbn,kn->b', cross, posterior.dual) + posterior.intercept
  return mean if known is None else mean + known @ posterior.slope


def linear_kernel(a: jax.Array, b: jax.Array) -> jax.Array:
  """Inner products of `[B, F]` and `[n, F]`, `[B, n]`."""
  return a @ b.T


def gaussian_kernel(a: jax.Array, b: jax.Array) -> jax.Array:
  """`exp(-|a - b|^2 / 2)` of `[B, F]` and `[n, F]`, `[B, n]`."""
  squared = (
      jnp.sum(a**2, axis=1)[:, None] + jnp.sum(b**2, axis=1) - 2.0 * a @ b.T
  )
  return jnp.exp(-0.5 * jnp.maximum(squared, 0.0))

