from absl.testing import absltest
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import transfer

_OTHER, _SPACE = spaces.NASBENCH201, spaces.FBNET


def _genotype(space, num, seed=0):
  rng = np.random.default_rng(seed)
  size = (num, space.spec.num_genes)
  return rng.integers(len(space.spec.gene_names), size=size, dtype=np.int32)


def _spent(space, genotype, per_mac, per_kernel):
  costs, parts = space.costs(genotype), space.op_costs(genotype)
  weighted = np.where(parts.params > 0.0, parts.kernels, 0.0).sum(axis=1)
  return per_mac * costs.multiply_adds + per_kernel * weighted


def _columns(space, seed):
  """Three made-up devices: a look-up table each."""
  rng = np.random.default_rng(seed)
  num_ops = len(space.spec.gene_names)
  times = rng.uniform(0.1, 1.0, (space.spec.num_genes, num_ops, 3))
  times = jnp.asarray(times, jnp.float32)
  genes = np.arange(space.spec.num_genes)
  return lambda genotype: times[genes, genotype].sum(axis=1)


class ExpectationTest(absltest.TestCase):

  def test_costs_carry_over(self):
    genotype = _genotype(_OTHER, 60)
    latency_ms = _spent(_OTHER, genotype, 1e-7, 0.05)
    expected = transfer.expect_by_costs(_OTHER, genotype, latency_ms, _SPACE)
    new = _genotype(_SPACE, 200)
    truth = _spent(_SPACE, new, 1e-7, 0.05)
    got = np.asarray(expected(new))
    self.assertGreater(stats.spearmanr(got, truth)[0], 0.99)
    np.testing.assert_allclose(got.mean(), 1.0, atol=0.05)
    self.assertTrue((expected.weights >= 0.0).all())

  def test_weights_of_devices_carry_over(self):
    there, here = _columns(_OTHER, 1), _columns(_SPACE, 2)
    genotype, new = _genotype(_OTHER, 300), _genotype(_SPACE, 200)

    def own(columns):
      return columns[:, 0] / columns[:, 0].mean() + 3.0 * columns[:, 2]

    latency_ms = own(np.asarray(there(genotype)))
    latency_ms[:5] = np.nan
    expected = transfer.expect_by_devices(
        _OTHER, there, genotype, latency_ms, _SPACE, here
    )
    truth = own(np.asarray(here(new)))
    self.assertGreater(stats.spearmanr(expected(new), truth)[0], 0.98)
    self.assertLess(expected.weights[1], 0.05)

  @pytest.mark.slow
  def test_a_device_like_no_other_is_finite(self):
    there, here = _columns(_OTHER, 1), _columns(_SPACE, 2)
    genotype = _genotype(_OTHER, 100)
    latency_ms = 100.0 - np.asarray(there(genotype)).sum(axis=1)
    expected = transfer.expect_by_devices(
        _OTHER, there, genotype, latency_ms, _SPACE, here
    )
    self.assertTrue((expected.weights[:3] < 1e-3).all())
    model = transfer.bayesian_model(_SPACE, here, expected=expected)
    support = _genotype(_SPACE, 4)
    adapted = transfer.adapt_bayesian(
        model, support[None], np.ones((1, 4)) + np.arange(4)
    )
    got = adapted.predict(_genotype(_SPACE, 6, seed=3))
    self.assertTrue(np.isfinite(got.latency_ms).all())

  def test_bad_latencies(self):
    genotype = _genotype(_OTHER, 3)
    for latency_ms, message in (
        ([1.0, np.nan, np.nan], '2 different measurements'),
        ([1.0, 1.0, 1.0], '2 different measurements'),
        ([1.0, -2.0, 1.0], 'above 0, got -2'),
    ):
      with self.assertRaisesRegex(ValueError, message):
        transfer.expect_by_costs(
            _OTHER, genotype, np.array(latency_ms), _SPACE
        )


class PriorMeanTest(absltest.TestCase):

  def test_posterior_is_that_of_the_residual(self):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(6, 3)).astype(np.float32)
    mean = np.array([0.3, -0.2, 0.0], np.float32)
    variance = np.array([[0.5, 0.2, 0.3]], np.float32)
    latency_ms = np.exp(features @ mean + 0.1 * rng.normal(size=6))
    prior = predictors.BayesianPrior(
        variance=jnp.asarray(variance),
        noise=jnp.array([0.1]),
        power=jnp.array([0.0]),
        power_prob=jnp.array([1.0]),
    )
    informed = prior._replace(mean=jnp.asarray(mean)[None, None])
    got = predictors.fit_bayesian(informed, features, latency_ms)
    # Dividing the expectation out first leaves a prior of mean 0; the scale of
    # the support moves into the intercept.
    rest = predictors.fit_bayesian(
        prior, features, latency_ms / np.exp(features @ mean)
    )
    np.testing.assert_allclose(
        got.mean[0, :3], rest.mean[0, :3] + mean, atol=0.02
    )
    zero = predictors.fit_bayesian(
        prior._replace(mean=jnp.zeros((1, 1, 3))), features, latency_ms
    )
    plain = predictors.fit_bayesian(prior, features, latency_ms)
    np.testing.assert_allclose(zero.mean, plain.mean, atol=1e-6)

  def test_two_measurements_leave_a_good_expectation_alone(self):
    genotype = _genotype(_SPACE, 300)
    latency_ms = np.asarray(_spent(_SPACE, genotype, 1e-7, 0.1))

    def expected(genotype):
      return jnp.asarray(_spent(_SPACE, jnp.asarray(genotype), 1e-7, 0.1)) / 15

    model = transfer.bayesian_model(_SPACE, expected=expected)
    adapted = transfer.adapt_bayesian(
        model, genotype[None, :2], latency_ms[None, :2]
    )
    got = adapted.predict(genotype[2:])
    self.assertGreater(
        stats.spearmanr(got.latency_ms[0], latency_ms[2:])[0], 0.95
    )

  def test_name_is_taken(self):
    with self.assertRaisesRegex(ValueError, "a block 'expected' already"):
      transfer.bayesian_model(
          _SPACE, further={'expected': lambda genotype: genotype * 1.0}
      )


if __name__ == '__main__':
  absltest.main()
