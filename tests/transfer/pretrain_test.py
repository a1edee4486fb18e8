"""Labels, batches, and pretraining that can be interrupted."""

import pathlib

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np
import optax
import tiny_network

from nasflat_jax import checkpoints
from nasflat_jax import transfer


class StandardiseLogTest(parameterized.TestCase):

  def test_matches_numpy_and_gives_zero_where_unmeasured(self):
    rng = np.random.default_rng(0)
    latency_ms = rng.uniform(0.01, 90.0, (3, 40))
    latency_ms[rng.random((3, 40)) < 0.3] = np.nan
    label, shift, scale = transfer.standardise_log(latency_ms)
    log = np.log(latency_ms)
    np.testing.assert_allclose(shift, np.nanmean(log, 1), rtol=1e-12)
    np.testing.assert_allclose(scale, np.nanstd(log, 1), rtol=1e-12)
    expected = (log - shift[:, None]) / scale[:, None]
    np.testing.assert_allclose(label, np.nan_to_num(expected), rtol=1e-6)
    self.assertEqual(label.dtype, np.float32)
    self.assertTrue((label[np.isnan(latency_ms)] == 0.0).all())

  def test_rows_outside_where_set_nothing(self):
    rng = np.random.default_rng(1)
    latency_ms = rng.uniform(1.0, 9.0, 30)
    where = np.arange(30) < 8
    label, shift, scale = transfer.standardise_log(latency_ms, where)
    alone = transfer.standardise_log(latency_ms[:8])
    np.testing.assert_array_equal(label[:8], alone[0])
    self.assertEqual((shift, scale), alone[1:])
    other = np.where(where, latency_ms, 1e4 * latency_ms)
    other[20] = np.nan
    again = transfer.standardise_log(other, where)
    np.testing.assert_array_equal(again[0][:8], label[:8])
    self.assertEqual(again[1:], (shift, scale))
    # They still get a label, by the same map.
    np.testing.assert_allclose(
        label[8:], (np.log(latency_ms[8:]) - shift) / scale, rtol=1e-6
    )

  @parameterized.parameters(1, 7)
  def test_a_constant_device_has_scale_one(self, num):
    label, shift, scale = transfer.standardise_log(np.full(num, 3.7))
    self.assertEqual(scale, 1.0)
    self.assertAlmostEqual(shift, np.log(3.7))
    np.testing.assert_allclose(label, 0.0, atol=1e-12)

  def test_a_device_without_measurements_is_zero(self):
    label, shift, scale = transfer.standardise_log(np.full((1, 5), np.nan))
    np.testing.assert_array_equal(label, np.zeros((1, 5)))
    self.assertEqual((shift[0], scale[0]), (0.0, 1.0))


def _data(holes=False):
  genotype, latency_ms = tiny_network.devices(tiny_network.NUM_SOURCES)
  if holes:
    latency_ms[np.random.default_rng(5).random(latency_ms.shape) < 0.4] = np.nan
  decode = transfer.decoder(tiny_network.SPACE, 'costs')
  return transfer.source_data(decode, genotype, latency_ms), latency_ms


