"""Samplers that cover the pool: clusters and farthest points."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import samplers


def _normal(num, width, seed):
  rng = np.random.default_rng(seed)
  return rng.normal(size=(num, width)).astype(np.float32)


def _distances(features, ids):
  """Squared distances of all rows to some of them, float64: [N, n]."""
  x = features.astype(np.float64)
  return ((x[:, None] - x[ids][None]) ** 2).sum(axis=-1)


class KMeansTest(parameterized.TestCase):

  @parameterized.parameters(0.0, 1000.0)
  def test_one_from_each_cluster(self, offset):
    features = _normal(60, 3, 0) * 0.01 + offset
    cluster = np.arange(60) % 6
    features[:, 0] += 10.0 * cluster
    where = jnp.arange(60) >= 12
    for seed in range(5):
      ids = samplers.k_means(
          jax.random.key(seed), jnp.asarray(features), num_samples=6,
          where=where,
      )
      self.assertEqual(sorted(cluster[np.asarray(ids)].tolist()), [*range(6)])
      self.assertTrue(bool(where[ids].all()))

  def test_nearest_the_centroid(self):
    features = _normal(80, 2, 1)
    cluster = np.arange(80) % 4
    features += 30.0 * np.eye(4, 2, dtype=np.float32)[cluster]
    features[cluster == 3] -= 30.0
    features[cluster == 2] += 30.0
    # The fourth dozen is left out and must not move the centroids.
    where = np.arange(80) % 12 < 9
    expected = set()
    for c in range(4):
      rows = np.flatnonzero(where & (cluster == c))
      x = features[rows].astype(np.float64)
      distance = ((x - x.mean(axis=0)) ** 2).sum(axis=1)
      expected.add(int(rows[distance.argmin()]))
    for seed in range(3):
      ids = samplers.k_means(
          jax.random.key(seed), jnp.asarray(features), num_samples=4,
          where=jnp.asarray(where),
      )
      self.assertEqual(set(ids.tolist()), expected)

  def test_iterations_tighten_the_clusters(self):
    features = _normal(200, 3, 2)

    def spread(num_iterations):
      values = []
      for seed in range(10):
        ids = samplers.k_means(
            jax.random.key(seed), jnp.asarray(features), num_samples=6,
            num_iterations=num_iterations,
        )
        nearest = _distances(features, np.asarray(ids)).min(axis=1)
        values.append(nearest.mean())
      return np.mean(values)

    self.assertLess(spread(30), 0.85 * spread(0))

  def test_fewer_distinct_rows_than_samples(self):
    distinct = _normal(3, 4, 3) * 5.0
    features = np.tile(distinct, (5, 1))
    for seed in range(5):
      ids = samplers.k_means(
          jax.random.key(seed), jnp.asarray(features), num_samples=8
      ).tolist()
      self.assertLen(set(ids), 8)
      self.assertEqual({i % 3 for i in ids}, {0, 1, 2})
      # Seeds are distinct points as long as there are any.
      three = samplers.k_means(
          jax.random.key(seed), jnp.asarray(features), num_samples=3
      )
      self.assertEqual(sorted(i % 3 for i in three.tolist()), [0, 1, 2])

  def test_negative_iterations(self):
    with self.assertRaisesRegex(ValueError, 'num_iterations .* got -1'):
      samplers.k_means(
          jax.random.key(0), jnp.zeros((3, 1)), num_samples=1,
          num_iterations=-1,
      )


class FarthestPointTest(parameterized.TestCase):

  @parameterized.parameters((30, 2, 9), (40, 5, 12), (12, 1, 12))
  def test_greedy_maximin(self, num, width, num_samples):
    for seed in range(3):
      features = _normal(num, width, seed) + 3.0
      where = np.arange(num) % 5 != 2 if num > num_samples else np.full(num, 1)
      admitted = np.flatnonzero(where)
      x = features.astype(np.float64)
      centre = x[admitted].mean(axis=0)
      start = ((x[admitted] - centre) ** 2).sum(axis=1).argmin()
      expected = [int(admitted[start])]
      while len(expected) < num_samples:
        closest = _distances(features, expected).min(axis=1)
        expected.append(int(admitted[closest[admitted].argmax()]))
      ids = samplers.farthest_point(
          jax.random.key(seed), jnp.asarray(features),
          num_samples=num_samples, where=jnp.asarray(where, bool),
      )
      self.assertEqual(ids.tolist(), expected)

  def test_copies_come_last(self):
    features = np.tile(_normal(4, 2, 0), (3, 1))
    for seed in range(5):
      ids = samplers.farthest_point(
          jax.random.key(seed), jnp.asarray(features), num_samples=6
      )
      self.assertEqual(sorted(i % 4 for i in ids.tolist()[:4]), [0, 1, 2, 3])

  def test_overflowing_distances_leave_distinct_rows(self):
    features = jnp.asarray(_normal(12, 3, 0)) * 1e30
    ids = samplers.farthest_point(
        jax.random.key(0), features, num_samples=12
    )
    self.assertEqual(sorted(ids.tolist()), [*range(12)])


if __name__ == '__main__':
  absltest.main()
