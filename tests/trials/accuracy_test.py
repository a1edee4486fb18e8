"""The protocol of few-shot accuracy, and its binary."""

import contextlib
import io
import json
import os
import pathlib
import tempfile
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np

from nasflat_jax import data
from nasflat_jax import spaces
from nasflat_jax import transfer
from nasflat_jax import trials
from nasflat_jax.cli import evaluate
from nasflat_jax.methods import accuracy as methods
from nasflat_jax.trials import accuracy


class NamesTest(parameterized.TestCase):

  def test_groups(self):
    self.assertLen(accuracy.names(), 28)
    self.assertLen(accuracy.parse('all'), 28)
    self.assertLen(accuracy.parse('complete'), 13)
    self.assertLen(accuracy.parse('others'), 15)
    self.assertEqual(
        accuracy.parse('nasbench201/svhn, darts,nasbench201/svhn')[:2],
        ['nasbench201/svhn', 'darts/cifar10'],
    )

  @parameterized.parameters(
      ('cifar10', "unknown task 'cifar10'; choose from all, complete"),
      (' ,', 'no task is named'),
  )
  def test_errors(self, text, message):
    with self.assertRaisesRegex(ValueError, message):
      accuracy.parse(text)


class JudgeTest(absltest.TestCase):

  def test_rank_correlations(self):
    labels = np.array([1.0, 2.0, 3.0, 4.0])
    rho, tau, constant = accuracy.rank_correlations(
        np.array([1.0, 2.0, 4.0, 3.0]), labels
    )
    self.assertAlmostEqual(rho, 0.8)
    self.assertAlmostEqual(tau, 2 / 3)
    self.assertFalse(constant)
    self.assertEqual(
        accuracy.rank_correlations(np.full(4, 7.0), labels), (0.0, 0.0, True)
    )

  def test_hindsight_takes_either_sign(self):
    labels = np.arange(5.0)
    proxies = np.stack([np.full(5, np.nan), -labels], axis=1)
    np.testing.assert_allclose(
        accuracy.best_in_hindsight(proxies, labels), (1.0, 1.0)
    )


