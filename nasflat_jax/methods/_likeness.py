"""How alike the sources and a target order the support."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import metrics


@jax.jit
def _likeness(predicted: jax.Array, latency_ms: jax.Array) -> jax.Array:
  over_sources = jax.vmap(metrics.spearman, (0, None))
  rho = jax.vmap(over_sources)(predicted, latency_ms)
  return jnp.where(jnp.isnan(rho), -1.0, rho)


def likeness(
    predicted: np.ndarray,  # [T, S, n]
    latency_ms: np.ndarray,  # [T, n]
) -> np.ndarray:  # [T, S]
  """Spearman correlation of each source with the target; -1 if undefined."""
  return np.asarray(_likeness(jnp.asarray(predicted), jnp.asarray(latency_ms)))
