"""AdaProxy, BRP-NAS and Multi-Predict as methods."""

import dataclasses

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np
import pytest
from scipy import stats

from nasflat_jax import methods
from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax.methods import _multi_predict

_KEYS = jax.random.split(jax.random.key(1), 3)
_ROWS = 120


def _problem(space=spaces.NASBENCH201, num_support=10):
  """Two additive sources; the target is a changed copy of the second."""
  rng = np.random.default_rng(0)
  num_ops = len(space.spec.gene_names)
  genotype = np.asarray(space.random(jax.random.key(0), _ROWS))
  hot = predictors.one_hot(genotype, num_ops)
  times = rng.uniform(0.1, 3.0, (3, hot.shape[1]))
  times[2] = 4.0 * times[1] * rng.uniform(0.9, 1.1, hot.shape[1])
  latency_ms = times @ hot.T + 5.0
  problem = methods.Problem(
      space=space,
      genotype=genotype,
      source_names=('other', 'alike'),
      source_latency_ms=latency_ms[:-1],
      source_ids=np.arange(100),
      reference_ids=np.arange(100, 110),
  )
  ids = np.stack(
      [rng.choice(_ROWS, num_support, replace=False) for _ in _KEYS]
  )
  support = methods.Support(ids.astype(np.int32), latency_ms[-1][ids])
  return problem, support, latency_ms[-1]


def _spearman(scores, latency_ms):
  return [stats.spearmanr(row, latency_ms).statistic for row in scores]


class AdaproxyTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.problem, self.support, self.latency_ms = _problem()

  def _scores(self, problem=None, **kwargs):
    method = methods.adaproxy(**kwargs)
    problem = problem or self.problem
    state = method.prepare(jax.random.key(0), problem)
    return method.predict(_KEYS, problem, state, self.support)

  def test_chooses_the_source_that_is_alike(self):
    scores = self._scores()
    self.assertTrue(scores.is_ms)
    named = self._scores(proxy='alike')
    np.testing.assert_array_equal(scores.scores, named.scores)
    self.assertGreater(min(_spearman(scores.scores, self.latency_ms)), 0.97)
    error = np.abs(scores.scores / self.latency_ms - 1.0)
    self.assertLess(error.mean(), 0.03)
    other = self._scores(proxy='other')
    self.assertLess(np.mean(_spearman(other.scores, self.latency_ms)), 0.9)

  def test_every_support_size_gives_an_order(self):
    method = methods.adaproxy()
    state = method.prepare(jax.random.key(0), self.problem)
    for size in (1, 2, 3, 5):
      support = methods.Support(
          self.support.ids[:, :size], self.support.latency_ms[:, :size]
      )
      scores = method.predict(_KEYS, self.problem, state, support).scores
      self.assertTrue(np.isfinite(scores).all())
      self.assertGreater(np.ptp(scores, axis=1).min(), 0.0)

  def test_reads_source_ids_only_and_counts_them(self):
    latency_ms = self.problem.source_latency_ms.copy()
    latency_ms[:, 100:] = np.nan
    latency_ms[0, :7] = np.nan
    problem = dataclasses.replace(self.problem, source_latency_ms=latency_ms)
    self.assertTrue(np.isfinite(self._scores(problem).scores).all())
    budget = methods.adaproxy().budget(problem, 10)
    self.assertEqual(
        (budget.source, budget.reference, budget.target), (193, 0, 10)
    )
    named = methods.adaproxy(proxy='other').budget(problem, 10)
    self.assertEqual(named.source, 93)

  def test_refuses_an_unknown_proxy_and_an_empty_source(self):
    with self.assertRaisesRegex(
        ValueError, "^proxy: 'vpu' is no source.*choose from other, alike$"
    ):
      self._scores(proxy='vpu')
    with self.assertRaisesRegex(ValueError, "^proxy: 'vpu' is no source"):
      methods.adaproxy(proxy='vpu').budget(self.problem, 5)
    latency_ms = self.problem.source_latency_ms.copy()
    latency_ms[1, :100] = np.nan
    problem = dataclasses.replace(self.problem, source_latency_ms=latency_ms)
    with self.assertRaisesRegex(ValueError, "'alike' has no measured rows"):
      self._scores(problem)


