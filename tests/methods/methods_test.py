"""Every method keeps its contract and cannot see the target's query rows."""

import inspect

from absl.testing import absltest
from absl.testing import parameterized
import jax
from methods import toy_problem
import numpy as np
from scipy import stats

from nasflat_jax import methods
from nasflat_jax import spaces

# Closed-form methods; those with tests of their own are left out.
_TESTED_APART = {
    'across_spaces', 'adaproxy', 'bayesian', 'brp_nas', 'fomaml',
    'hardware_latencies', 'help', 'maml', 'meta_sgd', 'multi_predict',
    'nasflat', 'reptile',
}
_METHODS = {
    'best_source': methods.best_source,
    'flops': methods.flops,
    'linear_sources': methods.linear_sources,
    'lookup_table': methods.lookup_table,
    'lookup_table_per_gene': lambda: methods.lookup_table(per_gene=True),
    'ridge_costs': methods.ridge_costs,
    'ridge_counts': methods.ridge_counts,
    'ridge_latencies': methods.ridge_latencies,
    'ridge_onehot': methods.ridge_onehot,
}
_SPACE = spaces.NASBENCH201


def _problem(num=120, num_sources=3, seed=0):
  rng = np.random.default_rng(seed)
  return toy_problem.draw(rng, num, num_sources, least_ms=1.0, num_read=80)


def _support(latency_ms, num_pairs=4, n=12, seed=1):
  rng = np.random.default_rng(seed)
  ids = np.stack([
      rng.choice(len(latency_ms), n, replace=False) for _ in range(num_pairs)
  ]).astype(np.int32)
  return methods.Support(ids, latency_ms[ids])


def _predict(method, problem, support):
  state = method.prepare(jax.random.key(0), problem)
  keys = jax.random.split(jax.random.key(1), len(support.ids))
  return method.predict(keys, problem, state, support)


class ContractTest(parameterized.TestCase):

  @parameterized.parameters(*_METHODS)
  def test_shapes_budget_and_determinism(self, name):
    problem, latency_ms = _problem()
    support = _support(latency_ms)
    method = _METHODS[name]()
    scores = _predict(method, problem, support)
    self.assertEqual(scores.scores.shape, (4, 120))
    self.assertTrue(np.isfinite(scores.scores).all())
    budget = method.budget(problem, 12)
    self.assertEqual((budget.reference, budget.target), (0, 12))
    again = _predict(_METHODS[name](), problem, support)
    np.testing.assert_array_equal(scores.scores, again.scores)

  @parameterized.parameters(*_METHODS)
  def test_pairs_are_independent(self, name):
    problem, latency_ms = _problem()
    support = _support(latency_ms)
    together = _predict(_METHODS[name](), problem, support).scores
    for t in range(4):
      alone = methods.Support(support.ids[t:t + 1], support.latency_ms[t:t + 1])
      np.testing.assert_allclose(
          _predict(_METHODS[name](), problem, alone).scores[0], together[t],
          rtol=1e-7,
      )

  @parameterized.parameters(*_METHODS)
  def test_order_of_the_support_does_not_matter(self, name):
    problem, latency_ms = _problem()
    # Enough rows for every method's fit to be unique.
    support = _support(latency_ms, n=70)
    flipped = methods.Support(support.ids[:, ::-1], support.latency_ms[:, ::-1])
    np.testing.assert_allclose(
        _predict(_METHODS[name](), problem, support).scores,
        _predict(_METHODS[name](), problem, flipped).scores, rtol=1e-6,
    )

  def test_every_closed_form_factory_is_listed(self):
    factories = {
        name for name in methods.__all__
        if name.islower() and name not in _TESTED_APART
    }
    self.assertEqual(factories, set(_METHODS) - {'lookup_table_per_gene'})

  @parameterized.parameters(*[n for n in methods.__all__ if n.islower()])
  def test_factories_take_keywords_with_defaults_only(self, name):
    parameters = inspect.signature(getattr(methods, name)).parameters.values()
    for parameter in parameters:
      self.assertEqual(parameter.kind, parameter.KEYWORD_ONLY)
      self.assertIsNot(parameter.default, parameter.empty)


