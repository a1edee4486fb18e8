"""The closed form against float64 linear algebra, and what it promises."""

from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nasflat_jax import metrics
from nasflat_jax import predictors

_POWERS = (0.0, 0.5, 1.0)
# One program for all tests with inputs of the same shapes.
_fit = jax.jit(predictors.fit_bayesian)
_predict = jax.jit(predictors.predict_bayesian)


def _prior(num_columns, hypotheses=6, powers=_POWERS, seed=0):
  rng = np.random.default_rng(seed)
  weight = rng.dirichlet(np.ones(num_columns), hypotheses)
  return predictors.BayesianPrior(
      variance=jnp.asarray(weight, jnp.float32),
      noise=jnp.asarray(rng.uniform(0.01, 0.1, hypotheses), jnp.float32),
      power=jnp.asarray(powers, jnp.float32),
      power_prob=jnp.full(len(powers), 1.0 / len(powers), jnp.float32),
  )


def _problem(size=9, num_columns=4, seed=1):
  rng = np.random.default_rng(seed)
  features = rng.normal(size=(size, num_columns))
  latency = 5.0 + features @ rng.uniform(0.1, 0.6, num_columns)
  return features, latency + rng.normal(size=size) * 0.02


def _float64(prior, features, latency, outlier):
  """Weight space, one hypothesis at a time, by explicit inverses."""
  rows = np.c_[features, np.ones(len(features))]
  scale = np.exp(np.log(latency).mean())
  evidence, mean, covariance = {}, {}, {}
  for p, power in enumerate(np.asarray(prior.power, np.float64)):
    y = latency / scale
    y = np.log(y) if power == 0 else (y**power - 1) / power
    for h, noise in enumerate(np.asarray(prior.noise, np.float64)):
      v = np.r_[np.asarray(prior.variance[h], np.float64), 10.0]
      precision = np.diag(1 / v) + rows.T @ (
          rows / (noise * outlier)[:, None]
      )
      inverse = np.linalg.inv(precision)
      beta = inverse @ rows.T @ (y / (noise * outlier))
      total = rows @ np.diag(v) @ rows.T + np.diag(noise * outlier)
      # A multivariate Student t with the inverse gamma (1, 0.02) integrated.
      evidence[p, h] = stats.multivariate_t.logpdf(
          y, np.zeros(len(y)), total * 0.02, df=2
      )
      rate = 0.02 + 0.5 * y @ np.linalg.solve(total, y)
      mean[p, h] = beta
      covariance[p, h] = rate / (1 + len(y) / 2) * inverse
  weight = np.array([
      [evidence[p, h] for h in range(len(prior.noise))]
      for p in range(len(prior.power))
  ])
  weight = np.exp(weight - weight.max())
  weight /= weight.sum()
  return scale, weight, mean, covariance


