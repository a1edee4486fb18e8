import dataclasses

from absl.testing import absltest
import jax
import numpy as np
import pytest

from nasflat_jax import data
from nasflat_jax import methods
from nasflat_jax import spaces
from nasflat_jax import trials
from nasflat_jax import types

_NAMES = ('a', 'b', 'c')


def _table(space, num, seed):
  genotype = np.unique(
      np.asarray(space.random(jax.random.key(seed), 2 * num)), axis=0
  )[:num]
  rng = np.random.default_rng(seed)
  macs = np.asarray(space.costs(genotype).multiply_adds, np.float64)
  noise = rng.uniform(0.95, 1.05, (3, num))
  speed = np.array([[1.0], [2.0], [1.5]])
  return data.LatencyTable(
      space=space.spec.name,
      source='made up',
      devices=tuple(
          types.Device(name=name, family='cpu', processor=name)
          for name in _NAMES
      ),
      genotype=genotype,
      values=1.0 + speed * noise * macs / macs.mean(),
  )


class AcrossSpacesTest(absltest.TestCase):

  def _task(self, **keywords):
    self.other = _table(spaces.NASBENCH201, 80, 0)
    self.table = _table(spaces.FBNET, 90, 1)
    return trials.across_spaces(
        jax.random.key(0), self.other, self.table, 'c',
        **({'sources': ('a', 'b'), 'num_other': 50, 'num_source': 30}
           | keywords),
    )

  def test_nothing_that_is_read_is_judged(self):
    problem, masked = self._task()
    drawn = trials.draw(
        jax.random.key(0), problem, masked, num_support=4, num_trials=3
    )
    self.assertEqual(problem.elsewhere.genotype.shape, (50, 6))
    self.assertFalse(drawn.judged[:, problem.source_ids].any())
    self.assertFalse(np.isin(drawn.support.ids, problem.source_ids).any())
    self.assertEqual(drawn.judged.sum(axis=1).tolist(), [90 - 30 - 4] * 3)
    np.testing.assert_array_equal(masked.row('a'), self.table.row('a'))

  @pytest.mark.slow
  def test_methods_and_their_budgets(self):
    problem, masked = self._task()
    drawn = trials.draw(
        jax.random.key(0), problem, masked, num_support=2, num_trials=2
    )
    alone, counts = (
        np.mean([
            row['spearman']
            for row in trials.evaluate(
                jax.random.key(0), method, problem, [drawn], method_name='x'
            )
        ])
        for method in (methods.bayesian(sources='none'), methods.ridge_counts())
    )
    # Each against what the same two measurements give without the knowledge
    # of elsewhere: about 0.9 for the one, nothing for the other.
    for name, method, source, without in (
        ('devices', methods.across_spaces(), 50 * 3 + 30 * 2, alone),
        ('costs', methods.across_spaces(known='costs'), 50, alone),
        ('latencies', methods.ridge_latencies(), 90 * 2, alone),
        (
            'network',
            methods.hardware_latencies(num_source=20, epochs=40),
            90 * 2 + 20 * 3,
            counts,
        ),
    ):
      rows = trials.evaluate(
          jax.random.key(0), method, problem, [drawn], method_name=name
      )
      self.assertEqual(
          rows[0]['budget'], {'source': source, 'reference': 0, 'target': 2}
      )
      rho = [row['spearman'] for row in rows]
      self.assertGreater(min(rho), 0.9, name)
      self.assertGreater(np.mean(rho), without + 0.03, name)

  def test_without_a_measurement(self):
    problem, masked = self._task()
    method = methods.across_spaces(known='costs')
    support = methods.Support(np.zeros((1, 0), np.int32), np.zeros((1, 0)))
    scores = method.predict(
        jax.random.split(jax.random.key(0), 1),
        problem,
        method.prepare(jax.random.key(0), problem),
        support,
    )
    self.assertFalse(scores.is_ms)
    got = trials.judge(
        scores.scores[0], masked.row('c'), np.isfinite(masked.row('c')),
        scores.scores[0],
    )
    self.assertGreater(got['spearman'], 0.8)

  def test_a_task_for_each_target_that_is_known(self):
    other = _table(spaces.NASBENCH201, 80, 0)
    task = types.Partition(
        name='X', space='fbnet', source=('a', 'z'), target=('b', 'c', 'y')
    )
    found = trials.known_elsewhere([task], other)
    self.assertEqual([t.name for t in found], ['X:b', 'X:c'])
    self.assertEqual({t.source for t in found}, {('a',)})
    with self.assertRaisesRegex(ValueError, 'X is on nasbench201'):
      trials.known_elsewhere(
          [dataclasses.replace(task, space='nasbench201')], other
      )
    with self.assertRaisesRegex(ValueError, '1 sources and 0 targets'):
      trials.known_elsewhere(
          [dataclasses.replace(task, target=('y',))], other
      )

  def test_errors(self):
    for keywords, message in (
        ({'sources': ('a', 'c')}, "'c' is the target"),
        ({'num_other': 81}, 'cannot take 81 rows of nasbench201'),
    ):
      with self.assertRaisesRegex(ValueError, message):
        self._task(**keywords)
    problem, _ = self._task()
    with self.assertRaisesRegex(ValueError, 'target_latency_ms must be'):
      methods.Problem(
          space=problem.space,
          genotype=problem.genotype,
          source_names=problem.source_names,
          source_latency_ms=problem.source_latency_ms,
          source_ids=problem.source_ids,
          elsewhere=problem.elsewhere.__class__(
              **{
                  **vars(problem.elsewhere),
                  'target_latency_ms': np.ones(3),
              }
          ),
      )
    with self.assertRaisesRegex(ValueError, 'another search space'):
      methods.across_spaces().check(
          methods.Problem(
              space=problem.space,
              genotype=problem.genotype,
              source_names=problem.source_names,
              source_latency_ms=problem.source_latency_ms,
              source_ids=problem.source_ids,
          )
      )
    with self.assertRaisesRegex(ValueError, "known: unknown 'x'"):
      methods.across_spaces(known='x')


if __name__ == '__main__':
  absltest.main()
