"""Four ways to run a choice of operation for many architectures at once.

An edge of NAS-Bench-201, forward and backward, with the squared norm of each
architecture's weight gradient, all architectures sharing one draw of weights:

- `switch`: one architecture after the other, only its operation runs;
- `one-hot`: every operation runs for all, the results are selected;
- `grouped`: every operation as a 3x3 convolution, each architecture with a
  kernel of its own (a grouped convolution);
- `sorted`: architectures are ordered by operation, each runs for its own. The
  counts are compiled in, which a search cannot do: the best it could reach.
"""

from __future__ import annotations

from collections.abc import Callable
import functools
import statistics
import time
from typing import Any, NamedTuple

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

WAYS = ('switch', 'one-hot', 'grouped', 'sorted')
_NONE, _SKIP, _CONV_1X1, _CONV_3X3, _POOL = range(5)


class Inputs(NamedTuple):
  """Of an edge.

  Attributes:
    small: `[1, 1, C, C]` kernel.
    large: `[3, 3, C, C]` kernel.
    x: `[A, N, H, W, C]`.
    cotangent: `[A, N, H, W, C]` of the output.
  """

  small: jax.Array
  large: jax.Array
  x: jax.Array
  cotangent: jax.Array


# Output, cotangent of the input, squared norm of the kernel's gradient.
Found = tuple[jax.Array, jax.Array, jax.Array]


def inputs(key: jax.Array, archs: int, images: int, side: int, channels: int):
  """Random `Inputs`."""
  keys = jax.random.split(key, 4)
  shape = (archs, images, side, side, channels)
  return Inputs(
      jax.random.normal(keys[0], (1, 1, channels, channels)),
      jax.random.normal(keys[1], (3, 3, channels, channels)),
      jax.random.normal(keys[2], shape),
      jax.random.normal(keys[3], shape),
  )


def _convolve(x, kernel):
  return lax.conv_general_dilated(
      x, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )


def _back(cotangent, kernel):
  flipped = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
  return _convolve(cotangent, flipped)


def _squared(x, cotangent, size):
  """Squared norm of a kernel's gradient, a product for each tap."""
  pad = size // 2
  padded = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
  side = x.shape[1]
  return sum(
      (jnp.einsum(
          'nhwc,nhwo->co',
          padded[:, i : i + side, j : j + side],
          cotangent,
      ) ** 2).sum()
      for i in range(size)
      for j in range(size)
  )


def _normalise(z):
  centred = z - z.mean((0, 1, 2))
  scale = lax.rsqrt((centred**2).mean((0, 1, 2)) + 1e-5)
  return centred * scale, scale


def _normalise_back(cotangent, y, scale):
  axes = (0, 1, 2)
  return scale * (
      cotangent - cotangent.mean(axes) - y * (cotangent * y).mean(axes)
  )


def _conv(kernel: jax.Array, x: jax.Array, cotangent: jax.Array) -> Found:
  active = jax.nn.relu(x)
  y, scale = _normalise(_convolve(active, kernel))
  inner = _normalise_back(cotangent, y, scale)
  dx = jnp.where(x > 0, _back(inner, kernel), 0.0)
  return y, dx, _squared(active, inner, kernel.shape[0])


def _window_sum(x):
  x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
  x = x[:, :-2] + x[:, 1:-1] + x[:, 2:]
  return x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]


def _share(side: int) -> np.ndarray:
  """One over the real pixels of each 3x3 window, `[1, H, W, 1]`."""
  count = np.full(side, 3.0)
  count[0] = count[-1] = 2.0
  return (1 / np.outer(count, count))[None, :, :, None].astype(np.float32)


def _branches(small, large) -> list[Callable[[Any, Any], Found]]:
  still = jnp.zeros(())

  def pool(x, cotangent):
    share = _share(x.shape[1])
    return _window_sum(x) * share, _window_sum(cotangent * share), still

  return [
      lambda x, c: (jnp.zeros_like(x), jnp.zeros_like(c), still),
      lambda x, c: (x, c, still),
      functools.partial(_conv, small),
      functools.partial(_conv, large),
      pool,
  ]