class BrpNasTest(parameterized.TestCase):

  def test_learns_from_the_support_alone(self):
    problem, support, _ = _problem(num_support=90)
    problem = dataclasses.replace(
        problem, source_latency_ms=np.full((2, _ROWS), np.nan)
    )
    # The same times on every edge, so that a few rows teach them.
    counts = predictors.op_counts(problem.genotype, 5)
    latency_ms = 3.0 + counts @ np.array([0.1, 0.5, 1.0, 4.0, 2.0])
    support = support._replace(latency_ms=latency_ms[support.ids])
    method = methods.brp_nas(hidden=32, max_steps=150, learning_rate=3e-3)
    state = method.prepare(jax.random.key(0), problem)
    scores = method.predict(_KEYS, problem, state, support)
    self.assertTrue(scores.is_ms)
    error = []
    for row, ids in zip(scores.scores, support.ids, strict=True):
      unseen = np.setdiff1d(np.arange(_ROWS), ids)
      self.assertGreater(
          stats.spearmanr(row[unseen], latency_ms[unseen]).statistic, 0.8
      )
      error.append(np.abs(row / latency_ms - 1.0)[unseen].mean())
    spread = latency_ms.std() / latency_ms.mean()
    self.assertLess(np.mean(error), 0.6 * spread)
    budget = method.budget(problem, 90)
    self.assertEqual(
        (budget.source, budget.reference, budget.target), (0, 0, 90)
    )

  @parameterized.parameters('hidden', 'epochs', 'max_steps', 'batch_size')
  def test_refuses_a_number_below_one(self, name):
    with self.assertRaisesRegex(ValueError, f'^{name} must be 1 or more'):
      methods.brp_nas(**{name: 0})


class MultiPredictTest(parameterized.TestCase):

  @parameterized.parameters('learnable', 'latency_vector')
  @pytest.mark.slow
  def test_learns_and_transfers(self, device):
    problem, support, latency_ms = _problem(spaces.FBNET)
    method = methods.multi_predict(
        device=device, width=64, max_steps=300, learning_rate=2e-3, refits=2
    )
    self.assertEqual(method.reads_references, device == 'latency_vector')
    if method.reads_references:
      seen = np.tile(latency_ms[problem.reference_ids], (3, 1))
      support = support._replace(reference_ms=seen)
    state = method.prepare(jax.random.key(0), problem)
    scores = method.predict(_KEYS, problem, state, support)
    self.assertFalse(scores.is_ms)
    # Two fine-tunings with sigmoid outputs.
    self.assertTrue(((scores.scores > 0) & (scores.scores < 2)).all())
    self.assertGreater(min(_spearman(scores.scores, latency_ms)), 0.7)
    own = _spearman([latency_ms], problem.source_latency_ms[0])[0]
    self.assertLess(own, 0.5)

  def test_budget_counts_the_references(self):
    problem, _, _ = _problem()
    budget = methods.multi_predict().budget(problem, 10)
    self.assertEqual(
        (budget.source, budget.reference, budget.target), (200, 0, 10)
    )
    budget = methods.multi_predict(device='latency_vector').budget(problem, 10)
    self.assertEqual(
        (budget.source, budget.reference, budget.target), (220, 10, 10)
    )

  def test_scales_by_measured_rows_only(self):
    scaled = _multi_predict._scaled(
        np.array([[4.0, np.nan, 2.0, 3.0], [5.0, 5.0, 5.0, 5.0]])
    )
    np.testing.assert_array_equal(scaled, [[1.0, 0.0, 0.0, 0.5], [0.0] * 4])

  def test_labels_get_the_mean_and_spread_of_the_scores(self):
    scores = np.array([0.2, 0.6, 0.1, 0.3], np.float32)
    label = np.array([3.0, 1.0, 2.0, 7.0], np.float32)
    moved = np.asarray(_multi_predict._like(label, scores))
    np.testing.assert_allclose(moved.mean(), scores.mean(), rtol=1e-5)
    np.testing.assert_allclose(moved.std(), scores.std(), rtol=1e-5)
    np.testing.assert_array_equal(np.argsort(moved), np.argsort(label))
    alike = _multi_predict._like(np.ones(4, np.float32), scores)
    np.testing.assert_allclose(alike, np.full(4, 0.3), rtol=1e-6)

  def test_latency_vector_needs_references(self):
    problem, _, _ = _problem()
    problem = dataclasses.replace(
        problem, reference_ids=np.zeros(0, np.int64)
    )
    with self.assertRaisesRegex(ValueError, 'needs reference architectures'):
      methods.multi_predict(device='latency_vector').prepare(
          jax.random.key(0), problem
      )

  def test_latency_vector_needs_those_of_the_target(self):
    problem, support, _ = _problem()
    method = methods.multi_predict(device='latency_vector')
    state = _multi_predict._State({}, np.zeros((2, 10), np.float32))
    with self.assertRaisesRegex(ValueError, 'needs reference_ms in its supp'):
      method.predict(_KEYS, problem, state, support)

  @parameterized.parameters(
      ('representation', 'gcn', 'vec, zcp_vec'),
      ('device', 'index', 'learnable, latency_vector'),
  )
  def test_refuses_unknown_names(self, keyword, value, choices):
    with self.assertRaisesRegex(
        ValueError, f'^{keyword}: unknown {value!r}; choose from {choices}$'
    ):
      methods.multi_predict(**{keyword: value})

  @parameterized.parameters('width', 'epochs', 'max_steps', 'refits')
  def test_refuses_a_number_below_one(self, name):
    with self.assertRaisesRegex(ValueError, f'^{name} must be 1 or more'):
      methods.multi_predict(**{name: 0})


if __name__ == '__main__':
  absltest.main()
