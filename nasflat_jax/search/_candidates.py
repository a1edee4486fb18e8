"""The architectures that may be chosen, ready to be scored again and again."""

from __future__ import annotations

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import transfer


@dataclasses.dataclass(frozen=True, eq=False)
class Candidates:
  """`N` architectures with what is known of them before a device is measured.

  Attributes:
    model: what is believed about their latency.
    genotype: `[N, G]` int32, distinct.
    accuracy: `[N]` float64, larger is better: an accuracy, a predicted one, or
      any score such as a zero-cost vote. NaN = not to be chosen.
    features: `[N, F]` float32, of the model.
    scale: `[F]` float32; features times it are those of
      `BayesianModel.design_features`.
    ranking: `[M]` int32 rows that may be chosen, best first.
  """

  model: transfer.BayesianModel
  genotype: np.ndarray  # [N, G]
  accuracy: np.ndarray  # [N]
  features: jax.Array  # [N, F]
  scale: jax.Array  # [F]
  ranking: np.ndarray  # [M]


def candidates(
    model: transfer.BayesianModel,
    genotype: chex.Array,
    accuracy: chex.Array,
    *,
    where: chex.Array | None = None,
) -> Candidates:
  """Encodes the architectures once, for any device, budget and seed.

  Args:
    model: from `transfer.bayesian_model`, with or without source devices.
    genotype: `[N, G]` a whole space or a list, distinct rows.
    accuracy: `[N]` as in `Candidates`.
    where: `[N]` True for architectures that can be measured; None allows all.

  Returns:
    The candidates.

  Raises:
    ValueError: shapes do not fit, an architecture is listed twice, or nothing
      may be chosen.
  """
  genotype = np.asarray(genotype, np.int32)
  accuracy = np.asarray(accuracy, np.float64)
  if genotype.ndim != 2 or accuracy.shape != genotype.shape[:1]:
    raise ValueError(
        f'accuracy must be [N] and genotype [N, G], got {accuracy.shape} and '
        f'{genotype.shape}'
    )
  if len(np.unique(genotype, axis=0)) != len(genotype):
    name = model.space.spec.name
    raise ValueError(f'{name}: an architecture is listed twice')
  allowed = np.isfinite(accuracy)
  if where is not None:
    if np.shape(where) != accuracy.shape:
      raise ValueError(
          f'where must be [N] = {accuracy.shape}, got {np.shape(where)}'
      )
    allowed &= np.asarray(where, bool)
  if not allowed.any():
    raise ValueError('there is no architecture to choose')
  order = np.argsort(-accuracy, kind='stable')
  return Candidates(
      model=model,
      genotype=genotype,
      accuracy=accuracy,
      features=model.encode(genotype),
      scale=jnp.sqrt(model.prior.variance.mean(axis=0)),
      ranking=order[allowed[order]].astype(np.int32),
  )
