"""One model of many latencies and many accuracies.

Latency on a device and error on a task are both something a network costs: the
*heads* of one model. Heads that were measured before are predicted by linear
maps of one set of features, found together and cut to a low rank, the *trunk*.
A new head is a random combination of the old ones and of the blocks of
`bayesian_model`, whose weights its own few labels decide (`adapt_bayesian`), so
that a device may follow devices, a task tasks, and either the other kind where
that explains it.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import encodings
from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.transfer import _bayesian
from nasflat_jax.transfer import _blocks

Encode = _blocks.Encode

_RANK = 12
# Blocks beside which the trunk sees products of two genes' operations.
_TRUNK_BLOCKS = ('one_hot', 'live_op_counts', 'live_costs', 'roofline')
# Beyond so many products they are left out: no table would fill them.
_MOST_PRODUCTS = 600


def _trunk_features(space: types.SearchSpace) -> Encode:
  """`[B, G] -> [B, F]`, all that the heads are linear in."""
  blocks = [getattr(encodings, name)(space) for name in _TRUNK_BLOCKS]
  hot = blocks[0]
  width = hot(jnp.asarray(spaces.reference_sample(space)[:1])).shape[1]
  left, right = np.triu_indices(width, 1)
  products = len(left) <= _MOST_PRODUCTS

  def encode(genotype: chex.Array) -> jax.Array:
    genotype = jnp.asarray(genotype, jnp.int32)
    parts = [block(genotype) for block in blocks]
    if products:
      parts.append(parts[0][:, left] * parts[0][:, right] * np.sqrt(width))
    return jnp.concatenate(parts, axis=1)

  return encode


@dataclasses.dataclass(frozen=True, eq=False)
class Trunk:
  """What is known of all earlier heads of a space.

  Attributes:
    names: `S` heads it was fitted to.
    features: `[B, G] -> [B, F]`.
    weights: `[S, F]` of rank at most that of the trunk, for heads of mean 0 and
      spread 1 over the space.
    offset: `[S]`.
  """

  names: tuple[str, ...]
  features: Encode
  weights: np.ndarray  # [S, F]
  offset: np.ndarray  # [S]

  def __call__(self, genotype: chex.Array) -> jax.Array:
    """The earlier heads of `[B, G]` genotypes, `[B, S]`; jittable."""
    return self.features(genotype) @ self.weights.T + self.offset


def fit_trunk(
    space: types.SearchSpace,
    genotype: np.ndarray,
    heads: Mapping[str, np.ndarray],
    *,
    rank: int = _RANK,
) -> Trunk:
  """Learns the trunk from heads measured before.

  Ridge regression of the logarithms, one decomposition for all heads, then the
  best approximation of their predictions by `rank` common factors.

  Args:
    space: the search space.
    genotype: `[N, G]` architectures.
    heads: `[N]` by name, above 0, larger is worse: milliseconds of a device, or
      percent of errors (100 minus accuracy) of a task; NaN = unmeasured.
    rank: factors that the heads share.

  Returns:
    The trunk, for `joint`.

  Raises:
    ValueError: there is no head, a head has fewer than 2 measurements or one
      that is not above 0, or the rank is not positive.
  """
  if rank < 1:
    raise ValueError(f'rank must be positive, got {rank}')
  if not heads:
    raise ValueError('fit_trunk takes at least one head')
  values = np.stack([np.asarray(v, np.float64) for v in heads.values()])
  measured = np.isfinite(values)
  for name, row, known in zip(heads, values, measured, strict=True):
    if known.sum() < 2 or row[known].min() <= 0.0:
      raise ValueError(
          f'head {name!r} needs 2 measurements or more, all above 0'
      )
  encode = _trunk_features(space)
  features = np.asarray(jax.jit(encode)(jnp.asarray(genotype)), np.float64)
  weights = np.zeros((len(values), features.shape[1]))
  patterns, group = np.unique(measured, axis=0, return_inverse=True)
  for index, known in enumerate(patterns):
    members = group.ravel() == index
    logs = np.log(values[members][:, known])
    weights[members] = predictors.fit_ridge(features[known], logs).weights
  sample = np.asarray(
      jax.jit(encode)(jnp.asarray(spaces.reference_sample(space))), np.float64
  )
  spread = (sample @ weights.T).std(axis=0)
  weights /= np.where(spread > 0.0, spread, 1.0)[:, None]
  predicted = (sample - sample.mean(axis=0)) @ weights.T  # [N, S]
  _, _, factors = np.linalg.svd(predicted, full_matrices=False)
  shared = factors[:rank].T @ factors[:rank]  # [S, S]
  weights = shared @ weights
  return Trunk(
      names=tuple(heads),
      features=encode,
      weights=weights.astype(np.float32),
      offset=(-weights @ sample.mean(axis=0)).astype(np.float32),
  )


@dataclasses.dataclass(frozen=True, eq=False)
class JointPosterior:
  """Several heads after their labels, one posterior each, one trunk.

  Attributes:
    heads: `AdaptedBayesian` of one head each, by name; `search.latency` and
      `search.latency_quantile` take them as they are.
  """

  heads: Mapping[str, _bayesian.AdaptedBayesian]

  def predict(self, head: str, genotype: chex.Array) -> types.Prediction:
    """Predicts one head.

    Args:
      head: its name.
      genotype: `[B, G]` architectures.

    Returns:
      `Prediction`, fields `[B]`, in the head's unit (`latency_ms` holds percent
      of errors where the head is a task).

    Raises:
      ValueError: there is no such head.
    """
    if head not in self.heads:
      raise ValueError(
          f'no head {head!r}; choose from {", ".join(self.heads)}'
      )
    got = self.heads[head].predict(genotype)
    return jax.tree.map(lambda x: x[0], got)


@dataclasses.dataclass(frozen=True, eq=False)
class Joint:
  """Latency on any device and error on any task of a space, before labels.

  Attributes:
    trunk: what is known of earlier heads.
    model: the Bayesian model that every new head starts from.
  """

  trunk: Trunk
  model: _bayesian.BayesianModel

  def posterior(
      self, support: Mapping[str, tuple[chex.Array, chex.Array]]
  ) -> JointPosterior:
    """Updates by the labels of new heads, in closed form.

    Args:
      support: `([n, G] genotypes, [n] values)` by head, values above 0, larger
        is worse. Heads may differ in n.

    Returns:
      Their posteriors.

    Raises:
      ValueError: a head has no label, or one not above 0; see
        `adapt_bayesian`.
    """
    return JointPosterior({
        name: _bayesian.adapt_bayesian(
            self.model, np.asarray(genotype)[None], np.asarray(values)[None]
        )
        for name, (genotype, values) in support.items()
    })


def joint(
    space: types.SearchSpace,
    genotype: np.ndarray,
    heads: Mapping[str, np.ndarray],
    *,
    rank: int = _RANK,
) -> Joint:
  """One model of latency on many devices and error on many tasks.

  Args:
    space: the search space.
    genotype: `[N, G]` architectures.
    heads: `[N]` by name, see `fit_trunk`.
    rank: factors that the heads share.

  Returns:
    The model; `posterior` makes it that of new devices and tasks.

  Raises:
    ValueError: see `fit_trunk`.

  Example:
    >>> from nasflat_jax import spaces
    >>> space = spaces.NASBENCH_MACRO
    >>> chains = np.asarray(space.random(jax.random.key(0), 50))
    >>> costs = space.costs(chains)
    >>> heads = {'gpu': 1.0 + costs.kernels, 'cpu': 1e6 + costs.flops}
    >>> model = joint(space, chains, heads, rank=2)
    >>> new = {'phone': (chains[:5], 1e5 + costs.params[:5])}
    >>> model.posterior(new).predict('phone', chains).latency_ms.shape
    (50,)
  """
  trunk = fit_trunk(space, genotype, heads, rank=rank)
  return Joint(trunk, _bayesian.bayesian_model(space, trunk))
