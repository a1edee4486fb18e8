"""Episodes: the source devices as tasks of meta-learning.

HELP, https://arxiv.org/abs/2106.08630, scales latency between the fastest and
the slowest tenth of what was measured, and draws eight devices at a time, ten
architectures of each to adapt on and 200 others to judge on.
"""

from collections.abc import Callable
import dataclasses
import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types

_TRIM = 0.1
_LOW, _RANGE = 0.05, 0.9


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class EpisodeData:
  """Measured rows of the source devices, and how each device is described.

  Attributes:
    architectures: `N` architectures, shared by all devices.
    label: `[S, N]` float32 normalised latency, 0 where unused.
    where: `[S, N]` bool, False where unmeasured or trimmed.
    reference: `[S, R]` float32 see `embed_reference`; `R = 0` if unused.
  """

  architectures: types.Architectures
  label: chex.Array  # [S, N]
  where: chex.Array  # [S, N]
  reference: chex.Array  # [S, R]


def trimmed(latency_ms: np.ndarray) -> np.ndarray:  # [..., N]
  """Leaves the fastest and the slowest tenth of the measured rows out.

  Positions `int(0.1 n)` to `int(0.9 n)` of the `n` measured ones by latency;
  all of them where `n` is 2 or less, which would leave nothing to tell apart.

  Args:
    latency_ms: `[..., N]` milliseconds; NaN is unmeasured.

  Returns:
    `[..., N]` bool.
  """
  latency_ms = np.asarray(latency_ms, np.float64)
  order = np.argsort(latency_ms, axis=-1, kind='stable')  # NaN last
  place = np.argsort(order, axis=-1, kind='stable')
  count = np.isfinite(latency_ms).sum(axis=-1, keepdims=True)
  first = (_TRIM * count).astype(int)
  last = np.where(count <= 2, count, ((1.0 - _TRIM) * count).astype(int))
  return (place >= first) & (place < last)


def scale_latency(
    latency_ms: np.ndarray,  # [..., N]
    fit_ms: np.ndarray,  # [..., M]
) -> np.ndarray:  # [..., N]
  """HELP's labels: 0.05 to 0.95 over the middle of what was measured.

  Args:
    latency_ms: `[..., N]` milliseconds to scale.
    fit_ms: `[..., M]` measured milliseconds of the same devices, the fastest
      and slowest tenth of which set nothing; NaN is unmeasured.

  Returns:
    `[..., N]` float64; a constant device is 0.05 throughout. Values outside
    [0.05, 0.95] occur.
  """
  where = trimmed(fit_ms)
  low = np.where(where, fit_ms, np.inf).min(axis=-1, keepdims=True)
  high = np.where(where, fit_ms, -np.inf).max(axis=-1, keepdims=True)
  spread = np.where(high > low, high - low, 1.0)
  scaled = _LOW + _RANGE * (np.asarray(latency_ms) - low) / spread
  return np.where(high > low, scaled, _LOW)


def embed_reference(reference_ms: np.ndarray) -> np.ndarray:
  """HELP's hardware embedding: reference latencies from 0 to 1.

  Args:
    reference_ms: `[..., R]` milliseconds of the reference architectures.

  Returns:
    `[..., R]` float32; zeros where all are equal.
  """
  low = reference_ms.min(axis=-1, keepdims=True, initial=np.inf)
  spread = reference_ms.max(axis=-1, keepdims=True, initial=-np.inf) - low
  scale = np.where(spread > 0.0, spread, 1.0)
  return ((reference_ms - low) / scale).astype(np.float32)


def episode_data(
    decode: Callable[[chex.Array], types.Architectures],
    genotype: np.ndarray,  # [N, G]
    latency_ms: np.ndarray,  # [S, N]
    reference_ms: np.ndarray | None = None,  # [S, R]
) -> EpisodeData:
  """Packs source tables for meta-learning, trimmed and scaled as in HELP.

  Args:
    decode: `genotype [N, G] -> Architectures`.
    genotype: `[N, G]` measured architectures.
    latency_ms: `[S, N]` milliseconds; NaN is unmeasured.
    reference_ms: `[S, R]` milliseconds of the reference architectures, for a
      predictor that reads `Devices.reference`.

  Returns:
    `EpisodeData`.

  Raises:
    ValueError: a device has fewer than two rows left after trimming, or a
      reference is unmeasured.
  """
  latency_ms = np.asarray(latency_ms, np.float64)
  if reference_ms is None:
    reference_ms = np.zeros((len(latency_ms), 0))
  if not np.isfinite(reference_ms).all():
    raise ValueError('every source device needs all reference latencies')
  where = trimmed(latency_ms)
  if where.sum(axis=-1).min() < 2:
    raise ValueError(
        'every source device needs two rows or more after trimming'
    )
  label = np.where(where, scale_latency(latency_ms, latency_ms), 0.0)
  return EpisodeData(
      architectures=decode(jnp.asarray(genotype, jnp.int32)),
      label=jnp.asarray(label, jnp.float32),
      where=jnp.asarray(where),
      reference=jnp.asarray(embed_reference(reference_ms)),
  )


