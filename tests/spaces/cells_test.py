"""Spaces of two cells of steps: DARTS and the five of NDS."""

import ast
import itertools
import json
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasflat_jax import spaces
from nasflat_jax.spaces import _cell_costs
from nasflat_jax.spaces import _cell_space
from nasflat_jax.spaces import _darts
from nasflat_jax.spaces import _nds
import real_data

DARTS, AMOEBA, NDS_DARTS = spaces.DARTS, spaces.NDS_AMOEBA, spaces.NDS_DARTS
_EACH = ('darts', 'nds_amoeba', 'nds_darts')
_NDS = ('nds_amoeba', 'nds_darts', 'nds_enas', 'nds_nasnet', 'nds_pnas')

# Published cells (https://arxiv.org/abs/1802.01548, 1806.09055).
AMOEBANET = {
    'normal': [
        ['avg_pool_3x3', 0], ['max_pool_3x3', 1],
        ['sep_conv_3x3', 0], ['sep_conv_5x5', 2],
        ['sep_conv_3x3', 0], ['avg_pool_3x3', 3],
        ['sep_conv_3x3', 1], ['skip_connect', 1],
        ['skip_connect', 0], ['avg_pool_3x3', 1],
    ],
    'normal_concat': [4, 5, 6],
    'reduce': [
        ['avg_pool_3x3', 0], ['sep_conv_3x3', 1],
        ['max_pool_3x3', 0], ['sep_conv_7x7', 2],
        ['sep_conv_7x7', 0], ['avg_pool_3x3', 1],
        ['max_pool_3x3', 0], ['max_pool_3x3', 1],
        ['conv_7x1_1x7', 0], ['sep_conv_3x3', 5],
    ],
    'reduce_concat': [3, 4, 6],
}  # fmt: skip
DARTS_V2 = {
    'normal': [
        ['sep_conv_3x3', 0], ['sep_conv_3x3', 1],
        ['sep_conv_3x3', 0], ['sep_conv_3x3', 1],
        ['sep_conv_3x3', 1], ['skip_connect', 0],
        ['skip_connect', 0], ['dil_conv_3x3', 2],
    ],
    'normal_concat': [2, 3, 4, 5],
    'reduce': [
        ['max_pool_3x3', 0], ['max_pool_3x3', 1],
        ['skip_connect', 2], ['max_pool_3x3', 1],
        ['max_pool_3x3', 0], ['skip_connect', 2],
        ['skip_connect', 2], ['max_pool_3x3', 1],
    ],
    'reduce_concat': [2, 3, 4, 5],
}  # fmt: skip


def _some(space, seed, n):
  """Members, drawn on the host: any genes in their ranges are one."""
  low, high = np.array(space.spec.gene_ranges).T
  rng = np.random.default_rng(seed)
  return rng.integers(low, high, (n, len(low)), np.int32)


def _rules(name):
  return _nds._RULES.get(name, _darts._RULES)


def _nets(genotype, space):
  return [json.loads(string) for string in space.to_string(genotype)]


