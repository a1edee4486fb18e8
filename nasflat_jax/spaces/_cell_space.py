"""Graphs and moves of a space of two cells of steps."""

from __future__ import annotations

from collections.abc import Callable
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _cell_costs
from nasflat_jax.spaces import _cell_rules
from nasflat_jax.spaces import _codec
from nasflat_jax.spaces import _operators

_INPUTS = _cell_rules.INPUTS
_OPERATORS = {
    'none': types.Operator('none'),
    'skip_connect': types.Operator('skip'),
    'conv_1x1': types.Operator('conv', (1, 1)),
    'conv_3x3': types.Operator('conv', (3, 3)),
    'conv_3x1_1x3': types.Operator('conv', (1, 3)),
    'conv_7x1_1x7': types.Operator('conv', (1, 7)),
    'dil_sep_conv_3x3': types.Operator(
        'conv', (3, 3), dilation=2, separable=True, repeats=2
    ),
    **{
        f'{kind}_pool_{k}x{k}': types.Operator(f'{kind}_pool', (k, k))
        for kind in ('avg', 'max')
        for k in (3, 5, 7)
    },
    **{
        f'sep_conv_{k}x{k}': types.Operator(
            'conv', (k, k), separable=True, repeats=2
        )
        for k in (3, 5, 7)
    },
    **{
        f'dil_conv_{k}x{k}': types.Operator(
            'conv', (k, k), dilation=2, separable=True
        )
        for k in (3, 5)
    },
}


def _first_node(rules: _cell_rules.CellRules) -> int:
  """Node of a cell's first input; an image comes before it with macro genes."""
  return int(rules.has_macro)


def _wires(
    rules: _cell_rules.CellRules,
) -> tuple[tuple[tuple[int, int], ...], np.ndarray]:
  """Slots from inputs and operations to operations.

  Returns:
    Pairs of nodes, and for each the receiving edge and the input it must have.
  """
  start = _first_node(rules)
  slots, wanted = [], []
  for edge in range(2 * rules.num_steps):
    step, second = divmod(edge, 2)
    low, high = 0, _INPUTS + step
    if rules.distinct:  # sorted: the first edge never has the last input
      low, high = (1, high) if second else (0, high - 1)
    for chosen in range(low, high):
      # The operations of a step, whose sum is the step's output.
      senders = [chosen]
      if chosen >= _INPUTS:
        senders = [2 * (chosen - 1), 2 * (chosen - 1) + 1]
      for sender in senders:
        slots.append((start + sender, start + _INPUTS + edge))
        wanted.append((edge, chosen))
  return tuple(slots), np.array(wanted)


def make_spec(rules: _cell_rules.CellRules) -> types.SpaceSpec:
  """The description of the space.

  Node features are 1 at the second input and the step over the number of
  steps.
  """
  plan = _cell_rules.layout(rules)
  start, num_edges = _first_node(rules), 2 * rules.num_steps
  num_nodes = start + _INPUTS + num_edges + 1
  edges = [(0, 1), (0, 2)] if rules.has_macro else []
  edges += _wires(rules)[0]
  edges += [
      (start + _INPUTS + edge, num_nodes - 1) for edge in range(num_edges)
  ]
  features = np.zeros((num_nodes, 2))
  features[start + 1, 0] = 1
  steps = 1 + np.arange(num_edges) // 2
  features[start + _INPUTS : -1, 1] = steps / rules.num_steps
  codes = len(plan.gene_names)
  operators = [_OPERATORS[name] for name in rules.op_names]
  operators += [types.Operator('absent')] * len(plan.pairs)
  if rules.has_macro:
    operators += [types.Operator('width', size=w) for w in rules.widths]
    operators += [types.Operator('depth', size=d) for d in rules.depths]
  return types.SpaceSpec(
      name=rules.name,
      gene_names=plan.gene_names,
      op_names=(*plan.gene_names, 'input', 'output'),
      operators=_operators.with_ends(*operators),
      num_genes=len(plan.gene_ranges),
      num_cells=len(_cell_rules.CELLS),
      num_nodes=num_nodes,
      edges=tuple(edges),
      node_features=tuple(map(tuple, features.round(6).tolist())),
      op_features=_cell_costs.op_features(rules, num_nodes, codes + 2),
      size=None,
      gene_ranges=plan.gene_ranges,
  )


