"""One device: support, model, leave-one-out, distinct sources."""

import dataclasses

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np
import tiny_network

from nasflat_jax import spaces
from nasflat_jax import transfer

_KEY = jax.random.key(4)
_GENOTYPE, _LATENCY_MS = tiny_network.devices(1)


class ChooseSupportTest(parameterized.TestCase):

  @parameterized.parameters(
      (spaces.NASBENCH201, 20), (spaces.FBNET, 12), (spaces.NASBENCH201, 1)
  )
  def test_distinct_valid_and_deterministic(self, space, num_support):
    chosen = np.asarray(transfer.choose_support(_KEY, space, num_support))
    self.assertEqual(chosen.shape, (num_support, space.spec.num_genes))
    self.assertEqual(chosen.dtype, np.int32)
    self.assertLen(np.unique(chosen, axis=0), num_support)
    self.assertTrue(np.asarray(space.is_valid(chosen)).all())
    again = transfer.choose_support(_KEY, space, num_support)
    np.testing.assert_array_equal(chosen, again)
    other = transfer.choose_support(jax.random.key(5), space, num_support)
    self.assertFalse(np.array_equal(chosen, other))

  def test_spreads_further_than_a_random_draw(self):
    space = spaces.NASBENCH201
    chosen = np.asarray(transfer.choose_support(_KEY, space, 10))
    random = np.asarray(space.random(_KEY, 10))
    spread = lambda g: np.log(np.asarray(space.costs(g).flops)).std()
    self.assertGreater(spread(chosen), spread(random))

  def test_more_than_there_are(self):
    with self.assertRaisesRegex(ValueError, 'cannot choose 9999 of'):
      transfer.choose_support(_KEY, spaces.NASBENCH201, 9999)


class AdaptDeviceTest(parameterized.TestCase):

  def test_equals_adapting_one_pair(self):
    pre = tiny_network.pretrained(head_sources=(0, 2))
    genotype, latency_ms = _GENOTYPE[:9], _LATENCY_MS[0, :9]
    model = transfer.adapt_device(
        _KEY, tiny_network.checkpoint(pre), genotype, latency_ms,
        method='nasflat',
    )
    self.assertEqual(model.adapted.pretrained.head_sources, (0, 2))
    prediction = model.predict(_GENOTYPE)
    adapted = transfer.adapt_devices(
        _KEY[None], pre, genotype[None], latency_ms[None]
    )
    np.testing.assert_array_equal(
        prediction.latency_ms, adapted.predict(_GENOTYPE)[0]
    )
    self.assertEqual(prediction.latency_ms.shape, (60,))
    self.assertIsNone(prediction.lower_ms)


  def test_bayesian_has_intervals_and_knows_what_to_measure(self):
    checkpoint = tiny_network.checkpoint(tiny_network.pretrained())
    model = transfer.adapt_device(
        _KEY, checkpoint, _GENOTYPE[:9], _LATENCY_MS[0, :9]
    )
    self.assertIn('sources', model.adapted.model.blocks)
    got = model.predict(_GENOTYPE)
    self.assertTrue((got.lower_ms < got.latency_ms).all())
    self.assertTrue((got.latency_ms < got.upper_ms).all())
    width = np.log(got.upper_ms / got.lower_ms)
    (proposed,) = model.propose(_GENOTYPE, 1)
    self.assertGreater(width[proposed], np.median(width))

  def test_without_checkpoint(self):
    space = spaces.OFA
    genotype = np.asarray(space.random(_KEY, 12))
    latency_ms = np.asarray(space.costs(genotype).multiply_adds) / 1e7
    model = transfer.adapt_device(
        _KEY, None, genotype[:8], latency_ms[:8], space=space
    )
    self.assertNotIn('sources', model.adapted.model.blocks)
    got = model.predict(genotype[8:]).latency_ms
    np.testing.assert_array_equal(got.argsort(), latency_ms[8:].argsort())

  @parameterized.parameters(
      ({'method': 'magic'}, "unknown method 'magic'; choose from bayesian"),
      ({'method': 'nasflat'}, 'nasflat needs a checkpoint'),
      ({}, 'the space has to be given'),
  )
  def test_refuses(self, options, message):
    with self.assertRaisesRegex(ValueError, message):
      transfer.adapt_device(
          _KEY, None, _GENOTYPE[:4], _LATENCY_MS[0, :4], **options
      )

  def test_only_bayesian_proposes(self):
    model = transfer.adapt_device(
        _KEY,
        tiny_network.checkpoint(tiny_network.pretrained(parts=('head',))),
        _GENOTYPE[:9],
        _LATENCY_MS[0, :9],
        method='nasflat',
    )
    with self.assertRaisesRegex(ValueError, 'only the method bayesian'):
      model.propose(_GENOTYPE, 1)


class LeaveOneOutTest(parameterized.TestCase):

  def _predict(
      self, n=8, parts=('head',), latency_ms=None, method='nasflat'
  ):
    if latency_ms is None:
      latency_ms = _LATENCY_MS[0, :n]
    checkpoint = tiny_network.checkpoint(tiny_network.pretrained(parts=parts))
    return checkpoint, transfer.leave_one_out(
        _KEY, checkpoint, _GENOTYPE[:n], latency_ms, method=method
    ).latency_ms

  # The fewest of the one, several of the other: each compiles anew.
  @parameterized.parameters((3, 'bayesian'), (8, 'nasflat'))
  def test_equals_separate_adaptations(self, n, method):
    checkpoint, predicted = self._predict(n, method=method)
    self.assertEqual(predicted.shape, (n,))
    for i in range(n):
      keep = np.arange(n) != i
      model = transfer.adapt_device(
          _KEY, checkpoint, _GENOTYPE[:n][keep], _LATENCY_MS[0, :n][keep],
          method=method,
      )
      alone = model.predict(_GENOTYPE[i:i + 1]).latency_ms
      np.testing.assert_allclose(predicted[i], alone[0], rtol=1e-4)

  @parameterized.parameters(
      (('head',), 1e-9, 'nasflat'),
      (('fine_tune', 'head'), 1e-5, 'nasflat'),
      (('head',), 1e-6, 'bayesian'),
  )
  def test_never_sees_the_row_left_out(self, parts, rtol, method):
    _, before = self._predict(parts=parts, method=method)
    corrupted = _LATENCY_MS[0, :8].copy()
    corrupted[3] *= 50.0
    _, after = self._predict(
        parts=parts, latency_ms=corrupted, method=method
    )
    np.testing.assert_allclose(after[3], before[3], rtol=rtol)
    others = np.arange(8) != 3
    self.assertTrue((np.abs(after / before - 1.0)[others] > 0.01).all())

  @parameterized.parameters(0, 1, 2)
  def test_needs_three(self, n):
    with self.assertRaisesRegex(ValueError, f'3 measurements or more, got {n}'):
      self._predict(n)


class DistinctSourcesTest(absltest.TestCase):

  def test_copies_come_last(self):
    pre = tiny_network.pretrained()
    table = pre.params['device_embedding']
    table = table.at[1].set(table[0])
    copied = dataclasses.replace(
        pre, params={**pre.params, 'device_embedding': table}
    )
    chosen = transfer.distinct_sources(copied, _GENOTYPE, 2)
    self.assertIn(2, chosen)
    self.assertLen(set(chosen) & {0, 1}, 1)
    self.assertEqual(chosen, tuple(sorted(chosen)))
    for num_sources in (3, 7):
      self.assertEqual(
          transfer.distinct_sources(copied, _GENOTYPE, num_sources), (0, 1, 2)
      )


if __name__ == '__main__':
  absltest.main()
