"""HELP and its kin as methods: what they read, and what cannot matter."""

import dataclasses

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np

from nasflat_jax import methods
from nasflat_jax import spaces

_SPACE = spaces.NASBENCH201
_KEYS = jax.random.split(jax.random.key(1), 2)
_REFERENCES = np.arange(50, 60)


def _problem():
  rng = np.random.default_rng(0)
  ids = rng.choice(5**6, 80, replace=False)
  genotype = spaces.genotype_of(_SPACE, ids.tolist())
  hot = (genotype[:, :, None] == np.arange(5)).reshape(80, -1)
  # Devices are alike, as real ones are.
  times = rng.uniform(0.1, 3.0, 30) * rng.uniform(0.7, 1.3, (4, 30))
  latency_ms = times @ hot.T + 5.0
  problem = methods.Problem(
      space=_SPACE,
      genotype=genotype,
      source_names=('a', 'b', 'c'),
      source_latency_ms=latency_ms[:-1],
      source_ids=np.arange(40),
      reference_ids=_REFERENCES,
  )
  ids = np.stack([rng.choice(50, 8, replace=False) for _ in _KEYS])
  target = latency_ms[-1]
  support = methods.Support(
      ids.astype(np.int32), target[ids], np.tile(target[_REFERENCES], (2, 1))
  )
  return problem, support


class HelpTest(absltest.TestCase):

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.problem, cls.support = _problem()
    cls.method = methods.help(episodes=5, learning_rate=3e-3, num_draws=2)
    cls.state = cls.method.prepare(jax.random.key(0), cls.problem)
    cls.scores = cls._predict(cls.support).scores

  @classmethod
  def _predict(cls, support):
    return cls.method.predict(_KEYS, cls.problem, cls.state, support)

  def test_the_unit_of_the_target_does_not_matter(self):
    support = self.support._replace(
        latency_ms=3.0 * self.support.latency_ms + 7.0,
        reference_ms=3.0 * self.support.reference_ms + 7.0,
    )
    again = self._predict(support)
    self.assertFalse(again.is_ms)
    np.testing.assert_allclose(again.scores, self.scores, atol=2e-6)

  def test_support_and_references_matter(self):
    for change in (
        {'latency_ms': self.support.latency_ms[:, ::-1]},
        {'reference_ms': self.support.reference_ms[:, ::-1]},
    ):
      scores = self._predict(self.support._replace(**change)).scores
      self.assertGreater(np.abs(scores - self.scores).max(), 1e-5)

  def test_an_outlier_in_the_support_counts_as_the_slowest(self):
    latency_ms = self.support.latency_ms.copy()
    latency_ms[:, 0] = 1e3
    outlier = self._predict(self.support._replace(latency_ms=latency_ms))
    latency_ms[:, 0] = 1e6
    further = self._predict(self.support._replace(latency_ms=latency_ms))
    np.testing.assert_allclose(outlier.scores, further.scores, atol=1e-7)

  def test_reads_source_rows_and_references_only(self):
    # Rows 40..49 and 60..79 of the sources are neither.
    other = self.problem.source_latency_ms.copy()
    other[:, 40:50] = np.nan
    other[:, 60:] = 1e4
    problem = dataclasses.replace(self.problem, source_latency_ms=other)
    state = self.method.prepare(jax.random.key(0), problem)
    jax.tree.map(np.testing.assert_array_equal, state, self.state)

  def test_budget_counts_the_references(self):
    budget = self.method.budget(self.problem, 8)
    self.assertEqual(
        (budget.source, budget.reference, budget.target), (150, 10, 8)
    )
    self.assertTrue(self.method.reads_references)

  def test_errors(self):
    with self.assertRaisesRegex(ValueError, 'needs reference_ms'):
      self._predict(self.support._replace(reference_ms=None))
    problem = dataclasses.replace(
        self.problem, reference_ids=np.zeros(0, np.int64)
    )
    with self.assertRaisesRegex(ValueError, 'needs reference_ids'):
      self.method.prepare(jax.random.key(0), problem)
    for name in ('num_draws', 'inner_steps'):
      with self.assertRaisesRegex(ValueError, f'{name} must be 1'):
        methods.help(**{name: 0})


class KinTest(parameterized.TestCase):

  @parameterized.parameters(
      methods.maml, methods.fomaml, methods.meta_sgd, methods.reptile
  )
  def test_reads_no_reference(self, factory):
    method = factory(episodes=1)
    self.assertFalse(method.reads_references)
    budget = method.budget(_problem()[0], 8)
    self.assertEqual(
        (budget.source, budget.reference, budget.target), (120, 0, 8)
    )
    with self.assertRaisesRegex(ValueError, 'episodes must be 0 or more'):
      factory(episodes=-1)
    with self.assertRaisesRegex(ValueError, 'inner_steps must be 1 or more'):
      factory(inner_steps=0)


if __name__ == '__main__':
  absltest.main()
