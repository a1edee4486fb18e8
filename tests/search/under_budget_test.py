"""Searches under a budget: held, frugal, honest, repeatable."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np
import pytest

from nasflat_jax import search
from nasflat_jax import spaces
from nasflat_jax import transfer
from nasflat_jax.search import _budget_run
from nasflat_jax.search import _under_budget

_SPACE = spaces.NASBENCH201
_NUM = 300


def setUpModule():
  global _GENOTYPE, _LATENCY_MS, _ACCURACY, _MODEL
  _GENOTYPE = np.unique(
      np.asarray(_SPACE.random(jax.random.key(0), _NUM)), axis=0
  )
  costs = _SPACE.costs(_GENOTYPE)
  # A device without noise: work and launches.
  _LATENCY_MS = costs.multiply_adds / 2e7 + costs.kernels / 20.0
  # Accuracy grows with work, but not in order.
  rng = np.random.default_rng(0)
  _ACCURACY = 60.0 + 2.0 * np.log1p(costs.multiply_adds / 1e7)
  _ACCURACY += rng.normal(0.0, 1.0, len(_GENOTYPE))
  _MODEL = transfer.bayesian_model(_SPACE)


class Device:
  """Hands out latencies, each once, and none that may not be measured."""

  def __init__(self, latency_ms=None):
    latency_ms = _LATENCY_MS if latency_ms is None else latency_ms
    self.latency_ms = {
        genes.tobytes(): value
        for genes, value in zip(_GENOTYPE, latency_ms, strict=True)
    }
    self.asked = []

  def __call__(self, genes):
    key = genes.tobytes()
    if key in self.asked or not np.isfinite(self.latency_ms[key]):
      raise AssertionError(f'{genes} is not to be measured')
    self.asked.append(key)
    return self.latency_ms[key]


def _search(budget_ms, num=10, *, seed=0, device=None, **kwargs):
  found = kwargs.pop('candidates', None) or search.candidates(
      _MODEL, _GENOTYPE, _ACCURACY
  )
  return search.under_budget(
      jax.random.key(seed), found, device or Device(), budget_ms,
      num_measurements=num, **kwargs,
  )


class UnderBudgetTest(parameterized.TestCase):

  def _best(self, budget_ms):
    return np.where(_LATENCY_MS <= budget_ms, _ACCURACY, -np.inf).max()

  @parameterized.product(percent=(20, 50, 80), seed=(0, 1))
  def test_holds_the_budget_and_finds_the_best(self, percent, seed):
    budget_ms = np.percentile(_LATENCY_MS, percent)
    found = _search(budget_ms, seed=seed)
    self.assertIs(found.within, True)
    self.assertLessEqual(found.latency_ms, budget_ms)
    self.assertEqual(found.latency_ms, _LATENCY_MS[found.row])
    self.assertIn(found.row, found.rows)
    self.assertLess(self._best(budget_ms) - _ACCURACY[found.row], 0.3)

  def test_sees_only_what_it_measures(self):
    device = Device()
    found = _search(np.median(_LATENCY_MS), device=device)
    self.assertLen(device.asked, len(found.rows))
    self.assertLessEqual(len(found.rows), 10)
    np.testing.assert_array_equal(
        found.measured_ms, _LATENCY_MS[found.rows]
    )
    self.assertEqual(
        [_GENOTYPE[row].tobytes() for row in found.rows], device.asked
    )
    # Other values where it does not look change nothing.
    other = np.full(len(_LATENCY_MS), 1e3)
    other[found.rows] = _LATENCY_MS[found.rows]
    again = _search(np.median(_LATENCY_MS), device=Device(other))
    np.testing.assert_array_equal(found.rows, again.rows)
    self.assertEqual(found.row, again.row)

  def test_fewer_measurements_are_the_beginning_of_more(self):
    budget_ms = np.percentile(_LATENCY_MS, 30)
    many, few = _search(budget_ms), _search(budget_ms, 5)
    np.testing.assert_array_equal(many.rows[:5], few.rows)
    self.assertEqual(few.row, many.answers[len(few.rows) - 1])

  def test_by_hand_it_goes_the_same_way(self):
    budget_ms = np.percentile(_LATENCY_MS, 30)
    candidates = search.candidates(_MODEL, _GENOTYPE, _ACCURACY)
    found = _search(budget_ms, 5)
    self.assertEqual(found.rows[4], search.next_measurement(
        candidates, found.rows[:4], found.measured_ms[:4], budget_ms
    ))
    self.assertIsNone(search.next_measurement(
        candidates, [np.argmax(_ACCURACY)], [1.0], 2.0
    ))
    with self.assertRaisesRegex(ValueError, 'm of 1 or more'):
      search.next_measurement(candidates, [], [], budget_ms)

  def test_by_hand_what_may_not_be_chosen_only_tells_of_latency(self):
    best = int(np.argmax(_ACCURACY))
    for accuracy, where in (
        (_ACCURACY, np.arange(len(_ACCURACY)) != best),
        (np.where(np.arange(len(_ACCURACY)) == best, np.nan, _ACCURACY), None),
    ):
      candidates = search.candidates(
          _MODEL, _GENOTYPE, accuracy, where=where
      )
      row = search.next_measurement(candidates, [best], [1.0], 1e3)
      # Everything holds that budget: the best of those left.
      self.assertEqual(row, candidates.ranking[0])
    with self.assertRaisesRegex(ValueError, r'rows must be from 0 to .*\[-1\]'):
      search.next_measurement(candidates, [-1], [1.0], 1e3)

  def test_of_equal_accuracies_the_likeliest_is_measured(self):
    slowest_first = np.argsort(-_LATENCY_MS)
    candidates = search.candidates(
        _MODEL, _GENOTYPE[slowest_first], np.ones(len(_GENOTYPE))
    )
    latency_ms = _LATENCY_MS[slowest_first]
    found = _search(
        np.percentile(latency_ms, 10), 4, candidates=candidates
    )
    self.assertIs(found.within, True)

  @pytest.mark.slow  # another program
  def test_an_expected_latency_is_made_use_of(self):
    model = transfer.bayesian_model(
        _SPACE, expected=lambda genes: 0.1 + _SPACE.costs(genes).flops / 1e8
    )
    found = _search(
        np.median(_LATENCY_MS), 3,
        candidates=search.candidates(model, _GENOTYPE, _ACCURACY),
    )
    self.assertIs(found.within, True)

  def test_stops_when_nothing_better_can_hold_the_budget(self):
    found = _search(2.0 * _LATENCY_MS.max(), 20)
    self.assertTrue(found.certain)
    self.assertLess(len(found.rows), 8)
    self.assertEqual(found.row, np.argmax(_ACCURACY))
    eager = _search(
        np.percentile(_LATENCY_MS, 20), 10, least_probability=1.0
    )
    self.assertTrue(eager.certain)
    self.assertIs(eager.within, True)

  def test_without_a_feasible_network_says_so(self):
    found = _search(0.5 * _LATENCY_MS.min(), 5)
    self.assertIsNone(found.within)
    self.assertFalse(found.certain)
    self.assertNotIn(found.row, found.rows)
    np.testing.assert_array_equal(found.answers, -1)
    everything = search.candidates(
        _MODEL, _GENOTYPE, _ACCURACY, where=np.arange(len(_GENOTYPE)) < 4
    )
    found = _search(0.5 * _LATENCY_MS.min(), 5, candidates=everything)
    self.assertIs(found.within, False)
    self.assertLen(found.rows, 4)
    self.assertEqual(found.latency_ms, _LATENCY_MS[:4].min())

  def test_leaves_out_what_may_not_be_chosen(self):
    accuracy = np.where(np.arange(len(_GENOTYPE)) % 3, _ACCURACY, np.nan)
    where = np.arange(len(_GENOTYPE)) % 2 == 0
    device = Device(np.where(where, _LATENCY_MS, np.nan))
    found = _search(
        np.median(_LATENCY_MS), device=device,
        candidates=search.candidates(_MODEL, _GENOTYPE, accuracy, where=where),
    )
    self.assertTrue((found.rows % 3 > 0).all())
    self.assertIs(found.within, True)

  def test_compiles_nothing_for_another_device_seed_or_budget(self):
    _search(np.median(_LATENCY_MS))
    before = (
        _budget_run._fit._cache_size(), _under_budget._d_optimal._cache_size()
    )
    _search(
        1.3 * np.median(_LATENCY_MS), seed=5, device=Device(1.4 * _LATENCY_MS)
    )
    self.assertEqual(before, (
        _budget_run._fit._cache_size(), _under_budget._d_optimal._cache_size()
    ))

  @parameterized.parameters(
      ({'budget_ms': 0.0}, 'budget_ms must be above 0, got 0.0'),
      ({'budget_ms': np.nan}, 'budget_ms must be above 0, got nan'),
      ({'num': 0}, 'must be 1 or more, got 0 and 1'),
      ({'num_support': 0}, 'must be 1 or more, got 10 and 0'),
      ({'caution': 0.0}, 'caution must be above 0, got 0.0'),
      ({'alike': 1.0}, 'alike must be from 0 to below 1, got 1.0'),
      ({'surprise': 1.5}, 'surprise must be from 0 to 1, got 1.5'),
      ({'least_probability': np.nan}, 'least_probability must be from 0 to 1'),
      ({'device': lambda genes: 0.0}, 'must be above 0, got 0.0 for row'),
      ({'device': lambda genes: np.inf}, 'must be above 0, got inf for row'),
  )
  def test_errors(self, kwargs, message):
    with self.assertRaisesRegex(ValueError, message):
      _search(**({'budget_ms': 1.0} | kwargs))


class CandidatesTest(parameterized.TestCase):

  def test_errors(self):
    for kwargs, message in (
        ({'accuracy': np.zeros(3)}, r'accuracy must be \[N\]'),
        ({'accuracy': np.nan * _ACCURACY}, 'no architecture to choose'),
        ({'where': np.ones(3, bool)}, r'where must be \[N\]'),
        ({'genotype': np.zeros_like(_GENOTYPE)}, 'listed twice'),
    ):
      values = {'genotype': _GENOTYPE, 'accuracy': _ACCURACY} | kwargs
      with self.assertRaisesRegex(ValueError, message):
        search.candidates(_MODEL, **values)

  def test_best_first(self):
    ranking = search.candidates(_MODEL, _GENOTYPE, _ACCURACY).ranking
    self.assertTrue((np.diff(_ACCURACY[ranking]) <= 0).all())


class TableDeviceTest(absltest.TestCase):

  def test_refuses_what_it_has_not(self):
    measure = search.table_device(np.eye(2), [3.0, np.nan])
    self.assertEqual(measure(np.array([1, 0])), 3.0)
    for genes in ([0, 1], [1, 1]):
      with self.assertRaisesRegex(ValueError, 'no measurement of'):
        measure(np.array(genes))
    with self.assertRaisesRegex(ValueError, r'latency_ms must be \[N\]'):
      search.table_device(np.eye(2), np.ones(3))


class ChooseWithinTest(absltest.TestCase):

  def test_takes_the_best_that_is_likely_enough(self):
    accuracy, probability = [70.0, 72.0, 71.0], [0.99, 0.5, 0.96]
    self.assertEqual(search.choose_within(accuracy, probability), 2)
    self.assertEqual(search.choose_within(accuracy, probability, level=0.5), 1)
    self.assertEqual(search.choose_within(accuracy, [0.1, 0.3, 0.2]), 1)


if __name__ == '__main__':
  absltest.main()
