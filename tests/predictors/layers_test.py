"""Graph layers against loops in float64; both kinds of message passing."""

from absl.testing import absltest
from absl.testing import parameterized
import chex
import jax
import jax.numpy as jnp
import numpy as np
import numpy_nasflat

from nasflat_jax import graphs
from nasflat_jax import predictors
from nasflat_jax import spaces

_LAYERS = ('dense_graph_flow', 'graph_attention', 'layer_ensemble')
_PASSINGS = ('dense_passing', 'jraph_passing')
_SPACES = {space.spec.name: space for space in (spaces.NASBENCH201,
                                                spaces.FBNET)}
_FEATURES = 16


def _case(spec, seed):
  """Nodes, operations and a random wiring of one cell."""
  rng = np.random.default_rng(seed)
  nodes = rng.normal(size=(spec.num_nodes, 12)).astype(np.float32)
  operations = rng.normal(size=(spec.num_nodes, 5)).astype(np.float32)
  edge_mask = rng.random(len(spec.edges)) < 0.6
  return nodes, operations, edge_mask


def _build(name, spec, passing='dense_passing', seed=0):
  """A layer, and parameters none of which is at a special value."""
  layer = getattr(predictors, name)(_FEATURES, getattr(graphs, passing)(spec))
  nodes, operations, edge_mask = _case(spec, 0)
  params = layer.init(jax.random.key(seed), nodes, operations, edge_mask)
  rng = np.random.default_rng(seed)
  params = jax.tree.map(
      lambda x: x + 0.3 * rng.normal(size=x.shape).astype(np.float32), params
  )
  return layer, params


def _float64(params):
  return jax.tree.map(lambda x: np.asarray(x, np.float64), params)['params']


class LayersTest(parameterized.TestCase):

  @parameterized.product(
      name=_LAYERS, passing=_PASSINGS, space=tuple(_SPACES)
  )
  def test_matches_loops_in_float64(self, name, passing, space):
    spec = _SPACES[space].spec
    layer, params = _build(name, spec, passing)
    apply = jax.jit(layer.apply)
    for seed in range(3):
      nodes, operations, edge_mask = _case(spec, seed)
      expected = getattr(numpy_nasflat, name)(
          _float64(params),
          nodes.astype(np.float64),
          operations.astype(np.float64),
          numpy_nasflat.predecessors(spec.edges, edge_mask, spec.num_nodes),
      )
      out = apply(params, nodes, operations, edge_mask)
      np.testing.assert_allclose(out, expected, rtol=1e-5, atol=2e-5)

  @parameterized.product(name=_LAYERS, passing=_PASSINGS)
  def test_masked_edges_have_no_influence(self, name, passing):
    spec = spaces.NASBENCH201.spec
    layer, params = _build(name, spec, passing)
    nodes, operations, _ = _case(spec, 1)
    sender = 1
    edge_mask = np.array([edge[0] != sender for edge in spec.edges])
    other = nodes.copy()
    other[sender] += 3.0
    apply = jax.jit(layer.apply)
    a = np.asarray(apply(params, nodes, operations, edge_mask))
    b = np.asarray(apply(params, other, operations, edge_mask))
    rest = np.arange(spec.num_nodes) != sender
    np.testing.assert_array_equal(a[rest], b[rest])
    self.assertGreater(np.abs(a[sender] - b[sender]).max(), 1e-2)
    # The same change does reach the receivers where the edges are wired.
    wired = np.ones(len(spec.edges), bool)
    change = np.asarray(apply(params, other, operations, wired)) - np.asarray(
        apply(params, nodes, operations, wired)
    )
    moved = np.abs(change).max(axis=1) > 1e-4
    self.assertEqual(np.flatnonzero(moved).tolist(), [1, 3, 5])

  def test_the_gate_acts_on_the_receiver_and_its_message_only(self):
    spec = spaces.NASBENCH201.spec
    layer, params = _build('dense_graph_flow', spec)
    nodes, operations, _ = _case(spec, 1)
    other = operations.copy()
    other[3] += 2.0
    wired = np.ones(len(spec.edges), bool)
    a = layer.apply(params, nodes, operations, wired)
    b = layer.apply(params, nodes, other, wired)
    moved = np.abs(np.asarray(a - b)).max(axis=1) > 1e-6
    self.assertEqual(np.flatnonzero(moved).tolist(), [3])
    # A node without predecessors receives nothing to gate.
    alone = np.zeros(len(spec.edges), bool)
    np.testing.assert_array_equal(
        layer.apply(params, nodes, operations, alone),
        layer.apply(params, nodes, other, alone),
    )


