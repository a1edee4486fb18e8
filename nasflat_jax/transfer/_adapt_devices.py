"""From a pretrained network and a few measurements to milliseconds.

Two estimates are averaged, because they fail in different places:

*   the fine-tuned network (NASFLAT, https://arxiv.org/abs/2403.02446), its
    unitless score calibrated to milliseconds on the support, and
*   a ridge regression in milliseconds on what the network predicts for every
    source device and on the cost encoding, the penalty chosen by closed-form
    leave-one-out error.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax

from nasflat_jax import encodings
from nasflat_jax import metrics
from nasflat_jax import predictors
from nasflat_jax import types
from nasflat_jax.transfer import _chunks
from nasflat_jax.transfer import _fine_tune
from nasflat_jax.transfer import _pretrain

# (device, trial) pairs fine-tuned at once; bounds the memory of gradients.
_PAIRS = 16


@functools.cache
def decoder(
    space: types.SearchSpace, encoding: str
) -> Callable[[chex.Array], types.Architectures]:
  """Decodes genotypes of a space and fills in their supplementary encoding.

  Args:
    space: the search space.
    encoding: a public name of `encodings`.

  Returns:
    `genotype [B, G] -> Architectures`, jittable; the same function object for
    the same arguments, so that it can key a cache of compiled programs.
  """
  encode = getattr(encodings, encoding)(space)

  def decode(genotype: chex.Array) -> types.Architectures:
    genotype = jnp.asarray(genotype, jnp.int32)
    return dataclasses.replace(
        space.decode(genotype), encoding=encode(genotype)
    )

  return decode


@dataclasses.dataclass(frozen=True, eq=False)
class Pretrained:
  """A pretrained network and how it is adapted.

  Attributes:
    space: the search space.
    predictor: the pair; its hardware table has `num_sources + 1` rows.
    params: pretrained parameters.
    num_sources: source devices S.
    encoding: name in `encodings` of the supplementary encoding.
    adapt_steps: fine-tuning updates.
    learning_rate: initial rate of AdamW, decayed by a cosine.
    parts: which estimates enter: `fine_tune`, `head`, or both.
    head_sources: source devices whose predictions the head reads; empty takes
      all. Many sources are near copies of each other (`distinct_sources`).
    warm_start: fine-tuning starts from the embedding of the source that orders
      the support best, else from the target's own row.
    source_reference: `[S, R]` normalised latencies of the sources at the
      reference architectures, for a predictor that reads them; None is R = 0.
  """

  space: types.SearchSpace
  predictor: types.Predictor
  params: Any
  num_sources: int
  encoding: str = 'costs'
  adapt_steps: int = 100
  learning_rate: float = 2e-3
  parts: tuple[str, ...] = ('fine_tune', 'head')
  head_sources: tuple[int, ...] = ()
  warm_start: bool = True
  source_reference: np.ndarray | None = None

  def __post_init__(self) -> None:
    if not self.parts or not set(self.parts) <= {'fine_tune', 'head'}:
      raise ValueError(
          "parts takes 'fine_tune', 'head' or both, got"
          f' {", ".join(self.parts) or "none"}'
      )

  @classmethod
  def from_checkpoint(
      cls,
      space: types.SearchSpace,
      predictor: types.Predictor,
      params: Any,
      provenance: Mapping[str, Any],
  ) -> 'Pretrained':
    """Builds it from the three parts of a checkpoint."""
    keywords: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in provenance['transfer'].items()
    }
    num_sources = len(provenance['devices'])
    return cls(space, predictor, params, num_sources, **keywords)

  @property
  def reference(self) -> np.ndarray:  # [S, R]
    """`source_reference`, `[S, 0]` where it is None."""
    if self.source_reference is None:
      return np.zeros((self.num_sources, 0), np.float32)
    return self.source_reference

  @property
  def decode(self) -> Callable[[chex.Array], types.Architectures]:
    """`genotype [B, G] -> Architectures` with the encoding filled in."""
    return decoder(self.space, self.encoding)

  def source_scores(
      self,
      genotype: np.ndarray,
      *,
      devices: Sequence[int] = (),
      chunk_size: int = 1024,
  ) -> np.ndarray:
    """Scores of architectures as on source devices.

    Args:
      genotype: `[N, G]` architectures.
      devices: rows of the hardware embedding; empty takes all sources.
      chunk_size: architectures per pass; bounds memory.

    Returns:
      `[S, N]` scores, one row per device.
    """
    return _chunks.in_chunks(
        lambda part: self.traced_scores(part, devices),
        np.asarray(genotype, np.int32),
        chunk_size,
    )

  def traced_scores(
      self, genotype: jax.Array, devices: Sequence[int] = ()
  ) -> jax.Array:
    """As `source_scores`, in one pass: `[B, G] -> [S, B]`, jittable."""
    run = _source_scores(self.predictor, self.decode)
    index = np.asarray(devices or range(self.num_sources), np.int32)
    rows = jnp.asarray(index), jnp.asarray(self.reference[index])
    return run(self.params, genotype, *rows)


@dataclasses.dataclass(frozen=True, eq=False)
class AdaptedDevices:
  """`T` adapted (device, trial) pairs.

  Attributes:
    pretrained: what they were adapted from.
    params: fine-tuned parameters with a leading `T` axis, or None.
    support_scores: `[T, n]` scores of the support after fine-tuning, or None.
    head: ridge models of `T` pairs, or None.
    latency_ms: `[T, n]` support latencies, milliseconds.
    reference: `[T, R]` normalised latencies of the reference architectures.
  """

  pretrained: Pretrained
  params: Any
  support_scores: np.ndarray | None
  head: predictors.LinearModel | None
  latency_ms: np.ndarray
  reference: np.ndarray

  def predict(
      self, genotype: np.ndarray, *, chunk_size: int = 1024
  ) -> np.ndarray:
    """Predicts latency.

    Args:
      genotype: `[N, G]` architectures.
      chunk_size: architectures per pass; bounds memory.

    Returns:
      `[T, N]` milliseconds, positive.
    """
    pre = self.pretrained
    estimates = []
    if self.params is not None and self.support_scores is not None:
      run = _target_scores(pre.predictor, pre.num_sources, pre.decode)
      scores = _chunks.in_chunks(
          functools.partial(run, self.params, jnp.asarray(self.reference)),
          np.asarray(genotype, np.int32),
          chunk_size,
      )
      pairs = zip(self.support_scores, self.latency_ms, scores)
      estimates.append(
          np.stack([metrics.calibrate(s, ms)(row) for s, ms, row in pairs])
      )
    if self.head is not None:
      features = _head_features(pre, genotype, chunk_size)
      estimates.append(predictors.predict_linear(self.head, features))
    return _positive(
        np.mean(estimates, axis=0),
        0.5 * self.latency_ms.min(axis=1, keepdims=True),
    )


def adapt_devices(
    keys: chex.PRNGKey,  # [T]
    pretrained: Pretrained,
    genotype: np.ndarray,  # [T, n, G]
    latency_ms: np.ndarray,  # [T, n]
    reference_ms: np.ndarray | None = None,  # [T, R]
) -> AdaptedDevices:
  """Adapts a pretrained network to `T` (device, trial) pairs at once.

  Each pair sees its own support and nothing else. The result keeps one copy of
  the parameters per pair (1.7 MB for `nasflat`); split `T` where that is much.

  Args:
    keys: `[T]` typed PRNG keys, one per pair.
    pretrained: the network and how to adapt it.
    genotype: `[T, n, G]` support architectures.
    latency_ms: `[T, n]` their latencies, milliseconds, positive.
    reference_ms: `[T, R]` milliseconds of the reference architectures that
      the network was pretrained with; None where it reads none.

  Returns:
    The adapted pairs.

  Raises:
    ValueError: shapes that do not fit, no measurement, or latencies that are
      not positive.
  """
  genotype = np.asarray(genotype, np.int32)
  latency_ms = np.asarray(latency_ms, np.float64)
  if genotype.ndim != 3 or latency_ms.shape != genotype.shape[:2]:
    raise ValueError(
        'adapt_devices takes genotype [T, n, G] and latency_ms [T, n], got'
        f' {genotype.shape} and {latency_ms.shape}'
    )
  if not latency_ms.size or len(keys) != len(genotype):
    raise ValueError(
        'adapt_devices takes one key for each of T pairs and n measurements'
        f' of each, at least one, got {len(keys)} keys and latency_ms'
        f' {latency_ms.shape}'
    )
  if not (np.isfinite(latency_ms).all() and (latency_ms > 0).all()):
    raise ValueError('adapt_devices takes positive, finite latencies')
  pairs, size, genes = genotype.shape
  reference = _pretrain.normalised_reference(reference_ms, pairs)
  if reference.shape[1] != pretrained.reference.shape[1]:
    raise ValueError(
        f'the network reads {pretrained.reference.shape[1]} reference'
        f' latencies of a device, got {reference.shape[1]}'
    )
  params, scores, head = None, None, None
  if 'fine_tune' in pretrained.parts:
    label, _, _ = _pretrain.standardise_log(latency_ms)
    run = _fine_tune_pairs(
        pretrained.predictor,
        pretrained.num_sources,
        pretrained.decode,
        pretrained.adapt_steps,
        pretrained.learning_rate,
        pretrained.warm_start,
    )
    params, scores = run(
        keys,
        pretrained.params,
        *(jnp.asarray(x) for x in (genotype, label, reference)),
        jnp.asarray(pretrained.reference),
    )
    scores = np.asarray(scores)
  if 'head' in pretrained.parts:
    features = _head_features(pretrained, genotype.reshape(-1, genes), 1024)
    head = predictors.fit_ridge(
        features.reshape(pairs, size, -1), latency_ms
    )
  return AdaptedDevices(
      pretrained, params, scores, head, latency_ms, reference
  )


@functools.lru_cache(maxsize=16)
def _fine_tune_pairs(
    predictor, num_sources, decode, adapt_steps, rate, warm_start
):
  """Compiled `(keys, params, genotype, label, ...) -> (params [T], scores)`."""
  schedule = optax.cosine_decay_schedule(rate, adapt_steps, alpha=1e-3)
  optimizer = optax.adamw(schedule, weight_decay=1e-5)

  def one(params, source_reference, key, genotype, label, reference):
    size = label.shape[0]
    support = types.Batch(
        architectures=decode(genotype),
        devices=_devices(num_sources, size, reference),
        label=label,
        where=jnp.ones(size, bool),
    )
    algorithm = _fine_tune.fine_tune(
        predictor,
        optimizer=optimizer,
        adapt_optimizer=optimizer,
        adapt_steps=adapt_steps,
        num_sources=num_sources,
        warm_start=warm_start,
        source_reference=source_reference,
    )
    adapted = algorithm.adapt(key, params, support)
    scores = predictor.apply(adapted, support.architectures, support.devices)
    return adapted, scores

  @jax.jit
  def run(keys, params, genotype, label, reference, source_reference):
    return jax.lax.map(
        lambda row: one(params, source_reference, *row),
        (keys, genotype, label, reference),
        batch_size=min(_PAIRS, label.shape[0]),
    )

  return run


@functools.lru_cache(maxsize=16)
def _target_scores(predictor, num_sources, decode):
  """Compiled `(params [T], reference, genotype) -> scores [T, B]`."""

  @jax.jit
  def run(params, reference, genotype):
    architectures = decode(genotype)

    def one(row):
      devices = _devices(num_sources, genotype.shape[0], row[1])
      return predictor.apply(row[0], architectures, devices)

    return jax.lax.map(one, (params, reference))

  return run


@functools.lru_cache(maxsize=16)
def _source_scores(predictor, decode):
  """Compiled `(params, genotype [B, G], devices [S], ...) -> scores [S, B]`."""

  @jax.jit
  def run(params, genotype, devices, reference):
    architectures = decode(genotype)

    def one(row):
      rows = _devices(row[0], genotype.shape[0], row[1])
      return predictor.apply(params, architectures, rows)

    return jax.lax.map(one, (devices, reference))

  return run


def _devices(
    device: chex.Numeric, size: int, reference: jax.Array
) -> types.Devices:
  """The same device, and its `[R]` reference latencies, for `size` rows."""
  return types.Devices(
      index=jnp.full((size,), device, jnp.int32),
      reference=jnp.broadcast_to(reference, (size, reference.shape[0])),
  )


def _head_features(
    pretrained: Pretrained, genotype: np.ndarray, chunk_size: int
) -> np.ndarray:
  """Features `[N, S + F]` of the ridge, each block of unit total variance."""
  sources = pretrained.source_scores(
      genotype, devices=pretrained.head_sources, chunk_size=chunk_size
  ).T
  encode = getattr(encodings, pretrained.encoding)(pretrained.space)
  costs = np.asarray(encode(jnp.asarray(genotype, jnp.int32)))
  blocks = [b / np.sqrt(b.shape[1]) for b in (sources, costs) if b.shape[1]]
  return np.concatenate(blocks, axis=1).astype(np.float64)


def _positive(values: np.ndarray, floor: np.ndarray) -> np.ndarray:
  """Bends values below `floor` towards zero, keeping their order."""
  exponent = np.minimum(values, floor) / floor - 1.0
  bent = floor * np.exp(np.maximum(exponent, -600.0))  # not to underflow to 0
  return np.where(values < floor, bent, values)
