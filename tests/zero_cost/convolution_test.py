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


if __name__ == '__main__':
  absltest.main()
