"""Layers against loops in NumPy float64."""

import itertools

from absl.testing import absltest
from absl.testing import parameterized
import chex
import jax
import numpy as np

from nasflat_jax.measure import _layers


def _conv_by_loops(x, kernel, stride, groups):
  """Every output element as a sum of products."""
  batch, height, width, _ = x.shape
  size, _, per_group, outputs = kernel.shape
  half = size // 2
  rows, columns = -(-height // stride), -(-width // stride)
  result = np.zeros((batch, rows, columns, outputs))
  for b, r, c, o in itertools.product(
      range(batch), range(rows), range(columns), range(outputs)
  ):
    first = o // (outputs // groups) * per_group
    for i, j, k in itertools.product(
        range(size), range(size), range(per_group)
    ):
      y, z = r * stride + i - half, c * stride + j - half
      if 0 <= y < height and 0 <= z < width:
        result[b, r, c, o] += x[b, y, z, first + k] * kernel[i, j, k, o]
  return result


class LayersTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.rng = np.random.default_rng(0)
    self.x = self.rng.normal(size=(2, 6, 4, 4))

  @parameterized.product(
      size=(1, 3, 5), stride=(1, 2), groups=(1, 2, 4)
  )
  def test_conv_is_a_sum_of_products(self, size, stride, groups):
    kernel = self.rng.normal(size=(size, size, 4 // groups, 8))
    params = {'trainable': {'c': {'kernel': kernel.astype(np.float32)}}}
    got = _layers.conv(
        params, 'c', self.x.astype(np.float32), stride=stride, groups=groups
    )
    expected = _conv_by_loops(self.x, kernel, stride, groups)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)

  def test_batch_norm_uses_running_statistics(self):
    scale, offset, mean = self.rng.normal(size=(3, 4))
    variance = self.rng.uniform(0.1, 2.0, 4)
    params = {
        'trainable': {'n': {'scale': scale, 'offset': offset}},
        'statistics': {'n': {'mean': mean, 'variance': variance}},
    }
    params = jax.tree.map(np.float32, params)
    got = _layers.batch_norm(params, 'n', self.x.astype(np.float32))
    expected = (self.x - mean) / np.sqrt(variance + 1e-5) * scale + offset
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)

  def test_pool_averages_over_real_pixels_only(self):
    expected = np.zeros_like(self.x)
    for r, c in itertools.product(range(6), range(4)):
      near = [
          self.x[:, i, j]
          for i, j in itertools.product((r - 1, r, r + 1), (c - 1, c, c + 1))
          if 0 <= i < 6 and 0 <= j < 4
      ]
      expected[:, r, c] = sum(near) / len(near)
    got = _layers.avg_pool_3x3(self.x.astype(np.float32))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)

  @parameterized.parameters(1, 2, 3)
  def test_pool_keeps_a_constant_image(self, side):
    x = np.full((1, side, side, 2), 3.0, np.float32)
    np.testing.assert_allclose(_layers.avg_pool_3x3(x), x, rtol=1e-6)

  def test_small_pool_averages_disjoint_windows(self):
    got = _layers.avg_pool_2x2(self.x.astype(np.float32))
    chex.assert_shape(got, (2, 3, 2, 4))
    np.testing.assert_allclose(
        got[1, 2, 1], self.x[1, 4:6, 2:4].mean((0, 1)), rtol=1e-5
    )

  def test_shuffle_interleaves_groups(self):
    x = np.arange(6.0)[None, None, None]
    got = _layers.channel_shuffle(x, 2)
    np.testing.assert_array_equal(np.ravel(got), [0, 3, 1, 4, 2, 5])

  def test_kernels_are_he_normal_and_the_rest_neutral(self):
    table = _layers.ShapeTable()
    table.conv('c', 3, 32, 64)
    table.batch_norm('c', 64)
    params = _layers.init_params(
        table.shapes,
        lambda name, shape, std: self.rng.normal(scale=std, size=shape),
    )
    kernel = np.asarray(params['trainable']['c']['kernel'])
    self.assertAlmostEqual(kernel.std(), np.sqrt(2 / (9 * 32)), delta=2e-3)
    np.testing.assert_array_equal(params['trainable']['c']['scale'], 1)
    np.testing.assert_array_equal(params['trainable']['c']['offset'], 0)
    np.testing.assert_array_equal(params['statistics']['c']['mean'], 0)
    np.testing.assert_array_equal(params['statistics']['c']['variance'], 1)

  def test_rejects_channels_that_do_not_divide(self):
    with self.assertRaisesRegex(ValueError, 'c: 6 inputs and 8 outputs'):
      _layers.ShapeTable().conv('c', 1, 6, 8, groups=4)


if __name__ == '__main__':
  absltest.main()
