"""Bayesian transfer: physics, genotype and sources, each a block of features.

What a few measurements can say about a new device depends on what is believed
before. Here that is a sum of hypotheses about latency: so much per operation,
per live operation, per multiply-add, byte and kernel, under a roofline, per
operation and position, or as on the source devices. Each is a block of
features whose weight is integrated out (see `predictors.fit_bayesian`), so the
support decides, in closed form, which of them this device follows.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import encodings
from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.transfer import _bayesian_prior
from nasflat_jax.transfer import _blocks

Encode = _blocks.Encode

# Pairs of device and trial that are fitted at once, as far as the matrices of
# all their hypotheses stay below so many numbers.
_PAIRS, _NUMBERS = 4, 2**26


@dataclasses.dataclass(frozen=True, eq=False)
class BayesianModel:
  """What is believed about a space before a device is measured.

  Attributes:
    space: the search space.
    blocks: encodings `[B, G] -> [B, F_b]` by name, in the order of columns.
    prior: hypotheses about the `F` columns of all blocks together.
  """

  space: types.SearchSpace
  blocks: Mapping[str, Encode]
  prior: predictors.BayesianPrior

  def encode(self, genotype: chex.Array) -> jax.Array:
    """The features of `[B, G]` genotypes, `[B, F]` float32."""
    genotype = jnp.asarray(genotype, jnp.int32)
    return jnp.concatenate(
        [
            jnp.asarray(encode(genotype), jnp.float32)
            for encode in self.blocks.values()
        ],
        axis=1,
    )

  def design_features(self, genotype: chex.Array) -> jax.Array:
    """Features for `samplers.d_optimal` and others, `[B, F]`.

    Scaled by the prior standard deviation of their coefficients, so that an
    inner product is the prior covariance of two (warped) latencies.

    Args:
      genotype: `[B, G]`.
    """
    return self.encode(genotype) * jnp.sqrt(self.prior.variance.mean(axis=0))


def fit_sources(
    space: types.SearchSpace,
    genotype: np.ndarray,
    latency_ms: np.ndarray,
) -> Encode:
  """A look-up table of each source device, fitted by ridge regression.

  It stands in for the device's own table: it covers the whole space and is
  less noisy than single measurements.

  Args:
    space: the search space.
    genotype: `[N, G]` measured architectures.
    latency_ms: `[S, N]` milliseconds; NaN = unmeasured.

  Returns:
    `[B, G] -> [B, S]`, milliseconds, jittable.

  Raises:
    ValueError: a device has fewer than 2 measurements.
  """
  encode = encodings.one_hot(space)
  features = np.asarray(encode(jnp.asarray(genotype)), np.float64)
  measured = np.isfinite(latency_ms)
  counts = measured.sum(axis=1)
  if counts.min() < 2:
    device = int(counts.argmin())
    raise ValueError(
        f'source device {device} has {counts[device]} measurements, at '
        'least 2 are needed'
    )
  num_devices = len(latency_ms)
  weights = np.zeros((num_devices, features.shape[1]), np.float32)
  intercept = np.zeros(num_devices, np.float32)
  # Devices measured on the same rows share one decomposition.
  rows, group = np.unique(measured, axis=0, return_inverse=True)
  for index, row in enumerate(rows):
    members = group.ravel() == index
    model = predictors.fit_ridge(features[row], latency_ms[members][:, row])
    weights[members], intercept[members] = model.weights, model.intercept

  def predict(genotype: chex.Array) -> jax.Array:
    return encode(genotype) @ weights.T + intercept

  return predict


def bayesian_model(
    space: types.SearchSpace,
    sources: Encode | None = None,
    *,
    blocks: tuple[str, ...] = tuple(_bayesian_prior.BLOCKS),
    further: Mapping[str, Encode] | None = None,
    expected: Encode | None = None,
) -> BayesianModel:
  """The Bayesian predictor of a space, before any measurement of a target.

  Args:
    space: the search space.
    sources: `[B, G] -> [B, S]` latencies (or scores that grow roughly in
      proportion) on source devices, e.g. from `fit_sources` or
      `network_sources`; None where no device of the space is known.
    blocks: names of the blocks of `encodings` to believe in.
    further: encodings `[B, G] -> [B, F]` of one's own by name, each a block
      more, e.g. zero-cost proxies.
    expected: `[B, G] -> [B]` latency of the target that is expected before it
      is measured, above 0, relative to its mean over the space; e.g. from
      `expect_by_devices`. The measurements decide how far it is believed.

  Returns:
    The model.

  Raises:
    ValueError: a block is unknown or occurs twice, or there is no column.

  Example:
    >>> from nasflat_jax import spaces
    >>> model = bayesian_model(spaces.NASBENCH201)
    >>> model.encode(jnp.zeros((2, 6), jnp.int32)).shape
    (2, 52)
  """
  unknown = [name for name in blocks if name not in _bayesian_prior.BLOCKS]
  if unknown:
    raise ValueError(
        f'unknown blocks {unknown}; choose from '
        + ', '.join(_bayesian_prior.BLOCKS)
    )
  chosen: dict[str, Encode] = {
      name: getattr(encodings, name)(space) for name in blocks
  }
  if sources is not None:
    chosen |= _blocks.source_blocks(space, sources)
  for name, encode in (further or {}).items():
    if name in (*chosen, 'expected'):
      raise ValueError(f'further: there is a block {name!r} already')
    chosen[name] = _blocks.further_block(space, encode)
  slopes = None
  if expected is not None:
    # The last block: `_expected_mean` counts on it.
    chosen['expected'], slopes = _blocks.expected_block(
        space, expected, _bayesian_prior.POWERS
    )
  few = jnp.asarray(spaces.reference_sample(space)[:2])
  sizes = {name: encode(few).shape[1] for name, encode in chosen.items()}
  if not sum(sizes.values()):
    raise ValueError(
        f'blocks {list(blocks)} have no columns in {space.spec.name}'
    )
  prior = _bayesian_prior.prior(sizes, slopes)
  return BayesianModel(space=space, blocks=chosen, prior=prior)


def _batch_size(num_support: int) -> int:
  numbers = _bayesian_prior.HYPOTHESES * num_support**2
  return max(1, min(_PAIRS, _NUMBERS // numbers))


@jax.jit
def _fit(
    prior: predictors.BayesianPrior,
    features: jax.Array,  # [T, n, F]
    latency_ms: jax.Array,  # [T, n]
) -> predictors.BayesianPosterior:
  return jax.lax.map(
      lambda pair: predictors.fit_bayesian(prior, *pair),
      (features, latency_ms),
      batch_size=_batch_size(features.shape[1]),
  )


@jax.jit
def _predict(
    posterior: predictors.BayesianPosterior, features: jax.Array
) -> types.Prediction:
  return jax.lax.map(
      lambda one: predictors.predict_bayesian(one, features), posterior
  )


@functools.partial(jax.jit, static_argnames='num')
def _propose(
    posterior: predictors.BayesianPosterior,
    features: jax.Array,
    where: jax.Array,  # [T, B]
    num: int,
) -> jax.Array:
  return jax.lax.map(
      lambda pair: predictors.propose(
          pair[0], pair[1], features, num_proposals=num
      ),
      (posterior, where),
  )


@dataclasses.dataclass(frozen=True, eq=False)
class AdaptedBayesian:
  """A Bayesian model adapted to `T` devices (or trials).

  Attributes:
    model: what was believed before.
    posterior: what is believed now; every field has a leading `[T]`.
  """

  model: BayesianModel
  posterior: predictors.BayesianPosterior

  def predict(
      self, genotype: chex.Array, *, chunk_size: int = 16384
  ) -> types.Prediction:
    """Predicts latency.

    Args:
      genotype: `[B, G]` architectures.
      chunk_size: architectures per pass; bounds memory, changes no value.

    Returns:
      `Prediction`, every field NumPy `[T, B]`, milliseconds.

    Raises:
      ValueError: there is no architecture.
    """
    if not len(genotype):
      raise ValueError('predict takes at least one architecture')
    parts = [
        jax.tree.map(
            np.asarray,
            _predict(
                self.posterior,
                self.model.encode(genotype[start : start + chunk_size]),
            ),
        )
        for start in range(0, len(genotype), chunk_size)
    ]
    return jax.tree.map(lambda *x: np.concatenate(x, axis=1), *parts)

  def propose(
      self,
      genotype: chex.Array,
      num_proposals: int,
      *,
      where: chex.Array | None = None,
  ) -> np.ndarray:
    """What to measure next: where the posterior is least certain.

    Args:
      genotype: `[B, G]` candidates.
      num_proposals: how many to propose, each after the others.
      where: `[T, B]` candidates allowed for each device; None allows all.

    Returns:
      `[T, num_proposals]` rows of `genotype`, distinct.

    Raises:
      ValueError: more are asked for than there are candidates.
    """
    size = (len(self.posterior.scale_ms), len(genotype))
    where = np.ones(size, bool) if where is None else np.asarray(where)
    chex.assert_shape(where, size)
    if num_proposals > where.sum(axis=1).min():
      raise ValueError(
          f'cannot propose {num_proposals} of {where.sum(axis=1).min()} '
          'candidates'
      )
    features = self.model.encode(genotype)
    return np.asarray(
        _propose(self.posterior, features, jnp.asarray(where), num_proposals)
    )


def adapt_bayesian(
    model: BayesianModel,
    genotype: chex.Array,
    latency_ms: chex.Array,
) -> AdaptedBayesian:
  """Adapts a model to devices by their measurements, in closed form.

  Args:
    model: from `bayesian_model`.
    genotype: `[T, n, G]` measured architectures.
    latency_ms: `[T, n]` milliseconds, above 0.

  Returns:
    The adapted model of `T` devices.

  Raises:
    ValueError: there is no measurement, or a latency is not above 0 or not
      finite in float32.
  """
  genotype = np.asarray(genotype)
  latency_ms = np.asarray(latency_ms, np.float32)
  chex.assert_rank([genotype, latency_ms], [3, 2])
  chex.assert_equal_shape_prefix([genotype, latency_ms], 2)
  if not latency_ms.size:
    raise ValueError('adapt_bayesian takes at least one measurement')
  bad = ~(np.isfinite(latency_ms) & (latency_ms > 0.0))
  if bad.any():
    raise ValueError(
        f'latency_ms must be above 0, got {latency_ms[bad][0]} at '
        f'{tuple(int(i) for i in np.argwhere(bad)[0])}'
    )
  num_devices, size, genes = genotype.shape
  features = model.encode(genotype.reshape(-1, genes))
  features = features.reshape(num_devices, size, -1)
  posterior = _fit(
      model.prior, features, jnp.asarray(latency_ms, features.dtype)
  )
  return AdaptedBayesian(model=model, posterior=posterior)