def draw_episodes(
    key: chex.PRNGKey,
    data: EpisodeData,
    *,
    num_tasks: int = 8,
    num_support: int = 10,
    num_query: int = 200,
) -> types.Episode:
  """Draws distinct devices and, for each, support and query rows. Jittable.

  All rows of a device are distinct. There are fewer devices or query rows
  where the data has no more; where a device has fewer than the others, its
  last query rows are padding (`where` False).

  Args:
    key: typed PRNG key.
    data: the sources.
    num_tasks: devices T, at most.
    num_support: support rows n.
    num_query: query rows, at most.

  Returns:
    `Episode` with a leading axis T.

  Raises:
    ValueError: there are no rows left for the query.
  """
  sources, size = data.label.shape
  num_query = min(num_query, size - num_support)
  if num_query < 1:
    raise ValueError(
        f'num_support {num_support} leaves no query among {size} rows'
    )
  device_key, row_key = jax.random.split(key)
  devices = jax.random.permutation(device_key, sources)[:num_tasks]

  def one(key: chex.PRNGKey, device: jax.Array) -> types.Episode:
    order = jax.random.uniform(key, (size,)) + ~data.where[device]
    _, rows = jax.lax.top_k(-order, num_support + num_query)
    batch = types.Batch(
        architectures=jax.tree.map(lambda x: x[rows], data.architectures),
        devices=types.Devices(
            index=jnp.full(rows.shape, device, jnp.int32),
            reference=jnp.tile(data.reference[device], (rows.size, 1)),
        ),
        label=data.label[device, rows],
        where=data.where[device, rows],
    )
    return types.Episode(
        support=jax.tree.map(lambda x: x[:num_support], batch),
        query=jax.tree.map(lambda x: x[num_support:], batch),
    )

  return jax.vmap(one)(jax.random.split(row_key, len(devices)), devices)


@functools.lru_cache(maxsize=16)
def _chunk(algorithm: types.TransferAlgorithm, **sizes: int):
  """Compiled `(key, state, data, steps [K]) -> (state, losses [K])`."""

  @jax.jit
  def run(key, state, data, steps):
    def body(state, i):
      draw_key, step_key = jax.random.split(jax.random.fold_in(key, i))
      episodes = draw_episodes(draw_key, data, **sizes)
      state, info = algorithm.step(step_key, state, episodes)
      return state, info.loss

    return jax.lax.scan(body, state, steps)

  return run


def meta_train(
    key: chex.PRNGKey,
    algorithm: types.TransferAlgorithm,
    data: EpisodeData,
    *,
    num_episodes: int,
    num_tasks: int = 8,
    num_support: int = 10,
    num_query: int = 200,
    chunk_steps: int = 50,
    on_chunk: Callable[[types.TransferState, float], None] | None = None,
) -> types.TransferState:
  """Runs `algorithm.step` on random episodes.

  Episode `i` is drawn from `fold_in(key, i)`. One compiled program serves all
  chunks of an algorithm and of a shape of data.

  Args:
    key: typed PRNG key.
    algorithm: `help(...)`, `maml(...)` or `reptile(...)`.
    data: the sources.
    num_episodes: outer steps.
    num_tasks: devices of an episode, at most.
    num_support: support rows of a device.
    num_query: query rows of a device, at most.
    chunk_steps: episodes of a compiled call (`lax.scan`).
    on_chunk: called with the state and the mean loss after each chunk.

  Returns:
    The final state.
  """
  sizes: dict[str, Any] = {
      'num_tasks': num_tasks,
      'num_support': num_support,
      'num_query': num_query,
  }
  run = _chunk(algorithm, **sizes)
  init_key, key = jax.random.split(key)
  episodes = jax.jit(functools.partial(draw_episodes, **sizes))(key, data)
  state = jax.jit(algorithm.init)(init_key, episodes)
  done = 0
  while done < num_episodes:
    size = min(chunk_steps, num_episodes - done)
    state, loss = run(key, state, data, jnp.arange(done, done + size))
    done += size
    if on_chunk is not None:
      on_chunk(state, float(jnp.mean(loss)))
  return state
