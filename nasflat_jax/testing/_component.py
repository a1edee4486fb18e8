"""Contracts of single functions: encodings and samplers."""

from __future__ import annotations

from collections.abc import Callable
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import types
from nasflat_jax.testing import _require


def check_encoding(
    encode: Callable[[chex.Array], jax.Array],
    space: types.SearchSpace,
    *,
    name: str = 'encoding',
) -> None:
  """Checks `genotype [B, G] -> [B, F]`: float32, finite, rows independent.

  Args:
    encode: the encoding of `space`, built by its factory.
    space: a search space.
    name: the component's name in messages.

  Raises:
    AssertionError: the encoding breaks its contract.

  Example:
    >>> from nasflat_jax import encodings, spaces
    >>> check_encoding(encodings.none(spaces.FBNET), spaces.FBNET)
  """
  contract = _require.Contract(name)
  genotype, other = (
      space.random(jax.random.key(seed), 6) for seed in range(2)
  )
  traced = contract.one_trace(encode, 'encode')
  out = traced(genotype)
  contract.require(out.ndim == 2, f'[B, F] expected, got {out.shape}')
  contract.shape(out, (6, out.shape[1]), np.float32, 'the encoding')
  contract.finite(out, 'the encoding')
  contract.close(encode(genotype), out, 'jit changes values')
  mixed = traced(jnp.concatenate([genotype[:3], other[3:]]))
  contract.close(mixed[:3], out[:3], 'a row depends on the other rows', 1e-6)
  batched = jax.vmap(encode)(jnp.stack([genotype, other]))
  contract.close(batched[0], out, 'vmap changes values')


def check_sampler(
    sampler: types.Sampler,
    *,
    num_pool: int = 24,
    num_features: int = 4,
    name: str = 'sampler',
) -> None:
  """Checks a sampler: distinct rows, within `where`, determined by its key.

  Args:
    sampler: the sampler.
    num_pool: rows N of the pool it is tried on, 8 or more.
    num_features: columns F.
    name: the component's name in messages.

  Raises:
    AssertionError: the sampler breaks its contract.

  Example:
    >>> from nasflat_jax import samplers
    >>> check_sampler(samplers.random)
  """
  contract = _require.Contract(name)
  keys = jax.random.split(jax.random.key(0), 3)
  features = jax.random.normal(jax.random.key(1), (num_pool, num_features))
  where = jnp.arange(num_pool) % 2 == 1
  few = num_pool // 4
  choose = functools.partial(sampler, num_samples=few)
  traced = contract.one_trace(
      lambda key, features, where: choose(key, features, where=where),
      'the sampler',
  )
  for key in keys:
    ids = traced(key, features, where)
    contract.shape(ids, (few,), np.int32, 'chosen rows')
    contract.require(
        ((ids >= 0) & (ids < num_pool)).all(), f'rows outside the pool: {ids}'
    )
    contract.require(len(set(ids.tolist())) == few, f'a row twice: {ids}')
    contract.require(where[ids].all(), f'a row outside `where`: {ids}')
    contract.same(ids, traced(key, features, where), 'one key, two choices')
    contract.same(ids, choose(key, features, where=where), 'jit changes it')
  batched = jax.vmap(lambda key: choose(key, features))(keys)
  contract.same(
      batched, jnp.stack([choose(key, features) for key in keys]),
      'vmap over keys changes it',
  )
  everything = sampler(keys[0], features, num_samples=num_pool)
  contract.require(
      sorted(everything.tolist()) == list(range(num_pool)),
      'num_samples = N must choose every row once',
  )
  for too_many, mask in ((num_pool + 1, None), (num_pool // 2 + 1, where)):
    try:
      sampler(keys[0], features, num_samples=too_many, where=mask)
    except ValueError:
      continue
    contract.require(False, 'more rows than admitted must raise ValueError')
