"""The trained method: contract, budget, no leak, keywords."""

import dataclasses
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np

from nasflat_jax import encodings
from nasflat_jax import methods
from nasflat_jax import spaces
from nasflat_jax import transfer

_SPACE = spaces.NASBENCH201
_KEYS = jax.random.split(jax.random.key(1), 3)


def _method(**kwargs):
  return methods.nasflat(
      pretrain_steps=3, adapt_steps=2, layer='dense_graph_flow', **kwargs
  )


def _problem(num=50, num_sources=2):
  rng = np.random.default_rng(0)
  ids = rng.choice(5**6, num, replace=False)
  genotype = spaces.genotype_of(_SPACE, ids.tolist())
  hot = (genotype[:, :, None] == np.arange(5)).reshape(num, -1)
  times = rng.uniform(0.1, 3.0, (num_sources + 1, 30))
  latency_ms = times @ hot.T + 5.0
  problem = methods.Problem(
      space=_SPACE,
      genotype=genotype,
      source_names=tuple(f'source_{i}' for i in range(num_sources)),
      source_latency_ms=latency_ms[:-1],
      source_ids=np.arange(40),
  )
  ids = np.stack([rng.choice(num, 6, replace=False) for _ in _KEYS])
  support = methods.Support(ids.astype(np.int32), latency_ms[-1][ids])
  return problem, support


class NasflatTest(parameterized.TestCase):

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.problem, cls.support = _problem()
    cls.method = _method()
    cls.state = cls.method.prepare(jax.random.key(0), cls.problem)

  def _predict(self, support=None, keys=_KEYS):
    return self.method.predict(
        keys, self.problem, self.state, support or self.support
    )

  def test_shapes_and_milliseconds(self):
    scores = self._predict()
    self.assertEqual(scores.scores.shape, (3, 50))
    self.assertTrue(scores.is_ms)
    self.assertTrue(np.isfinite(scores.scores).all())
    self.assertTrue((scores.scores > 0.0).all())
    self.assertEqual(self.state.num_sources, 2)
    self.assertLen(self.state.params['device_embedding'], 3)

  def test_deterministic_and_reads_no_other_source_row(self):
    np.testing.assert_array_equal(
        self._predict().scores, self._predict().scores
    )
    other = self.problem.source_latency_ms.copy()
    other[:, 40:] = np.nan
    problem = dataclasses.replace(self.problem, source_latency_ms=other)
    again = _method().prepare(jax.random.key(0), problem)
    jax.tree.map(
        np.testing.assert_array_equal, again.params, self.state.params
    )

  def test_pairs_see_their_own_support_only(self):
    before = self._predict().scores
    latency_ms = self.support.latency_ms.copy()
    latency_ms[0] = 30.0 * latency_ms[0, ::-1]
    after = self._predict(self.support._replace(latency_ms=latency_ms)).scores
    np.testing.assert_allclose(after[1:], before[1:], rtol=1e-5)
    self.assertTrue((after[0] > 5.0 * before[0]).all())

  def test_nothing_measured_on_a_target_is_among_the_arguments(self):
    # A method gets target latencies through `Support` alone: no field of the
    # problem has a place for them, and none of the values is in it.
    fields = {field.name for field in dataclasses.fields(methods.Problem)}
    self.assertEqual(
        fields,
        {'space', 'genotype', 'source_names', 'source_latency_ms',
         'source_ids', 'partition'},
    )
    measured = np.intersect1d(
        self.problem.source_latency_ms, self.support.latency_ms
    )
    self.assertEmpty(measured)

  def test_budget_leaves_unmeasured_rows_out(self):
    budget = self.method.budget(self.problem, 6)
    self.assertEqual(
        (budget.source, budget.reference, budget.target), (80, 0, 6)
    )
    holes = self.problem.source_latency_ms.copy()
    holes[0, :7] = np.nan
    holes[1, 45:] = np.nan  # not among `source_ids`
    problem = dataclasses.replace(self.problem, source_latency_ms=holes)
    self.assertEqual(self.method.budget(problem, 6).source, 73)

  @parameterized.parameters('fine_tune', 'head')
  def test_one_adaptation_differs_from_both(self, adaptation):
    state = dataclasses.replace(self.state, parts=(adaptation,))
    scores = self.method.predict(_KEYS, self.problem, state, self.support)
    self.assertGreater(
        np.abs(scores.scores - self._predict().scores).max(), 1e-3
    )


class KeywordTest(parameterized.TestCase):

  @parameterized.parameters(
      ('adaptation', 'fine_tune, head, both'),
      ('layer', 'dense_graph_flow, graph_attention, layer_ensemble'),
      ('encoding', ', '.join(encodings.__all__)),
      ('device_representation', 'operation, head'),
  )
  def test_unknown_names_are_refused_at_once(self, keyword, choices):
    for value in ('magic', '', 'nasflat', 'save'):
      with self.assertRaisesRegex(
          ValueError, f'^{keyword}: unknown {value!r}; choose from {choices}$'
      ):
        methods.nasflat(**{keyword: value})

  @parameterized.parameters(
      ('head', ('head',)), ('fine_tune', ('fine_tune',)),
      ('both', ('fine_tune', 'head')),
  )
  def test_keywords_reach_the_pretraining(self, adaptation, parts):
    problem, _ = _problem()
    method = _method(
        adaptation=adaptation, encoding='none', adapt_learning_rate=0.5
    )
    with mock.patch.object(transfer, 'pretrain_network') as called:
      method.prepare(jax.random.key(0), problem)
    _, space, genotype, latency_ms = called.call_args.args
    self.assertIs(space, _SPACE)
    np.testing.assert_array_equal(genotype, problem.genotype[:40])
    np.testing.assert_array_equal(latency_ms, problem.source_latency_ms[:, :40])
    self.assertContainsSubset(
        {'parts': parts, 'encoding': 'none', 'num_steps': 3, 'adapt_steps': 2,
         'adapt_learning_rate': 0.5},
        called.call_args.kwargs,
    )


if __name__ == '__main__':
  absltest.main()