class BehaviourTest(absltest.TestCase):

  def test_ridges_and_tables_learn_what_they_can_express(self):
    problem, _ = _problem(num=400)
    counts = (problem.genotype[:, :, None] == np.arange(5)).sum(1)
    latency_ms = counts @ np.array([0.1, 0.2, 2.0, 5.0, 1.0])
    support = _support(latency_ms, n=60)
    for name in ('ridge_counts', 'ridge_onehot', 'lookup_table'):
      scores = _predict(_METHODS[name](), problem, support)
      self.assertTrue(scores.is_ms)
      for row in scores.scores:
        self.assertGreater(stats.spearmanr(row, latency_ms)[0], 0.99, name)
    table = _predict(methods.lookup_table(), problem, support)
    np.testing.assert_allclose(table.scores[0], latency_ms, rtol=1e-6)

  def test_ridge_costs_learns_what_costs_explain(self):
    problem, _ = _problem(num=400)
    costs = _SPACE.costs(problem.genotype)
    latency_ms = 1.0 + 1e-8 * costs.multiply_adds + 0.01 * costs.kernels
    support = _support(latency_ms, n=60)
    scores = _predict(methods.ridge_costs(), problem, support)
    self.assertTrue(scores.is_ms)
    for row in scores.scores:
      self.assertLess(np.mean(np.abs(row / latency_ms - 1)), 0.01)
    # Ten measurements do for ten columns, not for 25 operations of genes.
    few = methods.Support(support.ids[:, :10], support.latency_ms[:, :10])
    costs_error, onehot_error = (
        np.abs(_predict(_METHODS[name](), problem, few).scores - latency_ms)
        .mean() for name in ('ridge_costs', 'ridge_onehot')
    )
    self.assertLess(3 * costs_error, onehot_error)

  def test_flops_are_the_costs_of_the_space(self):
    problem, latency_ms = _problem()
    scores = _predict(methods.flops(), problem, _support(latency_ms))
    self.assertFalse(scores.is_ms)
    expected = _SPACE.costs(problem.genotype).flops
    np.testing.assert_array_equal(scores.scores, np.tile(expected, (4, 1)))

  def test_best_source_picks_the_likest(self):
    problem, _ = _problem()
    latency_ms = problem.source_latency_ms[1] ** 2
    scores = _predict(methods.best_source(), problem, _support(latency_ms))
    np.testing.assert_array_equal(
        scores.scores, np.tile(problem.source_latency_ms[1], (4, 1))
    )
    self.assertEqual(methods.best_source().budget(problem, 5).source, 3 * 120)

  def test_best_source_fills_unmeasured_rows_of_an_additive_device(self):
    problem, _ = _problem(num=400)
    full = problem.source_latency_ms.copy()
    problem.source_latency_ms[1, 390:] = np.nan
    scores = _predict(methods.best_source(), problem, _support(full[1] + 1.0))
    # The device is a sum over operations, so the ridge is close.
    np.testing.assert_allclose(scores.scores[0], full[1], rtol=0.02)
    budget = methods.best_source().budget(problem, 5)
    self.assertEqual(budget.source, 3 * 400 - 10)

  def test_linear_sources_combines_and_counts_its_rows(self):
    problem, _ = _problem(num=400)
    weights = np.array([0.5, 0.0, 2.0])
    latency_ms = weights @ problem.source_latency_ms
    scores = _predict(methods.linear_sources(), problem, _support(latency_ms))
    for row in scores.scores:
      self.assertGreater(stats.spearmanr(row, latency_ms)[0], 0.98)
    problem.source_latency_ms[0, :5] = np.nan
    budget = methods.linear_sources().budget(problem, 5)
    self.assertEqual(budget.source, 3 * 80 - 5)

  def test_linear_sources_reads_no_other_source_row(self):
    problem, latency_ms = _problem()
    support = _support(latency_ms)
    before = _predict(methods.linear_sources(), problem, support).scores
    problem.source_latency_ms[:, 80:] = np.nan
    after = _predict(methods.linear_sources(), problem, support).scores
    np.testing.assert_array_equal(before, after)

  def test_linear_sources_names_a_source_without_rows(self):
    problem, latency_ms = _problem()
    problem.source_latency_ms[2] = np.nan
    with self.assertRaisesRegex(ValueError, "'source_2' has no measured rows"):
      _predict(methods.linear_sources(), problem, _support(latency_ms))

  def test_problem_checks_its_shapes(self):
    problem, _ = _problem()
    fields = {
        'space': _SPACE, 'genotype': problem.genotype, 'source_names': ('a',),
    }
    with self.assertRaisesRegex(ValueError, r'\(1, 120\), got \(1, 5\)'):
      methods.Problem(
          source_latency_ms=np.ones((1, 5)), source_ids=np.arange(3), **fields
      )
    with self.assertRaisesRegex(ValueError, 'distinct'):
      methods.Problem(
          source_latency_ms=np.ones((1, 120)), source_ids=np.array([1, 1]),
          **fields,
      )
    with self.assertRaisesRegex(ValueError, 'below 120'):
      methods.Problem(
          source_latency_ms=np.ones((1, 120)), source_ids=np.array([120]),
          **fields,
      )


if __name__ == '__main__':
  absltest.main()
