"""NAS-Bench-101: validity, pruning, hash, strings, costs, moves."""

import ast
import itertools
import json
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasflat_jax import spaces
import real_data

SPACE = spaces.NASBENCH101
SPEC = SPACE.spec
NAMES = list(SPEC.gene_names)
EDGE, NO_EDGE = NAMES.index('edge'), NAMES.index('no_edge')
ABSENT = NAMES.index('absent')
# The Inception-like cell of the benchmark's example, NASLib's codes.
INCEPTION = str((
    *(0, 1, 1, 1, 0, 1, 0), *(0, 0, 0, 0, 0, 0, 1), *(0, 0, 0, 0, 0, 0, 1),
    *(0, 0, 0, 0, 1, 0, 0), *(0, 0, 0, 0, 0, 0, 1), *(0, 0, 0, 0, 0, 0, 1),
    *(0, 0, 0, 0, 0, 0, 0), *(0, 3, 4, 4, 4, 2, 1),
))  # fmt: skip
# The first cell of the published table, in order of the hash.
FIRST = str((
    *(0, 1, 0, 0, 1, 1, 0), *(0, 0, 1, 0, 0, 0, 0), *(0, 0, 0, 1, 0, 0, 1),
    *(0, 0, 0, 0, 0, 1, 0), *(0, 0, 0, 0, 0, 1, 0), *(0, 0, 0, 0, 0, 0, 1),
    *(0, 0, 0, 0, 0, 0, 0), *(0, 4, 2, 4, 4, 3, 1),
))  # fmt: skip


def _random(seed, n):
  return np.array(SPACE.random(jax.random.key(seed), n))


def _matrices(genotype):
  """`[B, 7, 7]` adjacency as the genes say it."""
  matrix = np.zeros((len(genotype), 7, 7), int)
  matrix[(slice(None), *np.triu_indices(7, 1))] = genotype[:, :21] == EDGE
  return matrix


def _live(matrix):
  """`[7]` vertices on a path, by search."""

  def reach(start, neighbours):
    seen, todo = {start}, [start]
    while todo:
      for v in neighbours(todo.pop()):
        if v not in seen:
          seen.add(v)
          todo.append(v)
    return seen

  forward = reach(0, lambda v: np.flatnonzero(matrix[v]).tolist())
  backward = reach(6, lambda v: np.flatnonzero(matrix[:, v]).tolist())
  live = forward & backward
  return [v in live for v in range(7)]


def _genes(edges, ops):
  """One genotype from `(sender, receiver)` pairs and five codes."""
  matrix = np.full((7, 7), NO_EDGE)
  matrix[tuple(np.transpose(edges))] = EDGE
  return np.array([*matrix[np.triu_indices(7, 1)], *ops])


def test_published_hashes_and_parameters():
  genotype = SPACE.from_string([INCEPTION, FIRST])
  assert spaces.nasbench101_hash(genotype) == [
      '28cfc7874f6d200472e1a9dcd8650aa0', '00005c142e6f48ac74fdcf73e3439874',
  ]  # fmt: skip
  assert SPACE.costs(genotype).params.tolist() == [2694282, 8555530]


def test_cells_of_four_vertices_are_the_published_91():
  strings = []
  for bits in itertools.product((0, 1), repeat=6):
    matrix = np.zeros((4, 4), int)
    matrix[np.triu_indices(4, 1)] = bits
    for ops in itertools.product((2, 3, 4), repeat=2):
      strings.append(str((*matrix.ravel().tolist(), 0, *ops, 1)))
  valid = []
  for string in strings:  # from_string refuses cells without a path
    values = ast.literal_eval(string)
    m = np.array(values[:16]).reshape(4, 4)
    if np.linalg.matrix_power(m + np.eye(4, dtype=int), 3)[0, 3]:
      valid.append(string)
  with pytest.raises(ValueError, match='string 0 is not an architecture'):
    SPACE.from_string(strings)
  hashes = spaces.nasbench101_hash(SPACE.from_string(valid))
  assert len(set(hashes)) == 91


def test_hash_is_invariant_under_relabelling_and_pruning():
  genotype = _random(0, 120)
  hashes = spaces.nasbench101_hash(genotype)
  rng = np.random.default_rng(0)
  moved, kept = [], []
  for place, matrix in enumerate(_matrices(genotype)):
    for inner in rng.permutation(list(itertools.permutations(range(1, 6)))):
      order = [0, *inner, 6]
      swapped = matrix[np.ix_(order, order)]
      if not np.tril(swapped).any() and (inner != range(1, 6)).any():
        ops = genotype[place, 21:][inner - 1]
        moved.append(_genes(np.argwhere(swapped), ops))
        kept.append(hashes[place])
        break
  assert len(moved) > 50
  assert spaces.nasbench101_hash(np.array(moved)) == kept
  pruned = spaces.nasbench101_pruned(genotype)
  assert bool(SPACE.is_valid(pruned).all())
  assert spaces.nasbench101_hash(pruned) == hashes
  np.testing.assert_array_equal(spaces.nasbench101_pruned(pruned), pruned)
  for name in ('params', 'flops', 'kernels', 'critical_path'):
    np.testing.assert_array_equal(
        getattr(SPACE.costs(pruned), name),
        getattr(SPACE.costs(genotype), name),
    )
  # Another operation on a live vertex is another cell.
  other = pruned.copy()
  other[:, 21] = (other[:, 21] + 1) % 3
  has_vertex = pruned[:, 21] != ABSENT
  assert not any(
      a == b
      for a, b, there in zip(
          hashes, spaces.nasbench101_hash(other), has_vertex, strict=True
      )
      if there
  )


