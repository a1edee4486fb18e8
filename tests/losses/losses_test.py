"""Losses against NumPy loops."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import losses


def _hinge_by_loops(scores, label, margin, where, group):
  values = []
  for i in range(len(scores)):
    for j in range(len(scores)):
      if not (where[i] and where[j]) or group[i] != group[j]:
        continue
      if label[i] > label[j]:
        values.append(max(0.0, margin - (scores[i] - scores[j])))
  return np.mean(values) if values else 0.0


class PairwiseHingeTest(parameterized.TestCase):

  @parameterized.product(
      masked=(False, True), grouped=(False, True), margin=(0.0, 0.1, 1.0)
  )
  def test_matches_loops(self, masked, grouped, margin):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=23)
    label = rng.integers(0, 8, 23).astype(np.float64)
    where = rng.random(23) < 0.6 if masked else np.ones(23, bool)
    group = rng.integers(0, 3, 23) if grouped else np.zeros(23, int)
    got = jax.jit(losses.pairwise_hinge, static_argnames='margin')(
        scores, label, margin=margin,
        where=where if masked else None, group=group if grouped else None,
    )
    expected = _hinge_by_loops(scores, label, margin, where, group)
    self.assertGreater(expected, 0.0)
    np.testing.assert_allclose(got, expected, rtol=1e-5)

  def test_gradient_raises_the_slower_and_lowers_the_faster(self):
    grad = jax.grad(losses.pairwise_hinge)(
        jnp.zeros(2), jnp.array([2.0, 1.0])
    )
    np.testing.assert_allclose(grad, [-1.0, 1.0])

  def test_no_pair_is_zero_with_zero_gradient(self):
    value, grad = jax.value_and_grad(losses.pairwise_hinge)(
        jnp.arange(4.0), jnp.ones(4)
    )
    self.assertEqual(value, 0.0)
    np.testing.assert_array_equal(grad, np.zeros(4))

  @parameterized.parameters(
      losses.pairwise_hinge, losses.mean_squared_error, losses.huber
  )
  def test_padding_adds_nothing(self, loss):
    rng = np.random.default_rng(1)
    scores, label = rng.normal(size=(2, 6)).astype(np.float32)
    where = jnp.arange(9) < 6
    pad = lambda x: np.concatenate([x, np.full(3, np.nan, np.float32)])
    value, grad = jax.value_and_grad(
        lambda s: loss(s, pad(label), where=where)
    )(pad(scores))
    expected, expected_grad = jax.value_and_grad(lambda s: loss(s, label))(
        scores
    )
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(grad[:6], expected_grad, rtol=1e-5)
    np.testing.assert_array_equal(grad[6:], np.zeros(3))

  def test_rejects_batched_input(self):
    with self.assertRaisesRegex(AssertionError, 'rank'):
      losses.pairwise_hinge(jnp.ones((2, 3)), jnp.ones((2, 3)))


class RegressionTest(absltest.TestCase):

  def test_match_numpy(self):
    rng = np.random.default_rng(0)
    scores, label = 3.0 * rng.normal(size=(2, 50))
    where = rng.random(50) < 0.5
    error = (scores - label)[where]
    np.testing.assert_allclose(
        losses.mean_squared_error(scores, label, where=where),
        np.mean(error**2), rtol=1e-5,
    )
    size = np.abs(error)
    expected = np.where(size <= 0.7, 0.5 * size**2, 0.7 * (size - 0.35))
    np.testing.assert_allclose(
        losses.huber(scores, label, delta=0.7, where=where),
        expected.mean(), rtol=1e-5,
    )

  def test_nothing_to_fit_is_zero(self):
    none = jnp.zeros(3, bool)
    for loss in (losses.mean_squared_error, losses.huber):
      value, grad = jax.value_and_grad(loss)(
          jnp.ones(3), jnp.zeros(3), where=none
      )
      self.assertEqual(value, 0.0)
      np.testing.assert_array_equal(grad, np.zeros(3))


if __name__ == '__main__':
  absltest.main()
