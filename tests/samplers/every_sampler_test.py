"""What holds for every sampler beyond its contract: ties, masks, errors."""

import functools

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import samplers

_NUM = 23
_ALL = tuple((name,) for name in samplers.__all__)
# These compute with the features, and refuse what is not finite.
_FINITE = tuple(
    (name,) for name in samplers.__all__ if name not in ('d_optimal', 'random')
)


def _width(name):
  return 1 if name == 'stratified' else 4


def _features(name, seed=0):
  rng = np.random.default_rng(seed)
  return jnp.asarray(rng.normal(size=(_NUM, _width(name))), jnp.float32)


class EverySamplerTest(parameterized.TestCase):

  @parameterized.parameters(*_ALL)
  def test_every_count_within_the_mask(self, name):
    where = jnp.arange(_NUM) % 3 != 1
    admitted = np.flatnonzero(where)
    for num in (0, 1, 7, len(admitted)):
      ids = getattr(samplers, name)(
          jax.random.key(num), _features(name), num_samples=num, where=where
      )
      self.assertEqual((ids.shape, ids.dtype), ((num,), jnp.int32))
      self.assertLen(set(ids.tolist()), num)
      self.assertContainsSubset(ids.tolist(), admitted)

  @parameterized.parameters(*_ALL)
  def test_every_count_where_all_rows_are_equal(self, name):
    features = jnp.full((_NUM, _width(name)), 0.3)
    where = jnp.arange(_NUM) > 4
    for num in (1, 18):
      ids = getattr(samplers, name)(
          jax.random.key(num), features, num_samples=num, where=where
      )
      self.assertLen(set(ids.tolist()), num)
      self.assertGreater(int(ids.min()), 4)

  @parameterized.parameters(*_ALL)
  def test_the_key_breaks_ties(self, name):
    features = jnp.full((_NUM, _width(name)), 0.3)
    firsts = {
        int(getattr(samplers, name)(
            jax.random.key(seed), features, num_samples=1)[0])
        for seed in range(10)
    }
    self.assertGreater(len(firsts), 3)

  @parameterized.parameters(*_ALL)
  def test_jit_with_a_traced_mask(self, name):
    sampler = getattr(samplers, name)
    choose = jax.jit(sampler, static_argnames='num_samples')
    for seed in range(3):
      features = _features(name, seed)
      where = jnp.arange(_NUM) % (seed + 2) == 0
      key = jax.random.key(seed)
      np.testing.assert_array_equal(
          choose(key, features, num_samples=5, where=where),
          sampler(key, features, num_samples=5, where=where),
      )

  @parameterized.parameters(*_ALL)
  def test_rows_outside_the_mask_have_no_influence(self, name):
    where = jnp.arange(_NUM) % 2 == 0
    features = _features(name)
    choose = functools.partial(
        getattr(samplers, name), jax.random.key(0), num_samples=6, where=where
    )
    for other in (1e4, jnp.nan):
      np.testing.assert_array_equal(
          choose(features),
          choose(jnp.where(where[:, None], features, other)),
      )

  @parameterized.parameters('d_optimal', 'farthest_point', 'v_optimal')
  def test_more_samples_extend_fewer(self, name):
    few, many = (
        getattr(samplers, name)(
            jax.random.key(0), _features(name), num_samples=num)
        for num in (4, 9)
    )
    np.testing.assert_array_equal(few, many[:4])

  @parameterized.parameters(*_ALL)
  def test_too_many(self, name):
    sampler = getattr(samplers, name)
    key, features = jax.random.key(0), _features(name)
    with self.assertRaisesRegex(ValueError, 'choose 3 of 2 admitted'):
      sampler(key, features, num_samples=3, where=jnp.arange(_NUM) < 2)
    with self.assertRaisesRegex(ValueError, 'choose 24 of 23 admitted'):
      jax.jit(sampler, static_argnames='num_samples')(
          key, features, num_samples=24
      )
    with self.assertRaisesRegex(ValueError, 'choose -1 of'):
      sampler(key, features, num_samples=-1)

  @parameterized.parameters(*_FINITE)
  def test_features_that_are_not_finite(self, name):
    features = _features(name).at[7, 0].set(jnp.nan).at[9, 0].set(jnp.inf)
    with self.assertRaisesRegex(ValueError, '2 admitted .* first in row 7'):
      getattr(samplers, name)(jax.random.key(0), features, num_samples=3)


if __name__ == '__main__':
  absltest.main()
