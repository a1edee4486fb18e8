"""Closed-form linear models against explicit refits."""

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from nasflat_jax.predictors import _linear


def _refit(x, y, penalty):
  """Ridge with an unpenalised intercept by the normal equations."""
  mean, shift = y.mean(), x.mean(0)
  gram = (x - shift).T @ (x - shift) + penalty * np.eye(x.shape[1])
  weights = np.linalg.solve(gram, (x - shift).T @ (y - mean))
  return weights, mean - shift @ weights


class FitRidgeTest(parameterized.TestCase):

  @parameterized.parameters((12, 4), (10, 24), (40, 6))
  def test_chooses_by_leave_one_out_refits(self, n, num_features):
    for seed in range(4):
      rng = np.random.default_rng(seed)
      x = rng.normal(size=(n, num_features))
      y = x[:, 0] + rng.normal(size=n) + 5.0
      relative = np.logspace(-2, 2, 7)
      energy = np.linalg.svd(x - x.mean(0), compute_uv=False) ** 2
      errors = []
      for penalty in relative * energy.mean():
        left_out = []
        for i in range(n):
          keep = np.arange(n) != i
          weights, intercept = _refit(x[keep], y[keep], penalty)
          left_out.append((y[i] - x[i] @ weights - intercept) ** 2)
        errors.append(np.sum(left_out))
      best = relative[np.argmin(errors)] * energy.mean()
      weights, intercept = _refit(x, y, best)
      model = _linear.fit_ridge(x, y, penalties=relative)
      np.testing.assert_allclose(model.weights, weights, atol=1e-9)
      np.testing.assert_allclose(model.intercept, intercept, atol=1e-9)

  def test_batched_equals_one_by_one(self):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 2, 8, 5)), rng.normal(size=(3, 2, 8))
    batched = _linear.fit_ridge(x, y)
    values = _linear.predict(batched, x)
    for i, j in np.ndindex(3, 2):
      single = _linear.fit_ridge(x[i, j], y[i, j])
      np.testing.assert_allclose(batched.weights[i, j], single.weights)
      np.testing.assert_allclose(
          values[i, j], _linear.predict(single, x[i, j])
      )

  def test_shift_and_scale_of_the_target(self):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(9, 12)), rng.normal(size=9)
    a, b = _linear.fit_ridge(x, y), _linear.fit_ridge(x, 7.0 * y + 3.0)
    np.testing.assert_allclose(b.weights, 7.0 * a.weights)
    np.testing.assert_allclose(b.intercept, 7.0 * a.intercept + 3.0)

  def test_constant_features_or_targets_give_the_mean(self):
    y = np.array([1.0, 2.0, 6.0])
    model = _linear.fit_ridge(np.ones((3, 2)), y)
    np.testing.assert_array_equal(model.weights, np.zeros(2))
    np.testing.assert_allclose(_linear.predict(model, np.ones((1, 2))), 3.0)
    model = _linear.fit_ridge(np.eye(3), np.full(3, 4.0))
    np.testing.assert_array_equal(model.weights, np.zeros(3))

  def test_constant_columns_change_nothing(self):
    # The penalty is relative to the mean over all columns, and stays so.
    rng = np.random.default_rng(2)
    for n in (6, 40):
      x, y = rng.normal(size=(3, n, 4)), rng.normal(size=(3, n))
      padded = np.insert(x, [0, 2, 2, 4], 5.0, axis=-1)
      wide = _linear.fit_ridge(padded, y)
      np.testing.assert_array_equal(wide.weights[..., [0, 3, 4, 7]], 0.0)
      # Constants that vary by rounding are not left out: the old way.
      jitter = padded * (1 + 1e-15 * rng.integers(-1, 2, padded.shape))
      same = _linear.fit_ridge(jitter, y)
      np.testing.assert_allclose(
          _linear.predict(wide, padded), _linear.predict(same, padded),
          rtol=1e-6, atol=1e-9,
      )

  def test_one_row(self):
    model = _linear.fit_ridge(np.array([[1.0, 2.0]]), np.array([5.0]))
    np.testing.assert_allclose(_linear.predict(model, np.eye(2)), [5.0, 5.0])

  def test_refuses_what_does_not_fit(self):
    with self.assertRaisesRegex(ValueError, 'got .3, 2. and .2,.'):
      _linear.fit_ridge(np.ones((3, 2)), np.ones(2))
    with self.assertRaisesRegex(ValueError, 'n >= 1'):
      _linear.fit_ridge(np.ones((0, 2)), np.ones(0))
    with self.assertRaisesRegex(ValueError, 'finite'):
      _linear.fit_ridge(np.eye(2), np.array([1.0, np.nan]))


class FeaturesTest(absltest.TestCase):

  def test_one_hot_and_counts(self):
    genotype = np.array([[0, 2], [1, 1]])
    np.testing.assert_array_equal(
        _linear.one_hot(genotype, 3), [[1, 0, 0, 0, 0, 1], [0, 1, 0, 0, 1, 0]]
    )
    np.testing.assert_array_equal(
        _linear.op_counts(genotype, 3), [[1, 0, 1], [0, 2, 0]]
    )

  def test_non_negative_recovers_a_table_and_refuses_negative_times(self):
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4, (12, 3)).astype(float)
    times = np.array([0.0, 1.5, 4.0])
    model = _linear.fit_non_negative(counts, counts @ times)
    np.testing.assert_allclose(model.weights, times, atol=1e-9)
    model = _linear.fit_non_negative(counts, counts @ np.array([-2.0, 1.0, 3]))
    self.assertGreaterEqual(model.weights.min(), 0.0)

  def test_non_negative_passes_over_zero_columns(self):
    counts = np.array([[0.0, 1, 0, 2], [0, 3, 0, 1], [0, 1, 0, 1]])
    model = _linear.fit_non_negative(counts, counts @ np.array([9., 2, 9, 5]))
    np.testing.assert_allclose(model.weights, [0.0, 2.0, 0.0, 5.0], atol=1e-9)
    model = _linear.fit_non_negative(np.zeros((3, 2)), np.ones(3))
    np.testing.assert_array_equal(model.weights, np.zeros(2))


if __name__ == '__main__':
  absltest.main()
