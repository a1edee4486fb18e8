"""AdaProxy: the optimum, the choice of the penalty, and few rows."""

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from nasflat_jax import predictors


def _problem(num_rows, seed=0, noise=0.1):
  rng = np.random.default_rng(seed)
  features = rng.integers(0, 2, (num_rows, 6)).astype(np.float64)
  proxy = predictors.LinearModel(rng.uniform(0.5, 2.0, 6), np.zeros(()))
  change = 0.3 * rng.normal(size=6)
  latency_ms = features @ (proxy.weights * (2.0 + change)) + 7.0
  return proxy, features, latency_ms + noise * rng.normal(size=num_rows)


def _solve(proxy, features, latency_ms, penalty):
  """Weights and offset by one stacked least-squares problem."""
  columns = features * proxy.weights
  num, width = columns.shape
  free = np.stack([columns.sum(axis=1), np.ones(num)], axis=1)
  if np.isinf(penalty):
    (scale, offset), *_ = np.linalg.lstsq(free, latency_ms)
    return proxy.weights * scale, offset
  left = np.concatenate([free, np.zeros((width, 2))])
  right = np.concatenate([columns, np.sqrt(penalty) * np.eye(width)])
  solution, *_ = np.linalg.lstsq(
      np.concatenate([left, right], axis=1),
      np.concatenate([latency_ms, np.zeros(width)]),
  )
  return proxy.weights * (solution[0] + solution[2:]), solution[1]


def _mean_energy(proxy, features):
  columns = features * proxy.weights
  free = np.stack([columns.sum(axis=1), np.ones(len(columns))], axis=1)
  rest = columns - free @ np.linalg.pinv(free) @ columns
  return np.mean(np.linalg.svd(rest, compute_uv=False) ** 2)


class FitAdaproxyTest(parameterized.TestCase):

  @parameterized.parameters(0, 1, 2, 3)
  def test_equals_the_best_of_refits_without_one_row(self, seed):
    noise = (0.05, 3.0)[seed % 2]
    proxy, features, latency_ms = _problem(12, seed, noise)
    penalties = np.array([0.01, 1.0, 30.0])
    candidates = [np.inf, *(penalties * _mean_energy(proxy, features))]
    errors = []
    for penalty in candidates:
      error = 0.0
      for row in range(12):
        rest = np.arange(12) != row
        weights, offset = _solve(
            proxy, features[rest], latency_ms[rest], penalty
        )
        error += (features[row] @ weights + offset - latency_ms[row]) ** 2
      errors.append(error)
    best = candidates[int(np.argmin(errors))]
    weights, offset = _solve(proxy, features, latency_ms, best)
    model = predictors.fit_adaproxy(
        proxy, features, latency_ms, penalties=penalties
    )
    np.testing.assert_allclose(model.weights, weights, rtol=1e-7)
    np.testing.assert_allclose(model.intercept, offset, rtol=1e-7)

  def test_few_consistent_changes_are_found(self):
    proxy, features, latency_ms = _problem(40, noise=0.0)
    model = predictors.fit_adaproxy(proxy, features, latency_ms)
    error = predictors.predict_linear(model, features) - latency_ms
    self.assertLess(np.abs(error).max(), 0.02)

  def test_a_scaled_proxy_needs_two_rows(self):
    proxy, features, _ = _problem(20)
    latency_ms = 3.0 * features @ proxy.weights + 5.0
    for size in (2, 3, 5):
      model = predictors.fit_adaproxy(
          proxy, features[:size], latency_ms[:size]
      )
      np.testing.assert_allclose(model.weights, 3.0 * proxy.weights, rtol=1e-6)
      np.testing.assert_allclose(model.intercept, 5.0, rtol=1e-6)

  @parameterized.parameters(1, 2, 4)
  def test_rows_that_are_all_alike_keep_the_order_of_the_proxy(self, size):
    proxy, features, _ = _problem(20)
    model = predictors.fit_adaproxy(
        proxy, np.tile(features[0], (size, 1)), np.full(size, 9.0)
    )
    predicted = predictors.predict_linear(model, features)
    self.assertAlmostEqual(predicted[0], 9.0)
    order = np.argsort(features @ proxy.weights)
    self.assertGreaterEqual(np.diff(predicted[order]).min(), -1e-9)
    self.assertGreater(np.ptp(predicted), 0.1)

  def test_rows_that_use_no_operation_are_finite(self):
    proxy, features, _ = _problem(3)
    model = predictors.fit_adaproxy(proxy, 0.0 * features, np.arange(3.0))
    self.assertTrue(np.isfinite(model.weights).all())
    self.assertAlmostEqual(float(model.intercept), 1.0)

  def test_the_unit_of_the_target_does_not_matter(self):
    proxy, features, latency_ms = _problem(12, noise=0.5)
    one = predictors.fit_adaproxy(proxy, features, latency_ms)
    seconds = predictors.fit_adaproxy(proxy, features, latency_ms / 1e3)
    np.testing.assert_allclose(seconds.weights * 1e3, one.weights, rtol=1e-9)

  @parameterized.parameters(
      (lambda x, y: (x[:, :5], y), r'\[n, 6\]'),
      (lambda x, y: (x[:0], y[:0]), 'n >= 1'),
      (lambda x, y: (x[:3], y), r'got \(3, 6\) and \(12,\)'),
      (lambda x, y: (x, np.where(y > 0, np.nan, y)), 'finite'),
  )
  def test_refuses(self, change, message):
    proxy, features, latency_ms = _problem(12)
    with self.assertRaisesRegex(ValueError, f'fit_adaproxy.*{message}'):
      predictors.fit_adaproxy(proxy, *change(features, latency_ms))


class FitProxyTest(absltest.TestCase):

  def test_recovers_the_times_over_the_fastest_operation(self):
    rng = np.random.default_rng(0)
    genotype = rng.integers(0, 3, (200, 4))
    times = rng.uniform(0.1, 2.0, (4, 3))
    latency_ms = times[np.arange(4), genotype].sum(axis=1) + 1.0
    model = predictors.fit_proxy(genotype, latency_ms, 3)
    fastest = times.min(axis=1, keepdims=True)
    np.testing.assert_allclose(
        model.weights.reshape(4, 3), times - fastest, atol=0.01
    )
    np.testing.assert_allclose(model.intercept, fastest.sum() + 1.0, atol=0.05)

  def test_an_operation_that_was_not_measured_takes_no_time(self):
    rng = np.random.default_rng(0)
    genotype = rng.integers(1, 3, (50, 4))  # never 0
    latency_ms = genotype.sum(axis=1) + 10.0
    times = predictors.fit_proxy(genotype, latency_ms, 3).weights
    np.testing.assert_allclose(
        times.reshape(4, 3), [[0.0, 0.0, 1.0]] * 4, atol=0.01
    )


if __name__ == '__main__':
  absltest.main()
