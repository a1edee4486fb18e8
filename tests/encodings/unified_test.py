"""Encodings of all spaces: what they see, their weights and their training."""

import functools
import pathlib
import tempfile

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasflat_jax import encodings
from nasflat_jax import spaces
from nasflat_jax.encodings import _unified
from nasflat_jax.encodings import _unified_cate
from nasflat_jax.encodings import training

_MEMBERS = (spaces.NASBENCH201, spaces.TRANSNAS_MICRO)


@functools.cache
def _trained(encoding):
  return training.train_unified(
      encoding, seed=1, num_networks=40, num_epochs=1, members=_MEMBERS
  )


class UnifiedTest(parameterized.TestCase):

  @parameterized.product(
      name=('arch2vec', 'cate'),
      space=(spaces.NASBENCH201, spaces.FBNET, spaces.DARTS),
  )
  def test_serves_every_space(self, name, space):
    encode = getattr(encodings, f'unified_{name}')(space)
    genotype = space.random(jax.random.key(3), 24)
    out = np.asarray(jax.jit(encode)(genotype))
    self.assertEqual((out.shape, out.dtype), ((24, 32), np.float32))
    self.assertTrue(np.isfinite(out).all())
    self.assertLen(np.unique(out.round(3), axis=0), 24)
    # Standard deviation 1 is that of the spaces together.
    self.assertBetween(float(out.std(axis=0).mean()), 0.1, 5.0)

  @parameterized.parameters('arch2vec', 'cate')
  def test_weights_say_what_they_rebuild(self, name):
    weights = encodings._learned._weights.packaged_unified(name)
    self.assertEqual(weights.provenance['spaces'], list(spaces.names()))
    for key in ('command', 'date', 'seed', 'versions'):
      self.assertIn(key, weights.provenance)
    report = dict(weights.provenance['report'])
    report.pop('loss')
    self.assertEqual(set(report), set(spaces.names()))
    if name == 'arch2vec':
      for shares in report.values():
        self.assertGreater(shares['op'], shares['op_chance'])

  def test_equal_operations_are_equal_in_two_spaces(self):
    # A cell of NAS-Bench-201 without pooling is one of TransNASBench-101.
    cell = np.array([[3, 1, 2, 3, 0, 3]], np.int32)
    other = spaces.TRANSNAS_MICRO
    codes = {op: i for i, op in enumerate(other.spec.operators)}
    own = spaces.NASBENCH201.spec.operators
    same = np.array([[codes[own[gene]] for gene in cell[0]]], np.int32)
    for name in ('arch2vec', 'cate'):
      factory = getattr(encodings, f'unified_{name}')
      np.testing.assert_allclose(
          factory(spaces.NASBENCH201)(cell), factory(other)(same), atol=1e-4
      )

  @parameterized.parameters('arch2vec', 'cate')
  @pytest.mark.slow
  def test_training_is_repeatable_and_is_kept(self, encoding):
    weights = _trained(encoding)
    self.assertEqual(weights.space, training.UNIFIED)
    self.assertIn('transnas_micro', weights.provenance['report'])
    with tempfile.TemporaryDirectory() as folder:
      path = pathlib.Path(folder) / 'w.npz'
      training.save(path, weights)
      self.assertLess(path.stat().st_size, 300_000)
      loaded = training.load(path)
    genotype = spaces.FBNET.random(jax.random.key(0), 4)
    encoded = [
        np.asarray(training.unified_from_weights(spaces.FBNET, w)(genotype))
        for w in (weights, loaded)
    ]
    np.testing.assert_allclose(*encoded, rtol=1e-3, atol=1e-3)

  def test_refuses_weights_of_one_space(self):
    weights = encodings._learned._weights.packaged_unified('cate')
    weights = weights._replace(space='fbnet')
    with self.assertRaisesRegex(ValueError, "'fbnet', not 'unified'"):
      training.unified_from_weights(spaces.FBNET, weights)
    with self.assertRaisesRegex(ValueError, 'glove'):
      training.train_unified('glove', seed=0, num_networks=4, num_epochs=1)


class CellsTest(absltest.TestCase):

  def test_wiring_is_the_edges(self):
    space = spaces.NASBENCH201
    graph = _unified.cells(space, space.random(jax.random.key(0), 2))
    self.assertEqual(graph.inputs.shape[:3], (2, 1, 8))
    found = np.argwhere(np.asarray(graph.wiring[0, 0])).tolist()
    self.assertEqual(found, sorted(map(list, space.spec.edges)))

  def test_padding_changes_no_moment(self):
    rng = np.random.default_rng(0)
    states = rng.normal(size=(2, 1, 5, 3))
    mask = np.array([True, True, False, True, True])
    other = states.copy()
    other[:, :, 2] = 7.0
    mask = jnp.broadcast_to(mask, (2, 1, 5))
    np.testing.assert_allclose(
        _unified.moments(jnp.asarray(states), mask),
        _unified.moments(jnp.asarray(other), mask),
        rtol=1e-6,
    )
    plain = states[:, 0, [0, 1, 3, 4]].mean(axis=1)
    found = _unified.moments(jnp.asarray(states), mask)[:, :3]
    np.testing.assert_allclose(found, plain, rtol=1e-5)

  def test_a_node_sees_what_leads_to_it(self):
    wiring = jnp.zeros((1, 4, 4)).at[0, 0, 1].set(1).at[0, 1, 3].set(1)
    sees = np.asarray(_unified_cate._ancestors(wiring))[0]
    expected = np.eye(4, dtype=bool)
    expected[1, 0] = expected[3, 1] = expected[3, 0] = True
    np.testing.assert_array_equal(sees, expected)

  def test_a_pool_keeps_what_each_network_is(self):
    genotypes = [np.asarray(s.random(jax.random.key(1), 3)) for s in _MEMBERS]
    pool = _unified.pool(_MEMBERS, genotypes)
    np.testing.assert_array_equal(pool.space, [0, 0, 0, 1, 1, 1])
    ops = np.asarray(spaces.TRANSNAS_MICRO.decode(genotypes[1]).ops)[:, 0]
    for row in range(3):
      found = [pool.operators[code] for code in pool.codes[3 + row]]
      own = [spaces.TRANSNAS_MICRO.spec.operators[op] for op in ops[row]]
      self.assertEqual(found, own)


if __name__ == '__main__':
  absltest.main()
