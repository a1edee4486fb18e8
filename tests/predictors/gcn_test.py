"""The graph-convolutional network, and its flat and joint relatives."""

import dataclasses
import functools

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import types

_SPACES = {'nasbench201': spaces.NASBENCH201, 'fbnet': spaces.FBNET}
_DEVICES = 3
_BATCH = 4
_FACTORIES = {
    'gcn': functools.partial(predictors.gcn, hidden=16, num_layers=3),
    'encoding_mlp': predictors.encoding_mlp,
    'multi_predict': functools.partial(predictors.multi_predict, width=20),
}


@functools.cache
def _inputs(space, width=2):
  """Architectures with random wiring, and devices."""
  space = _SPACES[space]
  architectures = space.decode(space.random(jax.random.key(5), _BATCH))
  rng = np.random.default_rng(0)
  edge_mask = rng.random(architectures.edge_mask.shape) < 0.8
  node_mask = rng.random(architectures.node_mask.shape) < 0.9
  architectures = dataclasses.replace(
      architectures,
      edge_mask=jnp.asarray(edge_mask),
      node_mask=jnp.asarray(node_mask),
      encoding=jnp.asarray(rng.normal(size=(_BATCH, width)), jnp.float32),
  )
  return architectures, _devices([0, 1, 2, 0])


def _devices(index):
  index = jnp.asarray(index, jnp.int32)
  return types.Devices(index=index, reference=jnp.zeros((len(index), 0)))


@functools.cache
def _predictor(factory, space, width=2):
  """A predictor, parameters off every special value, and a jitted apply."""
  predictor = _FACTORIES[factory](_SPACES[space].spec, num_devices=_DEVICES)
  shapes = jax.eval_shape(
      predictor.init, jax.random.key(0), *_inputs(space, width)
  )
  rng = np.random.default_rng(1)

  def draw(leaf):
    scale = np.sqrt(leaf.shape[0] / 2) if len(leaf.shape) == 2 else 1.0
    return jnp.asarray(rng.normal(size=leaf.shape) / scale, jnp.float32)

  return predictor, jax.tree.map(draw, shapes), jax.jit(predictor.apply)


def _linear(params, x):
  dense = params['Dense_0']
  return x @ dense['kernel'] + dense['bias']


def _head(params, x):
  for depth in range(len(params) - 1):
    x = np.maximum(_linear(params[f'Linear_{depth}'], x), 0.0)
  return _linear(params[f'Linear_{len(params) - 1}'], x)[0]


def _read_out(params, spec, architecture):
  """The global node after three layers, one node at a time."""
  num_ops = len(spec.op_names)
  nodes = []
  for op, position in zip(
      architecture.ops[0], spec.node_features, strict=True
  ):
    nodes.append(np.concatenate([np.eye(num_ops + 1)[op], position]))
  whole = np.concatenate([np.eye(num_ops + 1)[-1], 0 * nodes[0][num_ops + 1:]])
  nodes.append(whole)
  feeds = [[i] for i in range(len(nodes))]
  for (sender, receiver), wired in zip(
      spec.edges, architecture.edge_mask[0], strict=True
  ):
    if wired:
      feeds[receiver].append(sender)
  feeds[-1] += [
      i for i in range(len(nodes) - 1) if architecture.node_mask[0][i]
  ]
  for depth in range(3):
    after = []
    for senders in feeds:
      mean = np.mean([nodes[i] for i in senders], axis=0)
      x = _linear(params[f'convolution_0_{depth}'], mean)
      norm = params[f'norm_0_{depth}']
      x = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
      after.append(np.maximum(x * norm['scale'] + norm['bias'], 0.0))
    nodes = after
  return nodes[-1]


