"""The contract of a predictor."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.testing import _require

_ROWS = 4


def inputs(
    space: types.SearchSpace,
    num_devices: int,
    encode: Callable[[chex.Array], jax.Array] | None,
    seed: int,
    num_references: int = 0,
) -> tuple[types.Architectures, types.Devices]:
  """Random architectures on random devices."""
  arch_key, device_key, reference_key = jax.random.split(
      jax.random.key(seed), 3
  )
  genotype = space.random(arch_key, _ROWS)
  architectures = space.decode(genotype)
  if encode is not None:
    architectures = dataclasses.replace(
        architectures, encoding=encode(genotype)
    )
  index = jax.random.randint(device_key, (_ROWS,), 0, num_devices)
  return architectures, types.Devices(
      index=index,
      reference=jax.random.normal(reference_key, (_ROWS, num_references)),
  )


def check_predictor(
    predictor: types.Predictor,
    space: types.SearchSpace,
    *,
    num_devices: int,
    encode: Callable[[chex.Array], jax.Array] | None = None,
    num_references: int = 0,
    name: str = 'predictor',
) -> None:
  """Checks an `(init, apply)` pair as training and scoring use it.

  Shapes and dtypes; one key, one result; one trace; rows that do not see each
  other; `vmap` over parameters; finite gradients; scores that depend on the
  architecture.

  Args:
    predictor: the pair, built by its factory for `space`.
    space: the search space.
    num_devices: rows of the predictor's hardware embedding table.
    encode: supplementary encoding, or None.
    num_references: latencies of reference architectures that the predictor
      reads of a device.
    name: the component's name in messages.

  Raises:
    AssertionError: the predictor breaks its contract.
  """
  contract = _require.Contract(name)
  first, second = (
      inputs(space, num_devices, encode, seed, num_references)
      for seed in range(2)
  )
  init = contract.one_trace(predictor.init, 'init')
  params = init(jax.random.key(0), *first)
  contract.require(jax.tree.leaves(params), 'init gives no parameters')
  contract.finite(params, 'params')
  contract.same(params, init(jax.random.key(0), *first), 'init: two results')
  others = init(jax.random.key(1), *second)
  contract.require(not _require.equal(params, others), 'init ignores its key')

  apply = contract.one_trace(predictor.apply, 'apply')
  scores = apply(params, *first)
  contract.shape(scores, (_ROWS,), np.float32, 'scores')
  contract.finite(scores, 'scores')
  contract.same(scores, apply(params, *first), 'apply without key: two results')
  contract.require(
      np.ptp(apply(others, *second)) > 0 or np.ptp(scores) > 0,
      'every architecture has the same score',
  )
  mixed = jax.tree.map(
      lambda a, b: jnp.concatenate([a[:1], b[1:]]), first, second
  )
  contract.close(
      apply(params, *mixed)[0], scores[0], 'a row depends on the other rows'
  )

  def noisy(params, architectures, devices, key):
    return predictor.apply(params, architectures, devices, key=key)

  noisy = contract.one_trace(noisy, 'apply with key')
  keys = jax.random.split(jax.random.key(2))
  dropped = noisy(params, *first, keys[0])
  contract.shape(dropped, (_ROWS,), np.float32, 'scores with key')
  contract.finite(dropped, 'scores with key')
  contract.same(
      dropped, noisy(params, *first, keys[0]), 'apply: one key, two results'
  )
  noisy(params, *second, keys[1])

  def weighted(params, architectures, devices):
    scores = predictor.apply(params, architectures, devices)
    return jnp.sum(scores * jnp.arange(1.0, _ROWS + 1.0)), scores

  # vmap over parameters, as adaptation to many devices does, and gradients.
  batched = contract.one_trace(
      jax.vmap(jax.grad(weighted, has_aux=True), (0, None, None)), 'gradient'
  )
  grads, stacked = batched(_require.stack(params, others), *first)
  contract.close(stacked[0], scores, 'vmap over parameters changes scores')
  contract.close(
      stacked[1], apply(others, *first), 'vmap over parameters changes scores'
  )
  contract.finite(grads, 'gradient')
  contract.require(
      any(np.any(np.asarray(leaf)) for leaf in jax.tree.leaves(grads)),
      'the gradient of the parameters is zero',
  )