def test_decode_prunes():
  genotype = _random(1, 60)
  graph = SPACE.decode(genotype)
  matrices = _matrices(genotype)
  live = np.array([_live(m) for m in matrices])
  assert not live.all() and live.any(0).all()
  np.testing.assert_array_equal(graph.live_mask[:, 0], live)
  np.testing.assert_array_equal(graph.node_mask[:, 0], live)
  wanted = matrices * live[:, :, None] * live[:, None]
  senders, receivers = np.transpose(SPEC.edges)
  np.testing.assert_array_equal(
      graph.edge_mask[:, 0], wanted[:, senders, receivers] == 1
  )
  ops = np.asarray(graph.ops[:, 0])
  np.testing.assert_array_equal(
      ops[:, 1:6], np.where(live[:, 1:6], genotype[:, 21:], ABSENT)
  )
  assert {SPEC.op_names[op] for op in ops[:, 0]} == {'input'}
  assert {SPEC.op_names[op] for op in ops[:, 6]} == {'output'}


def test_is_valid_follows_the_definition():
  rng = np.random.default_rng(0)
  genotype = _random(2, 1500)
  sparse = rng.random(genotype.shape) < 0.08
  genotype[:, :21][sparse[:, :21]] = EDGE
  genotype[:, 25][sparse[:, 21]] = ABSENT
  genotype[:, 24][sparse[:, 22]] = ABSENT
  wild = rng.random(1500) < 0.1
  genotype[wild, rng.integers(26, size=wild.sum())] = rng.choice(
      [-1, 0, ABSENT, EDGE, 6], wild.sum()
  )
  expected = []
  for row, matrix in zip(genotype, _matrices(genotype), strict=True):
    absent = [op == ABSENT for op in row[21:]]
    live = np.array(_live(matrix))
    stray = any(
        absent[v - 1] and (matrix[v].any() or matrix[:, v].any())
        for v in range(1, 6)
    )
    expected.append(
        all(gene in (NO_EDGE, EDGE) for gene in row[:21])
        and all(0 <= op <= ABSENT for op in row[21:])
        and absent == sorted(absent)
        and not stray
        and bool(live[0])
        and matrix[np.ix_(live, live)].sum() <= 9
    )
  assert 0.2 < np.mean(expected) < 0.8
  np.testing.assert_array_equal(SPACE.is_valid(genotype), expected)


def test_strings_of_small_cells():
  strings = [
      '(0, 1, 0, 0, 0, 1)',
      '(0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 3, 1)',
      INCEPTION,
  ]
  genotype = SPACE.from_string(strings)
  assert SPACE.to_string(genotype) == strings
  np.testing.assert_array_equal(
      (genotype[:, 21:] == ABSENT).sum(1), [5, 4, 0]
  )
  # Three to four operations: absent vertices come last, the output stays.
  np.testing.assert_array_equal(
      _matrices(genotype)[1].nonzero(), [[0, 0, 1], [1, 6, 6]]
  )
  again = SPACE.from_string([INCEPTION.replace(' ', '')])
  np.testing.assert_array_equal(again[0], genotype[2])


@pytest.mark.parametrize(
    'wrong',
    [
        '(0, 1, 0, 0, 0)',
        '(0, 0, 0, 0, 0, 1)',  # no path
        '(0, 1, 1, 0, 0, 1)',  # not upper triangular
        '(0, 2, 0, 0, 0, 1)',
        '(0, 1, 0, 0, 1, 0)',  # output first
        '(0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 5, 1)',
        '(0, 1.0, 0, 0, 0, 1)',
        'import os',
        '7',
    ],
)
def test_wrong_strings_are_named(wrong):
  with pytest.raises(ValueError, match='string 1 is not an architecture'):
    SPACE.from_string([INCEPTION, wrong])


