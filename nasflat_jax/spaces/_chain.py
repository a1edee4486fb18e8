"""A whole search space from a table: layers in a chain, each of some kinds."""

from __future__ import annotations

from collections.abc import Mapping
import functools

import chex
import numpy as np

from nasflat_jax import types
from nasflat_jax.spaces import _codec
from nasflat_jax.spaces import _inverted
from nasflat_jax.spaces import _layer_costs as layers

_LARGEST = 2**31


def chain_space(
    name: str,
    *,
    operators: Mapping[str, types.Operator],
    op_costs: types.Costs,
    fixed_costs: types.Costs | None = None,
    node_features: chex.Array | None = None,
) -> types.SearchSpace:
  """The space of chains in which every layer may be every operation.

  Costs add up over layers. Strings are the operations' names joined by `|`,
  moves are uniform, every genotype is valid, and there is one setting,
  `default`. A space with other rules is a `SearchSpace` of functions of its
  own.

  Args:
    name: the space's name.
    operators: the operations by name, in the order of their codes.
    op_costs: `[G, O]` fields, an operation's costs in each of `G` layers.
    fixed_costs: scalar fields, what every network costs; None is nothing.
    node_features: `[G, K]` numbers of order one that belong to a layer, e.g.
      the logarithm of its width; None is none.

  Returns:
    The space. Members are numbered where there are fewer than 2^31.

  Raises:
    ValueError: a shape does not fit, or a name holds `|`.

  Example:
    >>> table = np.array([[0.0, 8.0]] * 3)
    >>> costs = dict.fromkeys(layers.FIELDS, table)
    >>> space = chain_space(
    ...     'mine',
    ...     operators={'skip': types.Operator('skip'),
    ...                'conv': types.Operator('conv', (3, 3))},
    ...     op_costs=types.Costs(**costs))
    >>> space.from_string(['conv|skip|conv']).tolist(), space.spec.size
    ([[1, 0, 1]], 8)
  """
  names = tuple(operators)
  table = np.stack([_field(op_costs, field) for field in layers.FIELDS], -1)
  if table.ndim != 3 or table.shape[1] != len(names):
    raise ValueError(
        f'{name}: op_costs must be [G, {len(names)}], got {table.shape[:-1]}'
    )
  if any('|' in text for text in names):
    raise ValueError(f'{name}: a name holds |: {names}')
  num_genes, num_ops = table.shape[:2]
  fixed = np.zeros(len(layers.FIELDS))
  if fixed_costs is not None:
    fixed = np.array([_field(fixed_costs, f) for f in layers.FIELDS])
  nodes = np.zeros((num_genes, 0)) if node_features is None else np.asarray(
      node_features, np.float64
  )
  if nodes.shape[:1] != (num_genes,) or fixed.ndim != 1 or nodes.ndim != 2:
    raise ValueError(
        f'{name}: node_features must be [{num_genes}, K] and fixed_costs '
        f'scalars, got {nodes.shape} and {fixed.shape[1:]}'
    )
  listed = num_ops**num_genes < _LARGEST
  spec = _inverted.chain_spec(
      name,
      gene_names=names,
      operators=tuple(operators.values()),
      nodes=tuple(tuple(row) for row in nodes.tolist()),
      costs=layers.features(table),
      size=num_ops**num_genes if listed else None,
  )

  def tables(setting: str) -> tuple[np.ndarray, np.ndarray]:
    if setting != 'default':
      raise ValueError(f'{name}: unknown setting {setting!r}; known: default')
    return fixed, table

  costs, costs_of_ops = layers.additive(tables, 'default')

  return _codec.free_chain(
      spec,
      costs=costs,
      op_costs=costs_of_ops,
      to_string=functools.partial(_codec.joined_names, spec),
      from_string=functools.partial(_codec.from_joined_names, spec),
  )


def _field(costs: types.Costs, name: str) -> np.ndarray:
  return np.asarray(getattr(costs, name), np.float64)
