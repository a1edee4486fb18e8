"""The random sampler is uniform over sets of rows."""

from absl.testing import absltest
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import samplers


class RandomTest(absltest.TestCase):

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


if __name__ == '__main__':
  absltest.main()
