"""Many pairs at once: no leak, milliseconds, the head against plain NumPy."""

import dataclasses

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np
import tiny_network

from nasflat_jax import encodings
from nasflat_jax import metrics
from nasflat_jax import transfer

_PARTS = (('fine_tune',), ('head',), ('fine_tune', 'head'))
_KEYS = jax.random.split(jax.random.key(2), 3)
_GENOTYPE, _LATENCY_MS = tiny_network.devices(4)
_QUERY = _GENOTYPE[30:]


def _support(seed=0, n=12):
  """Three pairs, each with a device and rows of its own."""
  rng = np.random.default_rng(seed)
  ids = np.stack([rng.choice(30, n, replace=False) for _ in range(3)])
  return _GENOTYPE[ids], np.take_along_axis(_LATENCY_MS[1:], ids, axis=1)


def _predict(pre, genotype, latency_ms, keys=_KEYS):
  adapted = transfer.adapt_devices(keys, pre, genotype, latency_ms)
  return adapted.predict(_QUERY)


class LeakTest(parameterized.TestCase):

  @parameterized.parameters(*[(parts,) for parts in _PARTS])
  def test_pairs_see_their_own_support_only(self, parts):
    pre = tiny_network.pretrained(parts=parts)
    genotype, latency_ms = _support()
    before = _predict(pre, genotype, latency_ms)
    self.assertEqual(before.shape, (3, 30))
    # Other rows, other latencies and another key for pair 1.
    other_genotype, other_ms = _support(seed=1)
    mixed = np.array([False, True, False])
    keys = _KEYS.at[1].set(jax.random.key(99))
    after = _predict(
        pre,
        np.where(mixed[:, None, None], other_genotype, genotype),
        np.where(mixed[:, None], 40.0 * other_ms, latency_ms),
        keys,
    )
    np.testing.assert_allclose(after[[0, 2]], before[[0, 2]], rtol=1e-6)
    self.assertGreater((after[1] / before[1]).min(), 5.0)

  @parameterized.parameters(*[(parts,) for parts in _PARTS])
  def test_permuted_pairs_give_permuted_results(self, parts):
    pre = tiny_network.pretrained(parts=parts)
    genotype, latency_ms = _support()
    order = np.array([2, 0, 1])
    np.testing.assert_allclose(
        _predict(pre, genotype[order], latency_ms[order], _KEYS[order]),
        _predict(pre, genotype, latency_ms)[order], rtol=1e-5,
    )

  def test_a_pair_alone_is_as_among_others(self):
    pre = tiny_network.pretrained()
    genotype, latency_ms = _support()
    together = _predict(pre, genotype, latency_ms)
    alone = _predict(pre, genotype[1:2], latency_ms[1:2], _KEYS[1:2])
    np.testing.assert_allclose(alone[0], together[1], rtol=1e-4)

  @parameterized.parameters((('head',), 1e-9), (('fine_tune',), 2e-3))
  def test_the_order_of_the_support_does_not_matter(self, parts, rtol):
    # Without dropout, whose mask belongs to the place of a row in the batch.
    pre = tiny_network.pretrained(dropout=False, parts=parts)
    genotype, latency_ms = _support()
    np.testing.assert_allclose(
        _predict(pre, genotype[:, ::-1], latency_ms[:, ::-1]),
        _predict(pre, genotype, latency_ms), rtol=rtol,
    )

  @parameterized.parameters(*[(parts,) for parts in _PARTS])
  def test_queries_do_not_see_each_other(self, parts):
    pre = tiny_network.pretrained(parts=parts)
    adapted = transfer.adapt_devices(_KEYS, pre, *_support())
    whole = adapted.predict(_QUERY)
    np.testing.assert_allclose(
        adapted.predict(_QUERY[::-1])[:, ::-1], whole, rtol=1e-5
    )
    np.testing.assert_allclose(
        adapted.predict(_QUERY, chunk_size=7), whole, rtol=1e-5
    )

  def test_the_pretrained_network_stays_as_it_is(self):
    pre = tiny_network.pretrained()
    before = jax.tree.map(np.array, pre.params)
    _predict(pre, *_support())
    jax.tree.map(np.testing.assert_array_equal, pre.params, before)


