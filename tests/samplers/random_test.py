"""The random sampler: distinct, uniform, confined to its mask."""

from absl.testing import absltest
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import samplers


class RandomTest(absltest.TestCase):

  def test_distinct_within_the_mask_and_deterministic(self):
    where = jnp.arange(50) % 3 == 1
    features = jnp.zeros((50, 2))
    for seed in range(5):
      key = jax.random.key(seed)
      ids = samplers.random(key, features, num_samples=9, where=where)
      self.assertEqual(ids.dtype, jnp.int32)
      self.assertLen(set(ids.tolist()), 9)
      self.assertTrue(bool(where[ids].all()))
      again = jax.jit(samplers.random, static_argnames='num_samples')(
          key, features, num_samples=9, where=where
      )
      np.testing.assert_array_equal(ids, again)

  def test_uniform(self):
    where = jnp.array([True, False, True, True, True, True])
    keys = jax.random.split(jax.random.key(0), 4000)
    ids = jax.vmap(
        lambda key: samplers.random(
            key, jnp.zeros((6, 1)), num_samples=2, where=where
        )
    )(keys)
    counts = np.bincount(np.asarray(ids[:, 0]), minlength=6)
    self.assertEqual(counts[1], 0)
    # Five standard deviations of a binomial with p = 1/5.
    np.testing.assert_allclose(counts[np.asarray(where)], 800, atol=127)
    pairs = {tuple(sorted(pair)) for pair in ids.tolist()}
    self.assertLen(pairs, 10)

  def test_all_of_the_mask(self):
    where = jnp.array([True, False, True])
    ids = samplers.random(
        jax.random.key(3), jnp.zeros((3, 1)), num_samples=2, where=where
    )
    self.assertEqual(sorted(ids.tolist()), [0, 2])

  def test_too_few(self):
    with self.assertRaisesRegex(ValueError, 'choose 2 of 1 admitted'):
      samplers.random(
          jax.random.key(0), jnp.zeros((3, 1)), num_samples=2,
          where=jnp.array([True, False, False]),
      )


if __name__ == '__main__':
  absltest.main()
