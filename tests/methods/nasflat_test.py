"""The trained method: contract, budget, no leak, keywords."""

import dataclasses
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import jax
from methods import toy_problem
import numpy as np
import pytest

from nasflat_jax import encodings
from nasflat_jax import methods
from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import transfer

_SPACE = spaces.NASBENCH201
_KEYS = jax.random.split(jax.random.key(1), 3)


def _method(**kwargs):
  return methods.nasflat(
      pretrain_steps=3, adapt_steps=2, predictor='dense_graph_flow', **kwargs
  )


def _problem(num=50, num_sources=2):
  rng = np.random.default_rng(0)
  problem, target_ms = toy_problem.draw(
      rng, num, num_sources, least_ms=5.0, num_read=40
  )
  ids = np.stack([rng.choice(num, 6, replace=False) for _ in _KEYS])
  return problem, methods.Support(ids.astype(np.int32), target_ms[ids])


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

  def test_deterministic(self):
    # That no other source row is read is in `testing.check_method`.
    np.testing.assert_array_equal(
        self._predict().scores, self._predict().scores
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
    # Of another search space; None unless a task is across spaces.
    self.assertIsNone(self.problem.elsewhere)
    fields -= {'elsewhere'}
    self.assertEqual(
        fields,
        {'space', 'genotype', 'source_names', 'source_latency_ms',
         'source_ids', 'reference_ids', 'partition'},
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


class ReferenceTest(parameterized.TestCase):
  """A device described by its latencies at the reference architectures."""

  @parameterized.parameters('latency_vector', 'both')
  @pytest.mark.slow
  def test_reads_the_references_and_counts_them(self, representation):
    problem, support = _problem()
    ids = np.arange(38, 45)  # two of them among `source_ids`
    problem = dataclasses.replace(problem, reference_ids=ids)
    reference_ms = np.random.default_rng(3).uniform(5.0, 9.0, (3, 7))
    method = _method(
        device_representation=representation, adaptation='fine_tune'
    )
    self.assertTrue(method.reads_references)
    budget = method.budget(problem, 6)
    self.assertEqual(
        (budget.source, budget.reference, budget.target), (90, 7, 6)
    )
    state = method.prepare(jax.random.key(0), problem)
    self.assertEqual(
        'device_embedding' in state.params, representation == 'both'
    )
    self.assertEqual(state.warm_start, representation == 'both')
    log = np.log(problem.source_latency_ms[:, ids])
    log = (log - log.mean(1, keepdims=True)) / log.std(1, keepdims=True)
    np.testing.assert_allclose(state.reference, log, rtol=1e-5, atol=1e-6)

    def predict(reference_ms):
      return method.predict(
          _KEYS, problem, state, support._replace(reference_ms=reference_ms)
      ).scores

    before = predict(reference_ms)
    np.testing.assert_allclose(predict(7.0 * reference_ms), before, rtol=1e-4)
    reference_ms[1] = reference_ms[1, ::-1]
    after = predict(reference_ms)
    np.testing.assert_allclose(after[[0, 2]], before[[0, 2]], rtol=1e-5)
    self.assertGreater(np.abs(after[1] - before[1]).max(), 1e-4)

  def test_a_learned_row_reads_none(self):
    method = _method()
    self.assertFalse(method.reads_references)
    self.assertEqual(method.budget(_problem()[0], 6).reference, 0)

  def test_mistakes(self):
    with self.assertRaisesRegex(ValueError, 'there are none'):
      _method(device_representation='both').prepare(
          jax.random.key(0), _problem()[0]
      )
    with self.assertRaisesRegex(
        ValueError, "device_representation: 'both' needs one of .*got 'gcn'"
    ):
      methods.nasflat(device_representation='both', predictor='gcn')


class KeywordTest(parameterized.TestCase):

  @parameterized.parameters('gcn', 'encoding_mlp')
  def test_other_networks(self, predictor):
    problem, _ = _problem()
    method = methods.nasflat(predictor=predictor, pretrain_steps=1)
    factory = getattr(predictors, predictor)
    with (
        mock.patch.object(transfer, 'pretrain_network') as called,
        mock.patch.object(predictors, predictor, wraps=factory) as made,
    ):
      method.prepare(jax.random.key(0), problem)
    made.assert_called_once_with(_SPACE.spec, num_devices=3)
    self.assertTrue(called.call_args.kwargs['warm_start'])
    self.assertIsNone(called.call_args.kwargs['reference_ms'])

  @parameterized.parameters('operation', 'head')
  def test_the_network_gets_layer_and_place(self, place):
    problem, _ = _problem()
    with (
        mock.patch.object(transfer, 'pretrain_network') as called,
        mock.patch.object(predictors, 'nasflat') as made,
    ):
      _method(device_representation=place, warm_start=False).prepare(
          jax.random.key(0), problem
      )
    made.assert_called_once_with(
        _SPACE.spec,
        num_devices=3,
        layer=predictors.dense_graph_flow,
        hardware_embedding=place,
    )
    self.assertFalse(called.call_args.kwargs['warm_start'])

  @parameterized.parameters(
      ('adaptation', 'fine_tune, head, both'),
      ('predictor',
       'dense_graph_flow, graph_attention, layer_ensemble, gcn, encoding_mlp'),
      ('encoding', ', '.join(encodings.__all__)),
      ('device_representation', 'operation, head, latency_vector, both'),
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
