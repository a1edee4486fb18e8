"""The replication's parts against what is known of the reference."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from published_protocol import network
from published_protocol import published
from published_protocol import training
import pytest

from nasflat_jax import spaces
from nasflat_jax import types

_CELLS = spaces.NASBENCH201
_CHAIN = spaces.FBNET


def test_simplified_wiring_has_the_counts_of_the_reference():
  genotype = np.asarray(spaces.genotype_of(_CELLS, range(5**6)))
  rows = network.simplified_adjacency(genotype)
  assert len(np.unique(rows.reshape(len(rows), -1), axis=0)) == 181
  edges = rows.sum((1, 2))
  assert edges.mean() == pytest.approx(5.62, abs=0.005)
  assert (edges == 0).sum() == 341
  isolated = ~(rows.any(1) | rows.any(2))[:, 1:7]
  assert isolated.sum(1).mean() == pytest.approx(2.94, abs=0.005)


def test_simplified_wiring_by_hand():
  # none on 0-1, skip on 0-2, convolutions elsewhere: 1-2 and 1-3 are dead.
  rows = network.simplified_adjacency(np.array([[0, 1, 3, 3, 3, 3]]))
  # The input feeds 0-3 (node 4) and, through the skip, 2-3 (node 6).
  assert np.argwhere(rows[0]).tolist() == [[0, 4], [0, 6], [4, 7], [6, 7]]


def _devices(size):
  return types.Devices(
      index=jnp.zeros(size, jnp.int32), reference=jnp.zeros((size, 0))
  )


def test_fbnet_is_blind_to_order_and_ends_as_the_reference_is():
  predictor = network.predictor(_CHAIN, 2, 'operation')
  genotype = np.tile(np.arange(22) % 9, (4, 1)).astype(np.int32)
  genotype[1, 1:-1] = genotype[0, 1:-1][::-1]
  genotype[2, [0, -1]] = 8, 5
  genotype[3, 1:11] = 8
  rows = network.architectures(_CHAIN, genotype)
  params = predictor.init(jax.random.key(0), rows, _devices(4))
  scores = jax.jit(predictor.apply)(params, rows, _devices(4))
  np.testing.assert_allclose(scores[:3], scores[0], atol=5e-6)
  assert abs(scores[3] - scores[0]) > 1e-4


def test_attention_is_not_masked():
  described = network.spec(_CELLS)
  passing = network.unmasked_passing(described)
  rng = np.random.default_rng(0)
  queries, keys, values = rng.normal(size=(3, 8, 4))
  edge_mask = rng.random(len(described.edges)) < 0.4
  feeds = np.zeros((8, 8))
  for (i, j), wired in zip(described.edges, edge_mask, strict=True):
    feeds[j, i] = wired
  weights = np.exp(np.tanh(queries @ keys.T) * feeds)
  weights /= weights.sum(1, keepdims=True)
  np.testing.assert_allclose(
      passing.attend(queries, keys, values, jnp.asarray(edge_mask), jnp.tanh),
      weights @ values, rtol=1e-5,
  )


@pytest.mark.parametrize(('size', 'real'), [(16, 4), (16, 16), (16, 0)])
def test_pair_loss(size, real):
  rng = np.random.default_rng(1)
  scores, label = rng.normal(size=(2, size))
  label[1] = label[0]
  where = np.arange(size) < real
  hinges = [
      max(0.0, 0.1 - np.sign(label[i] - label[j]) * (scores[i] - scores[j]))
      for i, j in itertools.combinations(range(real), 2)
      if label[i] != label[j]
  ]
  losses = np.array([
      training.pair_loss(
          jax.random.key(k), *(jnp.asarray(x) for x in (scores, label, where))
      )
      for k in range(40)
  ])
  if real == 4:  # five pairs, all of them kept
    np.testing.assert_allclose(losses, np.mean(hinges), rtol=1e-5)
  elif real == 0:
    np.testing.assert_array_equal(losses, 0.0)
  else:  # 64 of 119 pairs: the mean over draws is the mean over pairs
    assert losses.std() > 1e-3
    error = losses.std() / np.sqrt(len(losses))
    assert abs(losses.mean() - np.mean(hinges)) < 4 * error


def _linear():
  def apply(params, architectures, devices, *, key=None):
    del key
    hot = jax.nn.one_hot(architectures.genotype, 5)
    return hot.reshape(len(hot), -1) @ params[devices.index[0]]

  return types.Predictor(lambda *_: jnp.zeros((2, 30)), apply)


def test_training_learns_an_order_and_ignores_padding():
  predictor = _linear()
  rng = np.random.default_rng(2)
  genotype = rng.integers(5, size=(40, 6))
  rows = network.architectures(_CELLS, genotype)
  label = genotype.sum(1).astype(np.float32)
  run = training.trainer(
      predictor, epochs=40, learning_rate=0.03, batch_size=16, num_batches=2
  )

  def train(junk):
    columns = (np.arange(20), np.ones(20, int), label[:20], np.ones(20, bool))
    columns = [np.array(training.padded(c, 32)) for c in columns]
    columns[2][20:] = junk
    return run(
        jax.random.key(0), jnp.zeros((2, 30)), rows,
        *(jnp.asarray(c) for c in columns),
    )

  last = train(0.0)
  assert last.shape == (training.LAST_EPOCHS, 2, 30)
  np.testing.assert_array_equal(last, train(50.0))
  scores = training.scorer(predictor)(last[-1], rows, 1)
  assert scores.shape == (40,)
  truth = np.where(np.arange(40) < 20, np.nan, label)
  assert float(training.correlations(scores[None], truth)[0]) > 0.7
  assert not np.asarray(last[:, 0]).any()  # the other device's weights


def test_recipes():
  cells = published.recipe('op_init', 'nasbench201')
  assert (cells.sizes, cells.num_source) == ((5, 10, 15, 20), 16)
  chain = dataclasses.asdict(published.recipe('zcp', 'fbnet'))
  assert chain['encoding'] == 'zcp' and chain['num_source'] == 800
  assert not published.recipe('head', 'fbnet').warm_start
  with pytest.raises(ValueError, match='FBNet only'):
    published.recipe('zcp', 'nasbench201')
