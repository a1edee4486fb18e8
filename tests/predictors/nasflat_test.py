"""The whole NASFLAT network against float64, its shape and its devices."""

import dataclasses
import functools

from absl.testing import absltest
from absl.testing import parameterized
import chex
import jax
import jax.numpy as jnp
import numpy as np
import numpy_nasflat

from nasflat_jax import encodings
from nasflat_jax import graphs
from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import types

_SPACES = {'nasbench201': spaces.NASBENCH201, 'fbnet': spaces.FBNET}
_DEVICES = 3
_BATCH = 4
_REFERENCES = 5


@functools.cache
def _inputs(space, encoding, batch=_BATCH):
  """Architectures with random wiring, and devices."""
  space = _SPACES[space]
  genotype = space.random(jax.random.key(5), batch)
  architectures = space.decode(genotype)
  rng = np.random.default_rng(0)
  edge_mask = rng.random(architectures.edge_mask.shape) < 0.8
  node_mask = rng.random(architectures.node_mask.shape) < 0.9
  architectures = dataclasses.replace(
      architectures,
      edge_mask=jnp.asarray(edge_mask),
      node_mask=jnp.asarray(node_mask),
      encoding=getattr(encodings, encoding)(space)(genotype),
  )
  return architectures, _devices(np.arange(batch) % _DEVICES)


def _devices(index):
  index = jnp.asarray(index, jnp.int32)
  rng = np.random.default_rng(2)
  reference = rng.normal(size=(index.shape[0], _REFERENCES))
  return types.Devices(
      index=index, reference=jnp.asarray(reference, jnp.float32)
  )


@functools.cache
def _predictor(space, encoding='none', mode='operation', layer=None):
  """A predictor, parameters off every special value, and a jitted apply."""
  keywords = {'layer': getattr(predictors, layer)} if layer else {}
  predictor = predictors.nasflat(
      _SPACES[space].spec,
      num_devices=_DEVICES,
      hardware_embedding=mode,
      **keywords,
  )
  # Not `init`: it compiles slowly and leaves zeros where a mistake would hide.
  shapes = jax.eval_shape(
      predictor.init, jax.random.key(0), *_inputs(space, encoding)
  )
  rng = np.random.default_rng(1)

  def draw(leaf):
    scale = np.sqrt(leaf.shape[0] / 2) if len(leaf.shape) == 2 else 1.0
    return jnp.asarray(rng.normal(size=leaf.shape) / scale, jnp.float32)

  params = jax.tree.map(draw, shapes)
  return predictor, params, jax.jit(predictor.apply)


def _expected(params, space, architectures, devices, mode, layer=None):
  params = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
  fields = {
      name: np.asarray(getattr(architectures, name))
      for name in ('ops', 'edge_mask', 'node_mask', 'live_mask', 'encoding')
  }
  layer = getattr(numpy_nasflat, layer or 'layer_ensemble')
  return np.array([
      numpy_nasflat.network(
          params,
          _SPACES[space].spec,
          {name: field[row] for name, field in fields.items()},
          int(devices.index[row]),
          mode,
          layer,
          np.asarray(devices.reference[row], np.float64),
      )
      for row in range(len(devices.index))
  ])


