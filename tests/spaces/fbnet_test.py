"""FBNet: the chain, its positions and its strings."""

import jax
import numpy as np
import pytest

from nasflat_jax import spaces

SPACE = spaces.FBNET
SKIP = SPACE.spec.gene_names.index('skip')


def test_decode_is_a_chain_of_layers():
  genotype = np.arange(44).reshape(2, 22) % 9
  graph = SPACE.decode(genotype)
  assert graph.ops.shape == (2, 1, 24)
  np.testing.assert_array_equal(graph.ops[:, 0, 1:-1], genotype)
  names = SPACE.spec.op_names
  assert names[graph.ops[0, 0, 0]] == 'input'
  assert names[graph.ops[1, 0, -1]] == 'output'
  assert SPACE.spec.edges == tuple((i, i + 1) for i in range(23))
  assert graph.edge_mask.shape == (2, 1, 23) and graph.edge_mask.all()
  assert graph.node_mask.all() and graph.live_mask.all()
  assert graph.encoding.shape == (2, 0)


def test_space_is_too_large_for_an_index():
  assert SPACE.to_index is None and SPACE.from_index is None
  assert SPACE.spec.size is None


def test_is_valid_looks_at_the_range():
  genotype = np.zeros((3, 22), int)
  genotype[1, 4], genotype[2, 21] = -1, 9
  np.testing.assert_array_equal(SPACE.is_valid(genotype), [True, False, False])


def test_random_is_uniform_per_gene():
  genotype = np.asarray(SPACE.random(jax.random.key(0), 9000))
  counts = (genotype[:, :, None] == np.arange(9)).sum(0)
  assert (abs(counts - 1000) < 5 * np.sqrt(1000)).all()


def test_mutate_is_uniform_over_neighbours():
  parent = np.full((88_000, 22), SKIP)
  child = np.asarray(SPACE.mutate(jax.random.key(1), parent))
  counts = (child[:, :, None] == np.arange(8)).sum(0)
  assert counts.sum() == 88_000
  assert (abs(counts - 500) < 5 * np.sqrt(500)).all()


def test_strings_round_trip():
  genotype = np.asarray(SPACE.random(jax.random.key(2), 300))
  strings = SPACE.to_string(genotype)
  np.testing.assert_array_equal(SPACE.from_string(strings), genotype)
  string = '|'.join(['k3_e1', 'k5_e1_g2', *['skip'] * 20])
  assert SPACE.from_string([string]).tolist() == [[0, 5, *[8] * 20]]


@pytest.mark.parametrize(
    'bad', ['|'.join(['skip'] * 21), '|'.join(['skip'] * 21 + ['k7_e1']), '']
)
def test_bad_strings_are_named_with_their_place(bad):
  good = '|'.join(['skip'] * 22)
  with pytest.raises(ValueError) as error:
    SPACE.from_string([good, bad])
  assert 'string 1' in str(error.value) and repr(bad) in str(error.value)


def test_node_features_follow_the_macro_architecture():
  features = np.array(SPACE.spec.node_features)[1:-1]
  channels = [16] + [24] * 4 + [32] * 4 + [64] * 4 + [112] * 4 + [184] * 4
  channels += [352]
  sizes = [32] * 6 + [16] * 4 + [8] * 8 + [4] * 4
  np.testing.assert_allclose(
      features[:, 0], np.log([16, *channels[:-1]]) / 6, atol=1e-6
  )
  np.testing.assert_allclose(features[:, 1], np.log(channels) / 6, atol=1e-6)
  strides = np.ones(22)
  strides[[5, 9, 17]] = 2
  np.testing.assert_allclose(features[:, 2], strides / 2)
  np.testing.assert_allclose(features[:, 3], np.log(sizes) / 6, atol=1e-6)
  assert (np.diff(features[:, 4]) > 0).all() and features[-1, 4] == 1


def test_skip_is_free_exactly_where_shapes_agree():
  features = np.array(SPACE.spec.op_features)[1:-1, SKIP]
  paid = np.flatnonzero(features.any(1))
  np.testing.assert_array_equal(paid, [1, 5, 9, 13, 17, 21])
