"""The networks of NAS-Bench-101 (https://arxiv.org/abs/1902.09635).

How wide a vertex is depends on the wiring: those that feed the output share
its channels. Maps are kept at the output's width, zeros behind, and every
width is a candidate with weights of its own. All vertices of a cell run one
program, and so do all cells of one shape.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import spaces
from nasflat_jax.zero_cost import _net
from nasflat_jax.zero_cost import _network
from nasflat_jax.zero_cost import _steps

_INNER = 5  # vertices with operations
_OUTPUT = _INNER + 1
_MAX_POOL, _ABSENT = 2, 3  # codes; 0 and 1 are convolutions
_SIZES = (3, 1)  # of their kernels


class _Cell(NamedTuple):
  """A wiring, pruned.

  Attributes:
    edges: `[7, 7]` bool, sender to receiver.
    ops: `[5]` codes of vertices 1 to 5.
  """

  edges: jax.Array
  ops: jax.Array


@functools.cache
def nasbench101(
    *,
    channels: int = 128,
    num_cells: int = 3,
    num_classes: int = 10,
    resolution: int = 32,
) -> _network.Network:
  """Stem, three stacks of cells at C, 2C and 4C channels, head.

  Between stacks stands a 2x2 max pool. A convolution is followed by batch
  normalisation and ReLU. Kernels are normal with variance two over the fan-out,
  the classifier's with deviation 0.01, its bias is zero.

  Args:
    channels: C of the stem.
    num_cells: cells in each stack.
    num_classes: K.
    resolution: height and width of the images.

  Returns:
    The network, of the 26 genes of `spaces.NASBENCH101`.

  Raises:
    ValueError: there is not a channel for each of five vertices.
  """
  if channels < _INNER:
    raise ValueError(f'channels must be at least {_INNER}, got {channels}')
  return _network.network(
      functools.partial(
          _apply,
          channels=channels,
          num_cells=num_cells,
          num_classes=num_classes,
      ),
      num_genes=_OUTPUT * (_OUTPUT + 1) // 2 + _INNER,
      input_shape=(resolution, resolution, 3),
      num_classes=num_classes,
      initial=functools.partial(_network.fan_out_normal, linear=0.01),
  )


def _wiring(genotype: chex.Array) -> _Cell:  # [26]
  graph = spaces.NASBENCH101.decode(genotype[None])
  senders, receivers = np.transpose(spaces.NASBENCH101.spec.edges)
  edges = jnp.zeros((_OUTPUT + 1, _OUTPUT + 1), bool)
  edges = edges.at[senders, receivers].set(graph.edge_mask[0, 0])
  return _Cell(edges, graph.ops[0, 0, 1:_OUTPUT])


def _widths(width: int) -> tuple[int, ...]:
  """All widths that an inner vertex can have, ascending."""
  degrees = range(1, _INNER + 1)
  return tuple(
      sorted({n for d in degrees for n in (width // d, -(-width // d))})
  )


def _channels(edges: chex.Array, width: int) -> jax.Array:  # [5]
  """Channels of the inner vertices; 0 where there is none.

  Those that feed the output share its channels, the first ones take the
  remainder; any other vertex has the most of those that it feeds.
  """
  direct = edges[1:_OUTPUT, _OUTPUT]
  before = jnp.cumsum(direct) - direct
  degree = jnp.maximum(direct.sum(), 1)
  share = width // degree + (before < width % degree)
  share = jnp.where(direct, share, 0)
  inner, channels = edges[1:_OUTPUT, 1:_OUTPUT], share
  for _ in range(_INNER - 1):
    fed = jnp.where(inner, channels, 0).max(axis=1)
    channels = jnp.where(direct, share, fed)
  return channels


def _convolution(width: int, size: int, full: int) -> _steps.Candidate:
  """Of the first channels, to as many."""
  return (
      _steps.Channels(width),
      _steps.Conv(f'conv_{size}x{size}_{width}', width, size),
      _steps.Relu(),
      _steps.Channels(full),
  )


def _projection(width: int, full: int) -> _steps.Candidate:
  return (
      _steps.Conv(f'project_{width}', width, 1),
      _steps.Relu(),
      _steps.Channels(full),
  )


def _vertex(
    net: _net.Net,
    state: jax.Array,  # [N, H, W, I + 5 O], the input and the vertices so far
    row: dict[str, Any],
    *,
    inputs: int,
    width: int,
) -> jax.Array:  # [N, H, W, I + 5 O]
  """Adds a vertex to the state."""
  widths = _widths(width)
  candidates: list[_steps.Candidate] = [(_steps.Zero(width),)]
  candidates += [_projection(own, width) for own in widths]
  place = jnp.searchsorted(jnp.array(widths), row['channels'])
  x = net.choose(
      '',
      jnp.where(row['projected'], 1 + place, 0),
      candidates,
      state[..., :inputs],
  )
  fits = jnp.arange(width) < row['channels']
  vertices = state[..., inputs:].reshape(*state.shape[:3], _INNER, width)
  # A vertex may have one channel more than the one that it feeds.
  for sender in range(_INNER):
    keep = fits & row['senders'][sender]
    x += jnp.where(keep, vertices[..., sender, :], 0.0)
  candidates = [(_steps.Zero(),)]
  for size in _SIZES:
    candidates += [_convolution(own, size, width) for own in widths]
  candidates.append((_steps.MaxPool(),))
  # The pool comes last. It leaves the zeros behind a vertex's channels, but
  # counts them.
  unused = jnp.where(row['op'] == _MAX_POOL, width - row['channels'], 0)
  net.count(0, -9.0 * unused * x.shape[1] * x.shape[2])
  chosen = 1 + row['op'] * len(widths) + place
  chosen = jnp.where(row['op'] == _MAX_POOL, len(candidates) - 1, chosen)
  chosen = jnp.where(row['op'] == _ABSENT, 0, chosen)
  y = net.choose('', chosen, candidates, x)
  here = jnp.arange(_INNER)[:, None] == row['number']
  vertices = jnp.where(here, y[..., None, :], vertices)
  return jnp.concatenate(
      [state[..., :inputs], vertices.reshape(*y.shape[:3], -1)], axis=-1
  )


def _run_cell(
    net: _net.Net,
    x: jax.Array,  # [N, H, W, I]
    cell: _Cell,
    *,
    width: int,
    name: str = '',
) -> jax.Array:  # [N, H, W, O]
  channels = _channels(cell.edges, width)
  rows = {
      'number': jnp.arange(_INNER),
      'op': cell.ops,
      'channels': channels,
      'projected': cell.edges[0, 1:_OUTPUT],
      'senders': cell.edges[1:_OUTPUT, 1:_OUTPUT].T,
  }
  inputs = x.shape[-1]
  blank = jnp.zeros((*x.shape[:3], _INNER * width))
  state = net.repeat(
      f'{name}vertices',
      _INNER,
      functools.partial(_vertex, inputs=inputs, width=width),
      jnp.concatenate([x, blank], axis=-1),
      rows,
  )
  x = state[..., :inputs]  # as the loop rescaled it
  vertices = state[..., inputs:].reshape(*state.shape[:3], _INNER, width)
  direct = cell.edges[1:_OUTPUT, _OUTPUT]
  start = jnp.cumsum(direct * channels) - direct * channels
  y = net.choose(
      f'{name}output',
      cell.edges[0, _OUTPUT].astype(jnp.int32),
      ((_steps.Zero(width),), _projection(width, width)),
      x,
  )
  for vertex in range(_INNER):
    # Zeros come behind the channels of a vertex: rolled, they are beside.
    beside = jnp.roll(vertices[..., vertex, :], start[vertex], axis=-1)
    y += jnp.where(direct[vertex], beside, 0.0)
  return y


def _apply(
    net: _net.Net,
    genotype: chex.Array,  # [26]
    images: chex.Array,  # [N, H, W, 3]
    *,
    channels: int,
    num_cells: int,
    num_classes: int,
) -> jax.Array:
  wiring = _wiring(genotype)
  x = net.bottleneck(net.relu(net.conv_norm('stem', images, channels, 3)))
  for stack in range(3):
    width, rest = channels * 2**stack, num_cells
    if stack:
      x = net.max_pool_2x2(x)
      # The first cell widens the map.
      x = _run_cell(net, x, wiring, width=width, name=f'wider_{stack}/')
      x, rest = net.bottleneck(x), num_cells - 1
    cell = functools.partial(_run_cell, cell=wiring, width=width)
    if rest:
      x = net.repeat(f'stack_{stack}', rest, cell, x)
  return net.linear('head', net.global_pool(x, counted=False), num_classes)