class GcnTest(parameterized.TestCase):

  @parameterized.parameters(*_SPACES)
  def test_matches_float64(self, space):
    _, params, apply = _predictor('gcn', space)
    architectures, devices = _inputs(space)
    scores = apply(params, architectures, devices)
    params = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
    expected = []
    for row in range(_BATCH):
      one = jax.tree.map(lambda x: np.asarray(x[row]), architectures)  # noqa: B023
      features = np.concatenate([
          _read_out(params['encoder'], _SPACES[space].spec, one),
          params['device_embedding'][devices.index[row]],
          one.encoding,
      ])
      expected.append(_head(params['head'], features))
    self.assertGreater(np.std(expected), 0.01)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-4)

  def test_published_size(self):
    predictor = predictors.gcn(spaces.NASBENCH201.spec, hidden=600, head=())
    architectures, _ = _inputs('nasbench201', 0)
    shapes = jax.eval_shape(
        predictor.init, jax.random.key(0), architectures, _devices([0] * 4)
    )
    # Seven operations and the global node; a device row and its weights.
    layers = 8 * 600 + 3 * 600 * 600 + 4 * 600 + 4 * 2 * 600
    self.assertEqual(
        predictors.num_parameters(shapes), layers + (600 + 8) + 1 + 8
    )

  def test_reads_wiring_operations_encoding_and_device(self):
    _, params, apply = _predictor('gcn', 'nasbench201')
    architectures, devices = _inputs('nasbench201')
    scores = np.asarray(apply(params, architectures, devices))
    for name, change in (
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
    moved = apply(params, architectures, _devices([1, 2, 0, 2])) - scores
    self.assertGreater(np.abs(moved).min(), 1e-5)

  @parameterized.parameters('num_devices', 'hidden', 'num_layers')
  def test_refuses_a_size_below_one(self, name):
    keywords = {'num_devices': 2, name: 0}
    with self.assertRaisesRegex(ValueError, f'^{name} must be 1 or more'):
      predictors.gcn(spaces.FBNET.spec, **keywords)


class EncodingMlpTest(parameterized.TestCase):

  @parameterized.parameters('one_hot', 'encoding', 'both')
  def test_matches_float64(self, inputs):
    predictor = predictors.encoding_mlp(
        spaces.FBNET.spec, num_devices=_DEVICES, inputs=inputs, widths=(7, 5)
    )
    architectures, devices = _inputs('fbnet')
    params = predictor.init(jax.random.key(0), architectures, devices)
    scores = predictor.apply(params, architectures, devices)
    params = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
    expected = []
    for row in range(_BATCH):
      hot = np.eye(9)[np.asarray(architectures.genotype[row])].ravel()
      parts = {
          'one_hot': [hot, params['device_embedding'][devices.index[row]]],
          'encoding': [params['device_embedding'][devices.index[row]],
                       architectures.encoding[row]],
          'both': [hot, params['device_embedding'][devices.index[row]],
                   architectures.encoding[row]],
      }[inputs]
      expected.append(_head(params['head'], np.concatenate(parts)))
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)

  def test_refuses(self):
    spec = spaces.FBNET.spec
    with self.assertRaisesRegex(ValueError, "^inputs: unknown 'graph'; choose"):
      predictors.encoding_mlp(spec, num_devices=1, inputs='graph')
    with self.assertRaisesRegex(ValueError, 'num_devices must be 1 or more'):
      predictors.encoding_mlp(spec, num_devices=0)
    predictor = predictors.encoding_mlp(
        spec, num_devices=_DEVICES, inputs='encoding'
    )
    with self.assertRaisesRegex(ValueError, 'needs an encoding'):
      predictor.init(jax.random.key(0), *_inputs('fbnet', 0))


class MultiPredictTest(parameterized.TestCase):

  @parameterized.parameters(*_SPACES)
  def test_scores_are_between_0_and_1_and_read_the_encoding(self, space):
    _, params, apply = _predictor('multi_predict', space)
    architectures, devices = _inputs(space)
    scores = np.asarray(apply(params, architectures, devices))
    self.assertTrue(((scores > 0.0) & (scores < 1.0)).all())
    other = dataclasses.replace(
        architectures, encoding=architectures.encoding + 1.0
    )
    self.assertGreater(np.abs(apply(params, other, devices) - scores).max(),
                       1e-5)

  def test_fbnet_is_132_bits(self):
    shapes = _predictor('multi_predict', 'fbnet', 0)[1]
    self.assertEqual(
        shapes['trunk_0']['Dense_0']['kernel'].shape, (132, 100)
    )
    self.assertEqual(shapes['head']['Linear_0']['Dense_0']['kernel'].shape,
                     (30 + 8, 20))

  def test_chain_of_one_affine_map_by_hand(self):
    # All of one kind of operation: the bits repeat 22 times.
    _, params, apply = _predictor('multi_predict', 'fbnet', 0)
    genotype = np.tile(np.array([[8], [0], [7], [5]]), (1, 22))
    bits = np.zeros((4, 6))
    bits[1, [0, 2]] = 1.0  # k3, e1
    bits[2, [1, 5]] = 1.0  # k5, e6
    bits[3, [1, 3]] = 1.0  # k5, e1 in two groups
    scores = apply(params, spaces.FBNET.decode(genotype), _devices([0] * 4))
    params = jax.tree.map(lambda x: np.asarray(x, np.float64), params)
    expected = []
    for row in bits:
      hidden = np.tile(row, 22)
      for depth in range(3):
        hidden = np.maximum(hidden, 0.0) if depth else hidden
        hidden = _linear(params[f'trunk_{depth}'], hidden)
      hidden = np.concatenate([hidden, params['device_embedding'][0]])
      expected.append(1.0 / (1.0 + np.exp(-_head(params['head'], hidden))))
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)

  @parameterized.parameters('num_devices', 'width', 'device_dim')
  def test_refuses_a_size_below_one(self, name):
    keywords = {'num_devices': 2, name: 0}
    with self.assertRaisesRegex(ValueError, f'^{name} must be 1 or more'):
      predictors.multi_predict(spaces.FBNET.spec, **keywords)


class CopyDeviceTest(parameterized.TestCase):

  @parameterized.parameters(*_FACTORIES)
  def test_makes_twins(self, factory):
    _, params, apply = _predictor(factory, 'nasbench201')
    architectures, _ = _inputs('nasbench201')
    self.assertEqual(params['device_embedding'].shape, (_DEVICES, 8))
    copied = predictors.copy_device(params, jnp.int32(0), 2)
    first, third = (_devices([d] * _BATCH) for d in (0, 2))
    before = apply(params, architectures, third)
    after = apply(copied, architectures, third)
    np.testing.assert_array_equal(after, apply(params, architectures, first))
    self.assertGreater(np.abs(after - before).max(), 1e-4)


if __name__ == '__main__':
  absltest.main()
