"""Parameters and flops are those of the spaces, which are the published."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np
import pytest

from nasflat_jax import spaces
from nasflat_jax import zero_cost

_COUNTS = (zero_cost.params, zero_cost.flops)


class CostsTest(parameterized.TestCase):

  @parameterized.parameters(
      ('nasbench201', 10, 'cifar10'),
      ('fbnet', 100, 'cifar100'),
      ('nasbench101', 10, 'cifar10'),
      ('darts', 10, 'cifar10'),
      ('transnas_micro', 63, 'class_scene'),
  )
  @pytest.mark.slow
  def test_equal_the_space_s(self, name, num_classes, setting):
    space = spaces.get(name)
    genes = np.asarray(space.random(jax.random.key(0), 20), np.int32)
    side = zero_cost.default(space).input_shape[0]
    batch = zero_cost.gaussian_batch(
        jax.random.key(1), 2, num_classes, resolution=side
    )
    found = zero_cost.score(_COUNTS, space, jax.random.key(2), genes, batch)
    expected = space.costs(genes, setting=setting)
    for column, field in enumerate(('params', 'flops')):
      np.testing.assert_allclose(
          found[:, column], getattr(expected, field) * 1e-6, rtol=2e-6
      )
      self.assertGreater(len(set(found[:, column])), 10)


if __name__ == '__main__':
  absltest.main()
