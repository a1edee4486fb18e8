"""Rank correlations against scipy and by their properties."""

from absl.testing import absltest
from absl.testing import parameterized
import chex
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from nasflat_jax import metrics

_REFERENCE = {
    'spearman': stats.spearmanr,
    'kendall': stats.kendalltau,
}


def _pair(seed: int, n: int, levels: int | None):
  """Correlated sides; `levels` distinct values per side make ties."""
  rng = np.random.default_rng(seed)
  a = rng.normal(size=n)
  b = 0.7 * a + rng.normal(size=n)
  if levels is not None:
    a, b = (np.floor(levels * stats.norm.cdf(x)) for x in (a, b))
  return a.astype(np.float32), b.astype(np.float32)


class RankTest(parameterized.TestCase):

  @parameterized.product(
      name=('spearman', 'kendall'),
      n=(2, 7, 200),
      levels=(None, 2, 9),
      keep=(1.0, 0.6),
  )
  def test_matches_scipy(self, name, n, levels, keep):
    for seed in range(3):
      a, b = _pair(seed, n, levels)
      where = np.random.default_rng(seed + 50).random(n) < keep
      got = getattr(metrics, name)(a, b, where=jnp.asarray(where))
      a, b = a[where].astype(np.float64), b[where].astype(np.float64)
      if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        self.assertTrue(np.isnan(got))
      else:
        np.testing.assert_allclose(got, _REFERENCE[name](a, b)[0], atol=2e-6)

  @parameterized.parameters('spearman', 'kendall')
  def test_matches_scipy_on_a_whole_space(self, name):
    rng = np.random.default_rng(0)
    a = rng.integers(0, 60, 15625).astype(np.float32)
    b = (a + rng.integers(0, 40, 15625)).astype(np.float32)
    got = jax.jit(getattr(metrics, name))(a, b)
    np.testing.assert_allclose(got, _REFERENCE[name](a, b)[0], atol=2e-6)

  @parameterized.parameters('spearman', 'kendall')
  def test_masked_entries_may_hold_anything(self, name):
    metric = getattr(metrics, name)
    a, b = _pair(1, 40, 6)
    where = np.arange(40) % 3 > 0
    expected = metric(a, b, where=jnp.asarray(where))
    for junk in (np.nan, np.inf, -np.inf, 1e30):
      got = metric(
          np.where(where, a, junk), np.where(where, b, junk),
          where=jnp.asarray(where),
      )
      np.testing.assert_array_equal(got, expected)

  @parameterized.parameters('spearman', 'kendall')
  def test_infinite_values_rank_at_the_ends(self, name):
    metric = getattr(metrics, name)
    a = np.array([-np.inf, 0.0, 1.0, np.inf, np.inf], np.float32)
    finite = np.array([-9.0, 0.0, 1.0, 9.0, 9.0], np.float32)
    b = np.array([0.0, 2.0, 1.0, 5.0, 3.0], np.float32)
    where = jnp.array([True, True, True, True, False])
    np.testing.assert_array_equal(metric(a, b), metric(finite, b))
    np.testing.assert_array_equal(
        metric(a, b, where=where), metric(finite, b, where=where)
    )

  @parameterized.parameters('spearman', 'kendall')
  def test_undefined_is_nan(self, name):
    metric = getattr(metrics, name)
    ramp = jnp.arange(5.0)
    self.assertTrue(np.isnan(metric(jnp.ones(5), ramp)))
    self.assertTrue(np.isnan(metric(ramp, jnp.full(5, 0.1))))
    self.assertTrue(np.isnan(metric(ramp, ramp, where=jnp.zeros(5, bool))))
    self.assertTrue(np.isnan(metric(ramp.at[2].set(jnp.nan), ramp)))

  @parameterized.product(
      name=('spearman', 'kendall'),
      increasing=(lambda x: x + 3.0, lambda x: 8.0 * x, lambda x: x**3),
  )
  def test_invariant_to_increasing_maps(self, name, increasing):
    metric = getattr(metrics, name)
    a, b = _pair(3, 100, 9)
    np.testing.assert_array_equal(metric(increasing(a), b), metric(a, b))
    np.testing.assert_allclose(metric(-a, b), -metric(a, b), atol=1e-6)

  @parameterized.parameters('spearman', 'kendall')
  def test_vmap_and_integers(self, name):
    metric = getattr(metrics, name)
    sides = [_pair(seed, 30, 5) for seed in range(4)]
    a = jnp.stack([x for x, _ in sides])
    b = jnp.stack([x for _, x in sides])
    batched = jax.jit(jax.vmap(metric))(a, b)
    np.testing.assert_allclose(
        batched, [metric(x, y) for x, y in sides], atol=1e-6
    )
    np.testing.assert_allclose(
        metric(a[0].astype(jnp.int32), b[0]), batched[0], atol=1e-6
    )

  @parameterized.parameters('spearman', 'kendall')
  def test_one_trace_for_many_devices(self, name):
    chex.clear_trace_counter()
    metric = jax.jit(chex.assert_max_traces(getattr(metrics, name), n=1))
    for seed in range(3):
      metric(*_pair(seed, 20, None))

  @parameterized.parameters('spearman', 'kendall')
  def test_rejects_batched_input(self, name):
    with self.assertRaisesRegex(AssertionError, 'rank'):
      getattr(metrics, name)(jnp.ones((2, 3)), jnp.ones((2, 3)))

  def test_kendall_refuses_what_it_cannot_count(self):
    with self.assertRaisesRegex(ValueError, 'at most 65536 entries, got 65537'):
      metrics.kendall(jnp.ones(65537), jnp.ones(65537))


if __name__ == '__main__':
  absltest.main()