class ForwardTest(parameterized.TestCase):

  @parameterized.parameters(
      ('nasbench201', 'none', 'operation', None),
      ('nasbench201', 'costs', 'head', None),
      ('nasbench201', 'none', 'operation', 'graph_attention'),
      ('nasbench201', 'costs', 'operation', 'dense_graph_flow'),
      ('fbnet', 'costs', 'operation', None),
      ('fbnet', 'none', 'head', None),
      ('nasbench201', 'none', 'latency_vector', 'dense_graph_flow'),
      ('nasbench201', 'none', 'both', 'dense_graph_flow'),
  )
  def test_matches_float64(self, space, encoding, mode, layer):
    _, params, apply = _predictor(space, encoding, mode, layer)
    architectures, devices = _inputs(space, encoding)
    expected = _expected(params, space, architectures, devices, mode, layer)
    scores = apply(params, architectures, devices)
    self.assertGreater(expected.std(), 0.01)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)

  def test_jraph_and_dense_passing_agree(self):
    _, params, apply = _predictor('fbnet', 'costs')
    architectures, devices = _inputs('fbnet', 'costs')
    twin = predictors.nasflat(
        spaces.FBNET.spec,
        num_devices=_DEVICES,
        message_passing=graphs.jraph_passing,
    )
    np.testing.assert_allclose(
        jax.jit(twin.apply)(params, architectures, devices),
        apply(params, architectures, devices),
        rtol=1e-5,
        atol=1e-5,
    )

  def test_rejects_an_unknown_place_of_the_device(self):
    with self.assertRaisesRegex(ValueError, "hardware_embedding.*'neck'"):
      predictors.nasflat(
          spaces.FBNET.spec, num_devices=1, hardware_embedding='neck'
      )


  @parameterized.parameters('latency_vector', 'both')
  def test_latency_vector_needs_latencies(self, mode):
    architectures, devices = _inputs('nasbench201', 'none')
    predictor = predictors.nasflat(
        spaces.NASBENCH201.spec, num_devices=1, hardware_embedding=mode
    )
    devices = dataclasses.replace(devices, reference=jnp.zeros((_BATCH, 0)))
    with self.assertRaisesRegex(ValueError, f"'{mode}' needs latencies"):
      jax.eval_shape(
          predictor.init, jax.random.key(0), architectures, devices
      )

  def test_a_latency_vector_has_no_learned_row(self):
    inputs = _inputs('nasbench201', 'none')
    _, params, apply = _predictor(
        'nasbench201', mode='latency_vector', layer='dense_graph_flow'
    )
    self.assertNotIn('device_embedding', params)
    architectures, devices = inputs
    other = dataclasses.replace(devices, index=devices.index * 0 + 1)
    np.testing.assert_array_equal(
        apply(params, architectures, other), apply(params, *inputs)
    )


class NumParametersTest(parameterized.TestCase):

  @parameterized.product(
      space=tuple(_SPACES),
      encoding=('none', 'costs'),
      mode=('operation', 'head'),
  )
  def test_equals_a_count_by_hand(self, space, encoding, mode):
    spec = _SPACES[space].spec
    architectures, devices = _inputs(space, encoding)
    predictor = predictors.nasflat(
        spec, num_devices=_DEVICES, hardware_embedding=mode
    )
    shapes = jax.eval_shape(
        predictor.init, jax.random.key(0), architectures, devices
    )

    def affine(fan_in, fan_out):
      return fan_in * fan_out + fan_out

    def layer(fan_in):  # dense graph flow, then attention
      flow = fan_in * 128 + affine(48, 128) + 128
      return flow + fan_in * 128 + 128 + affine(48, 128) + 2 * 128

    costs, position = len(spec.op_features[0][0]), len(spec.node_features[0])
    width = {'operation': 40, 'head': 48}[mode]
    extra = architectures.encoding.shape[1]
    summary = 128 + 48 * (extra > 0) + 48 * (mode == 'head')
    expected = (
        _DEVICES * 8
        + len(spec.op_names) * width + 2 * width + affine(costs, width) + 48
        + 48 + 48 + affine(48, 96) + position * 96
        + 2 * layer(96) + 3 * layer(128)
        + 3 * affine(128, 128)
        + affine(48 + 128, 128) + affine(128, 48)
        + affine(summary, 200) + 2 * affine(200, 200) + affine(200, 1)
    )
    if mode == 'head':
      expected += affine(8, 48) + affine(48, 48)
    if extra:
      expected += affine(extra, 128) + affine(128, 128) + affine(128, 48)
    self.assertEqual(predictors.num_parameters(shapes), expected)

  def test_equals_the_published_count_but_for_what_differs(self):
    # The reference's 433,057, less tables it over-allocates, a supplementary
    # branch it never uses and a frozen zero; plus this one's tables.
    architectures, devices = _inputs('nasbench201', 'none')
    predictor = predictors.nasflat(spaces.NASBENCH201.spec, num_devices=40)
    shapes = jax.eval_shape(
        predictor.init, jax.random.key(0), architectures, devices
    )
    reference = 433_057 - 128 * 40 - 128 * 8 - 24_496 - 48
    liveness, costs = 2 * 40, 4 * 40 + 40
    ours = reference + 7 * 40 + 40 * 8 + liveness + costs
    self.assertEqual(predictors.num_parameters(shapes), ours)