class AttentionWeightsTest(parameterized.TestCase):

  @parameterized.product(passing=_PASSINGS, space=tuple(_SPACES))
  def test_weights_are_a_masked_softmax(self, passing, space):
    spec = _SPACES[space].spec
    _, params = _build('graph_attention', spec)
    nodes, _, edge_mask = _case(spec, 2)
    params = params['params']
    z = nodes @ np.asarray(params['Linear_0']['Dense_0']['kernel'])
    # With the identity for values, `attend` returns its weights.
    weights = np.asarray(
        getattr(graphs, passing)(spec).attend(
            z * params['attention'] / np.sqrt(_FEATURES),
            z,
            jnp.eye(spec.num_nodes),
            jnp.asarray(edge_mask),
            lambda x: jnp.where(x > 0, x, 0.01 * x),
        )
    )
    expected = numpy_nasflat.attention_weights(
        _float64({'params': params}),
        nodes.astype(np.float64),
        numpy_nasflat.predecessors(spec.edges, edge_mask, spec.num_nodes),
    )
    np.testing.assert_allclose(weights, expected, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-5)
    self.assertGreater(np.count_nonzero(weights), spec.num_nodes)
    np.testing.assert_array_equal(weights > 0, expected > 0)


class PassingTwinsTest(parameterized.TestCase):

  @parameterized.product(name=_LAYERS, space=tuple(_SPACES))
  def test_outputs_and_gradients_agree(self, name, space):
    spec = _SPACES[space].spec
    dense, params = _build(name, spec, 'dense_passing')
    jraph, _ = _build(name, spec, 'jraph_passing')
    weights = np.random.default_rng(3).normal(
        size=(spec.num_nodes, _FEATURES)
    )

    def objective(layer):
      def run(params, nodes, operations, edge_mask):
        out = layer.apply(params, nodes, operations, edge_mask)
        return jnp.sum(out * weights), out

      return jax.jit(jax.grad(run, argnums=(0, 1, 2), has_aux=True))

    first, second = objective(dense), objective(jraph)
    for seed in range(4):
      nodes, operations, edge_mask = _case(spec, 10 + seed)
      if seed == 0:
        edge_mask[:] = False  # every node alone: still no NaN
      a = first(params, nodes, operations, edge_mask)
      b = second(params, nodes, operations, edge_mask)
      chex.assert_tree_all_finite(a)
      scale = max(np.abs(leaf).max() for leaf in jax.tree.leaves(a))
      chex.assert_trees_all_close(a, b, rtol=1e-5, atol=1e-5 * scale)


class InitTest(absltest.TestCase):

  def test_parameters_start_within_torch_bounds(self):
    spec = spaces.NASBENCH201.spec
    layer = predictors.layer_ensemble(_FEATURES, graphs.dense_passing(spec))
    nodes, operations, edge_mask = _case(spec, 0)
    params = layer.init(jax.random.key(0), nodes, operations, edge_mask)
    params = params['params']
    flow, mixed = params['DenseGraphFlow_0'], params['GraphAttention_0']
    for leaf, bound in (
        (flow['Dense_0']['kernel'], _FEATURES**-0.5),
        (flow['bias'], _FEATURES**-0.5),
        (flow['Linear_0']['Dense_0']['kernel'], 5**-0.5),
        (flow['Linear_0']['Dense_0']['bias'], 5**-0.5),
        (mixed['Linear_0']['Dense_0']['kernel'], 12**-0.5),
        (mixed['attention'], _FEATURES**-0.5),
    ):
      top = float(jnp.abs(leaf).max())
      self.assertLessEqual(top, bound)
      self.assertGreater(top, 0.7 * bound)

  def test_rejects_a_batch(self):
    spec = spaces.NASBENCH201.spec
    layer, params = _build('dense_graph_flow', spec)
    nodes, operations, edge_mask = _case(spec, 0)
    with self.assertRaisesRegex(AssertionError, 'rank'):
      layer.apply(params, nodes[None], operations, edge_mask)


if __name__ == '__main__':
  absltest.main()