@functools.partial(jax.jit, static_argnums=0)
def decode(
    rules: _cell_rules.CellRules, genotype: chex.Array
) -> types.Architectures:
  """Builds the operation-on-node graphs of both cells.

  Nodes are the two inputs, the operations of each step, the output. An
  operation on a step's output hangs on both operations of that step. With
  macro genes the image comes first, and the operations of the two inputs are
  the width and the depth of the network; these two nodes count as live, since
  a cell projects its inputs whether it uses them or not.

  Args:
    rules: the space's rules.
    genotype: `[B, G]` genes.

  Returns:
    `Architectures` with `C = 2` (normal, reduction), `F = 0`. The steps that
    a cell concatenates are wired to the output.
  """
  genotype = jnp.asarray(genotype, jnp.int32)
  plan = _cell_rules.layout(rules)
  chex.assert_shape(genotype, (None, len(plan.gene_ranges)))
  shape = (genotype.shape[0], len(_cell_rules.CELLS))
  edge_inputs = _cell_rules.inputs(rules, genotype, jnp)
  joined = _cell_rules.concatenated(rules, edge_inputs, jnp)
  live = _cell_rules.live_edges(rules, genotype, edge_inputs, jnp)

  image = len(plan.gene_names)
  ends = jnp.full((*shape, 1), image, jnp.int32)
  if rules.has_macro:
    macro = jnp.broadcast_to(genotype[:, None, :2], (*shape, 2))
    inputs = jnp.concatenate([ends, macro], axis=-1)
    always = jnp.ones((*shape, 2), bool)
  else:
    inputs = jnp.concatenate([ends, ends], axis=-1)
    always = jnp.zeros((*shape, 0), bool)
  ops = jnp.concatenate(
      [inputs, genotype[:, plan.op_genes], ends + 1], axis=-1
  )
  edge, chosen = _wires(rules)[1].T
  edges = [always, edge_inputs[..., edge] == chosen, joined.repeat(2, axis=-1)]
  connected = live.any(-1, keepdims=True)
  heads = jnp.broadcast_to(connected, (*shape, inputs.shape[-1]))
  if rules.has_macro:
    heads = jnp.ones_like(heads)
  return types.Architectures(
      genotype=genotype,
      ops=ops,
      edge_mask=jnp.concatenate(edges, axis=-1),
      node_mask=jnp.ones(ops.shape, bool),
      live_mask=jnp.concatenate([heads, live, connected], axis=-1),
      encoding=jnp.zeros((shape[0], 0), jnp.float32),
  )


@functools.partial(jax.jit, static_argnums=0)
def is_valid(
    rules: _cell_rules.CellRules, genotype: chex.Array
) -> jax.Array:
  """`[B]` True where genes are in range; nothing else is asked of them."""
  low, high = np.array(_cell_rules.layout(rules).gene_ranges).T
  genotype = jnp.asarray(genotype)
  chex.assert_shape(genotype, (None, len(low)))
  return ((genotype >= low) & (genotype < high)).all(-1)


@functools.partial(jax.jit, static_argnames=('rules', 'n'))
def random(
    rules: _cell_rules.CellRules, key: chex.PRNGKey, n: int
) -> jax.Array:
  """Draws `[n, G]` genotypes, operations and inputs of a step uniform.

  Two inputs are drawn independently where they may be the same, so a pair of
  different ones comes twice as often as a pair of equal ones.
  """
  plan = _cell_rules.layout(rules)
  low, high = np.array(plan.gene_ranges).T
  gene_key, input_key = jax.random.split(key)
  genotype = jax.random.randint(
      gene_key, (n, len(low)), low, high, jnp.int32
  )
  if rules.distinct:
    return genotype
  available = _INPUTS + np.arange(rules.num_steps)[:, None]
  drawn = jax.random.randint(
      input_key, (n, len(_cell_rules.CELLS), rules.num_steps, 2), 0, available
  )
  first, second = drawn.min(-1), drawn.max(-1)
  pair = plan.first_pair + second * (second + 1) // 2 + first
  return genotype.at[:, plan.pair_genes].set(pair.astype(jnp.int32))


