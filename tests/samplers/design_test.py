"""D-optimal design against brute-force determinants in float64."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import samplers


def _features(num, width, seed):
  rng = np.random.default_rng(seed)
  return rng.normal(size=(num, width)).astype(np.float32)


def _log_det(features, ids, noise):
  """`log det(I + X X^T / noise^2)` of rows with an intercept column."""
  rows = np.concatenate([features, np.ones((len(features), 1))], axis=1)
  chosen = rows.astype(np.float64)[list(ids)]
  gram = np.eye(len(ids)) + chosen @ chosen.T / noise**2
  return np.linalg.slogdet(gram)[1]


class DOptimalTest(parameterized.TestCase):

  @parameterized.parameters(
      (12, 3, 8, 0.1), (12, 3, 8, 1.0), (15, 6, 10, 0.1), (9, 1, 9, 0.3)
  )
  def test_every_step_maximises_the_determinant(
      self, num, width, num_samples, noise
  ):
    for seed in range(3):
      features = _features(num, width, seed)
      chosen = np.asarray(
          samplers.d_optimal(
              jax.random.key(seed),
              jnp.asarray(features),
              num_samples=num_samples,
              noise=noise,
          )
      ).tolist()
      for step, pick in enumerate(chosen):
        taken = chosen[:step]
        values = {
            i: _log_det(features, [*taken, i], noise)
            for i in range(num)
            if i not in taken
        }
        # Near ties may go either way in float32.
        self.assertGreater(values[pick], max(values.values()) - 1e-3)

  def test_beats_random_choices(self):
    features = _features(60, 5, 0)
    chosen = samplers.d_optimal(
        jax.random.key(0), jnp.asarray(features), num_samples=8
    )
    rng = np.random.default_rng(0)
    others = [
        _log_det(features, rng.choice(60, 8, replace=False), 0.1)
        for _ in range(200)
    ]
    self.assertGreater(_log_det(features, chosen.tolist(), 0.1), max(others))

  def test_copies_come_last(self):
    # Three distinct rows, each four times: one of each first.
    distinct = np.eye(3, dtype=np.float32) * 5.0
    features = jnp.asarray(np.tile(distinct, (4, 1)))
    for seed in range(5):
      chosen = samplers.d_optimal(
          jax.random.key(seed), features, num_samples=3
      )
      self.assertEqual(sorted(i % 3 for i in chosen.tolist()), [0, 1, 2])


if __name__ == '__main__':
  absltest.main()
