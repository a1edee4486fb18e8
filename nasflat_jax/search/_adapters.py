"""A proxy's model, adapted to a target by a few measurements."""

from __future__ import annotations

from typing import Protocol

import jax.numpy as jnp
import numpy as np

from nasflat_jax import predictors
from nasflat_jax import transfer
from nasflat_jax import types


class Adapter(Protocol):
  """Predicts latencies on targets from measurements of each."""

  def __call__(
      self,
      support: np.ndarray,  # [T, k, G]
      support_ms: np.ndarray,  # [T, k]
      genotype: np.ndarray,  # [B, G]
  ) -> np.ndarray:  # [T, B] milliseconds
    ...


def bayesian_adapter(
    space: types.SearchSpace,
    genotype: np.ndarray,  # [N, G]
    proxy_ms: np.ndarray,  # [N]
) -> Adapter:
  """The Bayesian predictor with the proxy as its one source device.

  Args:
    space: the search space.
    genotype: `[N, G]` architectures measured on the proxy.
    proxy_ms: `[N]` their latencies; NaN = unmeasured.

  Returns:
    The adapter.

  Raises:
    ValueError: fewer than two measurements on the proxy.
  """
  sources = transfer.fit_sources(space, genotype, np.asarray(proxy_ms)[None])
  model = transfer.bayesian_model(space, sources)

  def adapt(support, support_ms, genotype):
    adapted = transfer.adapt_bayesian(model, support, support_ms)
    return np.asarray(adapted.predict(genotype).latency_ms, np.float64)

  return adapt


def adaproxy_adapter(
    space: types.SearchSpace,
    genotype: np.ndarray,  # [N, G]
    proxy_ms: np.ndarray,  # [N]
    *,
    norm: str = '2',
) -> Adapter:
  """OneProxy's adaptation: operators scaled, each a little apart.

  Args:
    space: the search space.
    genotype: `[N, G]` architectures measured on the proxy.
    proxy_ms: `[N]` their latencies; NaN = unmeasured.
    norm: of the changes: `1`, `2` or `inf`, see `predictors.adaproxy_path`. The
      penalty of `2` is chosen by exact leave-one-out error.

  Returns:
    The adapter.

  Raises:
    ValueError: an unknown norm.
  """
  if norm not in predictors.ADAPROXY_NORMS:
    raise ValueError(
        f'norm: unknown {norm!r}; choose from '
        f'{", ".join(predictors.ADAPROXY_NORMS)}'
    )
  num_ops = len(space.spec.gene_names)
  measured = np.isfinite(proxy_ms)
  proxy = predictors.fit_proxy(
      np.asarray(genotype)[measured], np.asarray(proxy_ms)[measured], num_ops
  )

  def fit(support, support_ms):
    hot = predictors.one_hot(support, num_ops)
    if norm == '2':
      return predictors.fit_adaproxy(proxy, hot, support_ms)
    got = predictors.adaproxy_path(
        jnp.asarray(hot * proxy.weights, jnp.float32),
        jnp.asarray(support_ms, jnp.float32),
        norm=norm,
    )
    return predictors.LinearModel(
        proxy.weights * (float(got.scale) + np.asarray(got.change)),
        np.asarray(got.offset),
    )

  def adapt(support, support_ms, genotype):
    hot = predictors.one_hot(genotype, num_ops)
    return np.stack([
        predictors.predict_linear(fit(*one), hot)
        for one in zip(support, support_ms)
    ])

  return adapt


def rescale(
    support_proxy_ms: np.ndarray,  # [k]
    support_ms: np.ndarray,  # [k]
    proxy_ms: np.ndarray,  # [N]
) -> np.ndarray:  # [N]
  """The proxy's latencies in the target's milliseconds; the order is kept.

  AdaProxy without changes: a common scale and an offset, by least squares. The
  scale is at least that of the ratio of the means times 1e-3, so that it is
  positive.
  """
  x, y = np.asarray(support_proxy_ms), np.asarray(support_ms)
  spread = np.var(x)
  ratio = float(y.mean() / x.mean())
  slope = np.mean((x - x.mean()) * (y - y.mean())) / spread if spread else ratio
  slope = max(float(slope), 1e-3 * ratio)
  return y.mean() + slope * (np.asarray(proxy_ms) - x.mean())
