"""TransNAS-Bench-101: all proxies against float64, counts as published."""

import functools
import math

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np
import pytest
from zero_cost import definitions

from nasflat_jax import spaces
from nasflat_jax import zero_cost

# The comparison is of the programs that users get.
pytestmark = pytest.mark.optimised

_SPACE = spaces.TRANSNAS_MICRO
_NETWORK = zero_cost.transnas_micro(channels=2, num_classes=3, resolution=36)
_BATCH = zero_cost.gaussian_batch(jax.random.key(5), 6, 3, resolution=36)
_KEY = jax.random.key(6)
_GENOTYPES = (
    (1, 3, 2, 0, 1, 3),
    (2, 1, 1, 1, 3, 0),
    (3, 2, 0, 0, 2, 0),  # only the path 0, 1, 3
)


def _cell(genotype, net, x, name, turn=-1, stride=1):
  nodes, gene = [x], 0
  for receiver in (1, 2, 3):
    total = None
    for sender in range(receiver):
      op, edge = genotype[gene], f'{name}/edge_{gene}'
      step, source = (1 if sender else stride), nodes[sender]
      gene += 1
      if op == 0 or source is None:
        continue
      if op == 1:
        y = source
        if step == 2:
          y = net.halves(f'{edge}/skip', source, turn=turn)
      else:
        kind = 'conv_1x1' if op == 2 else 'conv_3x3'
        y = net.conv(
            f'{edge}/{kind}', source, turn=turn, stride=step, first_relu=True
        )
      total = y if total is None else total + y
    nodes.append(total)
  return nodes[-1]


def _expected_apply(genotype, net, x):
  x = net.conv('stem_a', x, stride=2)
  x = net.conv('stem_b', x, stride=2, first_relu=True)
  for stage, num_cells in enumerate((4, 4, 2)):
    x = _cell(genotype, net, x, f'reduction_{stage}', stride=2)
    for turn in range(num_cells - 1):
      x = _cell(genotype, net, x, f'stage_{stage}', turn)
  pooled = x.data.shape[-1] * math.prod(n + 1 for n in x.data.shape[1:3])
  return net.head('head', x, pooled)


@functools.cache
def _scores():
  return zero_cost.score(
      zero_cost.ALL, _SPACE, _KEY, np.array(_GENOTYPES, np.int32), _BATCH,
      network=_NETWORK,
  )  # fmt: skip


class TransnasTest(parameterized.TestCase):

  @parameterized.parameters(*enumerate(_GENOTYPES))
  @pytest.mark.slow
  def test_equals_the_definitions(self, row, genotype):
    expected = definitions.proxies(
        functools.partial(_expected_apply, genotype),
        definitions.inputs(_NETWORK, _KEY, _BATCH),
    )
    definitions.assert_close(
        _scores()[row], expected, without=definitions.NOISE
    )


if __name__ == '__main__':
  absltest.main()
