"""Timer and rounds with a clock that only moves when told; one real run."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np

from nasflat_jax import measure
from nasflat_jax import spaces
from nasflat_jax.measure import _compile
from nasflat_jax.measure import _rounds

_TINY = (0, 0, 0, 1, 0, 0)  # One residual connection in each cell.


def _scripted_clock(durations):
  """Time between the first and second reading, third and fourth and so on."""
  readings = np.cumsum(np.ravel([[1.0, d] for d in durations]))
  return iter(readings.tolist()).__next__


class FakeMachine:
  """Networks of given duration; calls move the clock and are logged."""

  def __init__(self, seconds, slowdown=lambda call, now: 1.0):
    self.now = 0.0
    self.log = []
    self.calls = [self._make(i, s, slowdown) for i, s in enumerate(seconds)]

  def _make(self, i, seconds, slowdown):
    def call():
      self.log.append(i)
      self.now += seconds * slowdown(len(self.log), self.now)

    return call

  def time(self, rounds=6, repeats=3, visit_seconds=0.0):
    # The first network serves as the reference.
    return _rounds.time_rounds(
        self.calls[1:],
        self.calls[0],
        rounds=rounds,
        repeats=repeats,
        visit_seconds=visit_seconds,
        rng=np.random.default_rng(0),
        clock=lambda: self.now,
    )


class MeasureLatencyTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.network = measure.network('nasbench201', _TINY)
    self.params = self.network.init(jax.random.key(0))
    self.images = np.ones((2, 32, 32, 3), np.float32)

  def test_median_and_quartiles_of_the_repeats(self):
    latency = measure.measure_latency(
        self.network,
        self.params,
        self.images,
        repeats=5,
        clock=_scripted_clock([0.010, 0.012, 9.0, 0.011, 0.010]),
    )
    self.assertAlmostEqual(latency.latency_ms, 11.0)
    self.assertAlmostEqual(latency.iqr_ms, 2.0)
    self.assertAlmostEqual(latency.noise, 2 / 11)
    self.assertEqual(latency.repeats, 5)
    self.assertGreater(latency.compile_seconds, 0)

  def test_refuses_a_noisy_machine_with_figure_and_advice(self):
    with self.assertRaisesRegex(
        measure.NoisyMachineError, '50% of the median, allowed are 25%; stop'
    ):
      measure.measure_latency(
          self.network,
          self.params,
          self.images,
          repeats=5,
          clock=_scripted_clock([0.005, 0.005, 0.010, 0.010, 0.011]),
      )

  def test_refuses_logits_that_are_not_finite(self):
    params = jax.tree.map(lambda x: x + np.float32(np.inf), self.params)
    with self.assertRaisesRegex(ValueError, 'not finite'):
      measure.measure_latency(self.network, params, self.images)

  def test_refuses_no_repeats(self):
    with self.assertRaisesRegex(ValueError, 'repeats >= 1'):
      measure.measure_latency(
          self.network, self.params, self.images, repeats=0
      )

  def test_packed_arguments_do_not_change_the_network(self):
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda x: rng.uniform(0.5, 1.0, x.shape).astype(np.float32),
        self.params,
    )
    packed, unpack = _compile._pack(params)
    restored = unpack(packed)
    self.assertEqual(
        jax.tree.structure(restored), jax.tree.structure(params)
    )
    jax.tree.map(np.testing.assert_array_equal, restored, params)
    self.assertLess(len(jax.tree.leaves(packed)), len(jax.tree.leaves(params)))


class RoundsTest(parameterized.TestCase):

  def test_rounds_interleave_in_changing_order(self):
    machine = FakeMachine([1.0, 1.0, 1.0, 1.0, 1.0])
    machine.time(rounds=4, repeats=3)
    calibration, rest = machine.log[: 5 * 4], machine.log[5 * 4 :]
    self.assertEqual(calibration, sorted(calibration))
    # A visit is one untimed and three timed passes in a row.
    visits = np.reshape(rest, (4, 5, 4))
    np.testing.assert_array_equal(visits, visits[:, :, :1] + 0 * visits)
    order = visits[:, :, 0]
    np.testing.assert_array_equal(np.sort(order), [range(5)] * 4)
    np.testing.assert_array_equal(order[:, 0], 0)  # The reference first.
    self.assertGreater(len({tuple(row) for row in order.tolist()}), 1)

  def test_durations_are_recovered(self):
    visits = FakeMachine([3.0, 1.0, 2.0, 0.5]).time()
    np.testing.assert_allclose(visits.seconds, [[1] * 6, [2] * 6, [0.5] * 6])
    np.testing.assert_allclose(visits.reference, 3)

  def test_quick_networks_fill_their_visit(self):
    visits = FakeMachine([1.0, 0.125, 4.0]).time(visit_seconds=2.0)
    np.testing.assert_array_equal(visits.passes, [16, 3])

  def test_bursts_do_not_count(self):
    # Two passes of three are ten times slower: no visit is without a quick one.
    machine = FakeMachine(
        [1.0, 1.0, 2.0], lambda call, now: 1.0 if call % 3 == 0 else 10.0
    )
    visits = machine.time(rounds=5)
    np.testing.assert_allclose(visits.seconds, [[1] * 5, [2] * 5])

  def test_drift_reaches_all_networks_alike(self):
    # The machine gets slower throughout; by the end to less than a half.
    seconds = np.array([1.0, 1.0, 1.05, 1.1, 1.15, 1.2])
    machine = FakeMachine(seconds, lambda call, now: 1.0 + now / 1000)
    visits = machine.time(rounds=21)
    self.assertGreater(_rounds.drift(visits.reference), 0.3)
    middle = np.median(visits.seconds, axis=1)
    np.testing.assert_allclose(
        middle / middle[0], seconds[1:], rtol=0.02
    )

  def test_steady_machine_has_no_drift(self):
    self.assertEqual(_rounds.drift(np.full(7, 2.0)), 0)


class CollectTest(parameterized.TestCase):

  def test_measures_small_networks(self):
    genotypes = np.array([_TINY, (0, 0, 0, 3, 0, 0), _TINY])
    progress = []
    result = measure.collect(
        spaces.NASBENCH201,
        genotypes,
        key=jax.random.key(0),
        setting='imagenet16-120',
        batch_size=2,
        rounds=4,
        chunk_size=2,
        max_noise=np.inf,
        progress=lambda *step: progress.append(step),
    )
    np.testing.assert_array_equal(result.genotype, genotypes)
    for field in (result.latency_ms, result.repeats, result.compile_seconds):
      self.assertEqual(field.shape, (3,))
      self.assertTrue(np.all(field > 0))
    self.assertTrue(np.all(result.iqr_ms >= 0))
    self.assertTrue(np.all(result.repeats % 4 == 0))
    # Fifteen 3x3 convolutions take longer than none.
    self.assertGreater(result.latency_ms[1], result.latency_ms[[0, 2]].max())
    self.assertEqual(result.batch_size, 2)
    self.assertEqual(result.backend, jax.default_backend())
    self.assertTrue(np.isfinite([result.noise, result.drift]).all())
    compiled = [('compile', i, 3) for i in (1, 2, 3)]
    timed = [('time', i, 8) for i in range(1, 9)]
    self.assertEqual(
        progress, compiled[:2] + timed[:4] + compiled[2:] + timed[4:]
    )

  def test_refuses_a_noisy_machine(self):
    rng = np.random.default_rng(0)
    now = 0.0

    def clock():
      nonlocal now
      now += rng.exponential(0.01)
      return now

    with self.assertRaises(measure.NoisyMachineError):
      measure.collect(
          spaces.NASBENCH201,
          np.array([_TINY]),
          key=jax.random.key(0),
          repeats=1,
          visit_ms=0.0,
          clock=clock,
      )

  def test_rejects_mistakes_before_compiling(self):
    for kwargs, message in (
        ({'genotypes': np.zeros(6, int)}, r'shape \[6\], want \[N, G\]'),
        ({'genotypes': np.zeros((0, 6), int)}, 'N > 0'),
        ({'genotypes': np.full((2, 6), 5)}, 'genes are 0 to 4'),
        ({'rounds': 1}, 'rounds: got 1, want at least 2'),
        ({'batch_size': 0}, 'batch_size: got 0'),
        ({'setting': 'cifar'}, "no setting 'cifar'"),
    ):
      arguments = {'genotypes': np.zeros((1, 6), int), **kwargs}
      with self.assertRaisesRegex(ValueError, message):
        measure.collect(
            spaces.NASBENCH201, key=jax.random.key(0), **arguments
        )

  def test_layers_of_a_pool_are_shared_between_networks(self):
    pool = _compile.WeightPool(jax.random.key(0))
    a, b = (
        pool.params(measure.network('nasbench201', g).shapes)['trainable']
        for g in ([2, 0, 0, 3, 0, 0], [0, 0, 0, 3, 0, 0])
    )
    self.assertIs(
        a['stage1_cell2_edge3_3x3']['kernel'],
        b['stage1_cell2_edge3_3x3']['kernel'],
    )
    self.assertFalse(
        np.array_equal(
            a['stage1_cell2_edge3_3x3']['kernel'],
            a['stage1_cell3_edge3_3x3']['kernel'],
        )
    )

  def test_backend_info_names_versions_and_hardware(self):
    info = measure.backend_info()
    self.assertEqual(info['jax'], jax.__version__)
    self.assertEqual(info['backend'], jax.default_backend())
    self.assertGreaterEqual(info['cores'], 1)
    self.assertNotEmpty(info['cpu'])


if __name__ == '__main__':
  absltest.main()
