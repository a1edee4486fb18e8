"""NAS-Bench-Macro and MobileNet-V2: chains of inverted residual blocks."""

import json

import jax
import numpy as np
import pytest

from nasflat_jax import spaces
from nasflat_jax import testing
from nasflat_jax.spaces import _inverted
from nasflat_jax.spaces import _layer_costs as layers
import real_data

MACRO, MOBILENET = spaces.NASBENCH_MACRO, spaces.MOBILENET_V2
_FILE = (
    'xiusu/NAS-Bench-Macro/61a2bfc2ca0dce04d0997e6cf498047c27d6acf2/data/'
    'nas-bench-macro_cifar10.json'
)


def test_real_costs_of_nasbench_macro():
  table = json.loads((real_data.mirror() / _FILE).read_text())
  costs = MACRO.costs(MACRO.from_string(table))
  assert len(table) == MACRO.spec.size == 6561
  for ours, theirs in (('params', 'params'), ('multiply_adds', 'flops')):
    wanted = [row[theirs] for row in table.values()]
    np.testing.assert_array_equal(getattr(costs, ours), wanted)


def test_macro_strings_are_digits_in_order():
  everything = spaces.members(MACRO)
  strings = MACRO.to_string(everything)
  assert strings == sorted(strings) and strings[5] == '00000012'
  np.testing.assert_array_equal(MACRO.from_string(strings), everything)
  np.testing.assert_array_equal(MACRO.to_index(everything), np.arange(6561))
  for string in ('0000000', '00000003', '0000 000'):
    with pytest.raises(ValueError, match='string 1 is not an architecture'):
      MACRO.from_string([strings[0], string])


def test_blocks_are_those_of_the_published_mobilenet_v2():
  """3,504,872 parameters and 300.8 million multiply-adds."""
  places = _inverted.places(
      channels=16, size=112,
      stages=[(24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2),
              (320, 1, 1)],
  )
  first = _inverted.Place(32, 16, 1, 112, 112)
  total = (
      layers.conv(3, 32, 3, 224, 112)
      + _inverted.block(first, 3, 1)
      + sum(_inverted.block(place, 3, 6) for place in places)
      + layers.conv(320, 1280, 1, 7, 7)
      + layers.linear(1280, 1000)
  )
  assert total[layers.FIELDS.index('params')] == 3504872
  assert total[layers.FIELDS.index('multiply_adds')] == 300774272


def test_mobilenet_costs_are_the_sum_of_its_blocks():
  genotype = np.asarray(MOBILENET.random(jax.random.key(0), 50))
  whole, parts = MOBILENET.costs(genotype), MOBILENET.op_costs(genotype)
  for name in ('params', 'multiply_adds', 'kernels'):
    left = getattr(whole, name) - getattr(parts, name).sum(1)
    assert len(set(left.tolist())) == 1
  # Stem, first block, mixing layer and classifier, with their norms.
  fixed = 27 * 40 + 80 + 9 * 40 + 80 + 40 * 24 + 48
  fixed += 416 * 1664 + 2 * 1664 + 1664 * 1000 + 1000
  assert whole.params[0] - parts.params[0].sum() == fixed
  # The last block, of 248 to 416 channels at 7 x 7.
  last = genotype[:1].copy()
  last[0, -1] = MOBILENET.spec.gene_names.index('k7_e4')
  wide = 4 * 248
  block = 248 * wide + 49 * wide + wide * 416 + 2 * (2 * wide + 416)
  assert MOBILENET.op_costs(last).params[0, -1] == block


def test_mobilenet_stages_end_in_skips():
  genotype = np.asarray(MOBILENET.random(jax.random.key(1), 400))
  skips = genotype == MOBILENET.spec.gene_names.index('skip')
  assert not skips[:, -1].any()
  depths = 4 - skips[:, :-1].reshape(-1, 5, 4).sum(-1)
  assert set(depths.ravel().tolist()) == {2, 3, 4}
  assert not skips[:, :-1].reshape(-1, 5, 4)[..., :2].any()
  (text,) = MOBILENET.to_string(genotype[:1])
  broken = text.split('|')
  broken[2:4] = 'skip', 'k3_e3'
  with pytest.raises(ValueError, match='mobilenet_v2: string 0 is not'):
    MOBILENET.from_string(['|'.join(broken)])


def test_settings_are_checked():
  for space, known in ((MACRO, 'cifar10'), (MOBILENET, 'imagenet')):
    with pytest.raises(ValueError, match=f"'svhn'; known: {known}"):
      space.costs(np.zeros((1, space.spec.num_genes), np.int32), 'svhn')


def _macro_by_table(**fields):
  """NAS-Bench-Macro once more, from its costs alone."""
  codes = np.tile(np.arange(3), (8, 1)).T
  op_costs = jax.tree.map(np.transpose, MACRO.op_costs(codes))
  whole, parts = MACRO.costs(codes[:1]), MACRO.op_costs(codes[:1])
  fixed = jax.tree.map(lambda a, b: (a - b.sum(1))[0], whole, parts)
  spec = MACRO.spec
  return spaces.chain_space('again', **{
      'operators': dict(zip(spec.gene_names, spec.operators)),
      'op_costs': op_costs,
      'fixed_costs': fixed,
      'node_features': np.array(spec.node_features)[1:-1],
      **fields,
  })


def test_a_chain_from_a_table_is_the_chain():
  space = _macro_by_table()
  testing.check_space(space)
  for field, value in vars(MACRO.spec).items():
    if field != 'name':
      assert getattr(space.spec, field) == value, field
  genotype = spaces.members(space)[::17]
  for ours, theirs in zip(
      jax.tree.leaves(space.costs(genotype)),
      jax.tree.leaves(MACRO.costs(genotype)),
  ):
    np.testing.assert_array_equal(ours, theirs)
  assert space.to_string(genotype[1:2]) == [
      'skip|skip|skip|skip|skip|k3_e3|k5_e6|k5_e6'
  ]


def test_tables_of_chains_are_checked():
  with pytest.raises(ValueError, match=r'op_costs must be \[G, 1\]'):
    _macro_by_table(operators={'skip': MACRO.spec.operators[0]})
  with pytest.raises(ValueError, match='a name holds'):
    _macro_by_table(
        operators=dict(zip(('a', 'b|c', 'd'), MACRO.spec.operators))
    )
  with pytest.raises(ValueError, match=r'node_features must be \[8, K\]'):
    _macro_by_table(node_features=np.zeros((10, 2)))
  with pytest.raises(ValueError, match="'cifar10'; known: default"):
    _macro_by_table().costs(np.zeros((1, 8), np.int32), 'cifar10')