def _head_by_hand(pre, genotype, latency_ms, query):
  """Ridge, its penalty by explicit leave-one-out refits, in float64."""
  sources = pre.head_sources or range(pre.num_sources)

  def features(rows):
    label = np.zeros(len(rows))
    scores = [
        pre.predictor.apply(
            pre.params,
            (batch := tiny_network.batch(rows, label, i)).architectures,
            batch.devices,
        )
        for i in sources
    ]
    costs = getattr(encodings, pre.encoding)(pre.space)(rows)
    blocks = [np.asarray(scores, np.float64).T, np.asarray(costs, np.float64)]
    return np.hstack([b / np.sqrt(b.shape[1]) for b in blocks])

  def solve(x, y, penalty):
    gram = (x - x.mean(0)).T @ (x - x.mean(0)) + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, (x - x.mean(0)).T @ (y - y.mean()))
    return lambda z: y.mean() + (z - x.mean(0)) @ weights

  x = features(genotype)
  energy = np.linalg.svd(x - x.mean(0), compute_uv=False) ** 2
  errors = {}
  for penalty in np.logspace(-3.0, 3.0, 21) * energy.mean():
    errors[penalty] = sum(
        (solve(np.delete(x, i, 0), np.delete(latency_ms, i), penalty)(x[i])
         - latency_ms[i]) ** 2
        for i in range(len(x))
    )
  return solve(x, latency_ms, min(errors, key=errors.get))(features(query))


class EstimateTest(parameterized.TestCase):

  @parameterized.parameters((),  (0, 2))
  def test_the_head_is_a_ridge_regression(self, *head_sources):
    pre = tiny_network.pretrained(parts=('head',), head_sources=head_sources)
    genotype, latency_ms = _support()
    predicted = _predict(pre, genotype, latency_ms)
    for t in range(3):
      expected = _head_by_hand(pre, genotype[t], latency_ms[t], _QUERY)
      self.assertGreater(expected.min(), 0.5 * latency_ms[t].min())
      np.testing.assert_allclose(predicted[t], expected, rtol=1e-4)

  def test_fine_tuned_scores_are_calibrated_on_the_support(self):
    pre = tiny_network.pretrained(parts=('fine_tune',))
    genotype, latency_ms = _support()
    adapted = transfer.adapt_devices(_KEYS, pre, genotype, latency_ms)
    self.assertIsNone(adapted.head)
    predicted = adapted.predict(_QUERY)
    for t in range(3):
      params = jax.tree.map(lambda x: x[t], adapted.params)

      def score(rows):
        rows = tiny_network.batch(rows, np.zeros(len(rows)), pre.num_sources)
        return np.asarray(
            pre.predictor.apply(params, rows.architectures, rows.devices)
        )

      np.testing.assert_allclose(
          adapted.support_scores[t], score(genotype[t]), atol=1e-5
      )
      to_ms = metrics.calibrate(score(genotype[t]), latency_ms[t])
      np.testing.assert_allclose(predicted[t], to_ms(score(_QUERY)), rtol=1e-4)

  def test_both_is_the_mean(self):
    single = [
        _predict(tiny_network.pretrained(parts=(part,)), *_support())
        for part in ('fine_tune', 'head')
    ]
    both = _predict(tiny_network.pretrained(), *_support())
    np.testing.assert_allclose(both, np.mean(single, axis=0), rtol=1e-5)
    self.assertGreater(np.abs(single[0] - single[1]).max(), 0.1)

  def test_keys_make_the_dropout(self):
    other = jax.random.split(jax.random.key(3), 3)
    for part, same in (('head', True), ('fine_tune', False)):
      pre = tiny_network.pretrained(parts=(part,))
      first = _predict(pre, *_support())
      np.testing.assert_array_equal(first, _predict(pre, *_support()))
      again = _predict(pre, *_support(), keys=other)
      self.assertEqual(np.array_equal(first, again), same, part)

  def test_predictions_are_positive(self):
    # Half of the rows take next to nothing: the straight line of the head goes
    # far below zero.
    genotype = _GENOTYPE[None, :30]
    latency_ms = 100.0 * (genotype == 3).sum(-1)
    pre = tiny_network.pretrained(parts=('head',))
    for fast in (1.0, 1e-7):
      adapted = transfer.adapt_devices(
          _KEYS[:1], pre, genotype, np.maximum(latency_ms - 150.0, fast)
      )
      predicted = adapted.predict(_GENOTYPE)
      self.assertTrue((predicted > 0).all())
      self.assertTrue(np.isfinite(predicted).all())
      self.assertLess(predicted.min(), 0.5 * fast)  # some were bent

  @parameterized.parameters(*[(parts,) for parts in _PARTS])
  def test_a_constant_support_predicts_the_constant(self, parts):
    genotype, latency_ms = _support()
    pre = tiny_network.pretrained(parts=parts)
    predicted = _predict(pre, genotype, np.full_like(latency_ms, 2.5))
    np.testing.assert_allclose(predicted, 2.5, rtol=1e-6)

  def test_one_measurement_is_enough(self):
    genotype, latency_ms = _support(n=1)
    predicted = _predict(tiny_network.pretrained(), genotype, latency_ms)
    np.testing.assert_allclose(predicted / latency_ms, 1.0, rtol=1e-6)

  def test_source_scores(self):
    pre = tiny_network.pretrained()
    scores = pre.source_scores(_QUERY, chunk_size=8)
    self.assertEqual(scores.shape, (3, 30))
    for i in range(3):
      rows = tiny_network.batch(_QUERY, np.zeros(30), i)
      np.testing.assert_allclose(
          scores[i],
          pre.predictor.apply(pre.params, rows.architectures, rows.devices),
          atol=1e-5,
      )
    np.testing.assert_allclose(
        pre.source_scores(_QUERY, devices=(2, 0)), scores[[2, 0]], atol=1e-5
    )

  def test_a_decoder_is_one_object_and_fills_in_the_encoding(self):
    decode = transfer.decoder(tiny_network.SPACE, 'costs')
    self.assertIs(decode, transfer.decoder(tiny_network.SPACE, 'costs'))
    self.assertIs(decode, tiny_network.pretrained().decode)
    expected = encodings.costs(tiny_network.SPACE)(_QUERY)
    self.assertGreater(expected.shape[1], 0)
    np.testing.assert_array_equal(decode(_QUERY).encoding, expected)
    none = transfer.decoder(tiny_network.SPACE, 'none')
    self.assertEqual(none(_QUERY).encoding.shape, (30, 0))


