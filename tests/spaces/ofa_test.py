"""Once-for-All: the chain, its depths, its moves, strings and numbers."""

import jax
import numpy as np
import pytest

from nasflat_jax import spaces

SPACE = spaces.OFA
SPEC = SPACE.spec
SKIP = SPEC.gene_names.index('skip')
R128 = SPEC.gene_names.index('r128')
LOW, HIGH = np.array(SPEC.gene_ranges).T


def _full(block=0, resolution=128):
  """One genotype `[21]` of full depth."""
  return np.array([R128 + (resolution - 128) // 4, *[block] * 20])


def _random(seed, n):
  return np.array(SPACE.random(jax.random.key(seed), n))


def _stages(genotype):
  return genotype[:, 1:].reshape(-1, 5, 4)


def _valid_by_words(genes):
  """The definition, gene by gene."""
  names = SPEC.gene_names
  if any(not 0 <= gene < len(names) for gene in genes):
    return False
  words = [names[gene] for gene in genes]
  if not words[0].startswith('r') or any(w.startswith('r') for w in words[1:]):
    return False
  for stage in range(5):
    missing = [w == 'skip' for w in words[1 + 4 * stage : 5 + 4 * stage]]
    if missing[:2] != [False] * 2 or missing != sorted(missing):
      return False
  return True


def test_vocabulary():
  assert SPEC.gene_names[:SKIP] == (
      'k3_e3', 'k3_e4', 'k3_e6', 'k5_e3', 'k5_e4', 'k5_e6',
      'k7_e3', 'k7_e4', 'k7_e6',
  )  # fmt: skip
  assert SPEC.gene_names[SKIP:12] == ('skip', 'r128', 'r132')
  assert SPEC.gene_names[-1] == 'r224' and len(SPEC.gene_names) == 35
  assert len(set(SPEC.gene_names)) == 35
  np.testing.assert_array_equal(LOW, [10] + [0] * 20)
  np.testing.assert_array_equal(HIGH, [35] + [9, 9, 10, 10] * 5)


def test_decode_is_a_chain_from_the_resolution_on():
  genotype = _random(0, 3)
  graph = SPACE.decode(genotype)
  assert graph.ops.shape == (3, 1, 23)
  np.testing.assert_array_equal(graph.ops[:, 0, 1:-1], genotype)
  assert SPEC.op_names[graph.ops[0, 0, 0]] == 'input'
  assert SPEC.op_names[graph.ops[2, 0, -1]] == 'output'
  assert SPEC.edges == tuple((i, i + 1) for i in range(22))
  assert graph.edge_mask.shape == (3, 1, 22) and graph.edge_mask.all()
  assert graph.node_mask.all() and graph.live_mask.all()
  assert graph.encoding.shape == (3, 0)


def test_features_follow_the_macro_architecture():
  # ofa_mbv3_d234_e346_k357_w1.2; sizes of 176 x 176 images.
  channels = [24] + [32] * 4 + [48] * 4 + [96] * 4 + [136] * 4 + [192] * 4
  sizes = [176, 88, *[44] * 4, *[22] * 4, *[11] * 8, *[6] * 3]
  strides = np.ones(21)
  strides[[0, 1, 5, 9, 17]] = 2
  features = np.array(SPEC.node_features)[1:-1]
  expected = [
      np.log([3, *channels[:-1]]) / 6,
      np.log(channels) / 6,
      strides / 2,
      np.log(sizes) / 6,
      np.arange(1, 22) / 21,
  ]
  np.testing.assert_allclose(features, np.stack(expected, 1), atol=1e-6)
  # Codes out of a gene's range and skips have no costs, all others have.
  paid = np.array(SPEC.op_features)[1:-1, :-2].any(-1)
  codes = np.arange(35)
  allowed = (codes >= LOW[:, None]) & (codes < HIGH[:, None])
  np.testing.assert_array_equal(paid, allowed & (codes != SKIP))


def test_is_valid_follows_the_definition():
  rng = np.random.default_rng(0)
  # Valid ones, with up to three genes put out of place.
  genotype = _random(1, 2000)
  for _ in range(3):
    gene = rng.integers(21, size=2000)
    wild = rng.choice([-1, 0, SKIP, SKIP, SKIP, R128, 34, 35], 2000)
    moved = rng.random(2000) < 0.3
    genotype[moved, gene[moved]] = wild[moved]
  expected = [_valid_by_words(row) for row in genotype.tolist()]
  assert 0.2 < np.mean(expected) < 0.8
  np.testing.assert_array_equal(SPACE.is_valid(genotype), expected)


@pytest.mark.parametrize(
    'stage, valid',
    [
        ((0, 0, 0, 0), True),
        ((8, 8, 8, 9), True),
        ((0, 8, 9, 9), True),
        ((0, 0, 9, 0), False),  # a block after the end of its stage
        ((0, 9, 9, 9), False),  # a stage of one
        ((9, 0, 0, 0), False),
        ((0, 0, 0, 10), False),  # a resolution for a block
    ],
)
def test_depth_of_a_stage(stage, valid):
  for place in range(5):
    genotype = _full()
    genotype[1 + 4 * place : 5 + 4 * place] = stage
    assert bool(SPACE.is_valid(genotype[None])[0]) is valid


def test_random_is_uniform_in_each_choice():
  n = 9000
  genotype = _random(2, n)
  assert np.asarray(SPACE.is_valid(genotype)).all()
  def close(counts, expected):
    assert (abs(counts - expected) < 5 * np.sqrt(expected)).all()
  close(np.bincount(genotype[:, 0])[R128:], n / 25)
  stages = _stages(genotype)
  depth = (stages != SKIP).sum(-1)
  for stage in range(5):
    close(np.bincount(depth[:, stage], minlength=5)[2:], n / 3)
    for place in range(4):
      blocks = stages[:, stage, place]
      blocks = blocks[blocks != SKIP]
      close(np.bincount(blocks, minlength=9), len(blocks) / 9)
  # Depths of stages are independent: 9 pairs, alike.
  close(np.bincount(3 * depth[:, 0] + depth[:, 4] - 8), n / 9)


def _neighbours(genes):
  """Every valid genotype that differs in one gene."""
  found = set()
  for gene in range(21):
    for code in range(35):
      child = [*genes[:gene], code, *genes[gene + 1 :]]
      if code != genes[gene] and _valid_by_words(child):
        found.add(tuple(child))
  return found


@pytest.mark.parametrize('depths', [(4, 4, 4, 4, 4), (2, 3, 4, 2, 3)])
def test_mutate_is_uniform_over_the_valid_neighbours(depths):
  parent = _full(4, 160)
  for stage, depth in enumerate(depths):
    parent[1 + 4 * stage + depth : 5 + 4 * stage] = SKIP
  expected = _neighbours(parent.tolist())
  # 24 resolutions; 8 other blocks for each, a skip for the last one of
  # stages 3 or 4 deep; 9 blocks for the first missing one of 2 or 3 deep.
  count = 24 + sum(
      8 * depth + (depth > 2) + 9 * (depth < 4) for depth in depths
  )
  assert len(expected) == count
  rows = 40 * count
  children = np.asarray(
      jax.jit(SPACE.mutate)(jax.random.key(3), np.tile(parent, (rows, 1)))
  )
  found, counts = np.unique(children, axis=0, return_counts=True)
  assert {tuple(child) for child in found.tolist()} == expected
  assert (abs(counts - 40) < 5.5 * np.sqrt(40)).all()


def test_mutations_change_one_gene_and_reach_any_depth():
  genotype = _random(4, 300)
  seen = set()
  for step in range(60):
    child = np.asarray(SPACE.mutate(jax.random.key(step), genotype))
    np.testing.assert_array_equal((child != genotype).sum(1), 1)
    assert np.asarray(SPACE.is_valid(child)).all()
    genotype = child
    seen |= set(np.unique((_stages(child)[0] != SKIP).sum(-1)).tolist())
  assert seen == {2, 3, 4}


def test_crossover_of_valid_parents_is_valid():
  a, b = _random(5, 4000), _random(6, 4000)
  child = np.asarray(jax.jit(SPACE.crossover)(jax.random.key(7), a, b))
  assert np.asarray(SPACE.is_valid(child)).all()
  assert ((child == a) | (child == b)).all()
  # The repair must not make either parent, or any gene, the favourite.
  for gene in range(21):
    differs = a[:, gene] != b[:, gene]
    from_a = (child[differs, gene] == a[differs, gene]).mean()
    assert 0.45 < from_a < 0.55
  # Without it, about one stage in 12 would come out broken.
  depths = [(_stages(x) != SKIP).sum(-1) for x in (a, b, child)]
  assert (depths[0] != depths[1]).mean() > 0.6
  inherited = (depths[2] == depths[0]) | (depths[2] == depths[1])
  assert 0.9 < inherited.mean() < 1  # 2 and 4 deep may meet at 3


def test_strings_round_trip():
  genotype = _random(8, 300)
  strings = SPACE.to_string(genotype)
  np.testing.assert_array_equal(SPACE.from_string(strings), genotype)
  assert SPACE.from_string(strings).dtype == np.int32
  stage = 'k3_e3|k7_e6|k5_e4|skip'
  string = '|'.join(['r224', *[stage] * 5])
  (genes,) = SPACE.from_string([string]).tolist()
  assert genes == [34, *[0, 8, 4, 9] * 5]
  assert SPACE.to_string([genes]) == [string]


_BLOCKS = ['k3_e3'] * 20


@pytest.mark.parametrize(
    'words',
    [
        ['r128', *_BLOCKS[1:]],
        ['r130', *_BLOCKS],
        ['r228', *_BLOCKS],
        ['k3_e3', *_BLOCKS],
        ['r128', 'k9_e3', *_BLOCKS[1:]],
        ['r128', 'r128', *_BLOCKS[1:]],
        ['r128', 'skip', *_BLOCKS[1:]],
        ['r128', *_BLOCKS[:2], 'skip', *_BLOCKS[3:]],
        [''],
    ],
)
def test_bad_strings_are_named_with_their_place(words):
  bad, good = '|'.join(words), '|'.join(['r128', *_BLOCKS])
  with pytest.raises(ValueError, match='ofa: string 1 is not an arch') as error:
    SPACE.from_string([good, bad])
  assert repr(bad) in str(error.value)


def test_numbers_are_exact_and_leave_no_gap():
  size = 25 * (9 * 9 * 10 * 10) ** 5
  assert spaces.num_indices(SPACE) == size > 2**64
  genotype = _random(9, 200)
  numbers = spaces.index_of(SPACE, genotype)
  np.testing.assert_array_equal(spaces.genotype_of(SPACE, numbers), genotype)
  # Every number is a genotype in range, the first and the last included.
  rng = np.random.default_rng(1)
  drawn = [0, size - 1, *(int(x * size) for x in rng.random(200))]
  back = spaces.genotype_of(SPACE, drawn)
  assert ((back >= LOW) & (back < HIGH)).all()
  assert spaces.index_of(SPACE, back) == drawn
  np.testing.assert_array_equal(back[0], _full())
  np.testing.assert_array_equal(back[1], HIGH - 1)
  # By hand: resolution, one gene of base 9, one of base 10.
  genes = _full(0, 132)
  genes[[18, 20]] = 5, 7
  assert spaces.index_of(SPACE, genes[None]) == [8100**5 + 5 * 100 + 7]
  for number in (-1, size):
    with pytest.raises(ValueError, match=f'index {number} at place 1 .*0..'):
      spaces.genotype_of(SPACE, [0, number])


@pytest.mark.parametrize(
    'gene, code, message',
    [
        (0, 9, '10..34'), (0, 35, '10..34'), (1, SKIP, '0..8'),
        (3, R128, '0..9'), (20, -1, '0..9'),
    ],
)
def test_genes_out_of_their_range_are_named(gene, code, message):
  bad = np.tile(_full(), (3, 1))
  bad[2, gene] = code
  for function in (SPACE.to_string, lambda g: spaces.index_of(SPACE, g)):
    with pytest.raises(ValueError, match=f'row 2 .* outside {message}: '):
      function(bad)


def test_settings_round_trip():
  genotype = _random(10, 500)
  settings = spaces.ofa_settings(genotype)
  np.testing.assert_array_equal(spaces.ofa_genotype(settings), genotype)
  assert set(np.unique(settings.resolution)) == set(range(128, 225, 4))
  there = np.arange(4) < settings.depth[..., None]
  for values, choices in (
      (settings.kernel, (3, 5, 7)), (settings.expansion, (3, 4, 6)),
  ):
    values = values.reshape(-1, 5, 4)
    assert set(np.unique(values[there])) == set(choices)
    assert not values[~there].any()
  strings = SPACE.to_string(genotype)
  for row in range(20):
    words = strings[row].split('|')
    assert words[0] == f'r{settings.resolution[row]}'
    for word, k, e in zip(
        words[1:], settings.kernel[row], settings.expansion[row], strict=True
    ):
      assert word == (f'k{k}_e{e}' if k else 'skip')


def test_blocks_beyond_the_depth_do_not_matter():
  settings = spaces.OfaSettings(
      kernel=np.full((2, 20), 5),
      expansion=np.full((2, 20), 4),
      depth=np.array([[3] * 5] * 2),
      resolution=np.array([128, 128]),
  )
  settings.kernel[1, 3::4] = 7
  settings.expansion[1, 3::4] = 0
  first, second = spaces.ofa_genotype(settings)
  np.testing.assert_array_equal(first, second)
  np.testing.assert_array_equal(first[1:], [4, 4, 4, SKIP] * 5)


@pytest.mark.parametrize(
    'field, value, message',
    [
        ('kernel', 4, 'kernel 4 is not one of 3, 5, 7'),
        ('expansion', 5, 'expansion 5 is not one of 3, 4, 6'),
        ('depth', 1, 'depth 1 is not one of 2, 3, 4'),
        ('resolution', 130, 'resolution 130 is not one of 128, 132'),
    ],
)
def test_settings_out_of_the_space_are_named(field, value, message):
  settings = spaces.ofa_settings(_full()[None])
  wrong = np.array(getattr(settings, field))
  wrong.flat[0] = value
  with pytest.raises(ValueError, match=message):
    spaces.ofa_genotype(settings._replace(**{field: wrong}))
  with pytest.raises(ValueError, match=f'{field} has shape'):
    spaces.ofa_genotype(settings._replace(**{field: wrong[..., None]}))
