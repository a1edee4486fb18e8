"""The contract of a search space."""

from __future__ import annotations

import copy

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.testing import _require

_ROWS = 6
_COSTS = tuple(types.Costs.__annotations__)


def check_space(space: types.SearchSpace, *, name: str | None = None) -> None:
  """Checks a space: description, decoding, moves, costs, strings, numbers.

  Args:
    space: the space.
    name: the component's name in messages; None takes the space's.

  Raises:
    AssertionError: the space breaks its contract.
  """
  contract = _require.Contract(name or space.spec.name)
  _check_spec(contract, space.spec)
  draw = contract.one_trace(lambda key: space.random(key, _ROWS), 'random')
  genotype = draw(jax.random.key(0))
  other = draw(jax.random.key(1))
  _check_genotype(contract, space, genotype, 'random')
  contract.same(genotype, draw(jax.random.key(0)), 'one key, two draws')
  contract.require(
      not _require.equal(genotype, other), 'random ignores its key'
  )
  _check_decode(contract, space, genotype, other)
  _check_moves(contract, space, genotype, other)
  _check_costs(contract, space, genotype)
  _check_names(contract, space, genotype)


def _check_spec(contract: _require.Contract, spec: types.SpaceSpec) -> None:
  twin = copy.deepcopy(spec)
  contract.require(
      hash(twin) == hash(spec) and twin == spec, 'spec must hash by value'
  )
  contract.require(
      spec.op_names[: len(spec.gene_names)] == spec.gene_names
      and spec.op_names[len(spec.gene_names) :][-2:] == ('input', 'output')
      and len(set(spec.op_names)) == len(spec.op_names),
      'op_names must be distinct: gene_names first, input and output last',
  )
  _check_operators(contract, spec)
  contract.require(
      len(set(spec.edges)) == len(spec.edges)
      and all(0 <= s < r < spec.num_nodes for s, r in spec.edges),
      'edges must be distinct pairs sender < receiver < num_nodes',
  )
  positions = np.asarray(spec.node_features, np.float64)
  contract.require(
      positions.shape[:1] == (spec.num_nodes,) and positions.ndim == 2,
      f'node_features must be [V][K], got {positions.shape}',
  )
  costs = np.asarray(spec.op_features, np.float64)
  contract.require(
      costs.ndim == 3
      and costs.shape[:2] == (spec.num_nodes, len(spec.op_names)),
      f'op_features must be [V][O][P], got {costs.shape}',
  )
  for values, what in ((positions, 'node'), (costs, 'op')):
    contract.require(
        np.isfinite(values).all() and np.abs(values).max(initial=0) < 10,
        f'{what}_features must be finite and of order one',
    )


def _check_operators(contract, spec) -> None:
  contract.require(
      len(spec.operators) == len(spec.op_names),
      'operators must be one for each of op_names',
  )
  try:
    attributes = spaces.operator_attributes(spec)
  except ValueError as error:
    contract.require(False, f'operators: {error}')
  contract.require(
      np.isfinite(attributes).all() and (attributes >= 0).all(),
      'operators must have counts of at least 1',
  )
  ends = [operator.kind for operator in spec.operators[-2:]]
  contract.require(
      ends == ['input', 'output'],
      f'operators must end with those of input and output, got {ends}',
  )


def _check_genotype(contract, space, genotype, what) -> None:
  contract.shape(genotype, (_ROWS, space.spec.num_genes), np.int32, what)
  valid = space.is_valid(genotype)
  contract.shape(valid, (_ROWS,), np.bool_, 'is_valid')
  contract.require(valid.all(), f'{what} gives an invalid genotype')
  contract.require(
      ((genotype >= 0) & (genotype < len(space.spec.gene_names))).all(),
      f'{what} gives a gene without a name',
  )
  contract.require(
      not space.is_valid(genotype - genotype - 1).any(),
      'is_valid accepts genes of -1',
  )


