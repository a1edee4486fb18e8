"""What alike architectures share, against a Gaussian process in float64."""

from absl.testing import absltest
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from nasflat_jax import predictors
from nasflat_jax.search import _local

_NUM, _PADDED, _GENES = 5, 7, 4
_NOISE, _ALIKE, _BUDGET = 0.05, 0.6, 7.0
_VARIANCE = np.array([0.5, 0.3, 0.2])


def setUpModule():
  # Most of the time here is compilation.
  jax.config.update('jax_disable_most_optimizations', True)


def tearDownModule():
  jax.config.update('jax_disable_most_optimizations', False)


def _data():
  rng = np.random.default_rng(0)
  genotype = rng.integers(0, 3, (_NUM + 6, _GENES))
  genotype[_NUM] = genotype[0]  # one that was measured
  genotype[_NUM + 1] = genotype[0]
  genotype[_NUM + 1, 2] = 3  # one that differs in a gene
  return (
      rng.normal(size=(_NUM + 6, 3)), genotype, rng.uniform(4.0, 9.0, _NUM)
  )


def _got(alike, mean=None):
  """`[6]` probabilities, and the posterior."""
  features, genotype, latency_ms = _data()
  prior = predictors.BayesianPrior(
      *(jnp.asarray(x, jnp.float32)
        for x in (_VARIANCE[None], [_NOISE], [0.0], [1.0])), mean,
  )
  rows = np.resize(np.arange(_NUM), _PADDED)
  fit = _local.fit_local(
      prior, jnp.asarray(features[rows], jnp.float32),
      jnp.asarray(genotype[rows]), jnp.asarray(latency_ms[rows], jnp.float32),
      jnp.arange(_PADDED) < _NUM, jnp.asarray(alike, jnp.float32),
  )
  return _local.probability_within(
      fit, jnp.asarray(features[_NUM:], jnp.float32),
      jnp.asarray(genotype[_NUM:]), jnp.asarray(_BUDGET), 0.0,
  ), fit


class LocalTest(absltest.TestCase):

  def test_is_a_gaussian_process_over_features_and_genes(self):
    features, genotype, latency_ms = _data()
    got, fit = _got(_ALIKE)
    differ = (genotype[:, None] != genotype).sum(axis=2)
    kernel = (features * _VARIANCE) @ features.T + 10.0
    kernel += _ALIKE * _NOISE * 0.5**differ
    scale_ms = np.exp(np.log(latency_ms).mean())
    outlier = np.asarray(fit.posterior.outlier, np.float64)[:_NUM]
    own = (1.0 - _ALIKE) * _NOISE
    gram = kernel[:_NUM, :_NUM] + np.diag(own * outlier)
    warped = np.log(latency_ms / scale_ms)
    solved = np.linalg.solve(gram, warped)
    scale = (0.02 + warped @ solved / 2) / (1.0 + _NUM / 2)
    cross = kernel[_NUM:, :_NUM]
    variance = np.diag(kernel)[_NUM:] - np.sum(
        cross * np.linalg.solve(gram, cross.T).T, axis=1
    )
    spread = np.sqrt(scale * (variance + 2.0 * own))
    expected = stats.t.cdf(
        (np.log(_BUDGET / scale_ms) - cross @ solved) / spread, 2 + _NUM
    )
    np.testing.assert_allclose(got, expected, atol=2e-3)

  def test_without_it_nothing_is_local(self):
    features, _, latency_ms = _data()
    prior = predictors.BayesianPrior(
        jnp.asarray(_VARIANCE[None], jnp.float32), jnp.array([_NOISE]),
        jnp.array([0.0]), jnp.array([1.0]),
    )
    plain = predictors.fit_bayesian(
        prior, jnp.asarray(features[:_NUM], jnp.float32),
        jnp.asarray(latency_ms, jnp.float32),
    )
    expected = predictors.probability_within(
        plain, jnp.asarray(features[_NUM:], jnp.float32), _BUDGET
    )
    got, fit = _got(0.0)
    np.testing.assert_allclose(got, expected, atol=1e-4)
    alone = _local.global_part(fit, 3)
    np.testing.assert_allclose(alone.mean, plain.mean, atol=1e-4)
    np.testing.assert_allclose(alone.noise, plain.noise, rtol=1e-3)

  def test_an_expected_latency_is_of_the_features(self):
    plain, _ = _got(_ALIKE)
    got, _ = _got(_ALIKE, jnp.zeros((1, 1, 3)))
    np.testing.assert_allclose(got, plain, atol=1e-5)
    other, _ = _got(_ALIKE, jnp.full((1, 1, 3), 0.5))
    self.assertGreater(np.abs(other - plain).max(), 1e-2)

  def test_runs_where_double_precision_is_on(self):
    plain, _ = _got(_ALIKE)
    with jax.enable_x64(True):
      got, fit = _got(_ALIKE)
      self.assertEqual(fit.posterior.freedom.dtype, jnp.float32)
    np.testing.assert_allclose(got, plain, atol=1e-3)


if __name__ == '__main__':
  absltest.main()