class InitTest(absltest.TestCase):

  def test_deterministic_under_a_key(self):
    predictor, _, _ = _predictor('nasbench201')
    inputs = _inputs('nasbench201', 'none')
    init = jax.jit(predictor.init)
    first, again = (init(jax.random.key(7), *inputs) for _ in range(2))
    chex.assert_trees_all_equal(first, again)
    other = init(jax.random.key(8), *inputs)
    self.assertGreater(
        float(jnp.abs(first['device_embedding']
                      - other['device_embedding']).max()),
        0.1,
    )

  def test_does_not_read_the_architectures_or_devices(self):
    predictor, _, _ = _predictor('nasbench201')
    architectures, devices = _inputs('nasbench201', 'none')
    init = jax.jit(predictor.init)
    flipped = jax.tree.map(lambda x: x[::-1], (architectures, devices))
    chex.assert_trees_all_equal(
        init(jax.random.key(7), architectures, devices),
        init(jax.random.key(7), *flipped),
    )


class DropoutTest(absltest.TestCase):

  def test_only_with_a_key(self):
    _, params, apply = _predictor('nasbench201', 'costs')
    architectures, devices = _inputs('nasbench201', 'costs')
    same = jax.tree.map(lambda x: jnp.stack([x[0]] * _BATCH),
                        (architectures, devices))
    quiet = np.asarray(apply(params, *same))
    np.testing.assert_allclose(quiet, quiet[0], rtol=1e-5)
    noisy = np.asarray(apply(params, *same, key=jax.random.key(0)))
    # Every row has noise of its own.
    self.assertLen(np.unique(noisy), _BATCH)
    self.assertGreater(np.abs(noisy - quiet).min(), 1e-4)
    again = np.asarray(apply(params, *same, key=jax.random.key(0)))
    np.testing.assert_array_equal(noisy, again)

  def test_keeps_the_mean_of_the_supplementary_and_head(self):
    # Inverted dropout at rate 0.1: the mean over keys stays near the score.
    _, params, apply = _predictor('nasbench201', 'costs')
    one = jax.tree.map(lambda x: jnp.stack([x[0]] * _BATCH),
                       _inputs('nasbench201', 'costs'))
    quiet = float(apply(params, *one)[0])
    noisy = np.concatenate([
        apply(params, *one, key=jax.random.key(i)) for i in range(50)
    ])
    error = noisy.std() / np.sqrt(noisy.size)
    self.assertLess(abs(noisy.mean() - quiet), 5 * error + 0.02)


class DevicesTest(parameterized.TestCase):

  def test_a_learned_row_reads_no_reference(self):
    _, params, apply = _predictor('nasbench201')
    architectures, devices = _inputs('nasbench201', 'none')
    without = dataclasses.replace(devices, reference=jnp.zeros((_BATCH, 0)))
    np.testing.assert_array_equal(
        apply(params, architectures, without),
        apply(params, architectures, devices),
    )

  @parameterized.parameters('operation', 'head')
  def test_a_device_changes_scores_and_copying_it_makes_twins(self, mode):
    encoding = 'none' if mode == 'operation' else 'costs'
    _, params, apply = _predictor('nasbench201', encoding, mode)
    architectures, _ = _inputs('nasbench201', encoding)
    scores = [
        np.asarray(apply(params, architectures, _devices([d] * _BATCH)))
        for d in range(_DEVICES)
    ]
    self.assertGreater(np.abs(scores[0] - scores[2]).min(), 1e-4)
    copied = predictors.copy_device(params, jnp.int32(0), 2)
    after = [
        np.asarray(apply(copied, architectures, _devices([d] * _BATCH)))
        for d in range(_DEVICES)
    ]
    np.testing.assert_array_equal(after[2], scores[0])
    np.testing.assert_array_equal(after[0], scores[0])
    np.testing.assert_array_equal(after[1], scores[1])
    # The original tree is left alone.
    self.assertGreater(
        float(jnp.abs(params['device_embedding'][2]
                      - params['device_embedding'][0]).max()),
        1e-3,
    )

  def test_copies_a_weighted_mean(self):
    table = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    params = {'device_embedding': table, 'other': np.ones(2)}
    weights = jnp.array([0.25, 0.0, 0.75])
    copied = predictors.copy_device(params, weights, 3)
    np.testing.assert_allclose(
        copied['device_embedding'][3],
        0.25 * table[0] + 0.75 * table[2],
        rtol=1e-6,
    )
    np.testing.assert_array_equal(copied['device_embedding'][:3], table[:3])
    np.testing.assert_array_equal(copied['other'], params['other'])


