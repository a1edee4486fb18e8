"""DARTS: all proxies against float64."""

import functools
import math

from absl.testing import absltest
from absl.testing import parameterized
import jax
import pytest
from zero_cost import definitions
from zero_cost import reference

from nasflat_jax import spaces
from nasflat_jax import zero_cost

# The comparison is of the programs that users get.
pytestmark = pytest.mark.optimised

_SPACE = spaces.DARTS
# The second and the third cell are reduction cells.
_NETWORK = zero_cost.darts(
    channels=2, num_cells=3, num_classes=3, resolution=14
)
_BATCH = zero_cost.gaussian_batch(jax.random.key(5), 6, 3, resolution=14)
_KEY = jax.random.key(6)
# Pairs of an input and an operation, two for each step.
_CELLS = (
    (
        ((0, 0), (1, 3), (0, 5), (2, 1), (1, 2), (3, 4), (2, 6), (4, 2)),
        ((0, 2), (1, 6), (0, 1), (1, 0), (2, 3), (3, 0), (1, 4), (4, 5)),
    ),
    (
        ((0, 2), (1, 2), (1, 6), (2, 4), (0, 1), (1, 5), (0, 3), (3, 0)),
        ((0, 5), (1, 3), (1, 2), (2, 1), (2, 2), (3, 6), (0, 4), (2, 4)),
    ),
)


def _operation(op, name, net, x, turn, stride):
  conv = functools.partial(net.conv, turn=turn, affine=False)

  def separable(name, x, size, stride, dilation=1):
    del size  # the kernel's own
    x = conv(
        f'{name}/depthwise', x, stride=stride, groups=0, first_relu=True,
        norm=False, dilation=dilation,
    )  # fmt: skip
    return conv(f'{name}/pointwise', x)

  if op in (0, 1):
    x = (reference.max_pool_3x3, reference.pool_3x3)[op](x)
    x = reference.every_second(x) if stride == 2 else x
    net.flops += 9 * math.prod(x.data.shape[1:])
    return net.norm(x, affine=False)
  if op == 2:
    if stride == 1:
      return x
    return net.halves(f'{name}skip', x, turn=turn, affine=False)
  size = 3 if op % 2 else 5
  if op > 4:
    return separable(f'{name}dil_{size}', x, size, stride, 2)
  x = separable(f'{name}sep_{size}_first', x, size, stride)
  return separable(f'{name}sep_{size}_second', x, size, 1)


def _cell(net, before, last, edges, name, stride):
  nodes = []
  for place, x in enumerate((before, last)):
    layer = f'{name}/input_{place}'
    if x.data.shape[1] == last.data.shape[1]:
      nodes.append(net.conv(layer, x, first_relu=True))
    else:
      nodes.append(net.halves(layer, x))
  for turn, (source, op) in enumerate(edges):
    outer = source < 2 and stride == 2
    scope = 'inner/' if stride == 2 and not outer else ''
    y = _operation(
        op, f'{name}/edges/{scope}', net, nodes[source], turn,
        2 if outer else 1,
    )  # fmt: skip
    if turn % 2:
      nodes[-1] += y
    else:
      nodes.append(y)
  return functools.reduce(reference.beside, nodes[2:])


def _expected_apply(cells, net, x):
  normal, reduction = cells
  before = last = net.conv('stem', x)
  for number, edges in enumerate((normal, reduction, reduction)):
    stride = 2 if number else 1
    before, last = last, _cell(
        net, before, last, edges, f'cell_{number}', stride
    )
  pooled = last.data.shape[-1] * math.prod(
      n + 1 for n in last.data.shape[1:3]
  )
  return net.head('head', last, pooled)


@functools.cache
def _scores():
  genotype = _SPACE.from_string([str(cells) for cells in _CELLS])
  return zero_cost.score(
      zero_cost.ALL, _SPACE, _KEY, genotype, _BATCH, network=_NETWORK
  )


class DartsTest(parameterized.TestCase):

  @parameterized.parameters(*enumerate(_CELLS))
  @pytest.mark.slow
  def test_equals_the_definitions(self, row, cells):
    expected = definitions.proxies(
        functools.partial(_expected_apply, cells),
        definitions.inputs(_NETWORK, _KEY, _BATCH),
    )
    definitions.assert_close(
        _scores()[row], expected, without=definitions.NOISE
    )


if __name__ == '__main__':
  absltest.main()
