"""Sums over layers."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax.zero_cost import _convolution
from nasflat_jax.zero_cost import _sums


class SquaredNormTest(parameterized.TestCase):

  @parameterized.parameters((1, 1), (1, 2), (3, 1), (3, 2))
  def test_derivative_is_that_through_the_gradient(self, size, stride):
    rng = np.random.default_rng(0)

    def draw(*shape):
      return jnp.asarray(rng.standard_normal(shape), jnp.float32)

    side = -(-6 // stride)
    kernel = draw(size, size, 4, 5)
    primals = draw(3, 6, 6, 4), draw(3, side, side, 5)
    tangents = draw(3, 6, 6, 4), draw(3, side, side, 5)

    def apply(x, kernel):
      return _convolution.convolve(x, kernel, stride=stride)

    def gradient(x, cotangent):
      return _convolution.transpose(x, kernel, cotangent, stride=stride)[1]

    def ours(x, cotangent):
      return _sums.squared_norm(apply, x, cotangent, gradient(x, cotangent))

    def plain(x, cotangent):
      of_kernel = jax.vjp(lambda w: apply(x, w), kernel)[1](cotangent)[0]
      return (of_kernel**2).sum()

    np.testing.assert_allclose(
        jax.jvp(ours, primals, tangents),
        jax.jvp(plain, primals, tangents),
        rtol=1e-5,
    )


if __name__ == '__main__':
  absltest.main()
