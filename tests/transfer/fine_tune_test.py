"""Adaptation: what it reads, what it writes, and that it learns."""

import dataclasses
import functools

from absl.testing import absltest
import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import stats
import tiny_network

from nasflat_jax import transfer
from nasflat_jax import types

_S = tiny_network.NUM_SOURCES


@functools.cache
def _adapt(**kwargs):
  """A compiled `adapt`, the same for the same arguments."""
  return jax.jit(_algorithm(**kwargs).adapt)


def _algorithm(*, dropout=0.1, steps=8, optimizer=None, **kwargs):
  return transfer.fine_tune(
      tiny_network.predictor(dropout=dropout),
      optimizer=optax.sgd(0.1),
      adapt_optimizer=optimizer or optax.sgd(0.03),
      adapt_steps=steps,
      num_sources=_S,
      **kwargs,
  )


class RankingAndRegressionTest(absltest.TestCase):

  def test_matches_a_loop(self):
    rng = np.random.default_rng(0)
    scores, label = rng.normal(size=(2, 8))
    where = np.array([1, 1, 0, 1, 1, 1, 1, 0], bool)
    group = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    whole = transfer.ranking_and_regression(
        scores, label, where=where, group=group
    )
    ranking = transfer.ranking_and_regression(
        scores, label, where=where, group=group, regression=0.0
    )
    error = np.mean((scores - label)[where] ** 2)
    self.assertAlmostEqual(float(whole - ranking), 0.5 * error, places=5)
    # A padded row and the difference between devices do not rank.
    moved = np.where(where, scores + 10.0 * group, 99.0)
    again = transfer.ranking_and_regression(
        moved, label, where=where, group=group, regression=0.0
    )
    self.assertAlmostEqual(float(again), float(ranking), places=5)


