"""Networks of several spaces in one batch of graphs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import types

_MEMBERS = [spaces.get(name) for name in spaces.names()]
_JOINT = spaces.join(_MEMBERS)
_ATTRIBUTES = spaces.operator_attributes(_JOINT.spec)


def _draw(space, n=5):
  return space.random(jax.random.key(0), n)


def test_operations_are_distinct_and_known_by_their_attributes():
  spec = _JOINT.spec
  assert len(set(spec.op_names)) == len(spec.op_names) == len(spec.operators)
  assert len(np.unique(_ATTRIBUTES, axis=0)) == len(_ATTRIBUTES)
  for node in spec.op_features:
    np.testing.assert_allclose(node, _ATTRIBUTES, rtol=1e-6)
  assert spec.op_names.count('skip') == 1  # of six spaces
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


def _scores(predictor, params, batch):
  rows = len(batch.genotype)
  devices = types.Devices(
      index=jnp.zeros(rows, jnp.int32), reference=jnp.zeros((rows, 0))
  )
  if params is None:
    params = predictor.init(jax.random.key(0), batch, devices)
  return params, predictor.apply(params, batch, devices)


def test_one_network_runs_on_a_batch_of_all_spaces():
  parts = [
      spaces.unify(_JOINT, space, _draw(space, 2)) for space in _MEMBERS
  ]
  batch = jax.tree.map(lambda *x: jnp.concatenate(x), *parts)
  predictor = predictors.nasflat(
      _JOINT.spec, num_devices=1, layer=predictors.dense_graph_flow
  )
  params, scores = _scores(predictor, None, batch)
  assert scores.shape == (2 * len(_MEMBERS),)
  assert np.isfinite(scores).all() and len(set(scores.tolist())) > 10
  for place, part in enumerate(parts[:3]):
    _, alone = _scores(predictor, params, part)
    both = scores[2 * place : 2 * place + 2]
    np.testing.assert_allclose(alone, both, rtol=1e-4, atol=1e-5)


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
