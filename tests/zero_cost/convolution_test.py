"""Convolutions and their cotangents against JAX's own."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
from jax import lax
import numpy as np

from nasflat_jax.zero_cost import _convolution


def _plain(x, kernel, stride):
  size = kernel.shape[0]
  return lax.conv_general_dilated(
      x,
      kernel,
      (stride, stride),
      [(size // 2, size // 2)] * 2,
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )


class ConvolutionTest(parameterized.TestCase):

  @parameterized.product(
      size=(1, 3, 5), stride=(1, 2, 3), outputs=(5, 9), height=(7, 8)
  )
  def test_equals_jax(self, size, stride, outputs, height):
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    x, kernel = draw(2, height, 9, 6), draw(size, size, 6, outputs)
    run = lambda x, kernel: _plain(x, kernel, stride)
    expected, pull = jax.vjp(run, x, kernel)
    np.testing.assert_allclose(
        _convolution.convolve(x, kernel, stride=stride), expected, atol=1e-4
    )
    cotangent = draw(*expected.shape)
    for found, wanted in zip(
        _convolution.transpose(x, kernel, cotangent, stride=stride),
        pull(cotangent),
    ):
      self.assertEqual(found.shape, wanted.shape)
      np.testing.assert_allclose(found, wanted, atol=1e-4)
    # What an accelerator does.
    found = _convolution._products(x, cotangent, size, stride)
    np.testing.assert_allclose(found, pull(cotangent)[1], atol=1e-4)

  @parameterized.product(size=(3,), stride=(1, 2), height=(8,))
  def test_dilated_depthwise(self, size, stride, height):
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)
    x, kernel = draw(2, height, 9, 6), draw(size, size, 1, 6)
    settings = {'stride': stride, 'groups': 6, 'dilation': 2}
    expected, pull = jax.vjp(
        lambda x, kernel: lax.conv_general_dilated(
            x, kernel, (stride, stride), [(size // 2 * 2,) * 2] * 2,
            rhs_dilation=(2, 2), feature_group_count=6,
            dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        ),
        x, kernel,
    )  # fmt: skip
    found = _convolution.convolve(x, kernel, **settings)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    cotangent = draw(*expected.shape)
    for found, wanted in zip(
        _convolution.transpose(x, kernel, cotangent, **settings),
        pull(cotangent),
    ):
      np.testing.assert_allclose(found, wanted, atol=1e-4)

  def test_halves_are_two_layers(self):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 5, 4, 3)).astype(np.float32)
    kernel = rng.standard_normal((1, 1, 3, 4)).astype(np.float32)
    found = np.asarray(_convolution.halves(x, kernel, stride=2))
    self.assertEqual(found.shape, (2, 3, 2, 4))
    first = x[:, ::2, ::2] @ kernel[0, 0, :, :2]
    np.testing.assert_allclose(found[..., :2], first, rtol=1e-5)
    second = x[:, 1::2, 1::2] @ kernel[0, 0, :, 2:]
    np.testing.assert_allclose(found[:, :2, :, 2:], second, rtol=1e-5)
    np.testing.assert_array_equal(found[:, 2, :, 2:], 0.0)  # beyond the map

  @parameterized.parameters(7, 8)
  def test_pools(self, height):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, height, 9, 3)).astype(np.float32)
    expected = lax.reduce_window(
        x, -np.inf, lax.max, (1, 3, 3, 1), (1, 1, 1, 1), 'SAME'
    )
    np.testing.assert_array_equal(_convolution.max_pool_3x3(x), expected)
    expected = lax.reduce_window(
        x, -np.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), 'VALID'
    )
    np.testing.assert_array_equal(_convolution.max_pool_2x2(x), expected)


if __name__ == '__main__':
  absltest.main()
