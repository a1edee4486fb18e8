"""Networks of one's own: every step against float64, and a flax module."""

import functools

from absl.testing import absltest
from absl.testing import parameterized
from flax import linen as nn
import jax
import numpy as np
import pytest
from zero_cost import definitions
from zero_cost import reference

from nasflat_jax import spaces
from nasflat_jax import zero_cost
from nasflat_jax.zero_cost import _together

# The comparison is of the programs that users get.
pytestmark = pytest.mark.optimised

_SPACE = spaces.FBNET  # for its genes' range
_SIDE = 9


def _conv(name, features, size, **options):
  return zero_cost.Conv(name, features, size, **options)


_FIRST = (
    (
        _conv('a/expand', 8, 1, groups=2),
        zero_cost.Shuffle(2),
        _conv('a/depthwise', 8, 3, stride=2, groups=0, relu=True,
              relu_flops=False),
        _conv('a/project', 6, 1, groups=2, relu=True),
    ),
    (_conv('skip', 6, 1, stride=2), zero_cost.Relu()),
    (_conv('bare', 6, 5, stride=2, norm=False), zero_cost.AvgPool()),
)
_SECOND = (
    (zero_cost.Zero(),),
    (_conv('grouped', 6, 3, groups=3, relu=True, norm=False),),
    (zero_cost.Relu(), _conv('depthwise', 6, 5, groups=0), zero_cost.Relu()),
)


def _apply(net, genotype, images):
  x = net.relu(net.conv_norm('stem', images, 4, 3))
  x = net.bottleneck(net.choose('one', genotype[0], _FIRST, x))
  y = net.choose('two', genotype[1], _SECOND, x)
  x = net.conv('last', net.avg_pool_2x2(net.bottleneck(x + y)), 8, 1)
  x = net.relu(net.batch_norm(x))
  return net.linear('head', net.global_pool(x), 3)


_NETWORK = zero_cost.network(
    _apply, num_genes=2, input_shape=(_SIDE, _SIDE, 3), num_classes=3
)
_BATCH = zero_cost.gaussian_batch(jax.random.key(5), 6, 3, resolution=_SIDE)
_KEY = jax.random.key(6)
_GENOTYPES = ((0, 1), (1, 0), (2, 2))


def _expected_apply(genotype, net, x):
  one, two = genotype
  x = net.relu(net.conv('stem', x))
  if one == 0:
    x = reference.shuffle(net.conv('one/a/expand', x, groups=2), 2)
    x = net.conv(
        'one/a/depthwise', x, stride=2, groups=0, first_relu=True,
        counted=False,
    )  # fmt: skip
    x = net.conv('one/a/project', x, groups=2, first_relu=True)
  elif one == 1:
    x = net.relu(net.conv('one/skip', x, stride=2))
  else:
    x = reference.pool_3x3(net.conv('one/bare', x, stride=2, norm=False))
    net.flops += 9 * x.data[0].size
  if two == 1:
    x += net.conv('two/grouped', x, groups=3, first_relu=True, norm=False)
  elif two == 2:
    x += net.relu(net.conv('two/depthwise', net.relu(x), groups=0))
  net.flops += x.data[0].size
  x = net.conv('last', reference.pool_2x2(x), norm=False)
  x = net.relu(net.norm(x))
  return net.head('head', x, x.data[0].size)


@functools.cache
def _inputs():
  return definitions.inputs(_NETWORK, _KEY, _BATCH)


@functools.cache
def _scores():
  return zero_cost.score(
      zero_cost.ALL, _SPACE, _KEY, np.array(_GENOTYPES, np.int32), _BATCH,
      network=_NETWORK,
  )  # fmt: skip