class ArchitectureTest(absltest.TestCase):

  def test_rows_of_a_batch_are_independent(self):
    _, params, apply = _predictor('fbnet', 'costs')
    architectures, devices = _inputs('fbnet', 'costs')
    scores = np.asarray(apply(params, architectures, devices))
    order = np.array([2, 0, 3, 1])
    shuffled = jax.tree.map(lambda x: x[order], (architectures, devices))
    np.testing.assert_allclose(
        apply(params, *shuffled), scores[order], rtol=1e-6, atol=1e-6
    )
    first = jax.tree.map(lambda x: jnp.stack([x[0]] * _BATCH),
                         (architectures, devices))
    np.testing.assert_allclose(
        apply(params, *first), scores[0], rtol=1e-6, atol=1e-6
    )

  def test_fbnet_knows_the_order_of_layers(self):
    spec = spaces.FBNET.spec
    _, params, apply = _predictor('fbnet', 'costs')
    base = np.zeros((1, 22), np.int32)
    # Layers 2 and 3 (nodes 3 and 4) share costs; without the projection of
    # positions only the wiring tells their order.
    self.assertEqual(spec.op_features[3], spec.op_features[4])
    kernel = params['position_0']['kernel']
    unplaced = {**params, 'position_0': {'kernel': jnp.zeros_like(kernel)}}
    pairs = [base.copy() for _ in range(_BATCH)]
    pairs[0][0, [2, 3]] = 3, 8
    pairs[1][0, [2, 3]] = 8, 3
    # And two at different places.
    pairs[2][0, [1, 20]] = 7, 2
    pairs[3][0, [1, 20]] = 2, 7
    architectures = dataclasses.replace(
        spaces.FBNET.decode(np.concatenate(pairs)),
        encoding=jnp.zeros((_BATCH, 5)),
    )
    for tree in (params, unplaced):
      scores = np.asarray(apply(tree, architectures, _devices([0] * _BATCH)))
      self.assertGreater(abs(scores[0] - scores[1]), 1e-4)
      self.assertGreater(abs(scores[2] - scores[3]), 1e-4)

  def test_reads_liveness_node_mask_and_encoding(self):
    _, params, apply = _predictor('nasbench201', 'costs')
    architectures, devices = _inputs('nasbench201', 'costs')
    scores = np.asarray(apply(params, architectures, devices))
    for name, change in (
        ('live_mask', jnp.logical_not),
        ('edge_mask', jnp.logical_not),
        ('node_mask', jnp.logical_not),
        ('encoding', lambda x: x + 1.0),
        ('ops', lambda x: (x + 1) % 5),
    ):
      other = dataclasses.replace(
          architectures, **{name: change(getattr(architectures, name))}
      )
      moved = np.abs(np.asarray(apply(params, other, devices)) - scores)
      self.assertGreater(moved.min(), 1e-5, name)
    # The genotype itself is an identity, not an input.
    other = dataclasses.replace(
        architectures, genotype=architectures.genotype * 0
    )
    np.testing.assert_array_equal(apply(params, other, devices), scores)


if __name__ == '__main__':
  absltest.main()
