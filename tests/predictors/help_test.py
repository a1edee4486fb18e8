"""HELP's network against a transcription in float64, its sizes and errors."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import types

_ROWS = 3


def _inputs(space, seed=0, num_references=10):
  genotype = space.random(jax.random.key(seed), _ROWS)
  reference = jax.random.uniform(
      jax.random.key(seed + 1), (_ROWS, num_references)
  )
  devices = types.Devices(
      index=jnp.zeros(_ROWS, jnp.int32), reference=reference
  )
  return space.decode(genotype), devices


def _dense(params, inputs):
  (layer,) = params.values()
  return inputs @ np.float64(layer['kernel']) + np.float64(layer['bias'])


def _relu(x):
  return np.maximum(x, 0.0)


# Nodes: input, the edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3, output, global.
_FEEDS = {0: (1, 2, 4), 1: (3, 5), 2: (6,), 3: (6,), 4: (7,), 5: (7,), 6: (7,)}
_COLUMNS = (
    'input', 'avg_pool_3x3', 'none', 'nor_conv_1x1', 'nor_conv_3x3',
    'skip_connect', 'output', 'global',
)


def _cell(params, genotype):
  """The graph branch for one architecture, node by node."""
  names = spaces.NASBENCH201.spec.gene_names
  labels = ['input', *(names[gene] for gene in genotype), 'output', 'global']
  nodes = np.array([
      [float(column == label) for column in _COLUMNS] for label in labels
  ])
  reads = {node: [node] for node in range(9)}
  for sender, receivers in _FEEDS.items():
    for receiver in receivers:
      reads[receiver].append(sender)
  reads[8] = list(range(9))
  for depth in range(4):
    layer = params[f'graph_{depth}']
    messages = nodes @ np.float64(layer['kernel'])
    nodes = _relu(
        np.stack([messages[reads[node]].sum(axis=0) for node in range(9)])
        + np.float64(layer['bias'])
    )
  return nodes[8]


def _chain(params, bits):
  hidden = _relu(_dense(params['architecture_0'], np.array(bits)))
  return _relu(_dense(params['architecture_1'], hidden))


def _fbnet_bits(genotype):
  bits = []
  for gene in genotype:
    layer = [0.0] * 6
    if gene < 8:
      layer[gene % 4] = 1.0
      layer[4 + int(gene >= 4)] = 1.0
    bits += layer
  return bits


def _ofa_bits(genotype):
  settings = spaces.ofa_settings(genotype[None])
  bits = [float(settings.resolution[0] == r) for r in range(128, 225, 4)]
  for kernel, ratio in zip(settings.kernel[0], settings.expansion[0]):
    bits += [float(ratio == e) for e in (3, 4, 6)]
    bits += [float(kernel == k) for k in (3, 5, 7)]
  return bits


def _branch(space, params, genotype):
  if space is spaces.NASBENCH201:
    return _cell(params, genotype)
  bits = _fbnet_bits if space is spaces.FBNET else _ofa_bits
  return _chain(params, bits(genotype))


class HelpTest(parameterized.TestCase):

  @parameterized.product(
      space=(spaces.NASBENCH201, spaces.FBNET, spaces.OFA),
      hardware=(True, False),
  )
  def test_matches_float64(self, space, hardware):
    predictor = predictors.help(space.spec, hardware_embedding=hardware)
    architectures, devices = _inputs(space)
    params = predictor.init(jax.random.key(2), architectures, devices)
    expected = []
    for genotype, reference in zip(
        np.asarray(architectures.genotype), np.float64(devices.reference)
    ):
      hidden = _branch(space, params, genotype)
      if hardware:
        for depth in range(2):
          reference = _relu(_dense(params[f'hardware_{depth}'], reference))
        hidden = np.concatenate([hidden, reference])
      hidden = _relu(_dense(params['head_0'], hidden))
      hidden = _relu(_dense(params['head_1'], hidden))
      expected.append(_dense(params['head_2'], hidden)[0])
    self.assertGreater(np.ptp(expected), 1e-4)
    np.testing.assert_allclose(
        predictor.apply(params, architectures, devices), expected, rtol=2e-5
    )

  @parameterized.parameters(
      (spaces.NASBENCH201, 123_001),
      (spaces.FBNET, 115_201),
      (spaces.OFA, 116_501),
  )
  def test_as_many_parameters_as_published(self, space, expected):
    shapes = jax.eval_shape(
        predictors.help(space.spec).init, jax.random.key(0), *_inputs(space)
    )
    self.assertEqual(predictors.num_parameters(shapes), expected)

  def test_initial_weights_are_uniform_within_published_bounds(self):
    space = spaces.NASBENCH201
    params = predictors.help(space.spec).init(
        jax.random.key(0), *_inputs(space)
    )
    for weights, bound in (
        (params['graph_1']['kernel'], 0.05),
        (params['graph_1']['bias'], 0.1),
        *((w, 10**-0.5) for w in jax.tree.leaves(params['hardware_0'])),
        *((w, 200**-0.5) for w in jax.tree.leaves(params['head_1'])),
    ):
      self.assertLessEqual(np.abs(weights).max(), bound)
      self.assertGreater(np.abs(weights).max(), 0.9 * bound)

  def test_the_device_matters_only_with_the_hardware_branch(self):
    architectures, devices = _inputs(spaces.FBNET)
    _, others = _inputs(spaces.FBNET, seed=5)
    for hardware in (True, False):
      predictor = predictors.help(
          spaces.FBNET.spec, hardware_embedding=hardware
      )
      params = predictor.init(jax.random.key(0), architectures, devices)
      here, there = (
          predictor.apply(params, architectures, d) for d in (devices, others)
      )
      self.assertEqual(bool(np.array_equal(here, there)), not hardware)

  def test_needs_references_for_the_hardware_branch(self):
    inputs = _inputs(spaces.FBNET, num_references=0)
    with self.assertRaisesRegex(ValueError, r'reference is \[B, 0\]'):
      predictors.help(spaces.FBNET.spec).init(jax.random.key(0), *inputs)


class ModulateTest(absltest.TestCase):

  def setUp(self):
    super().setUp()
    self.params = predictors.help(spaces.FBNET.spec).init(
        jax.random.key(0), *_inputs(spaces.FBNET)
    )

  def test_zero_is_the_identity(self):
    same = predictors.modulate(self.params, jnp.zeros(603))
    jax.tree.map(np.testing.assert_array_equal, same, self.params)

  def test_factors_of_inputs_and_offsets_of_biases(self):
    z = np.random.default_rng(0).normal(size=603).astype(np.float32)
    moved = predictors.modulate(self.params, jnp.asarray(z))
    for depth in range(3):
      (before,) = self.params[f'head_{depth}'].values()
      (after,) = moved[f'head_{depth}'].values()
      for i in (0, 7, 199):
        np.testing.assert_allclose(
            after['kernel'][i],
            before['kernel'][i] * (1.0 + 0.01 * z[200 * depth + i]),
            rtol=1e-5,
        )
      np.testing.assert_allclose(
          after['bias'], before['bias'] + 0.01 * z[600 + depth], rtol=1e-5,
          atol=1e-7,
      )
    for name in ('architecture_0', 'architecture_1', 'hardware_0'):
      jax.tree.map(
          np.testing.assert_array_equal, moved[name], self.params[name]
      )


if __name__ == '__main__':
  absltest.main()