def _check_decode(contract, space, genotype, other) -> None:
  spec = space.spec
  decode = contract.one_trace(space.decode, 'decode')
  out = decode(genotype)
  rows, cells, nodes = _ROWS, spec.num_cells, spec.num_nodes
  for field, shape, dtype in (
      ('genotype', (rows, spec.num_genes), np.int32),
      ('ops', (rows, cells, nodes), np.int32),
      ('edge_mask', (rows, cells, len(spec.edges)), np.bool_),
      ('node_mask', (rows, cells, nodes), np.bool_),
      ('live_mask', (rows, cells, nodes), np.bool_),
      ('encoding', (rows, 0), np.float32),
  ):
    contract.shape(getattr(out, field), shape, dtype, f'decode: {field}')
  contract.same(out.genotype, genotype, 'decode changes the genotype')
  contract.require(
      ((out.ops >= 0) & (out.ops < len(spec.op_names))).all(),
      'decode gives an operation without a name',
  )
  contract.require(
      not (out.live_mask & ~out.node_mask).any(), 'an unused node is live'
  )
  mixed = decode(jnp.concatenate([genotype[:2], other[2:]]))
  first = jax.tree.map(lambda x: x[:2], (mixed, out))
  contract.same(*first, 'decode: a row depends on the other rows')
  batched = jax.vmap(space.decode)(jnp.stack([genotype, other]))
  contract.same(
      jax.tree.map(lambda x: x[0], batched), out, 'vmap changes decode'
  )


def _check_moves(contract, space, genotype, other) -> None:
  mutate = contract.one_trace(space.mutate, 'mutate')
  key = jax.random.key(2)
  child = mutate(key, genotype)
  contract.same(child, mutate(key, genotype), 'mutate: one key, two children')
  mutate(key, other)
  _check_genotype(contract, space, child, 'mutate')
  contract.require(
      ((child != genotype).sum(axis=1) == 1).all(),
      'mutate must change one gene of each row',
  )
  crossover = contract.one_trace(space.crossover, 'crossover')
  child = crossover(key, genotype, other)
  contract.same(
      child, crossover(key, genotype, other), 'crossover: one key, two children'
  )
  _check_genotype(contract, space, child, 'crossover')
  contract.require(
      ((child == genotype) | (child == other)).all(),
      'crossover gives a gene of neither parent',
  )


def _check_costs(contract, space, genotype) -> None:
  for function, what, shape in (
      (space.costs, 'costs', (_ROWS,)),
      (space.op_costs, 'op_costs', genotype.shape),
  ):
    exact = function(np.asarray(genotype))
    rounded = jax.jit(function)(genotype)
    for field in _COSTS:
      wanted = np.asarray(getattr(exact, field), np.float64)
      got = getattr(rounded, field)
      contract.shape(got, shape, np.float32, f'{what}: {field} under jit')
      contract.require(wanted.shape == shape, f'{what}: {field} has a shape')
      contract.require(
          np.isfinite(wanted).all() and (wanted >= 0).all(),
          f'{what}: {field} must be finite and not negative',
      )
      contract.require(
          np.allclose(got, wanted, rtol=1e-5),
          f'{what}: {field} under jit differs from float64',
      )


def _check_names(contract, space, genotype) -> None:
  strings = space.to_string(genotype)
  back = space.from_string(strings)
  contract.shape(back, genotype.shape, np.int32, 'from_string')
  contract.same(
      np.asarray(genotype), back, 'from_string(to_string(x)) is not x'
  )
  wrong = 'no such architecture'
  try:
    space.from_string([wrong])
  except ValueError as error:
    contract.require(
        wrong in str(error), 'from_string: the error must name the string'
    )
  else:
    contract.require(False, 'from_string accepts any string')
  contract.require(
      (space.to_index is None) == (space.from_index is None),
      'to_index and from_index come together',
  )
  if space.to_index is None or space.from_index is None:
    return
  index = space.to_index(genotype)
  contract.shape(index, (_ROWS,), np.int32, 'to_index')
  contract.same(
      space.from_index(index), genotype, 'from_index(to_index(x)) is not x'
  )