def _chosen(given: Inputs, gene, x, cotangent) -> Found:
  branches = _branches(given.small, given.large)
  return lax.switch(gene, branches, x, cotangent)


def _switch(genes, given: Inputs) -> Found:
  return lax.map(
      lambda row: _chosen(given, *row), (genes, given.x, given.cotangent)
  )


def _one_hot(genes, given: Inputs) -> Found:
  run = functools.partial(_chosen, given)
  return jax.vmap(run)(genes, given.x, given.cotangent)


def _grouped(genes, given: Inputs) -> Found:
  channels = given.x.shape[-1]
  unit = jnp.zeros((3, 3, channels, channels))
  unit = unit.at[1, 1].set(jnp.eye(channels))
  table = jnp.stack([
      jnp.zeros_like(unit),
      unit,
      jnp.zeros_like(unit).at[1, 1].set(given.small[0, 0]),
      given.large,
      jnp.zeros_like(unit) + jnp.eye(channels),
  ])
  share = _share(given.x.shape[2])

  def run(gene, x, cotangent):
    kernel = table[gene]
    learned = (gene == _CONV_1X1) | (gene == _CONV_3X3)
    factor = jnp.where(gene == _POOL, share, 1.0)
    active = jnp.where(learned, jax.nn.relu(x), x)
    z = _convolve(active, kernel) * factor
    y, scale = _normalise(z)
    inner = _normalise_back(cotangent, y, scale)
    dx = _back(jnp.where(learned, inner, cotangent * factor), kernel)
    dx = jnp.where(learned & (x <= 0), 0.0, dx)
    small, large = (_squared(active, inner, size) for size in (1, 3))
    squared = jnp.where(gene == _CONV_3X3, large, small)
    return jnp.where(learned, y, z), dx, jnp.where(learned, squared, 0.0)

  return jax.vmap(run)(genes, given.x, given.cotangent)


def _sorted(genes: np.ndarray, given: Inputs) -> Found:
  """`genes` are known when it is compiled."""
  order = np.argsort(genes, kind='stable')
  parts = []
  for gene, run in enumerate(_branches(given.small, given.large)):
    rows = order[genes[order] == gene]
    if len(rows):
      parts.append(jax.vmap(run)(given.x[rows], given.cotangent[rows]))
  back = np.argsort(order)
  return jax.tree.map(lambda *xs: jnp.concatenate(xs)[back], *parts)


def program(way: str, genes: np.ndarray) -> Callable[[Inputs], Found]:
  """The compiled way for these genes `[A]`."""
  if way == 'sorted':
    return jax.jit(functools.partial(_sorted, genes))
  run = {'switch': _switch, 'one-hot': _one_hot, 'grouped': _grouped}[way]
  compiled = jax.jit(run)
  return lambda given: compiled(jnp.asarray(genes), given)


def measure(
    *, archs: int, images: int, side: int, channels: int, repeats: int
) -> dict[str, Any]:
  """Microseconds an architecture of each way, in alternating rounds.

  Args:
    archs: A architectures with random genes.
    images: N.
    side: H = W.
    channels: C.
    repeats: rounds.

  Returns:
    The sizes, and of each way the median, least and greatest time and the
    greatest difference of an output from `switch`'s by its own deviation.
  """
  given = inputs(jax.random.key(0), archs, images, side, channels)
  genes = np.random.default_rng(0).integers(5, size=archs)
  runs = {way: program(way, genes) for way in WAYS}
  with jax.default_matmul_precision('highest'):
    found = {way: jax.device_get(run(given)) for way, run in runs.items()}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(repeats):
      for way, run in runs.items():
        start = time.perf_counter()
        jax.block_until_ready(run(given))
        seconds[way].append(time.perf_counter() - start)
  ways = {}
  for way in WAYS:
    off = max(
        float(np.abs(a - b).max() / (b.std() + 1e-12))
        for a, b in zip(found[way], found['switch'], strict=True)
    )
    micro = [1e6 * value / archs for value in seconds[way]]
    ways[way] = {
        'median_us': statistics.median(micro),
        'min_us': min(micro),
        'max_us': max(micro),
        'off': off,
    }
  return {
      'archs': archs,
      'images': images,
      'side': side,
      'channels': channels,
      'ways': ways,
  }