class RunTest(parameterized.TestCase):
  """Small tables of one space in a folder."""

  def setUp(self):
    super().setUp()
    self.base = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    self.enterContext(mock.patch.dict(os.environ))
    os.environ['NASFLAT_DATA'] = str(self.base)
    os.environ.pop('NASFLAT_MIRROR', None)
    rng = np.random.default_rng(0)
    index = rng.choice(spaces.NASBENCH201.spec.size, 60, replace=False)
    cells = np.array(spaces.NASBENCH201.from_index(index))
    # One network under two genotypes: nothing reaches node 1.
    cells[0], cells[1] = (0, 3, 2, 3, 1, 3), (0, 3, 3, 3, 2, 3)
    values = {
        'validation': (cells == 3).sum(1) + 0.1 * rng.normal(size=60),
        'zen': (cells == 3).sum(1) + rng.normal(size=60),
        'snip': rng.normal(size=60),
    }
    data.AccuracyTable(
        space='nasbench201', source='nasgraph_nasbench201', tasks=('cifar10',),
        metrics=tuple(values), genotype=cells,
        values=np.stack([*values.values()])[None],
    ).save(self.base / 'nasgraph_nasbench201.npz')
    for name in (
        'zccombinetasks_nasbench201', 'suitezero_nasbench201',
        'naslib725_nasbench201', 'naslib_nasbench201', 'minibench_nasbench201',
    ):
      metrics = ('zen', 'snip')
      data.AccuracyTable(
          space='nasbench201', source=name, tasks=('cifar10',),
          metrics=metrics, genotype=cells,
          values=np.stack([values[m] for m in metrics])[None],
      ).save(self.base / f'{name}.npz')

  def _run(self, *flags):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
      code = evaluate.run([
          'nasflat-evaluate', '--target=accuracy',
          f'--out={self.base / "out.json"}', *flags,
      ])
    return code, out.getvalue(), err.getvalue()

  def test_a_network_is_not_support_and_query_at_once(self):
    tasks = accuracy.AccuracyTasks(jax.random.key(0), num_source=10)
    drawn = accuracy.draw(
        jax.random.key(0), tasks, 'nasbench201/cifar10', num_support=30,
        num_trials=20,
    )
    again = accuracy.draw(
        jax.random.key(0), tasks, 'nasbench201/cifar10', num_support=30,
        num_trials=20,
    )
    np.testing.assert_array_equal(drawn.ids, again.ids)
    networks = tasks.table('nasbench201/cifar10').networks()
    self.assertEqual(networks[0], networks[1])
    split = 0
    for ids, judged in zip(drawn.ids, drawn.judged, strict=True):
      self.assertLen(set(ids.tolist()), 30)
      self.assertEmpty(np.intersect1d(networks[ids], networks[judged]))
      split += len(np.intersect1d(ids, [0, 1])) == 1
    self.assertGreater(split, 0)  # one of the twins alone was drawn

  def test_table_and_file(self):
    code, out, err = self._run(
        '--tasks=nasbench201/cifar10', '--num_support=5', '--num_trials=2',
        '--methods=ridge,best_proxy',
    )
    # Sources are tables of all spaces, which are not there.
    self.assertEqual((code, out), (2, ''))
    self.assertIn('nasflat-data', err)

  @parameterized.parameters(
      ('--tasks=cifar10', '--tasks: unknown task'),
      ('--methods=flops', "--methods: unknown 'flops'; choose from bayesian"),
      ('--num_support=0', '--num_support takes whole numbers'),
      ('--num_support=55', 'leaves too few of the 60 networks'),
      ('--sampler=random', '--sampler is of --target=latency'),
      ('--num_source_labels=2', 'num_source_labels'),
      ('--pool=some', 'pool'),
  )
  def test_wrong_flags(self, flag, message):
    flags = {
        '--tasks': 'nasbench201/cifar10', '--methods': 'ridge',
        '--num_support': '5',
    }
    name, _, value = flag.partition('=')
    flags[name] = value
    code, out, err = self._run(*(f'{k}={v}' for k, v in flags.items()))
    self.assertEqual((code, out), (2, ''))
    self.assertIn(message, err)
    self.assertFalse((self.base / 'out.json').exists())

  def test_flags_of_accuracy_are_refused_for_latency(self):
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
      code = evaluate.run([
          'nasflat-evaluate', f'--out={self.base / "x.json"}', '--pool=all',
      ])
    self.assertEqual(code, 2)
    self.assertIn('--pool is of --target=accuracy', err.getvalue())


class RowsTest(absltest.TestCase):

  def test_rows_are_those_of_trials(self):
    rng = np.random.default_rng(0)
    index = rng.choice(spaces.NASBENCH201.spec.size, 30, replace=False)
    proxies = rng.normal(size=(30, 2))
    problem = methods.AccuracyProblem(
        'nasbench201/cifar10',
        transfer.Networks(
            spaces.NASBENCH201,
            np.asarray(spaces.NASBENCH201.from_index(index)), proxies,
        ),
        (),
    )
    ids = np.arange(8).reshape(2, 4)
    judged = np.ones((2, 30), bool)
    judged[0, :4] = judged[1, 4:8] = False
    rows = accuracy.evaluate(
        jax.random.key(0), methods.ridge(), problem,
        [accuracy.AccuracyDraws(
            ids, judged, jax.random.split(jax.random.key(0), 2)
        )],
        proxies[:, 1] * 2.0, method_name='ridge', hindsight=(1.0, 1.0),
    )
    self.assertLen(rows, 2)
    self.assertGreater(rows[0]['spearman'], 0.8)
    self.assertEqual(rows[0]['budget']['target'], 4)
    json.dumps(rows)
    table = trials.format_summary(trials.summarize(rows))
    self.assertIn('nasbench201/cifar10', table)


if __name__ == '__main__':
  absltest.main()
