"""FLAN's network against float64, and what it shares between spaces."""

import dataclasses
import functools

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np
import numpy_flan

from nasflat_jax import encodings
from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import types

_SPACES = {'nasbench201': spaces.NASBENCH201, 'fbnet': spaces.FBNET}
_BATCH = 3


def _devices(size=_BATCH):
  return types.Devices(
      index=jnp.zeros(size, jnp.int32), reference=jnp.zeros((size, 0))
  )


@functools.cache
def _architectures(space, encoding='none'):
  """Random architectures, some of whose edges are missing."""
  space = _SPACES[space]
  genotype = space.random(jax.random.key(5), _BATCH)
  architectures = space.decode(genotype)
  rng = np.random.default_rng(0)
  shape = architectures.edge_mask.shape
  return dataclasses.replace(
      architectures,
      edge_mask=jnp.asarray(rng.random(shape) < 0.8),
      encoding=getattr(encodings, encoding)(space)(genotype),
  )


@functools.cache
def _case(space, encoding='none', **keywords):
  """A predictor, parameters off every special value, and a jitted apply."""
  predictor = predictors.flan(_SPACES[space].spec, **keywords)
  shapes = jax.eval_shape(
      predictor.init,
      jax.random.key(0),
      _architectures(space, encoding),
      _devices(),
  )
  rng = np.random.default_rng(1)

  def draw(leaf):
    scale = np.sqrt(leaf.shape[-2] / 2) if len(leaf.shape) > 1 else 1.0
    return jnp.asarray(rng.normal(size=leaf.shape) / scale, jnp.float32)

  return predictor, jax.tree.map(draw, shapes), jax.jit(predictor.apply)


class ForwardTest(parameterized.TestCase):

  @parameterized.parameters(
      ('nasbench201', 'none', 2), ('nasbench201', 'costs', 1),
      ('fbnet', 'costs', 2),
  )
  def test_matches_float64(self, space, encoding, time_steps):
    _, params, apply = _case(space, encoding, time_steps=time_steps)
    architectures = _architectures(space, encoding)
    spec = _SPACES[space].spec
    double = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
    names = ('ops', 'edge_mask', 'node_mask', 'live_mask', 'encoding')
    expected = [
        numpy_flan.network(
            double,
            spec,
            spaces.operator_attributes(spec).astype(np.float64),
            0,
            {n: np.asarray(getattr(architectures, n)[i]) for n in names},
            time_steps=time_steps,
        )
        for i in range(_BATCH)
    ]
    self.assertGreater(np.std(expected), 1e-3)
    scores = apply(params, architectures, _devices())
    np.testing.assert_allclose(scores, expected, rtol=2e-4, atol=2e-4)

  def test_dead_operations_change_nothing(self):
    _, params, apply = _case('nasbench201')
    # 0->1 is conv3x3 and leads nowhere: both edges out of node 1 are none.
    cells = spaces.NASBENCH201.decode(
        jnp.array([[3, 2, 0, 1, 0, 3], [4, 2, 0, 1, 0, 3], [4, 2, 1, 1, 0, 3]])
    )
    a, b, c = np.asarray(apply(params, cells, _devices()))
    self.assertEqual(a, b)
    self.assertNotAlmostEqual(a, c, places=4)

  def test_skips_are_contracted(self):
    _, params, apply = _case('nasbench201')
    # in -> conv3x3 -> out, by 0->3, or with skips before or after it.
    cells = spaces.NASBENCH201.decode(
        jnp.array([[0, 0, 0, 3, 0, 0], [1, 0, 0, 0, 3, 0], [0, 3, 0, 0, 0, 1]])
    )
    scores = np.asarray(apply(params, cells, _devices()))
    np.testing.assert_allclose(scores, scores[0], rtol=1e-5)

  def test_a_cell_without_a_path_has_a_finite_score(self):
    _, params, apply = _case('nasbench201')
    cells = spaces.NASBENCH201.decode(jnp.zeros((_BATCH, 6), jnp.int32))
    self.assertTrue(np.isfinite(apply(params, cells, _devices())).all())

  def test_dead_operations_count_unless_pruned(self):
    _, params, apply = _case('nasbench201', prune=False)
    cells = spaces.NASBENCH201.decode(
        jnp.array([[3, 2, 0, 1, 0, 3], [4, 2, 0, 1, 0, 3], [4, 2, 1, 1, 0, 3]])
    )
    a, b, _ = np.asarray(apply(params, cells, _devices()))
    self.assertNotAlmostEqual(a, b, places=4)


class SharingTest(absltest.TestCase):

  def test_parameters_of_one_space_serve_another(self):
    among = ('nasbench201', 'fbnet')
    _, params, _ = _case('nasbench201', among=among)
    _, others, apply = _case('fbnet', among=among)
    self.assertEqual(
        jax.tree.map(jnp.shape, params), jax.tree.map(jnp.shape, others)
    )
    rows = _architectures('fbnet')
    scores = np.asarray(apply(params, rows, _devices()))
    self.assertTrue(np.isfinite(scores).all())
    # The token is all that tells the spaces apart.
    copied = predictors.copy_space(params, 0, 1)
    np.testing.assert_array_equal(copied['tokens'][0], copied['tokens'][1])
    moved = np.asarray(apply(copied, rows, _devices()))
    self.assertGreater(np.abs(moved - scores).max(), 1e-5)

  def test_sizes_have_a_branch_of_their_own(self):
    predictor, params, _ = _case('nasbench201', 'costs', num_sizes=2)
    rows = _architectures('nasbench201', 'costs')
    width = rows.encoding.shape[1] - 2
    first = params['supplementary']['Linear_0']['Dense_0']['kernel']
    self.assertEqual(first.shape[0], width)
    wider = dataclasses.replace(
        rows, encoding=rows.encoding.at[:, -1].add(1.0)
    )
    apply = jax.jit(predictor.apply)
    change = apply(params, wider, _devices()) - apply(params, rows, _devices())
    self.assertGreater(np.abs(np.asarray(change)).max(), 1e-5)

  def test_refuses_a_space_that_is_not_among(self):
    with self.assertRaisesRegex(ValueError, 'nasbench201'):
      predictors.flan(spaces.NASBENCH201.spec, among=('fbnet',))
    with self.assertRaisesRegex(ValueError, 'time_steps.*0'):
      predictors.flan(spaces.NASBENCH201.spec, time_steps=0)
    with self.assertRaisesRegex(ValueError, 'num_sizes.*-1'):
      predictors.flan(spaces.NASBENCH201.spec, num_sizes=-1)


if __name__ == '__main__':
  absltest.main()
