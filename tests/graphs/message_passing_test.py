"""Static graphs of the spaces and the two primitives on them."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import jraph
import numpy as np

from nasflat_jax import graphs
from nasflat_jax import spaces

_SPECS = {'nasbench201': spaces.NASBENCH201.spec, 'fbnet': spaces.FBNET.spec}


class AdjacencyTest(parameterized.TestCase):

  @parameterized.parameters(*_SPECS)
  def test_entries_are_the_wired_slots(self, name):
    spec = _SPECS[name]
    edge_mask = np.random.default_rng(0).random(len(spec.edges)) < 0.5
    matrix = np.asarray(graphs.adjacency(spec, jnp.asarray(edge_mask)))
    expected = np.zeros((spec.num_nodes, spec.num_nodes))
    for (sender, receiver), wired in zip(spec.edges, edge_mask):
      expected[sender, receiver] = wired
    np.testing.assert_array_equal(matrix, expected)
    np.testing.assert_array_equal(np.tril(matrix), 0.0)

  def test_rejects_a_mask_of_another_space(self):
    with self.assertRaisesRegex(AssertionError, '10'):
      graphs.adjacency(_SPECS['nasbench201'], jnp.ones(23, bool))

  def test_nasbench201_wires_edges_that_share_a_node(self):
    # Genes are the edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3 of the cell; one feeds
    # another where it ends at the node the other starts from.
    cell = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    expected = set()
    for i, (start, end) in enumerate(cell, start=1):
      if start == 0:
        expected.add((0, i))
      if end == 3:
        expected.add((i, 7))
      for j, (after, _) in enumerate(cell, start=1):
        if after == end:
          expected.add((i, j))
    self.assertEqual(set(_SPECS['nasbench201'].edges), expected)

  def test_fbnet_is_a_chain(self):
    senders, receivers = graphs.endpoints(_SPECS['fbnet'])
    np.testing.assert_array_equal(senders, np.arange(23))
    np.testing.assert_array_equal(receivers, np.arange(1, 24))


class GraphsTupleTest(parameterized.TestCase):

  @parameterized.parameters(*_SPECS)
  def test_has_the_template_and_batches_under_vmap(self, name):
    spec = _SPECS[name]
    nodes = jnp.ones((3, spec.num_nodes, 2))
    edge_mask = jnp.ones((3, len(spec.edges)), bool)
    graph = jax.vmap(lambda n, m: graphs.to_graphs_tuple(spec, n, m))(
        nodes, edge_mask
    )
    self.assertIsInstance(graph, jraph.GraphsTuple)
    senders, receivers = graphs.endpoints(spec)
    for row in range(3):
      np.testing.assert_array_equal(graph.senders[row], senders)
      np.testing.assert_array_equal(graph.receivers[row], receivers)
    np.testing.assert_array_equal(graph.n_node[:, 0], spec.num_nodes)
    np.testing.assert_array_equal(graph.n_edge[:, 0], len(spec.edges))


class AggregateTest(parameterized.TestCase):

  @parameterized.product(
      name=tuple(_SPECS), passing=('dense_passing', 'jraph_passing')
  )
  def test_sums_predecessors(self, name, passing):
    spec = _SPECS[name]
    rng = np.random.default_rng(1)
    nodes = rng.normal(size=(spec.num_nodes, 3))
    edge_mask = rng.random(len(spec.edges)) < 0.5
    expected = np.zeros_like(nodes)
    for (sender, receiver), wired in zip(spec.edges, edge_mask):
      expected[receiver] += wired * nodes[sender]
    out = getattr(graphs, passing)(spec).aggregate(
        jnp.asarray(nodes, jnp.float32), jnp.asarray(edge_mask)
    )
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-6)


if __name__ == '__main__':
  absltest.main()
