"""Names, exact indices and the moves shared by the spaces."""

import dataclasses
import re

import jax
import numpy as np
import pytest

from nasflat_jax import spaces

_SPACES = [spaces.get(name) for name in spaces.names()]
_IDS = spaces.names()
_each_space = pytest.mark.parametrize('space', _SPACES, ids=_IDS)
# Moves are in the contract of all; many draws of those that share no code.
_MOVED = ('nasbench201', 'fbnet', 'ofa')
_each_moved = pytest.mark.parametrize(
    'space', [spaces.get(name) for name in _MOVED], ids=_MOVED
)


def test_get_returns_the_constants():
  assert list(_IDS) == sorted(set(_IDS))
  assert spaces.get('nasbench201') is spaces.NASBENCH201
  assert spaces.get('fbnet') is spaces.FBNET
  assert spaces.get('ofa') is spaces.OFA


def test_get_lists_the_known_names():
  with pytest.raises(ValueError, match="'lstm'; known: .*fbnet, .*nasbench201"):
    spaces.get('lstm')


def test_a_public_constant_is_registered(monkeypatch):
  before = spaces.space_token('ofa', ('fbnet', 'ofa'))
  mine = spaces.FBNET._replace(
      spec=dataclasses.replace(spaces.FBNET.spec, name='mine')
  )
  monkeypatch.setattr(spaces, 'MINE', mine, raising=False)
  monkeypatch.setattr(spaces, '__all__', (*spaces.__all__, 'MINE'))
  assert spaces.get('mine') is mine and 'mine' in spaces.names()
  # What weights were trained with means the same beside a new space.
  after = spaces.space_token('ofa', ('fbnet', 'ofa'))
  np.testing.assert_array_equal(before, after)
  assert spaces.space_token('mine', spaces.names()).sum() == 1


@_each_space
def test_spec_shapes_fit_each_other(space):
  spec = space.spec
  assert len(spec.op_names) == len(spec.operators)
  assert all(s < r < spec.num_nodes for s, r in spec.edges)
  node_features = np.array(spec.node_features)
  op_features = np.array(spec.op_features)
  assert node_features.shape[0] == spec.num_nodes
  assert op_features.shape[:2] == (spec.num_nodes, len(spec.op_names))
  assert np.isfinite(op_features).all()
  assert 0.5 < op_features.max() < 2
  # Input and output have no costs, at their nodes or as operations.
  assert not op_features[[0, -1]].any() and not op_features[:, -2:].any()
  assert not node_features[[0, -1]].any()


@_each_space
def test_spec_is_static(space):
  spec = space.spec
  copy = type(spec)(**vars(spec))
  assert copy == spec and hash(copy) == hash(spec)
  traced = jax.jit(lambda x, spec: x + spec.num_genes, static_argnums=1)
  assert traced(1, spec) == 1 + spec.num_genes


def test_index_of_is_exact_beyond_64_bits():
  genes = np.zeros((2, 22), int)
  genes[0, 0], genes[0, -1] = 8, 5
  genes[1] = 8
  assert spaces.index_of(spaces.FBNET, genes) == [8 * 9**21 + 5, 9**22 - 1]
  assert 9**22 > 2**64


@_each_space
def test_genotype_of_inverts_index_of(space):
  last = spaces.num_indices(space) - 1
  numbers = [last * part // 997 for part in range(0, 998, 7)] + [last]
  genotype = spaces.genotype_of(space, numbers)
  assert spaces.index_of(space, genotype) == numbers
  assert genotype.dtype == np.int32


def test_members_are_in_the_order_of_their_numbers():
  everything = spaces.members(spaces.NASBENCH201)
  wanted = spaces.genotype_of(spaces.NASBENCH201, range(15625))
  np.testing.assert_array_equal(everything, wanted)
  with pytest.raises(ValueError, match='fbnet is too large to enumerate'):
    spaces.members(spaces.FBNET)


@_each_space
def test_indices_outside_the_space_are_named(space):
  last = spaces.num_indices(space) - 1
  for number in (-1, last + 1):
    with pytest.raises(ValueError, match=f'index {number} at place 1'):
      spaces.genotype_of(space, [last, number])


@_each_space
def test_bad_genotypes_are_named(space):
  genes = space.spec.num_genes
  bad = spaces.genotype_of(space, [0] * 3)
  bad[2, 1] = len(space.spec.gene_names)
  for function in (space.to_string, lambda g: spaces.index_of(space, g)):
    with pytest.raises(ValueError, match='row 2 has a gene outside'):
      function(bad)
    with pytest.raises(ValueError, match='row 0 has a gene outside'):
      function(-np.ones((1, genes), int))
    with pytest.raises(ValueError, match=re.escape(f'[B, {genes}], got [3]')):
      function(np.zeros(3, int))
    with pytest.raises(ValueError, match='genes are integers'):
      function(np.zeros((1, genes)))


@_each_space
def test_from_string_refuses_what_is_no_list_of_strings(space):
  with pytest.raises(ValueError, match='expected a list of strings'):
    space.from_string(space.spec.gene_names[0])
  with pytest.raises(ValueError, match='entry 0 is not a string: 3'):
    space.from_string([3])
  assert space.from_string([]).shape == (0, space.spec.num_genes)


@_each_moved
def test_moves_are_batched_and_jittable(space):
  keys = jax.random.split(jax.random.key(1), 3)
  a = jax.jit(space.random, static_argnums=1)(keys[0], 200)
  b = space.random(keys[1], 200)
  assert a.shape == (200, space.spec.num_genes) and a.dtype == np.int32
  assert (a != b).any()
  for move, parents in ((space.mutate, (a,)), (space.crossover, (a, b))):
    jitted = jax.jit(move)
    child = jitted(keys[2], *parents)
    assert child.dtype == np.int32
    np.testing.assert_array_equal(child, move(keys[2], *parents))
    assert bool(space.is_valid(child).all())
    assert (child != jitted(keys[0], *parents)).any()


@_each_moved
def test_mutate_changes_exactly_one_gene(space):
  parent = space.random(jax.random.key(2), 500)
  child = jax.jit(space.mutate)(jax.random.key(3), parent)
  changed = np.asarray(child != parent)
  np.testing.assert_array_equal(changed.sum(1), 1)
  assert changed.any(0).all()


@_each_moved
def test_crossover_mixes_genes_of_both_parents(space):
  a = space.random(jax.random.key(4), 2000)
  b = space.random(jax.random.key(5), 2000)
  child = np.asarray(jax.jit(space.crossover)(jax.random.key(6), a, b))
  a, b = np.asarray(a), np.asarray(b)
  assert ((child == a) | (child == b)).all()
  from_b = (child == b)[a != b].mean()
  assert 0.45 < from_b < 0.55


@_each_moved
def test_decode_rows_do_not_depend_on_each_other(space):
  genotype = space.random(jax.random.key(7), 5)
  decode = jax.jit(space.decode)
  whole = decode(genotype)
  for row in range(5):
    one = decode(genotype[row : row + 1])
    for name, value in vars(one).items():
      np.testing.assert_array_equal(value[0], getattr(whole, name)[row])


@_each_space
def test_decode_refuses_a_single_genotype(space):
  with pytest.raises(AssertionError, match='shape'):
    space.decode(np.zeros(space.spec.num_genes, int))
