"""The contract of pretraining and adaptation."""

from __future__ import annotations

import dataclasses
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.testing import _predictor
from nasflat_jax.testing import _require


def _batch(
    space: types.SearchSpace,
    num_devices: int,
    seed: int,
    num_references: int = 0,
) -> types.Batch:
  """Random rows with random labels, the last one padding."""
  architectures, devices = _predictor.inputs(
      space, num_devices, None, seed, num_references
  )
  rows = devices.index.shape[0]
  return types.Batch(
      architectures=architectures,
      devices=devices,
      label=jax.random.normal(jax.random.key(seed), (rows,)),
      where=jnp.arange(rows) < rows - 1,
  )


def _with_other_padding(batch: Any) -> Any:
  if isinstance(batch, types.Episode):
    return types.Episode(
        support=_with_other_padding(batch.support),
        query=_with_other_padding(batch.query),
    )
  label = jnp.where(batch.where, batch.label, batch.label + 50.0)
  return dataclasses.replace(batch, label=label)


def check_transfer(
    algorithm: types.TransferAlgorithm,
    space: types.SearchSpace,
    *,
    num_sources: int,
    episodic: bool = False,
    num_references: int = 0,
    name: str = 'transfer',
) -> None:
  """Checks `(init, step, adapt)` as `pretrain` and `adapt_devices` use it.

  The state keeps its structure, the step counts, one key gives one result,
  one trace, padding changes nothing, `vmap(adapt)` over targets equals one
  target at a time, and everything is finite.

  Args:
    algorithm: the algorithm, for a predictor of `space` without encoding.
    space: the search space.
    num_sources: source devices, rows `0..num_sources-1`; the target is the
      row after them.
    episodic: whether `init` and `step` take stacked `Episode`s, else a `Batch`.
    num_references: width of `Devices.reference`.
    name: the component's name in messages.

  Raises:
    AssertionError: the algorithm breaks its contract.
  """
  contract = _require.Contract(name)
  batches = [
      _batch(space, num_sources, seed, num_references) for seed in range(4)
  ]
  support, target = batches[:2]
  source: Any = support
  other: Any = target
  if episodic:
    a, b, c, d = (types.Episode(support=x, query=y) for x, y in (
        batches[:2], batches[2:], batches[1:3], batches[::-2]
    ))
    source, other = _require.stack(a, b), _require.stack(c, d)
  init = contract.one_trace(algorithm.init, 'init')
  state = init(jax.random.key(0), source)
  contract.require(
      isinstance(state, types.TransferState), 'init must give a TransferState'
  )
  contract.finite(state.meta_params, 'meta_params')
  contract.require(state.step == 0, 'init must give step 0')

  step = contract.one_trace(algorithm.step, 'step')
  key = jax.random.key(1)
  after, info = step(key, state, source)
  _check_step(contract, state, after, info)
  contract.same((after, info), step(key, state, source), 'step: two results')
  contract.close(
      after.meta_params,
      step(key, state, _with_other_padding(source))[0].meta_params,
      'step: padding rows have influence',
  )
  contract.require(
      not _require.equal(after.meta_params, state.meta_params),
      'step changes no parameter',
  )
  later, info = step(key, after, other)
  _check_step(contract, after, later, info)
  _check_adapt(contract, algorithm, later.meta_params, support, target)


def _check_step(
    contract: _require.Contract,
    before: types.TransferState,
    after: types.TransferState,
    info: types.TransferInfo,
) -> None:
  try:
    chex.assert_trees_all_equal_shapes_and_dtypes(before, after)
  except AssertionError as error:
    raise AssertionError(
        f'{contract.name}: step changes the structure of its state: {error}'
    ) from error
  contract.require(after.step == before.step + 1, 'step must count by one')
  contract.finite(after.meta_params, 'meta_params')
  for field in ('loss', 'grad_norm'):
    value = getattr(info, field)
    contract.shape(value, (), np.float32, f'info: {field}')
    contract.finite(value, f'info: {field}')


def _check_adapt(contract, algorithm, meta_params, support, other) -> None:
  # One program for both targets, as the library runs it.
  adapt = contract.one_trace(
      jax.vmap(algorithm.adapt, (0, None, 0)), 'vmap(adapt)'
  )
  keys = jax.random.split(jax.random.key(2))
  both = adapt(keys, meta_params, _require.stack(support, other))
  contract.finite(both, 'adapted parameters')
  contract.same(
      both,
      adapt(keys, meta_params, _require.stack(support, other)),
      'adapt: one key, two results',
  )
  padded = _require.stack(_with_other_padding(support), other)
  contract.close(
      both,
      adapt(keys, meta_params, padded),
      'adapt: padding rows have influence',
  )
  alone = adapt(keys, meta_params, _require.stack(support, support))
  first, again = (
      jax.tree.map(lambda x: x[0], tree) for tree in (both, alone)
  )
  contract.close(first, again, 'adapt: a target depends on the other targets')
  second = jax.tree.map(lambda x: x[1], both)
  contract.require(
      not _require.equal(first, second), 'adapt ignores the support'
  )
  shapes = jax.eval_shape(algorithm.adapt, keys[0], meta_params, support)
  contract.require(
      jax.tree.map(jnp.shape, shapes) == jax.tree.map(jnp.shape, first),
      'adapt gives other shapes under vmap',
  )
