"""Analytic costs of networks of two cells of steps.

The network (https://arxiv.org/abs/1806.09055): a 3x3 stem to three times the
width; cells, of which those at a third and two thirds of the depth reduce the
resolution and double the channels; global average pooling and a linear
classifier. A cell projects its two inputs to its channels; in a reduction
cell the operations on these inputs have stride 2. Auxiliary heads, which are
only there in training, are left out.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _cell_layers
from nasflat_jax.spaces import _cell_rules
from nasflat_jax.spaces import _layer_costs as layers

_INPUTS = _cell_rules.INPUTS
_PATH = layers.FIELDS.index('critical_path')
_NOWHERE = -10_000  # chains from where nothing comes
_STEM_KERNELS, _HEAD_KERNELS = 1, 2


class Tables(NamedTuple):
  """Float64 costs; the last axis is `layers.FIELDS`.

  Attributes:
    ops: `[W, D, 2, O, 2, 7]` an operation on an edge over all cells of a
      kind, without and with a stride in the reduction cell.
    additions: `[W, D, 2, 7]` one addition in all cells of a kind.
    rest: `[W, D, S, S, 7]` everything else, by one less than the steps that
      the normal and the reduction cell concatenate.
    chain: `[O, 2]` kernels one after another in an operation.
  """

  ops: np.ndarray
  additions: np.ndarray
  rest: np.ndarray
  chain: np.ndarray


def _operations(rules, width, depth, name):
  """`[2, 2, 7]` an operation over the cells of each kind, by stride."""
  counts = _cell_layers.cell_counts(depth)
  total = np.zeros((len(_cell_rules.CELLS), 2, len(layers.FIELDS)))
  for stage in range(_cell_layers.STAGES):
    size = _cell_layers.SIZE // 2**stage
    for strided in (0, 1):
      cost = _cell_layers.operation(
          rules, name, width * 2**stage, size * (1 + strided), size
      )
      total[:, strided] += counts[:, stage, None] * cost
  return total


def _addition(width, depth):
  """`[2, 7]` one addition in all cells of each kind."""
  total = np.zeros((len(_cell_rules.CELLS), len(layers.FIELDS)))
  for stage in range(_cell_layers.STAGES):
    elements = width * 2**stage * (_cell_layers.SIZE // 2**stage) ** 2
    cost = layers.elementwise(2 * elements, elements, 0)
    total += _cell_layers.cell_counts(depth)[:, stage, None] * cost
  return total


@functools.cache
def tables(rules: _cell_rules.CellRules) -> Tables:
  """Costs of the parts, computed when first asked for."""
  steps = range(1, rules.num_steps + 1)
  if not rules.loose_ends:
    steps = range(rules.num_steps, rules.num_steps + 1)
  macro = [(w, d) for w in rules.widths for d in rules.depths]
  shape = (len(rules.widths), len(rules.depths))
  ops = np.array([
      [_operations(rules, w, d, name) for name in rules.op_names]
      for w, d in macro
  ]).swapaxes(1, 2)  # [WD, 2, O, 2, 7]
  rest = np.zeros((len(macro), *(rules.num_steps,) * 2, len(layers.FIELDS)))
  for place, (width, depth) in enumerate(macro):
    for normal in steps:
      for reduce in steps:
        rest[place, normal - 1, reduce - 1] = _cell_layers.rest(
            rules, width, depth, normal, reduce
        )
  chain = [
      [
          _cell_layers.operation(rules, name, 2, size, 1)[_PATH]
          for size in (1, 2)
      ]
      for name in rules.op_names
  ]
  return Tables(
      ops=ops.reshape(*shape, *ops.shape[1:]),
      additions=np.array([_addition(w, d) for w, d in macro]).reshape(
          *shape, len(_cell_rules.CELLS), -1
      ),
      rest=rest.reshape(*shape, *rest.shape[1:]),
      chain=np.array(chain, np.int32),
  )


class _Cells(NamedTuple):
  """What the costs of a batch are looked up by; all NumPy or all JAX.

  Attributes:
    xp: the module.
    dtype: of the costs.
    width: `[B]` place in `rules.widths`.
    depth: `[B]` place in `rules.depths`.
    ops: `[B, 2, 2 S]` operations.
    inputs: `[B, 2, 2 S]` inputs.
    strided: `[B, 2, 2 S]` 1 for the operations of stride 2.
    live: `[B, 2, 2 S]` False for `none` and what only it feeds.
    wired: `[B, 2, 2 S]` False for `none`.
    joined: `[B, 2, S]` steps that the cell concatenates.
  """

  xp: Any
  dtype: Any
  width: chex.Array
  depth: chex.Array
  ops: chex.Array
  inputs: chex.Array
  strided: chex.Array
  live: chex.Array
  wired: chex.Array
  joined: chex.Array


def _cells(
    rules: _cell_rules.CellRules, genotype: chex.Array, setting: str
) -> _Cells:
  if setting != 'cifar10':
    raise ValueError(
        f'{rules.name}: unknown setting {setting!r}; known: cifar10'
    )
  plan = _cell_rules.layout(rules)
  genotype = layers.as_array(genotype)
  chex.assert_shape(genotype, (None, len(plan.gene_ranges)))
  xp: Any = jnp if isinstance(genotype, jax.Array) else np
  if xp is np:
    low, high = np.array(plan.gene_ranges).T
    bad = ((genotype < low) | (genotype >= high)).any(1)
    if bad.any():
      row = int(bad.argmax())
      raise ValueError(
          f'row {row} has a gene outside its range: {genotype[row].tolist()}'
      )
  width = depth = xp.zeros_like(genotype[:, 0])
  if rules.has_macro:
    width = genotype[:, 0] - plan.first_width
    depth = genotype[:, 1] - plan.first_depth
  inputs = _cell_rules.inputs(rules, genotype, xp)
  ops = genotype[:, plan.op_genes]
  reduces = np.arange(len(_cell_rules.CELLS))[:, None] == 1
  wired = xp.ones_like(ops, dtype=bool)
  if 'none' in rules.op_names:
    wired = ops != rules.op_names.index('none')
  return _Cells(
      xp, jnp.float32 if xp is jnp else np.float64, width, depth, ops, inputs,
      strided=((inputs < _INPUTS) & reduces).astype(np.int32),
      live=_cell_rules.live_edges(rules, genotype, inputs, xp),
      wired=wired,
      joined=_cell_rules.concatenated(rules, inputs, xp),
  )  # fmt: skip


def _op_costs(rules, cells):
  """`[B, 2, 2 S, 7]` costs of the operations."""
  table = cells.xp.asarray(tables(rules).ops, cells.dtype)
  kind = np.arange(len(_cell_rules.CELLS))[:, None]
  width, depth = cells.width[:, None, None], cells.depth[:, None, None]
  return table[width, depth, kind, cells.ops, cells.strided]


def _rest(rules, cells):
  """`[B, 7]` costs of everything but the operations."""
  xp, dtype = cells.xp, cells.dtype
  parts = tables(rules)
  counts = cells.joined.sum(-1)  # [B, 2]
  rest = xp.asarray(parts.rest, dtype)[
      cells.width, cells.depth, counts[:, 0] - 1, counts[:, 1] - 1
  ]
  summed = cells.wired.reshape(*counts.shape, -1, 2).all(-1).sum(-1)  # [B, 2]
  additions = xp.asarray(parts.additions, dtype)[cells.width, cells.depth]
  return rest + (additions * summed[..., None].astype(dtype)).sum(1)


def _cell_chains(rules, cells):
  """`[B, 2, 2]` longest chain in a cell from each of its inputs, projected."""
  xp = cells.xp
  chain = xp.asarray(tables(rules).chain)[cells.ops, cells.strided]
  shape = cells.ops.shape[:2]
  start = np.where(np.eye(_INPUTS, dtype=bool), 0, _NOWHERE)
  finish = xp.broadcast_to(xp.asarray(start), (*shape, _INPUTS, _INPUTS))
  for step in range(rules.num_steps):
    edges = slice(2 * step, 2 * step + 2)
    source = cells.inputs[..., edges, None]
    arrival = xp.take_along_axis(finish, source, axis=2)
    arrival = arrival + chain[..., edges, None]
    arrival = xp.where(cells.live[..., edges, None], arrival, _NOWHERE)
    added = cells.live[..., edges].all(-1)[..., None]
    done = arrival.max(2) + added
    finish = xp.concatenate([finish, done[:, :, None]], axis=2)
  joined = cells.joined[..., None]
  output = xp.where(joined, finish[:, :, _INPUTS:], _NOWHERE).max(2)
  return output + (cells.joined.sum(-1) > 1)[..., None]


def _critical_path(rules, cells):
  """`[B]` kernels on the longest chain from image to logits."""
  xp = cells.xp
  within = _cell_chains(rules, cells)
  depths = np.array(rules.depths)
  turns = np.array([_cell_layers.reductions(d) for d in rules.depths])
  places = np.arange(-1, depths.max())[:, None]
  reducing = xp.asarray((places[..., None] == turns).any(-1))[:, cells.depth]
  active = xp.asarray(places < depths)[:, cells.depth]
  before = last = xp.full_like(within[:, 0, 0], _STEM_KERNELS)
  for place in range(depths.max()):
    kind = reducing[place + 1]
    path = xp.where(kind[:, None], within[:, 1], within[:, 0])  # [B, 2]
    # After a reduction the older input goes through two kernels, not one.
    older = before + 1 + reducing[place] + path[:, 0]
    done = xp.maximum(xp.maximum(older, last + 1 + path[:, 1]), 0)
    going = active[place + 1]
    before = xp.where(going, last, before)
    last = xp.where(going, done, last)
  return last + _HEAD_KERNELS


def op_costs(
    rules: _cell_rules.CellRules,
    genotype: chex.Array,
    setting: str = 'cifar10',
) -> types.Costs:
  """Costs of each gene's operation, summed over the cells of its kind.

  Wirings are free. The width, where it is a gene, has the costs of everything
  else: stem, projections, additions, concatenations and head.

  Args:
    rules: the space's rules.
    genotype: `[B, G]`. NumPy gives exact float64; JAX float32, jittable.
    setting: `cifar10`.

  Returns:
    `Costs` with `[B, G]` fields; `critical_path` is the chain inside the
    operations.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  cells = _cells(rules, genotype, setting)
  xp, plan = cells.xp, _cell_rules.layout(rules)
  ops = _op_costs(rules, cells)
  rows, fields = ops.shape[0], ops.shape[-1]
  free = xp.zeros((rows, plan.pair_genes.shape[1], fields), cells.dtype)
  genes = [part for i in range(2) for part in (free, ops[:, i])]
  if rules.has_macro:
    rest = _rest(rules, cells)[:, None]
    genes = [rest, xp.zeros_like(rest), *genes]
  return layers.as_costs(xp.concatenate(genes, axis=1))


