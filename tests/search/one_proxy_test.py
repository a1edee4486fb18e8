"""The one-proxy workflow: decisions, searching, and what real tables give."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np

from nasflat_jax import search
from nasflat_jax import spaces
from nasflat_jax import transfer
import real_data

_SPACE = spaces.NASBENCH201


def _mono(estimate, lower):
  return transfer.Monotonicity(estimate, lower, 1.0)


class DecideTest(parameterized.TestCase):

  @parameterized.parameters(
      ((0.97, 0.93), (0.98, 0.95), 'reuse', True, 0),
      ((0.50, 0.20), (0.98, 0.95), 'adapt', False, 0),
      # Likely enough, but not yet sure: 34 pairs settle 0.95 against 0.9.
      ((0.50, 0.20), (0.95, 0.85), 'measure', False, 14),
      # Nobody reaches the threshold: twice as many may.
      ((0.50, 0.40), (0.60, 0.30), 'measure', True, 20),
      # Far more would settle it than are worth asking for at once.
      ((0.901, 0.70), (0.60, 0.30), 'measure', True, 20),
  )
  def test_decides_by_the_lower_end(self, proxy, adapted, action, uses, more):
    got = search.decide(_mono(*proxy), _mono(*adapted), 20)
    self.assertEqual(
        (got.action, got.uses_proxy, got.num_more), (action, uses, more)
    )

  def test_the_best_of_many_takes_more_to_settle(self):
    one, many = (
        search.decide(
            _mono(0.97, 0.85), _mono(0.5, 0.2), 15, num_choices=num
        ).num_more
        for num in (1, 40)
    )
    # 0.97 against 0.9: 12 pairs at 90 %, 46 at 99.75 %; at most 15 at once.
    self.assertEqual((one, many), (5, 15))

  def test_refuses(self):
    with self.assertRaisesRegex(ValueError, 'threshold must be'):
      search.decide(_mono(0.9, 0.8), _mono(0.9, 0.8), 10, threshold=1.0)


def _made_up(num=400, seed=0):
  """Architectures, and latencies that add up, on a proxy and two targets."""
  genotype = np.asarray(
      spaces.genotype_of(_SPACE, range(0, 15625, 15625 // num))
  )
  rng = np.random.default_rng(seed)
  times = rng.uniform(0.5, 3.0, (6, 5))
  other = times * rng.uniform(0.05, 2.5, (6, 5))
  add = lambda t: 5.0 + t[np.arange(6), genotype].sum(axis=1)
  return genotype, add(times), add(other)


def _lookup(genotype, latency_ms):
  rows = {row.tobytes(): ms for row, ms in zip(genotype, latency_ms)}
  return lambda asked: np.array([rows[row.tobytes()] for row in asked])


class OneProxyTest(absltest.TestCase):

  def setUp(self):
    super().setUp()
    self.genotype, self.proxy_ms, self.other_ms = _made_up()
    self.objective = self.genotype.sum(axis=1).astype(float)
    self.adapt = search.adaproxy_adapter(_SPACE, self.genotype, self.proxy_ms)

  def _run(self, latency_ms, **keywords):
    return search.one_proxy(
        jax.random.key(0), _lookup(self.genotype, latency_ms), self.genotype,
        self.objective, self.proxy_ms, adapt=self.adapt,
        **{'num_support': 20, **keywords},
    )

  def test_a_monotone_proxy_is_reused_and_its_front_is_the_targets(self):
    target_ms = 2.0 * self.proxy_ms**1.5
    got = self._run(target_ms, num_finalists=1000)
    self.assertEqual([d.action for d in got.decisions], ['reuse'])
    true = search.verified_front(self.objective, target_ms)
    self.assertEqual(got.front.tolist(), true.tolist())
    self.assertLess(len(got.measured), 20 + len(true) + 1)

  def test_an_unlike_proxy_is_adapted_after_more_measurements(self):
    got = self._run(self.other_ms)
    actions = [decision.action for decision in got.decisions]
    self.assertEqual(actions[-1], 'adapt')
    self.assertEqual(actions[:-1], ['measure'] * (len(actions) - 1))
    rho = transfer.monotonicity(
        jax.random.key(0), got.latency_ms, self.other_ms
    ).estimate
    self.assertGreater(rho, 0.9)
    # Everything reported as latency was measured, once.
    self.assertLen(set(got.measured.tolist()), len(got.measured))
    np.testing.assert_array_equal(
        got.measured_ms, self.other_ms[got.measured]
    )
    self.assertContainsSubset(got.finalists, got.measured)
    kept = got.measured[
        search.verified_front(self.objective[got.measured], got.measured_ms)
    ]
    self.assertEqual(got.front.tolist(), kept.tolist())

  def test_stops_at_the_budget_and_leaves_out_what_is_not_allowed(self):
    noise = np.random.default_rng(1).uniform(1, 9, len(self.genotype))
    where = self.genotype[:, 0] != 0
    got = self._run(noise, max_support=40, where=where)
    self.assertEqual(got.decisions[-1].action, 'measure')
    self.assertLen(got.decisions, 2)
    self.assertLessEqual(len(got.measured), 50)
    self.assertTrue(where[got.measured].all())
    self.assertTrue(where[got.front].all())

  def test_finalists_are_thinned_with_the_ends_kept(self):
    target_ms = 2.0 * self.proxy_ms
    full = self._run(target_ms, num_finalists=1000).finalists
    thin = self._run(target_ms, num_finalists=4).finalists
    self.assertLen(thin, 4)
    self.assertEqual((thin[0], thin[-1]), (full[0], full[-1]))

  def test_refuses(self):
    with self.assertRaisesRegex(ValueError, 'num_support must be from 4'):
      self._run(self.proxy_ms, num_support=3)
    with self.assertRaisesRegex(ValueError, 'measure gave nan for'):
      self._run(np.full(len(self.genotype), np.nan))
    with self.assertRaisesRegex(ValueError, 'no candidate is allowed'):
      search.propose_by_proxy(
          jax.random.key(0), self.genotype, self.objective, self.proxy_ms,
          self.genotype[:5], self.proxy_ms[:5], self.proxy_ms[:5],
          adapt=self.adapt, where=np.zeros(len(self.genotype), bool),
      )
    with self.assertRaisesRegex(ValueError, "norm: unknown '3'"):
      search.adaproxy_adapter(_SPACE, self.genotype, self.proxy_ms, norm='3')

  def test_refuses_before_anything_is_measured(self):
    def measure(genotype):
      raise AssertionError(f'{genotype} is measured')

    for keywords, message in (
        ({'threshold': 1.5}, 'threshold must be between 0 and 1, got 1.5'),
        ({'confidence': 1.5}, 'confidence must be between 0 and 1, got 1.5'),
        ({'num_finalists': 0}, 'num_finalists must be 1 or more, got 0'),
        ({'where': self.proxy_ms < 0.0}, 'no candidate is allowed'),
    ):
      with self.assertRaisesRegex(ValueError, message):
        search.one_proxy(
            jax.random.key(0), measure, self.genotype, self.objective,
            self.proxy_ms, adapt=self.adapt, **keywords,
        )

  def test_real_devices_get_the_decision_that_their_tables_call_for(self):
    table = real_data.table('nasbench201')
    genotype = table.genotype[::8]
    useful = np.asarray(_SPACE.is_valid(genotype))
    size = np.asarray(_SPACE.costs(genotype).params)
    for proxy, target, wanted in (
        ('titan_rtx_256', '2080ti_256', 'reuse'),
        ('pixel3', 'eyeriss', 'adapt'),
    ):
      proxy_ms = table.row(proxy)[::8]
      got = search.one_proxy(
          jax.random.key(0), _lookup(genotype, table.row(target)[::8]),
          genotype, size, proxy_ms, where=useful,
          adapt=search.adaproxy_adapter(_SPACE, genotype, proxy_ms),
      )
      self.assertEqual(got.decisions[-1].action, wanted)


if __name__ == '__main__':
  absltest.main()
