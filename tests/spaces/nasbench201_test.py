"""NAS-Bench-201: the graph, validity, isomorphism, strings and moves."""

import itertools
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasflat_jax import spaces

SPACE = spaces.NASBENCH201
ALL = np.array(list(itertools.product(range(5), repeat=6)), np.int32)
# Genes along each of the four ways from node 0 to node 3.
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))


def _live(genotype):
  live = np.zeros(6, bool)
  for path in PATHS:
    if all(genotype[gene] for gene in path):
      live[list(path)] = True
  return live


def test_live_edges_are_those_on_uncut_paths():
  expected = np.array([_live(g) for g in ALL])
  np.testing.assert_array_equal(spaces.live_edges(ALL), expected)
  traced = jax.jit(spaces.live_edges)(jnp.asarray(ALL))
  np.testing.assert_array_equal(traced, expected)


def test_decode_puts_operations_on_nodes():
  graph = SPACE.decode(ALL)
  ops, live = np.asarray(graph.ops), np.asarray(graph.live_mask)
  assert ops.shape == live.shape == (15625, 1, 8)
  np.testing.assert_array_equal(ops[:, 0, 1:7], ALL)
  assert (ops[:, 0, 0] == SPACE.spec.op_names.index('input')).all()
  assert (ops[:, 0, 7] == SPACE.spec.op_names.index('output')).all()
  np.testing.assert_array_equal(live[:, 0, 1:7], spaces.live_edges(ALL))
  np.testing.assert_array_equal(live[:, 0, 0], SPACE.is_valid(ALL))
  np.testing.assert_array_equal(live[:, 0, 7], SPACE.is_valid(ALL))
  assert graph.edge_mask.shape == (15625, 1, 10) and graph.edge_mask.all()
  assert graph.node_mask.all() and graph.encoding.shape == (15625, 0)


def test_edges_join_genes_that_share_a_node_of_the_cell():
  # Gene i is the edge cell[i]; node i + 1 of the graph stands for it.
  cell = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
  expected = {(0, i + 1) for i, (source, _) in enumerate(cell) if source == 0}
  expected |= {(i + 1, 7) for i, (_, target) in enumerate(cell) if target == 3}
  expected |= {
      (i + 1, j + 1)
      for (i, a), (j, b) in itertools.product(enumerate(cell), repeat=2)
      if a[1] == b[0]
  }
  assert set(SPACE.spec.edges) == expected and len(SPACE.spec.edges) == 10


def test_counts_of_valid_cells():
  valid = np.asarray(SPACE.is_valid(ALL))
  assert (valid.sum(), (~valid).sum()) == (15284, 341)
  assert not SPACE.is_valid(np.array([[3, 3, 3, 3, 3, 5]]))[0]
  assert not SPACE.is_valid(np.array([[-1, 3, 3, 3, 3, 3]]))[0]


def test_index_enumerates_the_space():
  np.testing.assert_array_equal(SPACE.to_index(ALL), np.arange(15625))
  np.testing.assert_array_equal(SPACE.from_index(np.arange(15625)), ALL)
  some = ALL[::977]
  np.testing.assert_array_equal(
      SPACE.to_index(some), spaces.index_of(SPACE, some)
  )


def test_strings_round_trip_over_the_whole_space_in_a_second():
  start = time.perf_counter()
  strings = SPACE.to_string(ALL)
  back = SPACE.from_string(strings)
  assert time.perf_counter() - start < 1
  np.testing.assert_array_equal(back, ALL)
  assert len(set(strings)) == 15625


def test_string_of_a_known_cell():
  string = (
      '|nor_conv_3x3~0|+|none~0|skip_connect~1|'
      '+|nor_conv_1x1~0|avg_pool_3x3~1|skip_connect~2|'
  )
  assert SPACE.to_string([[3, 0, 1, 2, 4, 1]]) == [string]
  assert SPACE.from_string([string]).tolist() == [[3, 0, 1, 2, 4, 1]]