def costs(
    rules: _cell_rules.CellRules,
    genotype: chex.Array,
    setting: str = 'cifar10',
) -> types.Costs:
  """Costs of whole networks.

  Without an auxiliary head. For `darts`, `params` and `flops` are those of
  NAS-Bench-Suite-Zero, exactly; the files of NDS could not be compared, their
  `params` are counted by the layers of its code.

  `kernels`: one per convolution (with its normalisation and ReLU), pooling,
  addition and concatenation; `skip_connect` of stride 2 is two convolutions
  and a concatenation, `none` is free and so is adding it.
  `critical_path`: kernels on the longest chain through cells and their
  projections.

  Args:
    rules: the space's rules.
    genotype: `[B, G]`. NumPy gives exact float64; JAX float32, jittable.
    setting: `cifar10`.

  Returns:
    `Costs` with `[B]` fields.

  Raises:
    ValueError: if the setting is unknown or a NumPy gene out of range.
  """
  cells = _cells(rules, genotype, setting)
  summed = _op_costs(rules, cells).sum((1, 2)) + _rest(rules, cells)
  path = _critical_path(rules, cells).astype(cells.dtype)
  return layers.as_costs(summed, critical_path=path)


def op_features(
    rules: _cell_rules.CellRules, num_nodes: int, num_ops: int
) -> tuple[tuple[tuple[float, ...], ...], ...]:
  """`[V][O][4]` features of the operations, and of widths and depths.

  Operations count in the normal cells of a network of middle width and depth;
  a width or depth counts what is in no operation, at the node that has it.
  """
  plan = _cell_rules.layout(rules)
  width = rules.widths[len(rules.widths) // 2]
  depth = rules.depths[len(rules.depths) // 2]
  ops = np.array(
      [_operations(rules, width, depth, n)[0, 0] for n in rules.op_names]
  )
  features = np.zeros((num_nodes, num_ops, 4))
  start = num_nodes - 2 * rules.num_steps - 1
  features[start:-1, : len(ops)] = layers.features(ops[None])[0]
  if rules.has_macro:
    steps = (rules.num_steps,) * 2
    macro = np.array(
        [_cell_layers.rest(rules, w, depth, *steps) for w in rules.widths]
        + [_cell_layers.rest(rules, width, d, *steps) for d in rules.depths]
    )
    shown = np.array(layers.features(macro[None])[0])
    count = len(rules.widths)
    features[1, plan.first_width : plan.first_depth] = shown[:count]
    features[2, plan.first_depth : num_ops - 2] = shown[count:]
  return tuple(
      tuple(map(tuple, node)) for node in features.round(6).tolist()
  )
