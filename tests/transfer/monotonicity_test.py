"""Monotonicity: the estimate, the interval's coverage, its edges."""

import functools

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from nasflat_jax import transfer


def _pairs(num, rho, trials, seed=0):
  rng = np.random.default_rng(seed)
  a = rng.normal(size=(trials, num))
  b = rho * a + np.sqrt(1 - rho**2) * rng.normal(size=(trials, num))
  return jnp.exp(jnp.asarray(a)), jnp.asarray(b)


@functools.partial(jax.jit, static_argnames='confidence')
def _many(a, b, where, confidence=0.9):
  return jax.vmap(
      lambda k, x, y, w: transfer.monotonicity(
          k, x, y, where=w, confidence=confidence
      )
  )(jax.random.split(jax.random.key(0), len(a)), a, b, where)


def _estimate(a, b, **keywords):
  """Of 300 trials, padded to 20 pairs: one program for all tests."""
  a, b = np.atleast_2d(a), np.atleast_2d(b)
  shape = ((0, 300 - len(a)), (0, 20 - a.shape[1]))
  where = np.pad(np.ones(a.shape, bool), shape)
  got = _many(
      np.pad(a, shape).astype(np.float32), np.pad(b, shape).astype(np.float32),
      where, **keywords,
  )
  return jax.tree.map(lambda x: np.asarray(x)[: len(a)], got)


class MonotonicityTest(parameterized.TestCase):

  @parameterized.product(num=(5, 20), rho=(0.3, 0.8, 0.98))
  def test_covers_the_truth_of_normal_ranks(self, num, rho):
    a, b = _pairs(num, rho, 300)
    truth = 6 / np.pi * np.arcsin(rho / 2)  # Spearman of a binormal
    got = _estimate(a, b)
    covered = (got.lower <= truth) & (truth <= got.upper)
    self.assertGreaterEqual(covered.mean(), 0.87)
    # Not by saying nothing.
    if num == 20:
      self.assertLess((got.upper - got.lower).mean(), 0.75)

  def test_equals_scipy_and_the_interval_holds_it(self):
    a, b = _pairs(12, 0.6, 5)
    got = _estimate(a, b)
    wanted = [stats.spearmanr(x, y)[0] for x, y in zip(a, b)]
    np.testing.assert_allclose(got.estimate, wanted, atol=1e-5)
    self.assertTrue((got.lower <= got.estimate).all())
    self.assertTrue((got.estimate <= got.upper).all())

  def test_more_confidence_is_wider(self):
    a, b = _pairs(20, 0.7, 5)
    few, many = _estimate(a, b), _estimate(a, b, confidence=0.99)
    self.assertTrue((many.lower < few.lower).all())
    self.assertTrue((many.upper > few.upper).all())

  def test_a_perfect_sample_is_not_a_perfect_device(self):
    few = _estimate(np.arange(5.0), np.arange(5.0))
    many = _estimate(np.arange(20.0), np.arange(20.0))
    self.assertAlmostEqual(float(few.estimate[0]), 1.0, places=5)
    self.assertLess(float(few.lower[0]), 0.9)
    self.assertBetween(float(many.lower[0]), 0.99, 1.0)

  def test_masked_pairs_do_not_count_wherever_they_are(self):
    a, b = _pairs(18, 0.95, 300)
    ahead = lambda ms, *first: jnp.concatenate(
        [jnp.tile(jnp.array(first), (300, 1)), ms], axis=1
    )
    got = _many(
        ahead(a, 9.0, jnp.nan), ahead(b, -9.0, 3.0),
        np.tile(np.arange(20) >= 2, (300, 1)),
    )
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5),
        got, _estimate(a, b),
    )

  @parameterized.parameters(3, 8)
  def test_says_nothing_of_three_pairs_or_a_constant(self, num):
    ms = np.arange(float(num))
    got = _estimate(ms, ms if num == 3 else np.ones(num))
    self.assertEqual((float(got.lower[0]), float(got.upper[0])), (-1.0, 1.0))

  def test_refuses(self):
    ms = jnp.arange(5.0)
    with self.assertRaisesRegex(ValueError, 'confidence must be between'):
      transfer.monotonicity(jax.random.key(0), ms, ms, confidence=1.0)
    with self.assertRaisesRegex(ValueError, 'num_resamples'):
      transfer.monotonicity(jax.random.key(0), ms, ms, num_resamples=0)


class PairsNeededTest(parameterized.TestCase):

  @parameterized.parameters(0.5, 0.85, 0.93, 0.97)
  def test_are_the_fewest_that_leave_the_threshold_out(self, estimate):
    def leaves_out(num):
      half = 1.6449 * np.sqrt((1 + estimate**2 / 2) / (num - 3))
      return abs(np.arctanh(estimate) - np.arctanh(0.9)) >= half

    needed = transfer.pairs_needed(estimate, 0.9)
    self.assertTrue(leaves_out(needed))
    self.assertTrue(needed == 4 or not leaves_out(needed - 1))

  def test_none_would_settle_a_tie(self):
    self.assertIsNone(transfer.pairs_needed(0.9, 0.9))
    self.assertIsNone(transfer.pairs_needed(float('nan'), 0.9))


if __name__ == '__main__':
  absltest.main()
