"""Quantiles and budgets against the mixture's own definition, in float64."""

import functools

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize
from scipy import stats

from nasflat_jax import predictors

_FEATURES = 3


def _posterior(freedom=9.0):
  rng = np.random.default_rng(0)
  roots = rng.normal(size=(3, _FEATURES + 1, _FEATURES + 1)) * 0.1
  return predictors.BayesianPosterior(
      mean=jnp.asarray(rng.normal(size=(3, _FEATURES + 1)) * 0.1, jnp.float32),
      covariance=jnp.asarray(
          np.einsum('pij,pkj->pik', roots, roots), jnp.float32
      ),
      noise=jnp.array([0.01, 0.02, 0.03]),
      power=jnp.array([0.0, 0.5, 1.0]),
      power_prob=jnp.array([0.3, 0.3, 0.4]),
      scale_ms=jnp.array(7.0),
      freedom=jnp.array(freedom),
      outlier=jnp.ones(7),
  )


def _cumulative(posterior, row, latency_ms):
  """The definition, one row, with scipy."""
  row = np.append(row, 1.0)
  relative = latency_ms / float(posterior.scale_ms)
  total = 0.0
  for mean, covariance, noise, power, prob in zip(
      *(np.asarray(field, np.float64) for field in posterior[:5])
  ):
    warped = np.log(relative) if power == 0 else (relative**power - 1) / power
    spread = np.sqrt(row @ covariance @ row + noise)
    total += prob * stats.t.cdf(
        (warped - row @ mean) / spread, float(posterior.freedom)
    )
  return total


@functools.cache
def _rows():
  return np.random.default_rng(1).normal(size=(6, _FEATURES))


@functools.cache
def _quantile(level):
  return predictors.bayesian_quantile(
      _posterior(), jnp.asarray(_rows(), jnp.float32), level=level
  )


@jax.jit
def _within(posterior, budgets):
  features = jnp.asarray(_rows(), jnp.float32)
  return jax.vmap(
      lambda budget: predictors.probability_within(posterior, features, budget)
  )(budgets)


class BayesianTailTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.rows = _rows()

  @parameterized.parameters(4.0, 9.0, 22.0)
  def test_probability_matches_scipy(self, freedom):
    posterior = _posterior(freedom)
    features = jnp.asarray(self.rows, jnp.float32)
    for budget in (4.0, 7.0, 12.0):
      got = jax.jit(predictors.probability_within)(posterior, features, budget)
      expected = [_cumulative(posterior, row, budget) for row in self.rows]
      np.testing.assert_allclose(got, expected, atol=2e-5)

  def test_surprises_are_normal_around_the_median(self):
    posterior, features = _posterior(), jnp.asarray(self.rows, jnp.float32)
    median = np.asarray(
        predictors.predict_bayesian(posterior, features).latency_ms, np.float64
    )
    expected = 0.7 * np.array(
        [_cumulative(posterior, row, 5.0) for row in self.rows]
    ) + 0.3 * stats.norm.cdf(np.log(5.0 / median) / 0.5)
    got = predictors.probability_within(
        posterior, features, 5.0, surprise=0.3
    )
    np.testing.assert_allclose(got, expected, atol=2e-5)

  @parameterized.parameters(0.05, 0.5, 0.95)
  def test_quantile_matches_the_root(self, level):
    posterior = _posterior()
    got = _quantile(level)
    expected = [
        optimize.brentq(
            lambda ms, row=row: _cumulative(posterior, row, ms) - level,
            1.0, 60.0,
        )
        for row in self.rows
    ]
    np.testing.assert_allclose(got, expected, rtol=3e-4)

  def test_quantiles_rise_with_the_level_and_budgets_count(self):
    posterior = _posterior()
    bounds = jnp.stack([_quantile(level) for level in (0.05, 0.5, 0.9, 0.99)])
    self.assertTrue((jnp.diff(bounds, axis=0) > 0.0).all())
    holds = jnp.diagonal(_within(posterior, jnp.pad(bounds[2], (0, 35)))[:6])
    np.testing.assert_allclose(holds, 0.9, atol=1e-3)
    # Below the smallest latency that the warp knows there is no jump.
    small = jnp.append(-1.0, jnp.geomspace(0.05, 1.0, 40))
    holds = _within(posterior, small)
    self.assertTrue((jnp.diff(holds, axis=0) >= 0.0).all())
    np.testing.assert_array_equal(holds[0], 0.0)

  def test_level_is_a_probability(self):
    for level in (0.0, 1.0, 95.0):
      with self.assertRaisesRegex(ValueError, 'level must be between'):
        predictors.bayesian_quantile(
            _posterior(), jnp.zeros((1, _FEATURES)), level=level
        )


if __name__ == '__main__':
  absltest.main()