class SourceBatchTest(absltest.TestCase):

  def test_rows_are_the_tables_rows(self):
    data, latency_ms = _data(holes=True)
    batch = transfer.source_batch(
        jax.random.key(3), data, num_devices=2, num_architectures=30
    )
    self.assertEqual(batch.label.shape, (60,))
    self.assertEqual(batch.devices.reference.shape, (60, 0))
    index = np.asarray(batch.devices.index)
    self.assertLen(set(index), 2)  # two different devices, 30 rows of each
    np.testing.assert_array_equal(index, np.repeat(index[::30], 30))
    self.assertTrue(((0 <= index) & (index < 3)).all())
    table = data.architectures.genotype.tolist()
    rows = [table.index(g) for g in batch.architectures.genotype.tolist()]
    self.assertGreater(len(set(rows)), 20)
    label, _, _ = transfer.standardise_log(latency_ms)
    np.testing.assert_array_equal(batch.label, label[index, rows])
    np.testing.assert_array_equal(
        batch.where, np.isfinite(latency_ms)[index, rows]
    )
    self.assertFalse(np.asarray(batch.where).all())
    np.testing.assert_array_equal(
        batch.architectures.encoding,
        data.architectures.encoding[np.array(rows)],
    )

  def test_rows_carry_the_references_of_their_device(self):
    genotype, latency_ms = tiny_network.devices(tiny_network.NUM_SOURCES)
    data = transfer.source_data(
        transfer.decoder(tiny_network.SPACE, 'none'), genotype, latency_ms,
        latency_ms[:, :4],
    )
    log = np.log(latency_ms[:, :4])
    wanted = (log - log.mean(1, keepdims=True)) / log.std(1, keepdims=True)
    np.testing.assert_allclose(data.reference, wanted, rtol=1e-4, atol=1e-5)
    batch = transfer.source_batch(
        jax.random.key(3), data, num_devices=3, num_architectures=5
    )
    np.testing.assert_array_equal(
        batch.devices.reference, data.reference[batch.devices.index]
    )

  def test_every_device_is_drawn_and_more_than_there_are_repeat(self):
    data, _ = _data()
    many = transfer.source_batch(
        jax.random.key(0), data, num_devices=3, num_architectures=2
    )
    self.assertCountEqual(many.devices.index[::2].tolist(), [0, 1, 2])
    more = transfer.source_batch(
        jax.random.key(0), data, num_devices=5, num_architectures=2
    )
    self.assertEqual(more.label.shape, (10,))
    self.assertTrue((np.asarray(more.devices.index) < 3).all())

  def test_a_latency_of_zero_is_refused(self):
    decode = transfer.decoder(tiny_network.SPACE, 'none')
    with self.assertRaisesRegex(ValueError, 'above 0 ms'):
      transfer.source_data(
          decode, np.zeros((2, 6), np.int32), np.array([[1.0, 0.0]])
      )


class _StopError(Exception):
  pass


class PretrainTest(absltest.TestCase):

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.data, _ = _data(holes=True)
    optimizer = optax.adamw(optax.cosine_decay_schedule(0.02, 40))
    cls.algorithm = transfer.fine_tune(
        tiny_network.predictor(), optimizer=optimizer,
        adapt_optimizer=optimizer, adapt_steps=1, num_sources=3,
    )
    cls.whole = cls._run()

  @classmethod
  def _run(cls, key=0, num_steps=6, chunk_steps=2, **kwargs):
    return transfer.pretrain(
        jax.random.key(key), cls.algorithm, cls.data, num_steps=num_steps,
        num_devices=2, num_architectures=16, chunk_steps=chunk_steps, **kwargs,
    )

  def _assert_equal(self, a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)

  def test_the_loss_falls(self):
    losses = []
    state = self._run(
        num_steps=40, chunk_steps=8,
        on_chunk=lambda state, loss: losses.append((int(state.step), loss)),
    )
    steps, values = zip(*losses)
    self.assertEqual(steps, (8, 16, 24, 32, 40))
    self.assertEqual(int(state.step), 40)
    self.assertLess(values[-1], 0.7 * values[0])

  def test_deterministic_under_a_key(self):
    self._assert_equal(self._run(), self.whole)
    other = self._run(key=1)
    moved = other.meta_params['hidden'] - self.whole.meta_params['hidden']
    self.assertGreater(np.abs(moved).max(), 0.01)

  def test_interrupted_and_restored_equals_uninterrupted(self):
    path = pathlib.Path(self.create_tempdir()) / 'state.npz'
    settings = {'seed': 0}

    def stop(state, loss):
      del loss
      checkpoints.save_state(path, state, settings)
      raise _StopError

    with self.assertRaises(_StopError):
      self._run(on_chunk=stop)
    seen = []

    def restore(state):
      state = checkpoints.restore_state(path, state, settings)
      seen.append(int(state.step))
      return state

    self._assert_equal(self._run(restore=restore), self.whole)
    # Another size of the chunks gives the same bits, too.
    self._assert_equal(self._run(restore=restore, chunk_steps=3), self.whole)
    self.assertEqual(seen, [2, 2])

  def test_a_finished_state_is_returned_as_it_is(self):
    calls = []
    again = self._run(
        restore=lambda _: self.whole, on_chunk=lambda *args: calls.append(args)
    )
    self._assert_equal(again, self.whole)
    self.assertEmpty(calls)


if __name__ == '__main__':
  absltest.main()
