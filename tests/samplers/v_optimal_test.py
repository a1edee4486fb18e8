"""V-optimal design against brute-force posterior variances in float64."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import samplers


def _features(num, width, seed):
  rng = np.random.default_rng(seed)
  return rng.normal(size=(num, width)).astype(np.float32)


def _mean_variance(features, ids, noise, reference=None):
  """Mean posterior variance over the reference rows, by a plain inverse."""
  rows = np.concatenate([features, np.ones((len(features), 1))], axis=1)
  rows = rows.astype(np.float64)
  chosen = rows[list(ids)]
  covariance = np.linalg.inv(
      np.eye(rows.shape[1]) + chosen.T @ chosen / noise**2
  )
  seen = rows if reference is None else rows[reference]
  return np.einsum('nf,fg,ng->n', seen, covariance, seen).mean()


class VOptimalTest(parameterized.TestCase):

  @parameterized.parameters(
      (14, 3, 9, 0.1), (14, 3, 9, 1.0), (13, 7, 10, 0.1), (9, 1, 8, 0.3),
      (8, 12, 8, 0.1),
  )
  def test_every_step_minimises_the_mean_variance(
      self, num, width, num_samples, noise
  ):
    for seed in range(3):
      features = _features(num, width, seed)
      chosen = samplers.v_optimal(
          jax.random.key(seed), jnp.asarray(features),
          num_samples=num_samples, noise=noise,
      ).tolist()
      for step, pick in enumerate(chosen):
        taken = chosen[:step]
        before = _mean_variance(features, taken, noise)
        gain = {
            i: before - _mean_variance(features, [*taken, i], noise)
            for i in range(num)
            if i not in taken
        }
        # Near ties may go either way in float32.
        self.assertGreater(
            gain[pick], max(gain.values()) * (1 - 1e-3) - 1e-5 * before
        )

  def test_only_admitted_rows_are_the_reference(self):
    features = _features(30, 3, 0)
    where = np.arange(30) % 3 == 0
    features[~where] *= 10.0
    admitted = np.flatnonzero(where)
    pick = int(samplers.v_optimal(
        jax.random.key(0), jnp.asarray(features), num_samples=1,
        where=jnp.asarray(where),
    )[0])
    values = {
        i: _mean_variance(features, [i], 0.1, admitted) for i in admitted
    }
    self.assertEqual(pick, min(values, key=values.__getitem__))

  def test_no_worse_than_random_or_d_optimal(self):
    features = _features(80, 6, 1)
    # An outlier: a D-optimal design takes it, but it tells of no other row.
    features[5] = 0.0
    features[:, 5] = 0.0
    features[5, 5] = 4.0
    key = jax.random.key(0)

    def value(sampler, key, num):
      ids = sampler(key, jnp.asarray(features), num_samples=num)
      return _mean_variance(features, ids.tolist(), 0.5)

    def design(key, x, *, num_samples):
      return samplers.v_optimal(key, x, num_samples=num_samples, noise=0.5)

    for num in (1, 6):
      others = [
          value(samplers.random, jax.random.key(seed), num)
          for seed in range(30)
      ]
      self.assertLessEqual(value(design, key, num), min(others))
    self.assertLess(value(design, key, 6), value(samplers.d_optimal, key, 6))

  def test_the_reference_may_be_a_subset(self):
    features = _features(300, 4, 2)

    def choose(num_reference):
      return samplers.v_optimal(
          jax.random.key(0), jnp.asarray(features), num_samples=8,
          num_reference=num_reference,
      ).tolist()

    # More than there are is all of them.
    self.assertEqual(choose(300), choose(1000))
    self.assertNotEqual(choose(300), choose(30))
    rng = np.random.default_rng(0)
    others = [
        _mean_variance(features, rng.choice(300, 8, replace=False), 0.1)
        for _ in range(50)
    ]
    self.assertLess(_mean_variance(features, choose(30), 0.1), min(others))

  def test_the_reference_is_drawn_from_the_admitted_rows(self):
    # Rows outside the mask lie along another axis than those within; if one
    # were the single reference, the pick along the first axis would be random.
    features = np.zeros((40, 2), np.float32)
    where = np.arange(40) % 4 == 0
    features[where, 0] = 1.0 + np.arange(10) * 0.1
    features[~where, 1] = 1e3
    for seed in range(10):
      ids = samplers.v_optimal(
          jax.random.key(seed), jnp.asarray(features), num_samples=1,
          where=jnp.asarray(where), num_reference=1, noise=3.0,
      )
      self.assertEqual(int(ids[0]), 36)

  def test_copies_are_no_better_than_repeats(self):
    features = np.tile(_features(5, 6, 3) * 3.0, (3, 1))
    for seed in range(3):
      ids = samplers.v_optimal(
          jax.random.key(seed), jnp.asarray(features), num_samples=5
      )
      self.assertEqual(sorted(i % 5 for i in ids.tolist()), [*range(5)])

  @parameterized.parameters(
      ({'noise': 0.0}, 'noise must be positive, got 0.0'),
      ({'num_reference': 0}, 'num_reference must be positive, got 0'),
  )
  def test_bad_options(self, options, message):
    with self.assertRaisesRegex(ValueError, message):
      samplers.v_optimal(
          jax.random.key(0), jnp.zeros((3, 1)), num_samples=1, **options
      )


if __name__ == '__main__':
  absltest.main()