class Module(nn.Module):
  """The network of genes 0, 1 with a user's own means."""

  pooled: bool = True

  @nn.compact
  def __call__(self, x):
    x = nn.relu(self._conv('stem', x, 4, 3, 1))
    x = self._conv('expand', x, 8, 1, 2)
    x = x.reshape(*x.shape[:3], 2, 4).swapaxes(-1, -2).reshape(x.shape)
    x = self._conv('depthwise', nn.relu(x), 8, 3, 8, stride=2)
    x = self._conv('project', nn.relu(x), 6, 1, 2)
    x += self._conv('grouped', nn.relu(x), 6, 3, 3, norm=False)
    x = nn.avg_pool(x, (2, 2), (2, 2))
    x = self._conv('last', x, 8, 1, 1, norm=False)
    x = nn.relu(self._norm('last', x))
    x = x.mean((1, 2)) if self.pooled else x.reshape(len(x), -1)
    return nn.Dense(3, name='head')(x)

  def _norm(self, name, x):
    # The running averages must not be used, whatever is said here.
    return nn.BatchNorm(True, name=f'{name}_norm')(x)

  def _conv(self, name, x, features, size, groups, stride=1, norm=True):
    x = nn.Conv(
        features, (size, size), stride, padding=[(size // 2, size // 2)] * 2,
        feature_group_count=groups, use_bias=False, name=name,
    )(x)  # fmt: skip
    return self._norm(name, x) if norm else x


_PLACES = {
    'stem': 'stem', 'expand': 'one/a/expand', 'depthwise': 'one/a/depthwise',
    'project': 'one/a/project', 'grouped': 'two/grouped', 'last': 'last',
    'head': 'head',
}  # fmt: skip


@functools.cache
def _variables():
  given = _inputs().params
  variables = Module().init(jax.random.key(0), _BATCH.images)
  params = dict(variables['params'])
  for name, place in _PLACES.items():
    params[name] = dict(params[name], kernel=given.kernel[place])
  params['head'] = dict(params['head'], bias=given.bias['head'])
  return {**variables, 'params': params}


class NetworkTest(parameterized.TestCase):

  @parameterized.parameters(*enumerate(_GENOTYPES))
  def test_equals_the_definitions(self, row, genotype):
    expected = definitions.proxies(
        functools.partial(_expected_apply, genotype), _inputs()
    )
    definitions.assert_close(_scores()[row], expected)

  def test_side_by_side_gives_the_same(self):
    """Selected among all candidates; the last chunk is filled up."""
    found = zero_cost.score(
        zero_cost.ALL, _SPACE, _KEY, np.array(_GENOTYPES, np.int32), _BATCH,
        network=_NETWORK, together=2,
    )  # fmt: skip
    for column, name in enumerate(definitions.NAMES):
      np.testing.assert_allclose(
          found[:, column], _scores()[:, column],
          rtol=definitions.RTOL.get(name, 1e-4), err_msg=name,
          atol=2e-5,  # zen is a logarithm, near zero here
      )  # fmt: skip

  def test_what_an_architecture_keeps(self):
    """At least its maps of the stem, linear in images."""
    few, many = (_together.kept_bytes(_NETWORK, num) for num in (6, 60))
    self.assertGreater(few, 4 * 6 * _SIDE**2 * 4)
    self.assertBetween(many / few, 8, 10)

  def test_refuses_none_together(self):
    with self.assertRaisesRegex(ValueError, 'together must be at least 1'):
      zero_cost.score(
          zero_cost.ALL, _SPACE, _KEY, np.array(_GENOTYPES, np.int32), _BATCH,
          network=_NETWORK, together=0,
      )  # fmt: skip


@pytest.mark.slow
class ModuleTest(parameterized.TestCase):

  def test_equals_the_network(self):
    fns = [fn for fn in zero_cost.ALL if fn.name != 'zen']
    found = zero_cost.score_module(
        fns, Module(), _KEY, _BATCH, variables=_variables()
    )
    for fn, value in zip(fns, found, strict=True):
      expected = _scores()[0, definitions.NAMES.index(fn.name)]
      if fn.name == 'flops':  # its blocks' ReLU counts once, the module's both
        expected += 8 * _SIDE * _SIDE * 1e-6
        # Its pool's window does not reach the last row and column.
        expected -= 6 * (5 * 5 - 4 * 4) * 1e-6
      np.testing.assert_allclose(
          value,
          expected,
          rtol=definitions.RTOL.get(fn.name, 1e-4),
          err_msg=fn.name,
      )

  def test_zen_is_its_definition(self):
    """With the kernels that the call drew, in float64."""
    key = jax.random.key(8)
    fns = [zero_cost.zen, zero_cost.synflow]
    zen, _ = zero_cost.score_module(
        fns, Module(), key, _BATCH, variables=_variables()
    )
    zen_key, noise_key = jax.random.split(key, 3)[1:]
    rng = np.random.default_rng(np.asarray(jax.random.key_data(zen_key)))
    kernels = {}
    for place in _PLACES.values():
      shape = _NETWORK.layers[place].shape
      kernels[place] = rng.normal(size=shape).astype(np.float32)
    noise = jax.random.normal(noise_key, (2, *_BATCH.images.shape))
    expected = reference.zen(
        functools.partial(_expected_apply, (0, 1)),
        definitions.float64(kernels),
        {'head': np.zeros(3)},
        np.asarray(noise, np.float64),
    )
    np.testing.assert_allclose(zen, expected, rtol=1e-4)

  def test_named_features(self):
    """Without a mean over positions, zen compares what it is told to."""
    score = functools.partial(
        zero_cost.score_module, [zero_cost.zen], Module(pooled=False), _KEY,
        _BATCH,
    )  # fmt: skip
    with self.assertRaisesRegex(ValueError, 'name the submodule .* features='):
      score()
    with self.assertRaisesRegex(ValueError, "no submodule 'nowhere'"):
      score(features='nowhere')
    self.assertTrue(np.isfinite(score(features='last')).all())

  def test_draws_follow_the_key(self):
    fns = [zero_cost.l2_norm, zero_cost.params]
    module = nn.Sequential([lambda x: x.mean((1, 2)), nn.Dense(3)])
    a, b, c = (
        zero_cost.score_module(fns, module, jax.random.key(k), _BATCH)
        for k in (0, 0, 1)
    )
    np.testing.assert_array_equal(a, b)
    self.assertNotEqual(a[0], c[0])
    self.assertEqual(a[1], c[1])

  @parameterized.parameters(
      (zero_cost.nwot, lambda x: nn.Dense(3)(x.mean((1, 2))), 'no jax.nn.relu'),
      (zero_cost.snip, lambda x: x.mean((1, 2)), 'neither an nn.Conv nor'),
      (zero_cost.snip, nn.Dense(3), r'gives shape \(6, 9, 9, 3\)'),
      (zero_cost.snip, lambda x: nn.Dense(2)(x.mean((1, 2))), 'from 0 to 1'),
  )
  def test_refuses(self, fn, function, message):
    class Small(nn.Module):

      @nn.compact
      def __call__(self, x):
        return function(x)

    module = function if isinstance(function, nn.Module) else Small()
    with self.assertRaisesRegex(ValueError, message):
      zero_cost.score_module([fn], module, _KEY, _BATCH)

  def test_synflow_says_when_it_overflows(self):
    class Deep(nn.Module):

      @nn.compact
      def __call__(self, x):
        x = x.mean((1, 2))
        for _ in range(3):
          x = 1e15 * nn.Dense(4)(x)
        return nn.Dense(3)(x)

    with self.assertRaisesRegex(ValueError, 'overflow float32'):
      zero_cost.score_module([zero_cost.synflow], Deep(), _KEY, _BATCH)


if __name__ == '__main__':
  absltest.main()
