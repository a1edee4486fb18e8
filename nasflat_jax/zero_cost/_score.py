"""The driver: proxies of many architectures by one compiled program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import contextlib
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.zero_cost import _batch
from nasflat_jax.zero_cost import _network
from nasflat_jax.zero_cost import _networks
from nasflat_jax.zero_cost import _passes
from nasflat_jax.zero_cost import _plan
from nasflat_jax.zero_cost import _proxies
from nasflat_jax.zero_cost import _together

Progress = Callable[[int, int], None]


def score(
    fns: Sequence[_proxies.Proxy],
    space: types.SearchSpace,
    key: chex.PRNGKey,
    genotype: chex.Array,  # [B, G]
    batch: _batch.Batch,
    *,
    chunk_size: int = 64,
    together: int | None = None,
    network: _network.Network | None = None,
    merge_duplicates: bool = True,
    progress: Progress | None = None,
    dtype: jax.typing.DTypeLike = jnp.float32,
) -> np.ndarray:  # [B, P]
  """Scores architectures by zero-cost proxies.

  All architectures share one draw of weights (and zen's another one), so that
  they differ by nothing else. Each pass that several proxies need runs once.
  Scores do not depend on the chunks, on the other architectures or, up to
  rounding, on the other proxies asked for.

  On a CPU one architecture runs at a time on every local device of JAX, so
  memory is that of one network for each. Use both cores by
  `jax.config.update('jax_num_cpu_devices', 2)` before anything else.

  Products are in full precision, unless `jax_default_matmul_precision` says
  otherwise. A network that rounding changes (a ReLU's input within rounding of
  zero, grasp's difference of large terms) is known by its score in float64;
  either `dtype` scores the same weights and noise, drawn in float32.

  Args:
    fns: proxies, of `zero_cost`.
    space: the search space.
    key: split in three: of the weights (`Network.init`), of zen's weights
      (`Network.init_normal`) and of zen's noise.
    genotype: `[B, G]` integers.
    batch: images and labels.
    chunk_size: architectures in a call of the compiled program, rounded up to
      a multiple of the devices; the last chunk is filled up. Progress is
      reported, and interruption possible, between calls.
    together: architectures that run side by side on each device. 1 runs only
      the operation that each gene chooses; more run every candidate for all of
      them and select, many times the work in few large kernels. Memory grows
      with it. None is 1 on a CPU and what an accelerator's memory holds, at
      most 64.
    network: of `zero_cost.nasbench201` and the like; None is the space's
      default.
    merge_duplicates: whether networks that differ only in operations on no path
      from input to output are scored once by proxies that cannot tell them
      apart.
    progress: called with the architectures done and their number.
    dtype: of the whole computation; `jnp.float64`, which takes twice the time
      or more, needs `jax_enable_x64`.

  Returns:
    `[B, P]` float64, a column for each proxy; NaN where it is not defined.

  Raises:
    ValueError: images, labels or genotypes do not fit the network; another
      `dtype`, or float64 without `jax_enable_x64`.
  """
  if not fns:
    raise ValueError('fns: no proxy to compute')
  if chunk_size < 1:
    raise ValueError(f'chunk_size must be at least 1, got {chunk_size}')
  if together is not None and together < 1:
    raise ValueError(f'together must be at least 1, got {together}')
  dtype = _checked(dtype)
  network = network or _networks.default(space)
  genes = np.asarray(genotype, np.int32)
  _check(space, network, genes, batch)
  if together is None:
    together = _together.default(
        network, np.shape(batch.images)[0], itemsize=dtype.itemsize
    )
  inputs = _inputs(network, key, batch, dtype)
  labels = np.asarray(batch.labels)

  made = _plan.plan(fns, genes, network, merge_duplicates=merge_duplicates)
  total = sum(len(job.genotype) for job in made.jobs)
  done = 0
  scores = []
  for rows, asked in made.jobs:
    parts = []
    for chunk, found in _chunks(
        network, asked, rows, inputs, chunk_size, together
    ):
      parts.append(np.stack([fn.reduce(found, labels) for fn in asked], axis=1))
      done += len(chunk)
      if progress is not None:
        progress(done, total)
    scores.append(np.concatenate(parts))
  return _plan.join(made, scores)


def _checked(dtype: jax.typing.DTypeLike) -> np.dtype:
  found = np.dtype(dtype)
  if found not in (np.float32, np.float64):
    raise ValueError(f'dtype must be float32 or float64, got {found}')
  enabled = jax.config.jax_enable_x64  # type: ignore[attr-defined]
  if found == np.float64 and not enabled:
    raise ValueError(
        'dtype float64 needs jax.config.update("jax_enable_x64", True)'
    )
  return found


def _floats(dtype: np.dtype) -> contextlib.AbstractContextManager[None]:
  """JAX whose zeros, ones and constants are of that dtype by default."""
  return jax.enable_x64(dtype == np.float64)


def _check(space, network, genes, batch) -> None:
  if genes.ndim != 2 or genes.shape[1] != network.num_genes:
    raise ValueError(
        f'genotype: got shape {genes.shape}, want [B, {network.num_genes}]'
    )
  top = len(space.spec.gene_names)
  if genes.size and not 0 <= genes.min() <= genes.max() < top:
    raise ValueError(f'genotype: genes must be from 0 to {top - 1}')
  shape = np.shape(batch.images)
  if len(shape) != 4 or shape[1:] != network.input_shape or shape[0] < 2:
    raise ValueError(
        f'batch: images have shape {shape}, want [N, '
        f'{", ".join(map(str, network.input_shape))}] with N of 2 or more'
    )
  labels = np.asarray(batch.labels)
  if labels.shape != shape[:1]:
    raise ValueError(f'batch: labels have shape {labels.shape}, want [N]')
  if not 0 <= labels.min() <= labels.max() < network.num_classes:
    raise ValueError(
        f'batch: labels must be from 0 to {network.num_classes - 1}'
    )


def _inputs(
    network: _network.Network,
    key: chex.PRNGKey,
    batch: _batch.Batch,
    dtype: np.dtype,
) -> _passes.Inputs:
  """Drawn in float32, so that both dtypes are of the same networks."""
  weights_key, zen_key, noise_key = jax.random.split(key, 3)
  with jax.enable_x64(False):
    params, zen_params = jax.tree.map(
        lambda x: np.asarray(x, dtype),
        (network.init(weights_key), network.init_normal(zen_key)),
    )
    noise = jax.random.normal(noise_key, (2, *np.shape(batch.images)))
  with _floats(dtype):
    return _passes.Inputs(
        params,
        _passes.absolute(params),
        zen_params,
        jnp.asarray(batch.images, dtype),
        jnp.asarray(batch.labels, jnp.int32),
        jnp.asarray(noise, dtype),
    )


def _chunks(
    network, fns, rows, inputs, chunk_size, together
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
  """Chunks of rows and their quantities `[B, ...]`."""
  needs = frozenset(need for fn in fns for need in fn.needs)
  num_devices = jax.local_device_count()
  share = -(-min(chunk_size, max(len(rows), 1)) // num_devices)
  together = min(together, share)
  size = -(-share // together) * together * num_devices
  run = _program(network, needs, num_devices, together)
  # An accelerator's default is products of fewer bits.
  precision = (
      jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
      or 'highest'
  )
  for start in range(0, len(rows), size):
    chunk = rows[start : start + size]
    padded = np.pad(chunk, ((0, size - len(chunk)), (0, 0)), mode='edge')
    with _floats(inputs.images.dtype), jax.default_matmul_precision(precision):
      found = jax.device_get(run(padded, inputs))
    yield chunk, {name: x[: len(chunk)] for name, x in found.items()}


@functools.lru_cache(maxsize=16)
def _program(
    network: _network.Network,
    needs: frozenset[str],
    num_devices: int,
    together: int,
) -> Callable[[np.ndarray, _passes.Inputs], dict[str, jax.Array]]:
  """Compiled `(genotype [B, G], inputs) -> {quantity: [B, ...]}`."""
  one = _passes.quantities(network, needs)

  def run(genotype: chex.Array, inputs: _passes.Inputs):
    def scored(genes):
      return one(genes, inputs)

    if together == 1:
      # Not vmapped: that would run all candidates of every gene.
      return jax.lax.map(scored, genotype)
    return jax.lax.map(scored, genotype, batch_size=together)

  if num_devices == 1:
    return jax.jit(run)
  mesh = jax.sharding.Mesh(np.array(jax.local_devices()), ('architectures',))
  split = jax.sharding.PartitionSpec('architectures')
  return jax.jit(
      jax.shard_map(
          run,
          mesh=mesh,
          in_specs=(split, jax.sharding.PartitionSpec()),
          out_specs=split,
          check_vma=False,
      )
  )
