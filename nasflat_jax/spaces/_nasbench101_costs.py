"""Wiring and analytic costs of NAS-Bench-101 networks.

The network (https://arxiv.org/abs/1902.09635): a 3x3 stem to 128 channels;
three stacks of three cells with 128, 256 and 512 channels, 2x2 max pooling
between stacks; global average pooling and a linear classifier. A cell first
loses the vertices that lie on no path from its input to its output.
"""

from __future__ import annotations

from collections.abc import Mapping
import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _layer_costs as layers

NUM_VERTICES = 7
OUTPUT = NUM_VERTICES - 1
EDGES = tuple(
    (s, r) for s in range(NUM_VERTICES) for r in range(s + 1, NUM_VERTICES)
)
GENE_NAMES = (
    'conv3x3-bn-relu', 'conv1x1-bn-relu', 'maxpool3x3', 'absent',
    'no_edge', 'edge',
)  # fmt: skip
MAX_POOL, ABSENT, NO_EDGE, EDGE = range(2, 6)
NUM_GENES = len(EDGES) + NUM_VERTICES - 2
GENE_RANGES = ((NO_EDGE, EDGE + 1),) * len(EDGES) + ((0, ABSENT + 1),) * 5
_CELLS = 3  # of each stack
_CHANNELS = (128, 256, 512)
_SIZE, _CLASSES = 32, 10
# Of normalisation and ReLU, per element of a convolution's output.
_NORM_AND_RELU = 3
_GENE_OF = np.zeros((NUM_VERTICES, NUM_VERTICES), np.int32)
_GENE_OF[tuple(np.transpose(EDGES))] = np.arange(len(EDGES))
_UPPER = np.triu(np.ones((NUM_VERTICES, NUM_VERTICES), bool), 1)


def pruned(genotype: chex.Array) -> tuple[Any, Any]:
  """The cell as it is built: edges and vertices on input-output paths.

  Args:
    genotype: `[B, 26]`, NumPy or JAX.

  Returns:
    `[B, 7, 7]` bool, live edges from sender to receiver, and `[B, 7]` bool,
    live vertices. All are False where input and output are not connected.
  """
  xp = jnp if isinstance(genotype, jax.Array) else np
  wired = (genotype[:, _GENE_OF] == EDGE) & _UPPER
  # Paths of up to one edge, then of up to two, four and eight.
  paths = (wired | np.eye(NUM_VERTICES, dtype=bool)).astype(np.float32)
  for _ in range(3):
    paths = xp.minimum(paths @ paths, 1)
  live = (paths[:, 0] * paths[:, :, OUTPUT]) > 0
  return wired & live[:, :, None] & live[:, None], live