def test_costs_of_a_cell_counted_by_hand():
  # 0->1->6, 0->6: a 3x3 convolution beside the projected input.
  genotype = _genes([(0, 1), (1, 6), (0, 6)], [0, *[ABSENT] * 4])[None]
  costs = SPACE.costs(genotype)
  macs = 27 * 128 * 1024 + 5120
  params = 27 * 128 + 256 + 5130
  for before, wide, area in ((128, 128, 1024), (128, 256, 256), (256, 512, 64)):
    weights = 2 * (before + 2 * wide) * wide + 3 * 9 * wide**2
    macs += weights * area
    params += weights + 3 * 3 * 2 * wide
  assert costs.multiply_adds[0] == macs
  assert costs.params[0] == params
  # Two projections, a convolution and an addition a cell; the longest chain
  # is projection, convolution, addition.
  assert costs.kernels[0] == 9 * 4 + 5
  assert costs.critical_path[0] == 9 * 3 + 5
  parts = SPACE.op_costs(genotype)
  rest = 27 * 128 + 256 + 5130
  assert parts.params[0].sum() == params - rest
  assert set(np.flatnonzero(parts.params[0])) == {0, 5, 21}


def test_critical_path_waits_for_sums():
  # Vertex 4 adds 1, 2, 3 and the input; 4 and 5 are concatenated.
  edges = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4), (0, 4), (4, 6)]
  genotype = _genes(edges, [0, 0, 0, 2, ABSENT])[None]
  costs = SPACE.costs(genotype)
  # Projection, convolution, three additions, pooling.
  assert costs.critical_path[0] == 9 * 6 + 5
  assert costs.kernels[0] == 9 * (4 + 3 + 3 + 1) + 5


def test_host_and_jit_costs_agree():
  genotype = _random(3, 20)
  for function in (SPACE.costs, SPACE.op_costs):
    exact = function(genotype)
    rounded = jax.jit(function)(jnp.asarray(genotype))
    for name, wanted in vars(exact).items():
      assert wanted.dtype == np.float64
      np.testing.assert_array_equal(wanted, wanted.round())
      np.testing.assert_allclose(getattr(rounded, name), wanted, rtol=1e-6)
    with pytest.raises(ValueError, match="unknown setting 'svhn'"):
      function(genotype, setting='svhn')
    with pytest.raises(ValueError, match='row 0 has a gene outside'):
      function(np.zeros((1, 26), int))


def test_mutation_reaches_every_gene_and_absent_vertices():
  small = SPACE.from_string(['(0, 1, 0, 0, 0, 1)'])
  parents = jnp.asarray(np.repeat(small, 200, axis=0))
  child = np.asarray(SPACE.mutate(jax.random.key(0), parents))
  changed = (child != parents).sum(1)
  np.testing.assert_array_equal(changed, 1)
  # The only moves give vertex 1 an operation.
  assert set(child[:, 21]) == {0, 1, 2}


def test_equals_nas_bench_suite_zero():
  path = real_data.mirror().glob(
      'automl/NASLib/9052f5404575*/naslib/data/zc_nasbench101.json'
  )
  rows = json.loads(next(path).read_text())['nasbench101']['cifar10']
  genotype = SPACE.from_string(rows)
  assert len(rows) == 500 and SPACE.to_string(genotype) == list(rows)
  costs = SPACE.costs(genotype)
  for name in ('params', 'flops'):
    # The table is in millions.
    wanted = np.array([row[name] for row in rows.values()]) * 1e6
    np.testing.assert_array_equal(getattr(costs, name), wanted.round())
  # Half of the draws prune to a cell of another draw.
  assert len(set(spaces.nasbench101_hash(genotype))) == 292


def test_equals_ec_nas():
  """4,310 further cells, of 3 to 7 vertices, with parameter counts."""
  path = next(real_data.mirror().glob('raghavian/*/*/7v_data.pt'))
  with zipfile.ZipFile(path) as archive:  # raw storages, no unpickling
    edges, ops, _, params = (
        np.frombuffer(archive.read(f'archive/data/{i}'), kind)
        for i, kind in enumerate(('<i8', '<i8', '<f4', '<i8'))
    )
  edges, ops = edges.reshape(-1, 7, 7), ops.reshape(-1, 7)
  # Its codes 1 to 5: input, conv 1x1, conv 3x3, max pooling, output.
  codes = np.array([-1, 0, 3, 4, 2, 1])
  strings = []
  for matrix, row in zip(edges, ops, strict=True):
    n = row.tolist().index(5) + 1
    cell = (*matrix[:n, :n].ravel().tolist(), *codes[row[:n]].tolist())
    strings.append(str(cell))
  costs = SPACE.costs(SPACE.from_string(strings))
  np.testing.assert_array_equal(costs.params, params)
  assert len(params) == 4310


def test_strings_are_those_of_nas_bench_suite_zero():
  path = next(
      real_data.mirror().glob(
          'automl/NASLib/ba4ffd845db5*/run/results/benchmarks/nb101_zen.zip'
      )
  )
  with zipfile.ZipFile(path) as archive:
    name = 'zen/benchmark--nasbench101--cifar10--8750.json'
    strings = [row['arch'] for row in json.loads(archive.read(name))]
  genotype = SPACE.from_string(strings)
  assert SPACE.to_string(genotype) == strings
  # They are pruned and tell cells apart.
  np.testing.assert_array_equal(spaces.nasbench101_pruned(genotype), genotype)
  assert len(set(spaces.nasbench101_hash(genotype))) == len(strings) == 250