class BayesianTest(parameterized.TestCase):

  def test_agrees_with_weight_space_in_float64(self):
    features, latency = _problem()
    prior = _prior(4)
    posterior = _fit(
        prior, jnp.asarray(features, jnp.float32), jnp.asarray(latency)
    )
    outlier = np.asarray(posterior.outlier, np.float64)
    scale, weight, mean, covariance = _float64(
        prior, features, latency, outlier
    )
    np.testing.assert_allclose(posterior.scale_ms, scale, rtol=1e-5)
    np.testing.assert_allclose(
        posterior.power_prob, weight.sum(1), rtol=2e-3
    )
    for p in range(len(_POWERS)):
      share = weight[p] / weight[p].sum()
      means = np.stack([mean[p, h] for h in range(len(share))])
      average = share @ means
      np.testing.assert_allclose(posterior.mean[p], average, atol=2e-4)
      spread = means - average
      wanted = sum(
          s * covariance[p, h] for h, s in enumerate(share)
      ) + (spread.T * share) @ spread
      np.testing.assert_allclose(
          posterior.covariance[p], wanted, atol=1e-3 * np.abs(wanted).max()
      )

  @parameterized.parameters(*_POWERS)
  def test_interval_is_that_of_student_t(self, power):
    features, latency = _problem()
    prior = _prior(4, hypotheses=1, powers=(power,))
    posterior = _fit(
        prior, jnp.asarray(features, jnp.float32), jnp.asarray(latency)
    )
    query = np.random.default_rng(5).normal(size=(7, 4)) * 0.3
    got = _predict(
        posterior, jnp.asarray(query, jnp.float32)
    )
    rows = np.c_[query, np.ones(len(query))]
    middle = rows @ np.asarray(posterior.mean[0], np.float64)
    spread = np.sqrt(
        np.einsum('bf,fg,bg->b', rows, posterior.covariance[0], rows)
        + float(posterior.noise[0])
    )
    for field, probability in (
        ('latency_ms', 0.5), ('lower_ms', 0.05), ('upper_ms', 0.95)
    ):
      y = middle + stats.t.ppf(probability, 2 + len(latency)) * spread
      y = np.exp(y) if power == 0 else (1 + power * y) ** (1 / power)
      np.testing.assert_allclose(
          getattr(got, field), y * float(posterior.scale_ms), rtol=1e-4
      )

  def test_finds_an_outlier_and_discounts_it(self):
    features, latency = _problem(size=16)
    clean = _fit(
        _prior(4), jnp.asarray(features, jnp.float32), jnp.asarray(latency)
    )
    spoilt = latency.copy()
    spoilt[3] *= 2.0
    posterior = _fit(
        _prior(4), jnp.asarray(features, jnp.float32), jnp.asarray(spoilt)
    )
    assert int(jnp.argmax(posterior.outlier)) == 3
    assert posterior.outlier[3] > 3.0
    assert clean.outlier.max() < posterior.outlier[3]
    assert posterior.outlier.min() == 1.0

  def test_unit_of_time_does_not_matter(self):
    features, latency = _problem()
    x = jnp.asarray(features, jnp.float32)
    one, other = (
        _predict(
            _fit(_prior(4), x, jnp.asarray(latency * unit)),
            x,
        )
        for unit in (1.0, 1000.0)
    )
    for a, b in zip(
        jax.tree.leaves(one), jax.tree.leaves(other), strict=True
    ):
      np.testing.assert_allclose(a * 1000.0, b, rtol=1e-3)

  def test_predictions_are_positive_and_strictly_ordered_far_away(self):
    features, latency = _problem(num_columns=1)
    posterior = _fit(
        _prior(1), jnp.asarray(features, jnp.float32), jnp.asarray(latency)
    )
    far = jnp.linspace(-60.0, 60.0, 200)[:, None]
    got = _predict(posterior, far)
    steps = np.diff(np.asarray(got.latency_ms))
    assert (got.latency_ms > 0).all()
    assert (steps > 0).all() or (steps < 0).all()
    assert (got.lower_ms < got.latency_ms).all()
    assert (got.latency_ms < got.upper_ms).all()
    assert (got.std_ms > 0).all()

  def test_interval_covers_what_it_says(self):
    """Devices drawn from the prior itself."""
    rng = np.random.default_rng(3)
    prior = _prior(4, hypotheses=32, powers=(1.0,))
    covered = []
    for _ in range(60):
      h = rng.integers(32)
      weights = rng.normal(size=4) * np.sqrt(prior.variance[h]) * 0.2
      rows = rng.normal(size=(212, 4)).astype(np.float32)
      # Heavy tails, as the model believes; a scale of sqrt(noise).
      error = rng.standard_t(4, size=212) * np.sqrt(float(prior.noise[h]))
      latency = 7.0 * (1.0 + rows @ weights + 0.2 * error)
      latency = np.maximum(latency, 0.5).astype(np.float32)
      posterior = _fit(prior, jnp.asarray(rows[:12]), jnp.asarray(latency[:12]))
      got = _predict(posterior, jnp.asarray(rows[12:]))
      covered.append(
          metrics.coverage(
              got.lower_ms, got.upper_ms, jnp.asarray(latency[12:])
          )
      )
    assert 0.85 < np.mean(covered) < 0.99

  def test_the_support_decides_which_columns_count(self):
    """Two rival columns, each of which its own hypothesis believes in."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 2)).astype(np.float32)
    prior = predictors.BayesianPrior(
        variance=jnp.asarray([[1.0, 1e-3], [1e-3, 1.0]]),
        noise=jnp.full(2, 0.01),
        power=jnp.ones(1),
        power_prob=jnp.ones(1),
    )
    for column in (0, 1):
      latency = jnp.asarray(10.0 + rows[:, column])
      got = _predict(
          _fit(prior, rows[:4], latency[:4]), rows[4:]
      )
      assert metrics.spearman(got.latency_ms, latency[4:]) > 0.99

  def test_one_measurement_is_enough_to_speak(self):
    features, latency = _problem(size=1)
    x = jnp.asarray(features, jnp.float32)
    got = _predict(
        _fit(_prior(4), x, jnp.asarray(latency)), x
    )
    np.testing.assert_allclose(got.latency_ms, latency, rtol=0.05)
    assert np.isfinite(got.upper_ms).all()

  def test_refuses_mismatched_shapes(self):
    features, latency = _problem()
    with pytest.raises(AssertionError):
      _fit(_prior(3), jnp.asarray(features), latency)
    with pytest.raises(AssertionError):
      _fit(
          _prior(4), jnp.asarray(features), jnp.asarray(latency[:-1])
      )


class ProposeTest(parameterized.TestCase):

  def _posterior(self):
    features, latency = _problem(size=4)
    return _fit(
        _prior(4, powers=(0.0,), hypotheses=1),
        jnp.asarray(features, jnp.float32),
        jnp.asarray(latency),
    )

  def test_is_greedy_on_the_posterior_variance(self):
    posterior = self._posterior()
    rows = np.random.default_rng(2).normal(size=(40, 4)).astype(np.float32)
    got = predictors.propose(
        posterior, jnp.ones(40, bool), jnp.asarray(rows), num_proposals=5
    )
    x = np.c_[rows, np.ones(40)].astype(np.float64)
    covariance = np.asarray(posterior.covariance[0], np.float64)
    taken = []
    for _ in range(5):
      variance = np.einsum('bf,fg,bg->b', x, covariance, x)
      variance[taken] = -1
      taken.append(int(variance.argmax()))
      column = covariance @ x[taken[-1]]
      gain = x[taken[-1]] @ column + float(posterior.noise[0])
      covariance = covariance - np.outer(column, column) / gain
    assert got.tolist() == taken

  def test_keeps_to_where(self):
    rows = np.random.default_rng(2).normal(size=(40, 4)).astype(np.float32)
    where = jnp.arange(40) % 4 == 0
    got = predictors.propose(
        self._posterior(), where, jnp.asarray(rows), num_proposals=10
    )
    assert sorted(got.tolist()) == list(range(0, 40, 4))


def test_padding_changes_nothing():
  prior = _prior(4)
  features, latency_ms = _problem()
  want = _fit(
      prior, jnp.asarray(features), jnp.asarray(latency_ms)
  )
  padded = np.concatenate([features, np.full((3, 4), 7.0)])
  got = _fit(
      prior, jnp.asarray(padded), jnp.r_[latency_ms, np.nan, 0.0, 9.0],
      where=jnp.arange(12) < 9,
  )
  for name, value in want._asdict().items():
    found = getattr(got, name)
    if name == 'outlier':
      np.testing.assert_allclose(found[9:], 1.0)
      found = found[:9]
    np.testing.assert_allclose(found, value, rtol=2e-4, atol=1e-5)