@pytest.mark.parametrize(
    'change',
    [
        ('none', 'noon'),
        ('~1|', '~2|'),
        ('+', ''),
        ('|nor', 'nor'),
        ('~2|', '~2|\n'),
    ],
)
def test_bad_strings_are_named_with_their_place(change):
  good = SPACE.to_string([[3, 0, 1, 2, 4, 1]])[0]
  bad = good.replace(*change)
  with pytest.raises(ValueError) as error:
    SPACE.from_string([good, good, bad])
  assert 'string 2' in str(error.value) and repr(bad) in str(error.value)


def test_isomorphism_classes_of_the_paper():
  classes = np.asarray(spaces.isomorphism_class(ALL))
  np.testing.assert_array_equal(np.unique(classes), np.arange(6466))


def _function(genotype, x):
  """A cell with fixed nonlinear operations that depend on the op alone."""
  ops = (
      lambda v: 0 * v,
      lambda v: v,
      lambda v: np.tanh(1.3 * v + 0.1),
      lambda v: np.sin(v) + 0.2,
      lambda v: 1 / (1.5 + v * v),
  )
  # An operation of the benchmark maps zero to zero.
  apply = lambda op, v: np.where(v == 0, 0, ops[op](v))
  a = apply(genotype[0], x)
  b = apply(genotype[1], x) + apply(genotype[2], a)
  return (
      apply(genotype[3], x) + apply(genotype[4], a) + apply(genotype[5], b)
  )


def test_isomorphic_cells_compute_the_same_function():
  classes = np.asarray(spaces.isomorphism_class(ALL))
  x = np.array([0.3, -0.7, 1.9])
  values = np.array([_function(genotype, x) for genotype in ALL])
  representative = np.asarray(SPACE.to_index(spaces.canonical(ALL)))
  np.testing.assert_allclose(values, values[representative], atol=1e-12)
  np.testing.assert_array_equal(classes, classes[representative])
  # Different classes differ, but for zeros and the order of sums.
  assert len(np.unique(values.round(9), axis=0)) == 4930


def test_canonical_is_the_first_member_and_idempotent():
  canonical = np.asarray(jax.jit(spaces.canonical)(jnp.asarray(ALL)))
  first = np.unique(
      np.asarray(spaces.isomorphism_class(ALL)), return_index=True
  )[1]
  np.testing.assert_array_equal(np.unique(SPACE.to_index(canonical)), first)
  np.testing.assert_array_equal(spaces.canonical(canonical), canonical)
  assert (np.asarray(SPACE.to_index(canonical)) <= np.arange(15625)).all()


def test_random_is_uniform_over_the_valid_cells():
  draws = np.asarray(SPACE.to_index(SPACE.random(jax.random.key(0), 200_000)))
  counts = np.bincount(draws, minlength=15625)
  valid = np.asarray(SPACE.is_valid(ALL))
  assert counts[~valid].sum() == 0
  expected = 200_000 / 15284
  chi2 = ((counts[valid] - expected) ** 2 / expected).sum()
  assert abs(chi2 - 15283) < 5 * np.sqrt(2 * 15283)


def test_mutate_is_uniform_over_the_valid_neighbours():
  parent = np.array([0, 0, 0, 3, 0, 0], np.int32)
  child = np.asarray(
      jax.jit(SPACE.mutate)(jax.random.key(1), jnp.tile(parent, (23_000, 1)))
  )
  found, counts = np.unique(child, axis=0, return_counts=True)
  # All 24 neighbours but the cell without any path.
  assert len(found) == 23 and found.any(1).all()
  assert (abs(counts - 1000) < 5 * np.sqrt(1000)).all()


def test_crossover_falls_back_on_the_first_parent():
  a = jnp.tile(jnp.array([3, 0, 0, 0, 3, 0]), (1000, 1))
  b = jnp.tile(jnp.array([0, 3, 0, 0, 0, 3]), (1000, 1))
  child = jax.jit(SPACE.crossover)(jax.random.key(2), a, b)
  assert bool(SPACE.is_valid(child).all())
  kept = np.asarray((child == a).all(1)).mean()
  # One of 16 mixtures is a itself; 9 of 16 have no path.
  assert abs(kept - 10 / 16) < 0.08
