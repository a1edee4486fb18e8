"""NAS-Bench-101: all proxies against float64, whatever the wiring."""

import functools
import math

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np
import pytest
from zero_cost import definitions
from zero_cost import reference

from nasflat_jax import spaces
from nasflat_jax import zero_cost

# The comparison is of the programs that users get.
pytestmark = pytest.mark.optimised

_SPACE = spaces.NASBENCH101
_CELLS = 2
_NETWORK = zero_cost.nasbench101(
    channels=5, num_cells=_CELLS, num_classes=3, resolution=8
)
_BATCH = zero_cost.gaussian_batch(jax.random.key(5), 6, 3, resolution=8)
_KEY = jax.random.key(6)
_OPS = {'3': 'conv3x3-bn-relu', '1': 'conv1x1-bn-relu', 'p': 'maxpool3x3'}
_CELL = {
    # Three vertices share the output, one is cut, one feeds two others.
    'shared': ('31p13', '01 12 13 26 36 04 46 06 15'),
    'chain': ('3p1', '01 12 23 34 04'),
    'five': ('31331', '01 02 03 04 05 16 26 36 46'),
}


def _parse(name):
  ops, edges = _CELL[name]
  return ops, [tuple(map(int, edge)) for edge in edges.split()]


def _genotype(name):
  ops, edges = _parse(name)
  last = len(ops) + 1
  edges = {(s, 6 if r == last else r) for s, r in edges}
  codes = _SPACE.spec.gene_names
  genes = [
      codes.index('edge' if (s, r) in edges else 'no_edge')
      for s in range(7)
      for r in range(s + 1, 7)
  ]
  genes += [codes.index(_OPS[op]) for op in ops]
  return genes + [codes.index('absent')] * (5 - len(ops))


def _pruned(name):
  ops, edges = _parse(name)
  last = len(ops) + 1
  keep = set(range(last + 1))
  for _ in range(last):
    keep &= {0} | {r for s, r in edges if s in keep}
    keep &= {last} | {s for s, r in edges if r in keep}
  return ops, [(s, r) for s, r in edges if {s, r} <= keep], last, keep


def _narrow(x, channels):
  def pull(g):
    return np.pad(g, ((0, 0),) * 3 + ((0, x.data.shape[-1] - channels),))

  return reference.Value(x.data[..., :channels], (x, pull))


def _cell(name, net, x, scope, width, turns):
  ops, edges, last, keep = _pruned(name)
  feeding = [v for v in range(1, last) if v in keep and (v, last) in edges]
  channels = {}
  for vertex in reversed(range(1, last)):
    if vertex in feeding:
      place = feeding.index(vertex)
      channels[vertex] = width // len(feeding)
      channels[vertex] += place < width % len(feeding)
    elif vertex in keep:
      channels[vertex] = max(channels[r] for s, r in edges if s == vertex)

  def conv(layer, x, number=None):
    turn = turns if number is None else (*turns, number)
    return net.relu(net.conv(f'{scope}{layer}', x, turn=turn or -1))

  maps = {0: x}
  for vertex in range(1, last):
    if vertex not in keep:
      continue
    own, total = channels[vertex], None
    for sender in [s for s, r in edges if r == vertex]:
      if sender:
        y = _narrow(maps[sender], own)
      else:
        y = conv(f'vertices/project_{own}', x, vertex - 1)
      total = y if total is None else total + y
    if ops[vertex - 1] == 'p':
      net.flops += 9 * math.prod(total.data.shape[1:])
      maps[vertex] = reference.max_pool_3x3(total)
    else:
      size = ops[vertex - 1]
      maps[vertex] = conv(
          f'vertices/conv_{size}x{size}_{own}', total, vertex - 1
      )
  y = functools.reduce(reference.beside, [maps[v] for v in feeding])
  if (0, last) in edges:
    y = y + conv(f'output/project_{width}', x)
  return y


def _expected_apply(name, net, x):
  x = net.relu(net.conv('stem', x))
  for stack in range(3):
    width = 5 * 2**stack
    turns = range(_CELLS)
    if stack:
      x = reference.max_pool_2x2(x)
      net.flops += 4 * math.prod(x.data.shape[1:])
      x = _cell(name, net, x, f'wider_{stack}/', width, ())
      turns = range(_CELLS - 1)
    for turn in turns:
      x = _cell(name, net, x, f'stack_{stack}/', width, (turn,))
  return net.head('head', x, 0)


@functools.cache
def _scores():
  genotype = np.array([_genotype(name) for name in _CELL], np.int32)
  return zero_cost.score(
      zero_cost.ALL, _SPACE, _KEY, genotype, _BATCH, network=_NETWORK
  )


class NasBench101Test(parameterized.TestCase):

  @parameterized.parameters(*enumerate(_CELL))
  @pytest.mark.slow
  def test_equals_the_definitions(self, row, name):
    expected = definitions.proxies(
        functools.partial(_expected_apply, name),
        definitions.inputs(_NETWORK, _KEY, _BATCH),
    )
    definitions.assert_close(_scores()[row], expected)

  def test_too_narrow(self):
    with self.assertRaisesRegex(ValueError, 'channels must be at least 5'):
      zero_cost.nasbench101(channels=4)


if __name__ == '__main__':
  absltest.main()
