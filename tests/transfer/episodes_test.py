"""Episodes: what is trimmed, how it is scaled, and what is drawn."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np
import optax
import tiny_network

from nasflat_jax import transfer
from nasflat_jax import types

_SPACE = tiny_network.SPACE


class ScaleTest(parameterized.TestCase):

  @parameterized.parameters((10, 1, 9), (19, 1, 17), (900, 90, 810), (3, 0, 2),
                            (2, 0, 2), (1, 0, 1))
  def test_trimmed_positions(self, count, first, last):
    order = np.random.default_rng(0).permutation(count)
    latency_ms = np.full(count + 2, np.nan)
    latency_ms[:count] = 5.0 + order
    expected = np.zeros(count + 2, bool)
    expected[:count] = (order >= first) & (order < last)
    np.testing.assert_array_equal(transfer.trimmed(latency_ms), expected)

  def test_ties_do_not_change_how_many_are_kept(self):
    kept = transfer.trimmed(np.array([[2.0] * 10, [1.0] * 5 + [3.0] * 5]))
    np.testing.assert_array_equal(kept.sum(axis=1), [8, 8])

  def test_scale_is_that_of_the_middle(self):
    fit = np.array([1000.0, *np.linspace(10.0, 20.0, 8), 0.1, np.nan])
    scaled = transfer.scale_latency(np.array([10.0, 15.0, 20.0, 25.0]), fit)
    np.testing.assert_allclose(scaled, [0.05, 0.5, 0.95, 1.4])
    two = transfer.scale_latency(np.array([3.0, 7.0]), np.array([3.0, 7.0]))
    np.testing.assert_allclose(two, [0.05, 0.95])
    constant = transfer.scale_latency(np.ones(3), np.ones((2, 10)))
    np.testing.assert_array_equal(constant, np.full((2, 3), 0.05))

  def test_reference_embedding(self):
    embedded = transfer.embed_reference(np.array([[4.0, 2.0, 3.0], [1.0] * 3]))
    np.testing.assert_allclose(embedded, [[1.0, 0.0, 0.5], [0.0] * 3])
    self.assertEqual(transfer.embed_reference(np.zeros((2, 0))).shape, (2, 0))


def _data(num=60, num_sources=5, holes=0):
  genotype, latency_ms = tiny_network.devices(num_sources, num=num)
  if holes:
    latency_ms[0, :holes] = np.nan
  reference_ms = latency_ms[:, -4:]
  return latency_ms, transfer.episode_data(
      _SPACE.decode, genotype, latency_ms, reference_ms
  )


def _draw(data, seed=0, **sizes):
  return transfer.draw_episodes(jax.random.key(seed), data, **sizes)


def _rows(batch, data):
  """Row numbers of a batch's architectures."""
  drawn = batch.architectures.genotype[..., None, :]
  same = drawn == data.architectures.genotype
  return np.asarray(same.all(-1).argmax(-1))


class DrawTest(absltest.TestCase):

  def test_shapes_and_disjoint_rows_of_distinct_devices(self):
    latency_ms, data = _data()
    sizes = {'num_tasks': 3, 'num_support': 4, 'num_query': 30}
    draw = jax.jit(lambda key: transfer.draw_episodes(key, data, **sizes))
    for seed in range(3):
      episodes = draw(jax.random.key(seed))
      self.assertEqual(episodes.support.label.shape, (3, 4))
      self.assertEqual(episodes.query.label.shape, (3, 30))
      whole = jax.tree.map(
          lambda a, b: np.concatenate([a, b], axis=1),
          episodes.support, episodes.query,
      )
      rows, index = _rows(whole, data), whole.devices.index
      self.assertLen(np.unique(index[:, 0]), 3)
      for task in range(3):
        self.assertLen(np.unique(rows[task]), 34)
        self.assertLen(np.unique(index[task]), 1)
      self.assertTrue(whole.where.all())
      kept = transfer.trimmed(latency_ms)
      self.assertTrue(kept[index, rows].all())
      expected = transfer.scale_latency(latency_ms, latency_ms)[index, rows]
      np.testing.assert_allclose(whole.label, expected, rtol=1e-5)
      self.assertGreaterEqual(whole.label.min(), 0.049)
      self.assertLessEqual(whole.label.max(), 0.951)
      np.testing.assert_array_equal(
          whole.devices.reference, np.asarray(data.reference)[index]
      )

  def test_every_row_that_counts_and_every_device_is_drawn(self):
    _, data = _data()
    drawn = np.zeros(data.label.shape, int)
    for seed in range(40):
      episodes = _draw(data, seed, num_tasks=2, num_support=5, num_query=20)
      for batch in (episodes.support, episodes.query):
        np.add.at(drawn, (batch.devices.index, _rows(batch, data)), 1)
    np.testing.assert_array_equal(drawn > 0, data.where)

  def test_as_many_as_there_are(self):
    _, data = _data(num=30, num_sources=2, holes=15)
    episodes = _draw(data, num_support=6)
    self.assertEqual(episodes.query.label.shape, (2, 24))
    counts = np.asarray(episodes.query.where.sum(axis=1))
    order = np.argsort(episodes.query.devices.index[:, 0])
    np.testing.assert_array_equal(
        counts[order], np.asarray(data.where.sum(axis=1)) - 6
    )
    self.assertTrue(np.asarray(episodes.support.where).all())

  def test_errors(self):
    _, data = _data(num=10)
    with self.assertRaisesRegex(ValueError, 'leaves no query among 10 rows'):
      _draw(data, num_support=10)
    genotype, latency_ms = tiny_network.devices(2, num=10)
    latency_ms[1, 1:] = np.nan
    with self.assertRaisesRegex(ValueError, 'two rows or more'):
      transfer.episode_data(_SPACE.decode, genotype, latency_ms)
    with self.assertRaisesRegex(ValueError, 'all reference latencies'):
      transfer.episode_data(
          _SPACE.decode, genotype, np.ones((2, 10)), latency_ms[:, :3]
      )


class MetaTrainTest(absltest.TestCase):

  def test_counts_reports_and_learns(self):
    _, data = _data()

    def init(key, architectures, devices):
      del key, devices
      return jnp.zeros((architectures.genotype.shape[1], 5))

    def apply(params, architectures, devices, *, key=None):
      del devices, key
      return params[jnp.arange(6), architectures.genotype].sum(-1)

    algorithm = transfer.maml(
        types.Predictor(init, apply), optimizer=optax.adam(0.02)
    )
    seen = []
    state = transfer.meta_train(
        jax.random.key(0), algorithm, data, num_episodes=70, chunk_steps=30,
        num_query=20, on_chunk=lambda s, loss: seen.append((int(s.step), loss)),
    )
    self.assertEqual([step for step, _ in seen], [30, 60, 70])
    self.assertEqual(int(state.step), 70)
    self.assertLess(seen[-1][1], 0.75 * seen[0][1])
    again = transfer.meta_train(
        jax.random.key(0), algorithm, data, num_episodes=70, num_query=20,
        chunk_steps=35,
    )
    np.testing.assert_allclose(
        again.meta_params.params, state.meta_params.params, rtol=1e-4
    )


if __name__ == '__main__':
  absltest.main()