class WarmStartTest(absltest.TestCase):

  def test_without_it_the_targets_own_row_is_where_it_starts(self):
    still = tiny_network.pretrained(
        parts=('fine_tune',), learning_rate=0.0, warm_start=False
    )
    rows = transfer.adapt_devices(_KEYS, still, *_support()).params
    own = still.params['device_embedding'][-1]
    np.testing.assert_array_equal(
        rows['device_embedding'][:, -1], np.stack([own] * 3)
    )
    warm = dataclasses.replace(still, warm_start=True)
    rows = transfer.adapt_devices(_KEYS, warm, *_support()).params
    source = np.asarray(still.params['device_embedding'][:-1])
    for row in np.asarray(rows['device_embedding'][:, -1]):
      self.assertTrue((row == source).all(axis=1).any())


class MistakeTest(parameterized.TestCase):

  def test_reference_latencies(self):
    plain = tiny_network.pretrained()
    reading = dataclasses.replace(
        plain, source_reference=np.zeros((3, 4), np.float32)
    )
    for pre, reference_ms, message in (
        (plain, np.ones((3, 4)), 'reads 0 reference latencies.* got 4'),
        (reading, None, 'reads 4 reference latencies.* got 0'),
        (reading, np.ones((2, 4)), r'\[D, R\] with D = 3, got \(2, 4\)'),
        (reading, np.zeros((3, 4)), 'positive, finite'),
    ):
      with self.assertRaisesRegex(ValueError, message):
        transfer.adapt_devices(_KEYS, pre, *_support(), reference_ms)

  @parameterized.parameters(
      (((3, 12, 6), (3, 11)), r'\(3, 12, 6\) and \(3, 11\)'),
      (((12, 6), (12,)), r'\[T, n, G\] and latency_ms \[T, n\]'),
      (((2, 12, 6), (2, 12)), 'got 3 keys'),
      (((3, 0, 6), (3, 0)), 'at least one'),
  )
  def test_shapes(self, shapes, message):
    genotype = np.zeros(shapes[0], np.int32)
    with self.assertRaisesRegex(ValueError, message):
      transfer.adapt_devices(
          _KEYS, tiny_network.pretrained(), genotype, np.ones(shapes[1])
      )

  @parameterized.parameters(0.0, -1.0, np.nan, np.inf)
  def test_latencies(self, value):
    genotype, latency_ms = _support()
    latency_ms[1, 3] = value
    with self.assertRaisesRegex(ValueError, 'positive, finite'):
      transfer.adapt_devices(
          _KEYS, tiny_network.pretrained(), genotype, latency_ms
      )

  @parameterized.parameters(((),), (('both',),), (('head', 'tail'),))
  def test_parts(self, parts):
    with self.assertRaisesRegex(ValueError, "parts takes 'fine_tune', 'head'"):
      dataclasses.replace(tiny_network.pretrained(), parts=parts)


if __name__ == '__main__':
  absltest.main()
