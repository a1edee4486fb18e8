"""`nasflat-search`: finalists that hold, several devices, errors, resuming."""

import contextlib
import csv
import io
import json
import pathlib
import tempfile
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np
import pytest

from nasflat_jax import data
from nasflat_jax import spaces
from nasflat_jax.cli import search
from nasflat_jax.search import pareto_front

_SPACE = spaces.FBNET


def _phone(genotype):
  return 2.0 + np.asarray(_SPACE.costs(np.asarray(genotype)).flops) / 2e7


def _board(genotype):
  costs = _SPACE.costs(np.asarray(genotype))
  return np.asarray(costs.activation_bytes) / 1e6 + 1.0


def setUpModule():
  # Most of the time here is compilation.
  jax.config.update('jax_disable_most_optimizations', True)


def tearDownModule():
  jax.config.update('jax_disable_most_optimizations', False)


class SearchTest(parameterized.TestCase):

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    folder = tempfile.TemporaryDirectory()
    cls.addClassCleanup(folder.cleanup)
    cls.files = pathlib.Path(folder.name)
    rows = np.asarray(_SPACE.random(jax.random.key(0), 16))
    # Check rows: without them every test compiles leave-one-out.
    roles = ['support'] * 8 + ['check'] * 8
    for name, device in (('phone', _phone), ('board', _board)):
      lines = [
          f'{index},{ms},{role}'
          for index, ms, role in zip(
              spaces.index_of(_SPACE, rows), device(rows), roles
          )
      ]
      (cls.files / f'{name}.csv').write_text(
          '\n'.join(['index,latency_ms,role', *lines, ''])
      )
    cls.pool = np.asarray(_SPACE.random(jax.random.key(1), 300))
    cls.accuracy = np.asarray(_SPACE.costs(cls.pool).params) ** 0.3
    lines = [
        f'{index},{value}'
        for index, value in zip(
            spaces.index_of(_SPACE, cls.pool), cls.accuracy
        )
    ]
    (cls.files / 'accuracy.csv').write_text(
        '\n'.join(['index,accuracy', *lines, ''])
    )

  def setUp(self):
    super().setUp()
    folder = self.enterContext(tempfile.TemporaryDirectory())
    self.out = pathlib.Path(folder) / 'found'

  def _run(self, *args, measurements='phone', budget='8'):
    """Returns exit code, stdout and stderr."""
    files = ','.join(
        str(self.files / f'{name}.csv') for name in measurements.split(',')
    )
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
      code = search.run([
          'nasflat-search', '--space=fbnet', f'--measurements={files}',
          f'--budget_ms={budget}', f'--out={self.out}', '--checkpoint=none',
          *args,
      ])
    return code, out.getvalue(), err.getvalue()

  def _rows(self, name):
    with open(self.out / name, newline='') as file:
      return list(csv.DictReader(file))

  def test_the_best_of_a_table_that_holds_the_budget(self):
    budget = float(np.quantile(_phone(self.pool), 0.4))
    code, out, err = self._run(
        '--objective=accuracy', f'--accuracy={self.files / "accuracy.csv"}',
        '--candidates=' + str(self.files / 'accuracy.csv'),
        '--num_finalists=3', budget=f'{budget:.3f}',
    )
    self.assertEqual(code, 0, err)
    rows = self._rows('finalists.csv')
    self.assertLen(rows, 3)
    self.assertEqual(list(rows[0]), [
        'index', 'architecture', 'accuracy', 'latency_ms', 'lower_ms',
        'upper_ms', 'bound_ms', 'budget_ms', 'probability',
    ])
    for row in rows:
      genotype = spaces.genotype_of(_SPACE, [int(row['index'])])
      self.assertLessEqual(_phone(genotype)[0], budget)
      self.assertGreaterEqual(float(row['probability']), 0.95)
      self.assertLessEqual(float(row['bound_ms']), budget)
    values = [float(row['accuracy']) for row in rows]
    self.assertEqual(values, sorted(values, reverse=True))
    best = self.accuracy[_phone(self.pool) <= budget].max()
    self.assertGreater(values[0], 0.97 * best)
    front = self._rows('front.csv')
    self.assertGreater(len(front), 3)
    summary = json.loads((self.out / 'summary.json').read_text())
    self.assertEqual(summary['algorithm'], 'exhaustive')
    self.assertEqual(summary['num_candidates'], 300)
    self.assertGreater(summary['devices'][0]['spearman'], 0.5)
    self.assertIn('Finalists, by accuracy', out)
    self.assertTrue((self.out / 'front.png').exists())
    self.assertFalse((self.out / 'search_state.npz').exists())

  def test_a_vote_of_zero_cost_scores(self):
    costs = _SPACE.costs(self.pool)
    table = data.ZeroCostTable(
        'fbnet', 'test', ('snip', 'jacov'), self.pool,
        np.stack([np.asarray(costs.params), np.asarray(costs.flops)], 1) / 1e6,
    )
    table.save(self.files / 'scores.npz')
    code, _, err = self._run(
        '--objective=zero_cost', f'--zero_cost={self.files / "scores.npz"}',
        '--proxies=snip,jacov', '--noplot', '--num_finalists=2',
        '--algorithm=exhaustive',
    )
    self.assertEqual(code, 0, err)
    rows = self._rows('finalists.csv')
    known = set(spaces.index_of(_SPACE, self.pool))
    for row in rows:
      self.assertIn(int(row['index']), known)
      self.assertGreaterEqual(float(row['probability']), 0.95)
    # Both scores grow with latency here: the vote lies on the front's end.
    front = [float(row['zero_cost']) for row in self._rows('front.csv')]
    self.assertEqual(front, sorted(front))
    code, _, err = self._run(
        '--objective=zero_cost', f'--zero_cost={self.files / "scores.npz"}',
        '--proxies=synflow',
    )
    self.assertEqual(code, 2)
    self.assertIn("has no proxy 'synflow'", err)

  @parameterized.parameters(('nsga2', 3), ('predictor_guided', 32))
  def test_other_algorithms_hold_the_budget_too(self, algorithm, rounds):
    code, _, err = self._run(
        f'--algorithm={algorithm}', '--rounds=3', '--candidates=random:300',
        '--noplot', budget='9',
    )
    self.assertEqual(code, 0, err)
    summary = json.loads((self.out / 'summary.json').read_text())
    self.assertEqual(
        (summary['algorithm'], summary['rounds']), (algorithm, rounds)
    )
    for row in self._rows('finalists.csv'):
      genotype = spaces.genotype_of(_SPACE, [int(row['index'])])
      self.assertLessEqual(_phone(genotype)[0], 9.0)
      self.assertGreaterEqual(float(row['probability']), 0.95)

  def test_predictor_guided_needs_candidates(self):
    code, _, err = self._run(
        '--algorithm=predictor_guided', '--candidates=random:100'
    )
    self.assertEqual(code, 2)
    self.assertIn('predictor_guided evaluates 128 of them', err)

  @pytest.mark.slow
  def test_two_devices_and_an_interruption(self):
    def stop(self, done, total):
      del self, total
      if done == 2:
        raise KeyboardInterrupt

    args = ('--candidates=random:300', '--algorithm=regularised_evolution',
            '--rounds=8', '--noplot')
    run = {'measurements': 'phone,board', 'budget': '8,13'}
    with (
        mock.patch('nasflat_jax.cli._main.Progress.__call__', stop),
        mock.patch('nasflat_jax.cli._searching._SAVE_SECONDS', 0.0),
    ):
      code, _, _ = self._run(*args, **run)
    self.assertEqual(code, 130)
    self.assertEqual(
        [path.name for path in self.out.iterdir()], ['search_state.npz']
    )
    code, _, err = self._run(*args, '--seed=1', **run)
    self.assertEqual(code, 2)
    self.assertIn('seed was 0, is 1', err)
    code, _, err = self._run(*args, **run)
    self.assertEqual(code, 0, err)
    self.assertIn('8/8', err)
    for row in self._rows('finalists.csv'):
      for device, budget in (('phone', 8.0), ('board', 13.0)):
        self.assertGreaterEqual(float(row[f'{device}_probability']), 0.95)
        self.assertEqual(float(row[f'{device}_budget_ms']), budget)
    # The front is that of both devices: larger than that of the first.
    front = np.array([
        [float(row['phone_latency_ms']), float(row['board_latency_ms']),
         -float(row['flops'])] for row in self._rows('front.csv')
    ])
    self.assertLen(pareto_front(front), len(front))
    self.assertLess(len(pareto_front(front[:, [0, 2]])), len(front))

  @parameterized.parameters(
      (('--confidence=1',), {}, '--confidence=1 is not between 0 and 1'),
      ((), {'budget': '8,9'}, '--budget_ms: 2 budget'),
      ((), {'budget': 'fast'}, "--budget_ms: 'fast' is not a number above 0"),
      ((), {'budget': '0'}, "--budget_ms: '0' is not a number above 0"),
      (('--objective=accuracy',), {}, '--accuracy goes with'),
      (('--objective=zero_cost', '--zero_cost=none.npz'), {}, 'none.npz'),
      ((), {'measurements': 'phone,none', 'budget': '8,8'}, 'none.csv'),
      (('--candidates=all',), {}, '--candidates=all: fbnet is too large'),
      (('--algorithm=best',), {}, '--algorithm=best'),
      (('--space=mars',), {}, "--space: unknown search space 'mars'"),
  )
  @pytest.mark.slow
  def test_mistakes_are_one_line_and_exit_code_2(self, args, run, message):
    code, out, err = self._run(*args, **run)
    self.assertEqual(code, 2)
    self.assertEqual(out, '')
    self.assertIn(message, err.splitlines()[-1])
    self.assertFalse(self.out.exists())

  def test_a_budget_that_nothing_holds(self):
    code, _, err = self._run(
        '--candidates=random:300', '--algorithm=exhaustive', budget='0.5'
    )
    self.assertEqual(code, 2)
    self.assertIn('none of 300 candidates holds 0.5 ms on phone', err)
    self.assertIn('the least bound is', err)
    self.assertFalse(self.out.exists())

  def test_an_accuracy_given_twice(self):
    file = self.files / 'twice.csv'
    file.write_text('index,accuracy\n5,0.1\n6,0.2\n5,0.3\n')
    code, _, err = self._run('--objective=accuracy', f'--accuracy={file}')
    self.assertEqual(code, 2)
    self.assertIn('twice.csv:4: the architecture of line 2 again', err)


if __name__ == '__main__':
  absltest.main()