class AdaptTest(absltest.TestCase):

  def setUp(self):
    super().setUp()
    genotype, latency_ms = tiny_network.devices(2, num=20, seed=3)
    label, _, _ = transfer.standardise_log(latency_ms)
    self.supports = [tiny_network.batch(genotype, row) for row in label]
    self.support = self.supports[0]
    self.params = tiny_network.pretrained().params
    self.key = jax.random.key(0)

  def _loss(self, params):
    index = jnp.full(20, _S, jnp.int32)
    devices = dataclasses.replace(self.support.devices, index=index)
    scores = tiny_network.predictor().apply(
        params, self.support.architectures, devices
    )
    return float(transfer.ranking_and_regression(
        scores, self.support.label, where=self.support.where, group=index
    ))

  def test_the_loss_on_the_support_falls(self):
    start = _adapt(steps=0)(self.key, self.params, self.support)
    end = _adapt(steps=40)(self.key, self.params, self.support)
    self.assertLess(self._loss(end), 0.8 * self._loss(start))

  def test_vmap_equals_single_calls(self):
    adapt = _adapt()
    keys = jax.random.split(self.key, 2)
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *self.supports)
    batched = jax.jit(jax.vmap(adapt, (0, None, 0)))(
        keys, self.params, stacked
    )
    for i, support in enumerate(self.supports):
      single = adapt(keys[i], self.params, support)
      jax.tree.map(
          lambda a, b: np.testing.assert_allclose(a[i], b, atol=1e-5),
          batched, single,
      )

  def test_only_the_targets_row_is_read_and_written(self):
    # Plain descent has no weight decay, so an untouched row stays as it is.
    adapt = _adapt(warm_start=False)
    adapted = adapt(self.key, self.params, self.support)
    before, after = (p['device_embedding'] for p in (self.params, adapted))
    np.testing.assert_array_equal(after[:_S], before[:_S])
    self.assertGreater(np.abs(after[_S] - before[_S]).max(), 1e-3)
    wild = {**self.params, 'device_embedding': before.at[:_S].set(99.0)}
    again = adapt(self.key, wild, self.support)
    np.testing.assert_array_equal(again['hidden'], adapted['hidden'])
    np.testing.assert_array_equal(again['device_embedding'][_S], after[_S])

  def test_the_index_and_padding_of_the_support_do_not_matter(self):
    adapt = _adapt(dropout=0.0)
    adapted = adapt(self.key, self.params, self.support)
    other = dataclasses.replace(
        self.support,
        devices=dataclasses.replace(
            self.support.devices, index=jnp.full(20, 1, jnp.int32)
        ),
    )
    jax.tree.map(
        np.testing.assert_array_equal,
        adapt(self.key, self.params, other), adapted,
    )
    padded = jax.tree.map(lambda x: jnp.concatenate([x, x[:5]]), self.support)
    padded = dataclasses.replace(
        padded,
        label=padded.label.at[20:].set(50.0),
        where=padded.where.at[20:].set(False),
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        adapt(self.key, self.params, padded), adapted,
    )

  def _like_source(self, source):
    """The support, labelled by what the network says of a source device."""
    index = jnp.full(20, source, jnp.int32)
    devices = dataclasses.replace(self.support.devices, index=index)
    scores = tiny_network.predictor().apply(
        self.params, self.support.architectures, devices
    )
    return dataclasses.replace(self.support, label=scores)

  def test_nearest_source_finds_a_source_itself(self):
    for source in range(_S):
      rho = transfer.nearest_source(
          tiny_network.predictor(), self.params, self._like_source(source), _S
      )
      self.assertEqual(rho.shape, (_S,))
      self.assertEqual(int(np.argmax(rho)), source)
      self.assertAlmostEqual(float(rho[source]), 1.0, places=5)

  def test_nearest_source_is_spearman_and_undefined_is_last(self):
    rho = transfer.nearest_source(
        tiny_network.predictor(), self.params, self.support, _S
    )
    for source in range(_S):
      scores = self._like_source(source).label
      expected = stats.spearmanr(scores, self.support.label)[0]
      self.assertAlmostEqual(float(rho[source]), expected, places=5)
    constant = dataclasses.replace(self.support, label=jnp.zeros(20))
    rho = transfer.nearest_source(
        tiny_network.predictor(), self.params, constant, _S
    )
    np.testing.assert_array_equal(rho, -np.ones(_S))

  def test_nearest_source_describes_a_source_by_its_own_latencies(self):
    # Scores are column `reference[0]` of the encoding: no row is read.
    def apply(params, architectures, devices, *, key=None):
      del params, key
      column = devices.reference[:, :1].astype(jnp.int32)
      return jnp.take_along_axis(architectures.encoding, column, 1)[:, 0]

    reference = jnp.asarray([[4.0], [5.0], [7.0]])
    label = self.support.architectures.encoding[:, 5]
    devices = dataclasses.replace(
        self.support.devices, reference=jnp.full((20, 1), 7.0)
    )
    rho = transfer.nearest_source(
        types.Predictor(None, apply), {},
        dataclasses.replace(self.support, label=label, devices=devices),
        _S, reference,
    )
    encoding = np.asarray(self.support.architectures.encoding)
    expected = [
        stats.spearmanr(encoding[:, column], label)[0] for column in (4, 5, 7)
    ]
    np.testing.assert_allclose(rho, expected, atol=1e-5)
    self.assertEqual(int(np.argmax(rho)), 1)

  def test_warm_start_copies_the_nearest_row_and_nothing_else(self):
    support = self._like_source(2)
    warm = _adapt(steps=0)(self.key, self.params, support)
    table = self.params['device_embedding']
    np.testing.assert_array_equal(
        warm['device_embedding'], table.at[_S].set(table[2])
    )
    np.testing.assert_array_equal(warm['hidden'], self.params['hidden'])
    cold = _adapt(steps=0, warm_start=False)(
        self.key, self.params, support
    )
    jax.tree.map(np.testing.assert_array_equal, cold, self.params)

  def test_a_loss_of_its_own(self):
    def nothing(scores, label, *, where, group):
      del label, where, group
      return 0.0 * scores.sum()

    kept = _adapt(warm_start=False, adapt_loss_fn=nothing)(
        self.key, self.params, self.support
    )
    jax.tree.map(np.testing.assert_array_equal, kept, self.params)


if __name__ == '__main__':
  absltest.main()
