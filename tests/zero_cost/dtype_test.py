"""Scores in float64, and in float32 whatever JAX's own precision is."""

import functools

from absl.testing import absltest
from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from zero_cost import definitions
from zero_cost import reference

from nasflat_jax import spaces
from nasflat_jax import zero_cost

_SPACE = spaces.FBNET  # for its genes' range
_SIDE = 7
_KEY = jax.random.key(6)


_CANDIDATES = (
    (zero_cost.AvgPool(), zero_cost.Norm()),
    (zero_cost.Conv('conv', 4, 3, relu=True),),
)
_GENOTYPE = np.arange(2, dtype=np.int32)[:, None]


def _apply(net, genotype, images):
  x = net.conv_norm('stem', images, 4, 3)
  x = net.bottleneck(x + net.choose('one', genotype[0], _CANDIDATES, x))
  x = net.relu(net.batch_norm(x))
  return net.linear('head', net.global_pool(x), 3)


def _expected_apply(gene, net, x):
  x = net.conv('stem', x)
  if gene:
    y = net.conv('one/conv', x, first_relu=True)
  else:
    y = reference.pool_3x3(x)
    net.flops += 9 * y.data[0].size
    y = net.norm(y, affine=False)
  x = net.relu(net.norm(x + y))
  return net.head('head', x, x.data[0].size)


def _network():
  return zero_cost.network(
      _apply, num_genes=1, input_shape=(_SIDE, _SIDE, 3), num_classes=3
  )


def _batch():
  return zero_cost.gaussian_batch(jax.random.key(5), 6, 3, resolution=_SIDE)


_NETWORK = _network()


def _score(dtype=jnp.float32):
  return zero_cost.score(
      zero_cost.ALL, _SPACE, _KEY, _GENOTYPE, _batch(), network=_NETWORK,
      dtype=dtype,
  )  # fmt: skip


@functools.cache
def _double():
  with jax.enable_x64(True):
    return _score(jnp.float64)


class DtypeTest(absltest.TestCase):

  def test_float64_is_the_definitions(self):
    drawn = definitions.inputs(_NETWORK, _KEY, _batch())
    for (gene,), row in zip(_GENOTYPE, _double(), strict=True):
      expected = definitions.proxies(
          functools.partial(_expected_apply, gene), drawn
      )
      for name, value in zip(definitions.NAMES, row, strict=True):
        np.testing.assert_allclose(
            value, expected[name], rtol=1e-9, err_msg=f'{name} of {gene}'
        )

  def test_float32_is_the_same_under_x64(self):
    """Also of a network that a float64 program was compiled for."""
    double = _double()
    with jax.enable_x64(True):
      self.assertEqual(_network().layers, _NETWORK.layers)
      under = _score()
    found = _score()
    np.testing.assert_array_equal(under, found)
    for column, name in enumerate(definitions.NAMES):
      np.testing.assert_allclose(
          found[:, column], double[:, column],
          rtol=definitions.RTOL.get(name, 1e-4), err_msg=name,
      )  # fmt: skip
    self.assertTrue((found != double).any())  # neither stands for the other

  def test_batches_are_the_same_under_x64(self):
    pictures = np.random.default_rng(0).uniform(size=(9, 4, 4, 3))

    def draw():
      return zero_cost.images_batch(
          _KEY, pictures, np.arange(9) % 3, 5, 3
      )

    for make in (_batch, draw):
      plain = make()
      with jax.enable_x64(True):
        under = make()
      np.testing.assert_array_equal(plain.images, under.images)
      np.testing.assert_array_equal(plain.labels, under.labels)
      self.assertEqual(under.images.dtype, np.float32)

  def test_modules_score_the_same_under_x64(self):
    module = nn.Sequential([
        nn.Conv(2, (3, 3), use_bias=False),
        nn.BatchNorm(use_running_average=False),
        nn.relu,
        lambda x: x.mean((1, 2)),
        nn.Dense(3),
    ])
    fns = [zero_cost.get(name) for name in ('grasp', 'snip', 'zen')]
    plain = zero_cost.score_module(fns, module, _KEY, _batch())
    with jax.enable_x64(True):
      under = zero_cost.score_module(fns, module, _KEY, _batch())
    np.testing.assert_array_equal(plain, under)

  def test_refuses(self):
    with self.assertRaisesRegex(ValueError, 'float64 needs .*jax_enable_x64'):
      _score(jnp.float64)
    with self.assertRaisesRegex(ValueError, 'float32 or float64, got bfloat16'):
      _score(jnp.bfloat16)


if __name__ == '__main__':
  absltest.main()
