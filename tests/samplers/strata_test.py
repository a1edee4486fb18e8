"""Stratified choices, by a number and by the mean cosine similarity."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import samplers


def _strata(values, where, num_samples):
  """The sets of rows, from a sort in numpy. No ties."""
  admitted = np.flatnonzero(where)
  ordered = admitted[np.argsort(values[admitted])]
  return [set(part.tolist()) for part in np.array_split(ordered, num_samples)]


def _mean_similarity(features):
  """Mean over all pairs, in float64."""
  x = features.astype(np.float64)
  norm = np.linalg.norm(x, axis=1)
  product = x @ x.T
  pairs = np.divide(
      product, np.outer(norm, norm), where=product != 0,
      out=np.zeros_like(product),
  )
  return pairs.mean(axis=1)


class StratifiedTest(parameterized.TestCase):

  @parameterized.parameters(1, 4, 7, 18, 20)
  def test_one_row_per_stratum(self, num_samples):
    values = np.random.default_rng(0).permutation(30).astype(np.float32)
    where = np.arange(30) % 3 != 0
    strata = _strata(values, where, num_samples)
    for seed in range(5):
      ids = samplers.stratified(
          jax.random.key(seed), jnp.asarray(values)[:, None],
          num_samples=num_samples, where=jnp.asarray(where),
      )
      for row, stratum in zip(ids.tolist(), strata, strict=True):
        self.assertIn(row, stratum)

  def test_uniform_within_a_stratum(self):
    values = jnp.arange(7.0)[:, None]
    keys = jax.random.split(jax.random.key(0), 3000)
    ids = jax.vmap(
        lambda key: samplers.stratified(key, values, num_samples=2)
    )(keys)
    counts = np.bincount(np.asarray(ids).ravel(), minlength=7)
    # Strata of four and three; five standard deviations of a binomial.
    np.testing.assert_allclose(counts[:4], 750, atol=119)
    np.testing.assert_allclose(counts[4:], 1000, atol=130)

  def test_ties_are_shared_out_by_the_key(self):
    # Rows 1 to 4 are equal, and only two of them fall in the first stratum.
    values = jnp.array([0.0, 1.0, 1.0, 1.0, 1.0, 2.0])[:, None]
    firsts = [
        int(samplers.stratified(
            jax.random.key(seed), values, num_samples=2)[0])
        for seed in range(60)
    ]
    self.assertEqual(set(firsts), {0, 1, 2, 3, 4})

  @parameterized.parameters(((5, 2),), ((5, 0),), ((5,),))
  def test_one_column(self, shape):
    with self.assertRaisesRegex(ValueError, r'\[N, 1\], got \(5,'):
      samplers.stratified(jax.random.key(0), jnp.zeros(shape), num_samples=2)


class CosineTest(parameterized.TestCase):

  @parameterized.parameters(False, True)
  def test_order_of_the_mean_over_all_pairs(self, masked):
    rng = np.random.default_rng(1)
    features = rng.normal(size=(40, 5)).astype(np.float32)
    features += rng.normal(size=5).astype(np.float32)
    # Lengths do not count, and a zero row is similar to none.
    features *= np.exp(rng.normal(size=(40, 1)) * 3).astype(np.float32)
    features[6] = 0.0
    where = np.arange(40) % 4 != 1 if masked else np.ones(40, bool)
    admitted = np.flatnonzero(where)
    expected = admitted[np.argsort(_mean_similarity(features[admitted]))]
    # With a stratum for every row, only the order is left.
    ids = samplers.cosine(
        jax.random.key(0), jnp.asarray(features), num_samples=len(admitted),
        where=jnp.asarray(where),
    )
    np.testing.assert_array_equal(ids, expected)

  def test_one_row_per_stratum(self):
    features = np.random.default_rng(2).normal(size=(33, 6))
    features = features.astype(np.float32)
    strata = _strata(_mean_similarity(features), np.ones(33, bool), 5)
    for seed in range(5):
      ids = samplers.cosine(
          jax.random.key(seed), jnp.asarray(features), num_samples=5
      )
      for row, stratum in zip(ids.tolist(), strata, strict=True):
        self.assertIn(row, stratum)

  @parameterized.parameters(1e-30, 1e30)
  def test_scale_invariant(self, scale):
    # Squares of these leave the range of float32.
    rng = np.random.default_rng(3)
    features = jnp.asarray(rng.normal(size=(20, 3)), jnp.float32)
    one, other = (
        samplers.cosine(jax.random.key(0), x, num_samples=20)
        for x in (features, features * scale)
    )
    np.testing.assert_array_equal(one, other)


if __name__ == '__main__':
  absltest.main()