def test_vocabularies():
  names = DARTS.spec.gene_names
  assert names[7:10] == ('in_0_1', 'in_0_2', 'in_1_2') and len(names) == 17
  assert DARTS.spec.gene_ranges[:4] == ((7, 10), (7, 13), (7, 17), (0, 7))
  # 10^18 architectures, as the paper says.
  assert spaces.num_indices(DARTS) == (7**8 * 3 * 6 * 10) ** 2
  # Cells as the paper counts them, with the edges of a step in order.
  for name, ops, steps in (
      ('nds_amoeba', 8, 5), ('nds_darts', 8, 4), ('nds_enas', 5, 5),
      ('nds_nasnet', 13, 5), ('nds_pnas', 8, 5),
  ):
    spec = spaces.get(name).spec
    pairs = [(n + 2) * (n + 3) // 2 for n in range(steps)]
    members = (ops ** (2 * steps) * np.prod(pairs, dtype=object)) ** 2
    assert spaces.num_indices(spaces.get(name)) == 15 * members
    assert spec.gene_names[-8:] == (
        'w16', 'w24', 'w32', 'd4', 'd8', 'd12', 'd16', 'd20'
    )
    assert [spec.op_names[-2], spec.operators[-3].size] == ['input', 20]


@pytest.mark.parametrize('name', _EACH)
def test_numbers_are_exact(name):
  space = spaces.get(name)
  genotype = _some(space, 9, 20)
  numbers = spaces.index_of(space, genotype)
  np.testing.assert_array_equal(spaces.genotype_of(space, numbers), genotype)
  assert space.is_valid(genotype).all()
  wild = genotype.copy()
  wild[:, -1] = len(space.spec.gene_names) - 1
  assert not space.is_valid(wild).any()
  with pytest.raises(ValueError, match='row 0 has a gene outside'):
    space.to_string(wild)


@pytest.mark.parametrize('name', _EACH)
def test_decode_wires_what_the_string_says(name):
  space = spaces.get(name)
  genotype = _some(space, 0, 8)
  graph = space.decode(genotype)
  if name == 'darts':
    nets = [
        {
            cell: [(DARTS.spec.op_names[op], i) for i, op in edges]
            for cell, edges in zip(
                ('normal', 'reduce'), ast.literal_eval(s), strict=True
            )
        }
        for s in space.to_string(genotype)
    ]
    start = 0
  else:
    nets = [
        net['genotype'] | {k: net[k] for k in ('width', 'depth')}
        for net in _nets(genotype, space)
    ]
    start = 1
  spec, last = space.spec, space.spec.num_nodes - 1
  for row, net in enumerate(nets):
    for c, cell in enumerate(('normal', 'reduce')):
      edges = net[cell]
      steps = len(edges) // 2
      nodes = [[start], [start + 1]] + [
          [start + 2 + 2 * s, start + 3 + 2 * s] for s in range(steps)
      ]
      concat = net.get(f'{cell}_concat', range(2, 2 + steps))
      wanted = {(0, 1), (0, 2)} if start else set()
      for e, (_, source) in enumerate(edges):
        wanted |= {(s, start + 2 + e) for s in nodes[source]}
      wanted |= {(s, last) for i in concat for s in nodes[i]}
      got = np.asarray(graph.edge_mask[row, c])
      assert {e for e, on in zip(spec.edges, got, strict=True) if on} == wanted
      ops = [spec.op_names[op] for op in np.asarray(graph.ops[row, c])]
      assert ops[start + 2 : -1] == [op for op, _ in edges]
      heads = [f'w{net["width"]}', f'd{net["depth"]}'] if start else ['input']
      assert ops[: start + 2] == ['input', *heads]
      assert ops[-1] == 'output'
  assert graph.node_mask.all()
  if name != 'nds_darts':
    assert graph.live_mask.all()


def test_none_cuts_what_only_it_feeds():
  net = {
      'genotype': DARTS_V2
      | {
          'normal': [
              ['none', 0], ['none', 1],
              ['skip_connect', 2], ['sep_conv_3x3', 2],  # of nothing
              ['sep_conv_3x3', 0], ['none', 3],
              ['skip_connect', 3], ['max_pool_3x3', 4],
          ]
      },
      'width': 16,
      'depth': 8,
  }  # fmt: skip
  genotype = spaces.nds_genotype(NDS_DARTS, [net])
  live = np.asarray(NDS_DARTS.decode(genotype).live_mask[0, 0])
  wanted = [1, 1, 1, 0, 0, 0, 0, 1, 0, 0, 1, 1]
  np.testing.assert_array_equal(live, wanted)
  # Nothing is added where one edge is `none`: of four, steps 1 and 3 add.
  full = net | {'genotype': DARTS_V2}
  both = spaces.nds_genotype(NDS_DARTS, [net, full])
  costs = NDS_DARTS.costs(both)
  parts = NDS_DARTS.op_costs(both)
  for name in ('params', 'flops', 'kernels', 'activation_bytes'):
    np.testing.assert_array_equal(
        getattr(costs, name), getattr(parts, name).sum(1)
    )
  assert parts.kernels[1, 0] - parts.kernels[0, 0] == 6 * 2


@pytest.mark.parametrize('name', ('darts', 'nds_enas'))
def test_random_draws_operations_and_inputs_uniformly(name):
  space = spaces.get(name)
  genotype = np.asarray(space.random(jax.random.key(1), 4000))
  rules = _cell_space.edges_of(_rules(name), genotype)
  inputs = np.array(rules)[..., 1].reshape(4000, 2, -1, 2)
  ops = np.array(rules)[..., 0]
  assert (inputs[..., 0] <= inputs[..., 1]).all()
  counts = np.bincount(ops.ravel()) / ops.size
  np.testing.assert_allclose(counts, 1 / len(counts), atol=0.01)
  last = inputs[:, :, -1]
  num = inputs.shape[2] + 1
  chances = np.array([
      ((last == pair).all(-1)).mean()
      for pair in itertools.combinations(range(num), 2)
  ])
  same = (last[..., 0] == last[..., 1]).mean()
  if name == 'darts':
    assert same == 0
    np.testing.assert_allclose(chances, 1 / len(chances), atol=0.02)
  else:
    np.testing.assert_allclose(same, 1 / num, atol=0.02)
    np.testing.assert_allclose(chances, 2 / num**2, atol=0.02)


@pytest.mark.parametrize('name', _EACH)
def test_mutation_changes_one_operation_or_one_input(name):
  space = spaces.get(name)
  parent = _some(space, 2, 2000)
  child = np.asarray(space.mutate(jax.random.key(3), parent))
  changed = child != parent
  np.testing.assert_array_equal(changed.sum(1), 1)
  assert changed.any(0).all()
  before, after = (
      np.array(_cell_space.edges_of(_rules(name), g))[..., 1].reshape(
          2000, -1, 2
      )
      for g in (parent, child)
  )
  kept = [
      len(set(a) & set(b))
      for a, b in zip(before.reshape(-1, 2), after.reshape(-1, 2), strict=True)
  ]
  assert min(kept) >= 1
  wirings = (before != after).any((1, 2)).mean()
  # Of 16 operations and 12 inputs, or 20 and 20, or 16 and 16, and two genes.
  wanted = {'darts': 12 / 28, 'nds_amoeba': 20 / 42, 'nds_darts': 16 / 34}
  np.testing.assert_allclose(wirings, wanted[name], atol=0.04)


def test_strings_of_darts():
  swapped = (
      '[[(1, 1), (0, 6), (1, 1), (0, 3), (1, 1), (2, 5), (0, 1), (4, 4)], '
      '[(0, 1), (1, 1), (0, 4), (2, 4), (0, 4), (1, 5), (2, 4), (4, 0)]]'
  )
  genotype = DARTS.from_string([swapped])
  assert DARTS.to_string(genotype) == [
      '(((0, 6), (1, 1), (0, 3), (1, 1), (1, 1), (2, 5), (0, 1), (4, 4)), '
      '((0, 1), (1, 1), (0, 4), (2, 4), (0, 4), (1, 5), (2, 4), (4, 0)))'
  ]
  for wrong in (
      swapped.replace('(4, 0)', '(2, 0)'),  # twice the same input
      swapped.replace('(4, 0)', '(5, 0)'),  # a later step
      swapped.replace('(4, 0)', '(4, 7)'),
      swapped.replace('(4, 0)', '(4, True)'),
      swapped[:-1] + ', ((0, 1), (1, 1))]',
      '7',
      '((1, 2), (3, 4))',
  ):
    with pytest.raises(ValueError, match='string 1 is not an architecture'):
      DARTS.from_string([swapped, wrong])


def test_published_cells_have_the_published_loose_ends():
  net = {'genotype': AMOEBANET, 'width': 24, 'depth': 12, 'aux': True}
  genotype = spaces.nds_genotype(AMOEBA, [{'net': net}, net])
  np.testing.assert_array_equal(genotype[0], genotype[1])
  del net['aux']
  assert _nets(genotype, AMOEBA)[0] == net
  assert AMOEBA.from_string([json.dumps(net)]).tolist() == [
      genotype[0].tolist()
  ]


@pytest.mark.parametrize(
    'change, message',
    [
        ({'width': 36}, r'record 1: width 36 is not one of \(16, 24, 32\)'),
        ({'depth': 5}, 'record 1: depth 5 is not one of'),
        (
            {'genotype': AMOEBANET | {'normal_concat': [5, 6]}},
            r'normal concatenates \[5, 6\]; by its rule \[4, 5, 6\]',
        ),
        ({'genotype': DARTS_V2}, "operation 'dil_conv_3x3' in normal"),
        (
            {'genotype': AMOEBANET | {'reduce': AMOEBANET['reduce'][::-1]}},
            'reduce has not 10 edges from earlier nodes',
        ),
        ({'genotype': {}}, "no readable network: KeyError\\('normal'"),
    ],
)
def test_wrong_records_are_named(change, message):
  net = {'genotype': AMOEBANET, 'width': 24, 'depth': 12}
  with pytest.raises(ValueError, match=message):
    spaces.nds_genotype(AMOEBA, [net, net | change])
  with pytest.raises(ValueError, match="'darts' is no space of NDS"):
    spaces.nds_genotype(DARTS, [net])


def _naive_params(net):
  """Parameters, layer by layer."""
  genotype, width, depth = net['genotype'], net['width'], net['depth']

  def conv(a, b, k=1, groups=1):
    return a * b * k // groups

  def op(name, c, strided):
    square = {n: n * n for n in (1, 3, 5, 7)}
    if 'pool' in name or name == 'none':
      return 0
    if name == 'skip_connect':
      return conv(c, c) + 2 * c if strided else 0
    k = int(name[-1])
    if name.startswith('conv'):
      if name[-3:] in ('1x3', '1x7'):
        return 2 * conv(c, c, k) + 2 * c
      return conv(c, c, square[k]) + 2 * c
    once = conv(c, c, square[k], groups=c) + conv(c, c) + 2 * c
    return once if name.startswith('dil_conv') else 2 * once

  before = last = 3 * width
  total = 27 * last + 2 * last
  channels = width
  for place in range(depth):
    kind = 'normal'
    if place in (depth // 3, 2 * depth // 3):
      kind, channels = 'reduce', 2 * channels
    total += conv(before, channels) + conv(last, channels) + 4 * channels
    for name, source in genotype[kind]:
      total += op(name, channels, kind == 'reduce' and source < 2)
    before, last = last, len(genotype[f'{kind}_concat']) * channels
  return total + 10 * last + 10


@pytest.mark.parametrize('name', _NDS)
def test_parameters_of_nds_layer_by_layer(name):
  space = spaces.get(name)
  genotype = _some(space, 4, 25)
  wanted = [_naive_params(net) for net in _nets(genotype, space)]
  np.testing.assert_array_equal(space.costs(genotype).params, wanted)


def test_published_size_of_the_darts_cell():
  # 3.3 M parameters and 528 M multiply-adds: 36 channels and 20 cells.
  rules = _nds._RULES['nds_darts']._replace(widths=(36, 37), depths=(20,))
  net = {'genotype': DARTS_V2, 'width': 36, 'depth': 20}
  genotype = np.array([_nds._genes(rules, net)])
  costs = _cell_costs.costs(rules, genotype)
  assert costs.params[0] == 3349342
  assert round(costs.multiply_adds[0] / 1e6) == 528


def _chain(net, kernels):
  """Longest chain of a network, node by node."""
  genotype, depth = net['genotype'], net['depth']
  before = last = 1
  reduced = False
  for place in range(depth):
    reducing = place in (depth // 3, 2 * depth // 3)
    kind = 'reduce' if reducing else 'normal'
    nodes = [before + 1 + reduced, last + 1]
    edges = genotype[kind]
    for step in range(len(edges) // 2):
      arrivals = [
          nodes[i] + kernels(name, reducing and i < 2)
          for name, i in edges[2 * step : 2 * step + 2]
      ]
      nodes.append(max(arrivals) + 1)
    concat = genotype[f'{kind}_concat']
    out = max(nodes[i] for i in concat) + (len(concat) > 1)
    before, last, reduced = last, out, reducing
  return last + 2


def test_critical_path_of_amoeba_node_by_node():
  def kernels(name, strided):
    if name == 'skip_connect':
      return 2 * strided
    return {'sep': 4, 'dil': 4, 'avg': 1, 'max': 1, 'con': 2}[name[:3]]

  genotype = _some(AMOEBA, 5, 25)
  wanted = [_chain(net, kernels) for net in _nets(genotype, AMOEBA)]
  costs = AMOEBA.costs(genotype)
  np.testing.assert_array_equal(costs.critical_path, wanted)
  assert (costs.kernels > costs.critical_path).all()


def test_host_and_jit_costs_agree():
  for space in (DARTS, NDS_DARTS):
    genotype = _some(space, 6, 20)
    exact = space.costs(genotype)
    rounded = jax.jit(space.costs)(jnp.asarray(genotype))
    for name, wanted in vars(exact).items():
      np.testing.assert_array_equal(wanted, wanted.round())
      np.testing.assert_allclose(getattr(rounded, name), wanted, rtol=1e-6)
    for function in (space.costs, space.op_costs):
      with pytest.raises(ValueError, match="unknown setting 'svhn'; known: ci"):
        function(genotype, setting='svhn')
      with pytest.raises(ValueError, match='row 0 has a gene outside'):
        function(-np.ones_like(genotype))


def _naslib():
  return real_data.mirror() / 'automl' / 'NASLib'


def test_darts_equals_nas_bench_suite_zero():
  path = next(
      _naslib().glob('9052f5404575*/naslib/data/zc_nasbench301.json')
  )
  rows = json.loads(path.read_text())['nasbench301']['cifar10']
  assert len(rows) == 500
  costs = DARTS.costs(DARTS.from_string(rows))
  for name in ('params', 'flops'):
    # The table is in millions.
    wanted = np.array([row[name] for row in rows.values()]) * 1e6
    np.testing.assert_array_equal(getattr(costs, name), wanted.round())


def test_darts_strings_are_those_of_nas_bench_suite_zero():
  path = next(
      _naslib().glob('ba4ffd845db5*/run/results/benchmarks/nb301_zen.zip')
  )
  with zipfile.ZipFile(path) as archive:
    strings = [
        row['arch']
        for name in archive.namelist()
        if name.endswith('.json')
        for row in json.loads(archive.read(name))
    ]
  assert len(strings) == 11221
  assert DARTS.to_string(DARTS.from_string(strings[:3000])) == strings[:3000]
