"""Errors in milliseconds against NumPy in float64."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import metrics


class ErrorTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    rng = np.random.default_rng(0)
    self.latency_ms = rng.uniform(1.0, 50.0, 200)
    self.pred_ms = self.latency_ms * rng.uniform(0.7, 1.3, 200)
    self.where = rng.random(200) < 0.5
    self.relative = np.abs(self.pred_ms - self.latency_ms) / self.latency_ms

  def test_match_numpy(self):
    args = self.pred_ms, self.latency_ms
    where = self.where
    np.testing.assert_allclose(
        metrics.mape(*args), self.relative.mean(), rtol=1e-5
    )
    np.testing.assert_allclose(
        jax.jit(metrics.mape)(*args, where=where),
        self.relative[where].mean(), rtol=1e-5,
    )
    for percent in (1.0, 10.0, 25.0):
      np.testing.assert_allclose(
          metrics.within_percent(*args, percent=percent, where=where),
          (self.relative[where] <= percent / 100).mean(), rtol=1e-5,
      )
    lower, upper = 0.9 * self.pred_ms, 1.1 * self.pred_ms
    inside = (lower <= self.latency_ms) & (self.latency_ms <= upper)
    np.testing.assert_allclose(
        metrics.coverage(lower, upper, self.latency_ms, where=where),
        inside[where].mean(), rtol=1e-5,
    )

  def test_masked_entries_may_hold_nan(self):
    pred_ms = np.where(self.where, self.pred_ms, np.nan)
    latency_ms = np.where(self.where, self.latency_ms, np.nan)
    for metric in (metrics.mape, metrics.within_percent):
      np.testing.assert_array_equal(
          metric(pred_ms, latency_ms, where=self.where),
          metric(self.pred_ms, self.latency_ms, where=self.where),
      )

  def test_nan_prediction_counts_as_off(self):
    got = metrics.within_percent(jnp.array([1.0, jnp.nan]), jnp.ones(2))
    self.assertEqual(got, 0.5)
    got = metrics.coverage(
        jnp.array([0.0, jnp.nan]), jnp.array([2.0, jnp.nan]), jnp.ones(2)
    )
    self.assertEqual(got, 0.5)

  def test_nothing_to_judge_is_nan(self):
    none = jnp.zeros(3, bool)
    got = metrics.mape(jnp.ones(3), jnp.ones(3), where=none)
    self.assertTrue(np.isnan(got))

  def test_rejects_different_shapes(self):
    with self.assertRaises(AssertionError):
      metrics.mape(jnp.ones(3), jnp.ones(1))


class CalibrateTest(absltest.TestCase):

  def test_recovers_a_log_linear_map(self):
    scores = np.array([2e8, 1e8, 4e8, 3e8])
    truth = lambda s: np.exp(0.5 + 3e-9 * s)
    to_ms = metrics.calibrate(scores, truth(scores))
    query = np.array([[1.5e8, 4.5e8], [0.5e8, 2.5e8]])
    np.testing.assert_allclose(to_ms(query), truth(query), rtol=1e-9)

  def test_never_reverses_the_order(self):
    rng = np.random.default_rng(0)
    for seed in range(20):
      scores, latency_ms = rng.normal(size=5), rng.uniform(1, 9, 5)
      ms = metrics.calibrate(scores, latency_ms)(np.linspace(-9, 9, 50))
      self.assertTrue(np.all(np.diff(ms) >= 0.0), seed)
      self.assertTrue(np.all(np.isfinite(ms)))
      self.assertLessEqual(ms.max(), 10.0 * latency_ms.max() * (1 + 1e-9))

  def test_constant_or_reversed_scores_give_the_geometric_mean(self):
    latency_ms = np.array([1.0, 4.0])
    for scores in (np.array([1e8, 1e8]), np.array([1.0, 0.0])):
      got = metrics.calibrate(scores, latency_ms)(np.array([-3.0, 7.0]))
      np.testing.assert_allclose(got, 2.0)

  def test_rejects_bad_rows(self):
    with self.assertRaisesRegex(ValueError, 'above 0 ms, got -1.0'):
      metrics.calibrate(np.ones(2), np.array([1.0, -1.0]))
    with self.assertRaisesRegex(ValueError, 'n >= 1'):
      metrics.calibrate(np.ones(0), np.ones(0))
    with self.assertRaisesRegex(ValueError, 'finite'):
      metrics.calibrate(np.array([np.nan]), np.ones(1))


if __name__ == '__main__':
  absltest.main()
