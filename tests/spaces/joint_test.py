"""Networks of several spaces in one batch of graphs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import types

# Wiring by genes, two cells, missing nodes, a cell and a chain.
_MEMBERS = [
    spaces.NASBENCH101, spaces.NDS_DARTS, spaces.TRANSNAS_MACRO,
    spaces.NASBENCH201, spaces.FBNET,
]
_JOINT = spaces.join(_MEMBERS)
_ATTRIBUTES = spaces.operator_attributes(_JOINT.spec)


def _draw(space, n=5):
  return space.random(jax.random.key(0), n)


def test_operations_are_distinct_and_known_by_their_attributes():
  spec = spaces.join([spaces.get(name) for name in spaces.names()]).spec
  attributes = spaces.operator_attributes(spec)
  assert len(set(spec.op_names)) == len(spec.op_names) == len(spec.operators)
  assert len(np.unique(attributes, axis=0)) == len(attributes)
  for node in spec.op_features:
    np.testing.assert_allclose(node, attributes, rtol=1e-6)
  assert spec.op_names.count('skip') == 1
  assert 'conv_3x3' in spec.op_names
  assert all(s < r < spec.num_nodes for s, r in spec.edges)


@pytest.mark.parametrize('space', _MEMBERS, ids=lambda s: s.spec.name)
def test_a_graph_keeps_its_operations_masks_and_edges(space):
  genotype = _draw(space)
  graph, own = spaces.unify(_JOINT, space, genotype), space.decode(genotype)
  last = _JOINT.spec.num_nodes - 1
  slots = np.array([*range(space.spec.num_nodes - 1), last])
  cells = space.spec.num_cells
  used = np.asarray(own.node_mask)
  # What is there is the same, known by its attributes.
  theirs = spaces.operator_attributes(space.spec)[own.ops]
  ours = _ATTRIBUTES[graph.ops][:, :cells][:, :, slots]
  np.testing.assert_array_equal(ours[used], theirs[used])
  for name in ('node_mask', 'live_mask'):
    mask = np.asarray(getattr(graph, name))
    inside = mask[:, :cells][:, :, slots]
    np.testing.assert_array_equal(inside, getattr(own, name))
    assert mask.sum() == inside.sum()
  padding = np.asarray(graph.ops)[~np.asarray(graph.node_mask)]
  assert (padding == _JOINT.spec.op_names.index('absent')).all()
  for row in range(len(genotype)):
    for cell in range(cells):
      wired = np.array(_JOINT.spec.edges)[graph.edge_mask[row, cell]]
      wanted = slots[np.array(space.spec.edges)[own.edge_mask[row, cell]]]
      assert sorted(wired.tolist()) == sorted(wanted.tolist())
  assert not np.asarray(graph.edge_mask)[:, cells:].any()
  np.testing.assert_array_equal(
      graph.genotype[:, : space.spec.num_genes], genotype
  )
  token = np.eye(len(_MEMBERS))[_MEMBERS.index(space)]
  np.testing.assert_array_equal(graph.encoding, np.tile(token, (5, 1)))


def test_costs_of_nodes_are_those_of_the_space():
  space = spaces.TRANSNAS_MACRO
  genotype = space.from_string(['64-4111-basic', '64-411111-basic'])
  costs = np.asarray(spaces.node_costs(_JOINT, space, genotype))
  spec = _JOINT.spec
  assert costs.shape == (2, spec.num_cells, spec.num_nodes, 4)
  own = np.array(space.spec.op_features)
  np.testing.assert_allclose(costs[0, 0, 1], own[1, 4], rtol=1e-6)
  assert not costs[0, 0, 5:].any() and costs[1, 0, 5:7].all(-1).all()
  assert not costs[:, 1:].any()


def test_one_network_runs_on_a_batch_of_several_spaces():
  members = [spaces.TRANSNAS_MACRO, spaces.NASBENCH201]
  joint = spaces.join(members)
  parts = [spaces.unify(joint, space, _draw(space, 3)) for space in members]
  batch = jax.tree.map(lambda *x: jnp.concatenate(x), *parts)
  predictor = predictors.gcn(joint.spec, num_devices=1, num_layers=2)

  def score(params, part):
    rows = len(part.genotype)
    return predictor.apply(params, part, _devices(rows))

  params = jax.jit(predictor.init)(jax.random.key(0), batch, _devices(6))
  scores = jax.jit(score)(params, batch)
  assert np.isfinite(scores).all() and len(set(scores.tolist())) == 6
  alone = jax.jit(score)(params, parts[1])
  np.testing.assert_allclose(alone, scores[3:], rtol=1e-4, atol=1e-5)


def _devices(rows):
  index, reference = jnp.zeros(rows, jnp.int32), jnp.zeros((rows, 0))
  return types.Devices(index=index, reference=reference)


def test_it_is_jittable_and_takes_further_numbers():
  joint = spaces.join([spaces.OFA, spaces.FBNET])
  genotype = _draw(spaces.FBNET)
  extra = np.arange(10.0).reshape(5, 2)
  unify = jax.jit(lambda g, e: spaces.unify(joint, spaces.FBNET, g, e))
  graph = unify(genotype, extra)
  np.testing.assert_array_equal(graph.encoding[:, :2], [[0, 1]] * 5)
  np.testing.assert_array_equal(graph.encoding[:, 2:], extra)


def test_members_are_checked():
  with pytest.raises(ValueError, match='distinct search spaces, got '):
    spaces.join([spaces.OFA, spaces.OFA])
  with pytest.raises(ValueError, match='distinct search spaces'):
    spaces.join([])
  joint = spaces.join([spaces.OFA, spaces.FBNET])
  with pytest.raises(ValueError, match="'nasbench201' must be once among ofa"):
    spaces.unify(joint, spaces.NASBENCH201, np.zeros((1, 6), np.int32))
