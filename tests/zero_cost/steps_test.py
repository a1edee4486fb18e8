"""Backward passes of candidates, written out, against JAX's own."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax.zero_cost import _mode
from nasflat_jax.zero_cost import _normalisation
from nasflat_jax.zero_cost import _steps
from nasflat_jax.zero_cost import _sums

_EPSILON = np.float32(_normalisation.ROOT_EPSILON)
_SQUARED = _sums.SUMS.index('squared')


def _conv(name, size, **options):
  return _steps.Conv(name, 4, size, **options)


class StepsTest(parameterized.TestCase):

  @parameterized.named_parameters(
      ('max_pool', (_steps.MaxPool(2), _steps.Norm())),
      ('avg_pool', (_steps.AvgPool(), _steps.Norm())),
      ('strided_avg_pool', (_steps.AvgPool(2), _steps.Norm())),
      ('halves', (_conv('a', 1, stride=2, relu=True, halves=True),)),
      ('dilated', (_conv('a', 3, relu=True, dilation=2),)),
      ('zero', (_steps.Zero(6, 2),)),
      ('corner', (_steps.Corner(3, 2), _conv('a', 1), _steps.Relu())),
      (
          'channels',
          (_steps.Channels(2), _conv('a', 3), _steps.Channels(6)),
      ),
      (
          'separable',
          (
              _conv('a', 3, groups=0, relu=True, norm=False, dilation=2),
              _conv('b', 1, affine=False),
          ),
      ),
  )
  def test_equals_jax(self, candidate):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 5, 4, 4)).astype(np.float32)
    weights, y = {}, x
    for step in candidate:
      if isinstance(step, _steps.Conv):
        shape = step.kernel_shape(y.shape[-1])
        kernel = rng.standard_normal(shape).astype(np.float32)
        weights[step.name] = kernel
      y, _, _ = _steps.forward((step,), y, _EPSILON, weights, _mode.Mode())

    @jax.jit
    def both(x, weights, cotangent):
      def forward(x, weights):
        y, kept, _ = _steps.forward(
            candidate, x, _EPSILON, weights, _mode.Mode()
        )
        return y, kept

      _, pull, kept = jax.vjp(forward, x, weights, has_aux=True)
      own = _steps.backward(candidate, x, weights, kept, cotangent)
      return pull(cotangent), own

    cotangent = rng.standard_normal(y.shape).astype(np.float32)
    (dx, gradients), (found, sums) = both(x, weights, cotangent)
    np.testing.assert_allclose(found, dx, atol=1e-4)
    parts = [
        part
        for step in _steps.convolutions(candidate)
        for part in step.split(gradients[step.name])
    ]
    norms = sum(float(jnp.linalg.norm(part)) for part in parts)
    np.testing.assert_allclose(sums[0], norms, rtol=1e-4, atol=1e-5)

    # The sum of squares is differentiated once more.
    @jax.jit
    def changes(primals, tangents):
      def squares(x, cotangent):
        gradients = both(x, weights, cotangent)[0][1]
        return sum((g * g).sum() for g in jax.tree.leaves(gradients))

      def own(x, cotangent):
        return both(x, weights, cotangent)[1][1][_SQUARED]

      return [
          jax.jvp(run, primals, tangents)[1] for run in (own, squares)
      ]

    if weights:
      primals = jnp.asarray(x), jnp.asarray(cotangent)
      tangents = jnp.cos(primals[0]), jnp.sin(primals[1])
      found, want = changes(primals, tangents)
      np.testing.assert_allclose(found, want, rtol=1e-3)

  def test_kinds_are_told_apart(self):
    """As tuples, steps of different kinds may be equal."""
    self.assertEqual(_steps.AvgPool(), _steps.MaxPool())
    x = np.arange(16.0, dtype=np.float32).reshape(1, 4, 4, 1)
    cotangent = np.ones_like(x)
    found = [
        _steps.backward((step,), x, {}, [], cotangent)[0]
        for step in (_steps.AvgPool(), _steps.MaxPool())
    ]
    self.assertGreater(np.abs(found[0] - found[1]).max(), 1)


if __name__ == '__main__':
  absltest.main()
