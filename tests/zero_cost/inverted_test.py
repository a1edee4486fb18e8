"""Inverted residual blocks that run as one program, against float64."""

import functools

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np
import pytest
from zero_cost import definitions
from zero_cost import reference

from nasflat_jax import spaces
from nasflat_jax import zero_cost
from nasflat_jax.zero_cost import _family
from nasflat_jax.zero_cost import _fbnet

# The comparison is of the programs that users get.
pytestmark = pytest.mark.optimised

# Name, kernel, expansion, groups.
_BLOCKS = (('a', 3, 1, 1), ('b', 5, 2, 2), ('c', 3, 3, 1))
_SKIP = (zero_cost.Conv('skip', 6, 1, stride=2), zero_cost.Relu())


def _block(name, size, expansion, groups, *, channels=4, features=6, stride=2):
  wide = expansion * channels
  return (
      zero_cost.Conv(f'{name}/expand', wide, 1, groups=groups),
      *([zero_cost.Shuffle(groups)] if groups > 1 else []),
      zero_cost.Conv(f'{name}/depthwise', wide, size, stride, 0, relu=True),
      zero_cost.Conv(f'{name}/project', features, 1, 1, groups, relu=True),
  )


_CANDIDATES = (_block(*_BLOCKS[0]), _SKIP, *(_block(*b) for b in _BLOCKS[1:]))


def _apply(net, genotype, images):
  x = net.relu(net.conv_norm('stem', images, 4, 3))
  x = net.choose('one', genotype[0], _CANDIDATES, x)
  return net.linear('head', net.global_pool(net.bottleneck(net.relu(x))), 3)


def _expected_apply(gene, net, x):
  x = net.relu(net.conv('stem', x))
  if gene == 1:
    x = net.relu(net.conv('one/skip', x, stride=2))
  else:
    name, _, _, groups = _BLOCKS[max(gene - 1, 0)]
    x = net.conv(f'one/{name}/expand', x, groups=groups)
    x = reference.shuffle(x, groups)
    x = net.conv(
        f'one/{name}/depthwise', x, stride=2, groups=0, first_relu=True
    )
    x = net.conv(f'one/{name}/project', x, groups=groups, first_relu=True)
  x = net.relu(x)
  return net.head('head', x, x.data[0].size)


_NETWORK = zero_cost.network(
    _apply, num_genes=1, input_shape=(7, 7, 3), num_classes=3
)
_BATCH = zero_cost.gaussian_batch(jax.random.key(5), 6, 3, resolution=7)
_KEY = jax.random.key(6)


@functools.cache
def _scores():
  genotype = np.arange(len(_CANDIDATES), dtype=np.int32)[:, None]
  return zero_cost.score(
      zero_cost.ALL, spaces.FBNET, _KEY, genotype, _BATCH, network=_NETWORK
  )


@pytest.mark.slow
class InvertedTest(parameterized.TestCase):

  @parameterized.parameters(range(len(_CANDIDATES)))
  def test_equals_the_definitions(self, gene):
    expected = definitions.proxies(
        functools.partial(_expected_apply, gene),
        definitions.inputs(_NETWORK, _KEY, _BATCH),
    )
    definitions.assert_close(_scores()[gene], expected)


class FamilyTest(parameterized.TestCase):

  @parameterized.parameters((16, 16, 1), (24, 32, 2), (184, 352, 1))
  def test_all_blocks_of_fbnet_are_one(self, inputs, outputs, stride):
    """Otherwise its programs take minutes to compile."""
    candidates = _fbnet._candidates(inputs, outputs, stride)
    family = _family.family(candidates, inputs)
    self.assertEqual(family.places, tuple(range(8)))
    self.assertEqual(family.num_slices, (1, 1, 3, 6, 1, 1, 3, 6))
    self.assertEqual(family.sizes, (3, 5))

  @parameterized.named_parameters(
      ('no_multiple', _block('d', 3, 1, 1, channels=6)),
      ('another_stride', _block('d', 3, 1, 1, stride=1)),
      ('even_kernel', _block('d', 4, 1, 1)),
      ('no_shuffle', tuple(s for s in _block('d', 3, 2, 2) if s != (2,))),
      ('more_steps', (*_block('d', 3, 1, 1), zero_cost.Relu())),
      ('identity', ()),
  )
  def test_other_candidates_are_left(self, other):
    family = _family.family((_block(*_BLOCKS[0]), other), 4)
    self.assertEqual(family.places, ())


if __name__ == '__main__':
  absltest.main()