def _channels(edges, xp):
  """`[B, 3, 6]` channels of vertices 1 to 6 in the cells of each stack.

  Those that feed the output share its channels evenly, the first ones take
  the remainder; any other vertex has the most of those it feeds.
  """
  widths = np.array(_CHANNELS)[:, None]
  direct = edges[:, None, 1:OUTPUT, OUTPUT]  # [B, 1, 5]
  before = xp.cumsum(direct, axis=-1) - direct
  degree = xp.maximum(direct.sum(-1, keepdims=True), 1)
  share = xp.where(direct, widths // degree + (before < widths % degree), 0)
  inner = edges[:, None, 1:OUTPUT, 1:OUTPUT]
  channels = share
  for _ in range(OUTPUT - 2):
    fed = xp.where(inner, channels[:, :, None], 0).max(-1)
    channels = xp.where(direct, share, fed)
  last = xp.broadcast_to(widths, (*channels.shape[:2], 1))
  return xp.concatenate([channels, last], axis=-1)


# What costs of a kernel are linear in, see `_terms`.
_TERMS = (
    'weights_area', 'read_area', 'written_area', 'weights', 'written', 'one',
)  # fmt: skip


def _rates(**fields: Mapping[str, float]) -> np.ndarray:
  """`[6, 7]` costs of a kernel in each cell per unit of each term."""
  rates = np.zeros((len(_TERMS), len(layers.FIELDS)))
  launch = {'one': _CELLS}
  for field, terms in (
      fields | {'kernels': launch, 'critical_path': launch}
  ).items():
    for term, rate in terms.items():
      rates[_TERMS.index(term), layers.FIELDS.index(field)] = rate
  return rates


_MOVED = {'read_area': 4, 'written_area': 4 * _CELLS}
_CONV_RATES = _rates(
    multiply_adds={'weights_area': 1},
    flops={'weights_area': 1, 'written_area': _NORM_AND_RELU * _CELLS},
    params={'weights': 1, 'written': 2 * _CELLS},
    weight_bytes={'weights': 4, 'written': 4 * _CELLS},
    activation_bytes=_MOVED,
)
_POOL_RATES = _rates(
    flops={'written_area': 9 * _CELLS}, activation_bytes=_MOVED
)
_JOIN_RATES = _rates(activation_bytes=_MOVED)


def _terms(kernel, read, written, xp):
  """`[B, V, 6]` terms of the costs of a kernel, summed over the stacks.

  Args:
    kernel: `[B, 1, V]` size of the window.
    read: `[B, 3, V]` channels read, summed over the cells of a stack.
    written: `[B, 3, V]` channels written in one cell.
    xp: NumPy or JAX.
  """
  sizes = _SIZE / 2.0 ** np.arange(len(_CHANNELS))
  area = np.asarray(sizes**2, written.dtype)[:, None]
  weights = kernel**2 * read * written
  terms = [
      weights * area, read * area, written * area, weights, written,
      xp.ones_like(written),
  ]  # fmt: skip
  return xp.stack(terms, axis=-1).sum(1)


def _priced(terms, rates, count, dtype):
  """`[B, V, 7]` costs of `[B, V]` kernels of `[B, V, 6]` terms."""
  priced = (terms[..., None] * np.asarray(rates, dtype)).sum(-2)
  return priced * count[..., None]


def _gene_costs(genotype, xp, dtype):
  """`[B, 26, 7]` of genes and `[B, 7]` of sums and concatenations."""
  edges, live = pruned(genotype)
  written = _channels(edges, xp).astype(dtype)
  widths = np.array(_CHANNELS, dtype)[:, None]
  # The first cell of a stack reads the channels of the stack before.
  before = np.array([_CHANNELS[0], *_CHANNELS[:-1]], dtype)[:, None]
  entered = 0 * written + before + (_CELLS - 1) * widths
  projected = edges[:, 0, 1:].astype(dtype)
  projections = _priced(
      _terms(1, entered, written, xp), _CONV_RATES, projected, dtype
  )
  inner = written[..., :-1]
  op = xp.where(live[:, 1:-1], genotype[:, len(EDGES) :], ABSENT)
  kernel = xp.where(op == 0, 3, 1).astype(dtype)[:, None]
  terms = _terms(kernel, _CELLS * inner, inner, xp)
  vertices = sum(
      _priced(terms, rates, chosen.astype(dtype), dtype)
      for rates, chosen in (
          (_CONV_RATES, op < MAX_POOL), (_POOL_RATES, op == MAX_POOL)
      )
  )
  rest = len(EDGES) - OUTPUT
  unpaid = xp.zeros((genotype.shape[0], rest, len(layers.FIELDS)), dtype)
  genes = xp.concatenate([projections, unpaid, vertices], axis=1)
  return genes, _joins(edges, written, xp, dtype)


def _joins(edges, written, xp, dtype):
  """`[B, 7]` of the sums at each vertex and the concatenation."""
  arrived = edges[:, 1:, 1:].sum(1).astype(dtype)  # [B, 6]
  # The output concatenates what it gets, and adds the input to that.
  parts = arrived[:, -1:]
  arrived = xp.concatenate([arrived[:, :-1], xp.minimum(parts, 1)], axis=1)
  sums = xp.maximum(arrived + edges[:, 0, 1:].astype(dtype) - 1, 0)
  pairs = _terms(1, 2 * _CELLS * written, written, xp)
  last = written[..., -1:]
  whole = _terms(1, _CELLS * last, last, xp)
  joins = _priced(pairs, _JOIN_RATES, sums, dtype).sum(1)
  copies = (parts > 1).astype(dtype)
  return joins + _priced(whole, _JOIN_RATES, copies, dtype).sum(1)


@functools.cache
def _skeleton() -> np.ndarray:
  """`[7]` stem, pooling between stacks and head."""
  stem = layers.conv(3, _CHANNELS[0], 3, _SIZE, _SIZE)
  fixed = stem + layers.relu(_CHANNELS[0] * _SIZE**2)
  size = _SIZE
  for channels in _CHANNELS[:-1]:
    size //= 2
    smaller = channels * size**2
    fixed = fixed + layers.elementwise(4 * smaller, smaller, 4 * smaller)
  elements = _CHANNELS[-1] * size**2
  pool = layers.elementwise(elements, _CHANNELS[-1], 0)
  return fixed + pool + layers.linear(_CHANNELS[-1], _CLASSES)


def _chain(genotype, xp):
  """`[B]` kernels on the longest chain through a cell."""
  edges, _ = pruned(genotype)
  finish = xp.ones((genotype.shape[0], 1), np.int32)  # the projected input
  for vertex in range(1, OUTPUT):
    finish = xp.concatenate(
        [finish, 1 + _summed(finish, edges[:, :vertex, vertex], xp)], axis=1
    )
  parts = edges[:, 1:OUTPUT, OUTPUT]
  joined = xp.where(parts, finish[:, 1:], 0).max(1, keepdims=True)
  joined = joined + (parts.sum(1, keepdims=True) > 1)
  finish = xp.concatenate([finish[:, :1], joined], axis=1)
  present = xp.stack([edges[:, 0, OUTPUT], parts.any(1)], axis=1)
  return _summed(finish, present, xp)[:, 0]


def _summed(finish, present, xp):
  """`[B, 1]` when a sum of `[B, S]` maps is ready, one added at a time.

  A cell adds what comes from inner vertices in order, then the input, which
  is the first column here.
  """
  order = np.roll(np.arange(finish.shape[1]), -1)
  finish, present = finish[:, order], present[:, order]
  place = xp.cumsum(present, axis=1)
  # The first of m maps waits for m - 1 additions, and so does the second.
  waits = place[:, -1:] + 1 - xp.maximum(place, 2)
  return xp.where(present, finish + waits, 0).max(1, keepdims=True)


def _checked(genotype: chex.Array, setting: str) -> tuple[chex.Array, Any, Any]:
  """The genotype, its module and the type of its costs."""
  if setting != 'cifar10':
    raise ValueError(
        f'nasbench101: unknown setting {setting!r}; known: cifar10'
    )
  genotype = layers.as_array(genotype)
  chex.assert_shape(genotype, (None, NUM_GENES))
  if isinstance(genotype, jax.Array):
    return genotype, jnp, jnp.float32
  low, high = np.array(GENE_RANGES).T
  bad = ((genotype < low) | (genotype >= high)).any(1)
  if bad.any():
    row = int(bad.argmax())
    raise ValueError(
        f'row {row} has a gene outside its range: {genotype[row].tolist()}'
    )
  return genotype, np, np.float64


def op_costs(genotype: chex.Array, setting: str = 'cifar10') -> types.Costs:
  """Costs of what each gene adds, summed over the network's nine cells.

  A vertex costs its operation, an edge from the input its 1x1 projection;
  other edges and dead vertices cost nothing. Sums and concatenations belong
  to no gene. Both depend on the wiring, which sets the channels.

  Args:
    genotype: `[B, 26]`. NumPy gives exact float64; JAX float32, jittable.
    setting: `cifar10`.

  Returns:
    `Costs` with `[B, 26]` fields; `critical_path` equals `kernels`.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  genotype, xp, dtype = _checked(genotype, setting)
  return layers.as_costs(_gene_costs(genotype, xp, dtype)[0])


def costs(genotype: chex.Array, setting: str = 'cifar10') -> types.Costs:
  """Costs of whole networks.

  `params` are those of the benchmark, exactly; `flops` are those of
  NAS-Bench-Suite-Zero. `kernels`: one per convolution (with its normalisation
  and ReLU) and pooling, `m - 1` additions where `m` maps are summed, one per
  concatenation; truncation of channels is a view. `critical_path`: kernels on
  the longest chain, where a vertex adds its inner inputs in order, then the
  projected input.

  Args:
    genotype: `[B, 26]`. NumPy gives exact float64; JAX float32, jittable.
    setting: `cifar10`.

  Returns:
    `Costs` with `[B]` fields; of the skeleton alone where input and output of
    the cell are not connected.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  genotype, xp, dtype = _checked(genotype, setting)
  genes, joins = _gene_costs(genotype, xp, dtype)
  summed = genes.sum(1) + joins + xp.asarray(_skeleton(), dtype)
  chain = _chain(genotype, xp) * _CELLS * len(_CHANNELS)
  skeleton = _skeleton()[layers.FIELDS.index('critical_path')]
  path = (chain + int(skeleton)).astype(dtype)
  return layers.as_costs(summed, critical_path=path)


def op_table() -> np.ndarray:
  """`[7, 6, 7]` costs of an operation at full width, over all cells."""
  table = np.zeros((NUM_VERTICES, len(GENE_NAMES), len(layers.FIELDS)))
  size = _SIZE
  for width in _CHANNELS:
    elements = width * size**2
    pool = layers.elementwise(elements, elements, 9 * elements)
    for code, cost in (
        (0, layers.conv(width, width, 3, size, size)),
        (1, layers.conv(width, width, 1, size, size)),
        (MAX_POOL, pool),
    ):  # fmt: skip
      table[1:OUTPUT, code] += _CELLS * cost
    size //= 2
  return table