@functools.cache
def _mutation_logits(rules: _cell_rules.CellRules) -> np.ndarray:
  """`[G, O, O]` logarithms of the chances of new codes, by gene and code.

  A gene is drawn in proportion to what it decides, one operation or two
  inputs, and then one of its neighbours.
  """
  plan = _cell_rules.layout(rules)
  count = len(plan.gene_names)
  code = np.arange(count)
  near = code[:, None] != code
  pairs = plan.pairs
  shared = (pairs[:, None, :, None] == pairs[:, None]).any((-1, -2))
  wired = slice(plan.first_pair, plan.first_pair + len(pairs))
  near[wired, wired] &= shared
  chances = np.zeros((len(plan.gene_ranges), count, count))
  for gene, (low, high) in enumerate(plan.gene_ranges):
    inside = (code >= low) & (code < high)
    allowed = near & inside & inside[:, None]
    weight = 2 if low == plan.first_pair else 1
    chances[gene] = weight * allowed / np.maximum(
        allowed.sum(-1, keepdims=True), 1
    )
  with np.errstate(divide='ignore'):
    return np.log(chances).astype(np.float32)


@functools.partial(jax.jit, static_argnums=0)
def mutate(
    rules: _cell_rules.CellRules, key: chex.PRNGKey, genotype: chex.Array
) -> jax.Array:
  """Changes one operation or one input of `[B, G]`, or width or depth.

  Every operation and every input of a step is as likely to change. The
  operations keep their places when a new input changes the order of the two.
  """
  genotype = jnp.asarray(genotype, jnp.int32)
  table = _mutation_logits(rules)
  genes, count = table.shape[:2]
  chex.assert_shape(genotype, (None, genes))
  logits = jnp.asarray(table)[np.arange(genes), genotype]  # [B, G, O]
  choice = jax.random.categorical(
      key, logits.reshape(genotype.shape[0], -1), axis=-1
  )[:, None]
  changed = np.arange(genes) == choice // count
  return jnp.where(changed, (choice % count).astype(jnp.int32), genotype)


def make_space(
    rules: _cell_rules.CellRules,
    *,
    to_string: Callable[..., list[str]],
    from_string: Callable[..., np.ndarray],
) -> types.SearchSpace:
  """The space of these rules, with strings of its own."""
  return types.SearchSpace(
      spec=make_spec(rules),
      decode=functools.partial(decode, rules),
      random=functools.partial(random, rules),
      mutate=functools.partial(mutate, rules),
      crossover=_codec.crossover,
      is_valid=functools.partial(is_valid, rules),
      costs=functools.partial(_cell_costs.costs, rules),
      op_costs=functools.partial(_cell_costs.op_costs, rules),
      to_string=to_string,
      from_string=from_string,
  )


def edges_of(
    rules: _cell_rules.CellRules, genotype: np.ndarray
) -> list[list[list[tuple[int, int]]]]:
  """`[B][2][2 S]` pairs of operation and input of a NumPy genotype."""
  plan = _cell_rules.layout(rules)
  chosen = _cell_rules.inputs(rules, genotype, np).tolist()
  ops = genotype[:, plan.op_genes].tolist()
  return [
      [list(zip(*cell, strict=True)) for cell in zip(*row, strict=True)]
      for row in zip(ops, chosen, strict=True)
  ]


def cell_genes(
    rules: _cell_rules.CellRules, edges: list[tuple[int, int]]
) -> list[int] | None:
  """Genes of a cell of `2 S` pairs of operation and input; None if not one.

  The edges of a step are sorted by input; those of one input stay in order.
  """
  plan = _cell_rules.layout(rules)
  pairs = plan.pairs.tolist()
  wiring, ops = [], []
  if len(edges) != 2 * rules.num_steps:
    return None
  for step in range(rules.num_steps):
    both = sorted(edges[2 * step : 2 * step + 2], key=lambda edge: edge[1])
    pair = [source for _, source in both]
    if pair not in pairs or pair[1] >= _INPUTS + step:
      return None
    wiring.append(plan.first_pair + pairs.index(pair))
    ops += [op for op, _ in both]
  fixed = rules.num_steps - plan.pair_genes.shape[1]
  return wiring[fixed:] + ops
