"""`nasflat-quickstart`: what is measured, adapted on and written."""

import contextlib
import csv
import dataclasses
import io
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np

from nasflat_jax import checkpoints
from nasflat_jax import measure
from nasflat_jax import spaces
from nasflat_jax import transfer
from nasflat_jax import types
from nasflat_jax.cli import _main
from nasflat_jax.cli import adapt
from nasflat_jax.cli import quickstart

_SPACE = spaces.NASBENCH201


def _true_latency(genotype):
  return 1.0 + np.asarray(_SPACE.costs(genotype).flops) / 1e7


class QuickstartTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(
        self.enterContext(tempfile.TemporaryDirectory())
    )
    self.collected = []
    self.adapted = []

    def collect(space, genotypes, *, key, batch_size, max_noise, progress):
      del space, key
      self.collected.append((genotypes, batch_size, max_noise))
      progress('compile', len(genotypes), len(genotypes))
      progress('time', 10, 10)
      num = len(genotypes)
      return measure.Measurements(
          genotype=genotypes, latency_ms=_true_latency(genotypes),
          iqr_ms=np.full(num, 0.1), repeats=np.full(num, 30),
          compile_seconds=np.zeros(num), noise=0.05, drift=0.01,
          backend='cpu', device_kind='cpu', batch_size=batch_size,
      )

    def choose_support(key, space, num_support):
      return np.unique(space.random(key, 4 * num_support), axis=0)[:num_support]

    def adapt_device(key, checkpoint, genotype, latency_ms, **kwargs):
      del key, checkpoint, kwargs
      self.adapted.append((genotype, latency_ms))
      return mock.Mock(predict=lambda genotype: types.Prediction(
          latency_ms=2 * _true_latency(genotype)
      ))

    for module, fake in (
        (measure, collect), (transfer, choose_support),
        (transfer, adapt_device),
        (checkpoints, lambda name: (None, {}, {'space': 'nasbench201'})),
    ):
      name = 'load' if module is checkpoints else fake.__name__
      self.enterContext(mock.patch.object(module, name, fake, create=True))

  def _run(self, *args):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
      code = quickstart.run([
          'nasflat-quickstart', f'--out={self.folder / "out"}', '--noplot',
          *args,
      ])
    return code, out.getvalue(), err.getvalue()

  def test_a_noisy_machine_is_told(self):
    code, out, err = self._run('--num_support=12', '--num_check=20')
    self.assertEqual(code, 0, err)
    self.assertNotIn('repeats scatter', out)
    quiet = measure.collect

    def noisy(*args, **kwargs):
      return dataclasses.replace(quiet(*args, **kwargs), noise=0.31)

    with mock.patch.object(measure, 'collect', noisy):
      code, out, err = self._run('--num_support=12', '--num_check=20')
    self.assertEqual(code, 0, err)
    self.assertIn('repeats scatter by 31%', out)

  def test_measures_once_and_never_adapts_on_the_check_set(self):
    code, out, err = self._run('--num_support=12', '--num_check=20',
                               '--batch_size=4', '--max_noise=0.5')
    self.assertEqual(code, 0, err)
    ((genotypes, batch_size, max_noise),) = self.collected
    self.assertEqual((batch_size, max_noise), (4, 0.5))
    self.assertLen(np.unique(genotypes, axis=0), 32)
    self.assertTrue(np.asarray(_SPACE.is_valid(genotypes)).all())
    ((support, latency_ms),) = self.adapted
    np.testing.assert_array_equal(support, genotypes[:12])
    np.testing.assert_array_equal(latency_ms, _true_latency(genotypes[:12]))
    summary = json.loads((self.folder / 'out' / 'summary.json').read_text())
    self.assertEqual(summary['evaluation'], 'check')
    self.assertEqual((summary['num_support'], summary['num_check']), (12, 20))
    self.assertAlmostEqual(summary['mape'], 1.0, places=5)
    self.assertEqual(summary['noise'], 0.05)
    self.assertEqual(summary['batch_size'], 4)
    self.assertIn('cpu', summary['machine'])
    self.assertGreaterEqual(
        summary['seconds'], summary['stage_seconds']['measure']
    )
    self.assertIn('Spearman 1.000', out)
    self.assertIn('compiling, networks: 32/32', err)

  def test_another_seed_draws_other_networks(self):
    self._run()
    self._run()
    self._run('--seed=1')
    (first, *_), (again, *_), (other, *_) = self.collected
    np.testing.assert_array_equal(first, again)
    self.assertFalse(np.array_equal(first, other))

  def test_adapt_reads_the_measurements_back(self):
    self._run('--num_check=5')
    out = self.folder / 'out'
    with open(out / 'measurements.csv', newline='') as file:
      rows = list(csv.DictReader(file))
    self.assertEqual([row['role'] for row in rows],
                     ['support'] * 15 + ['check'] * 5)
    self.assertEqual(rows[0]['repeats'], '30')
    code = adapt.run([
        'nasflat-adapt', f'--measurements={out}/measurements.csv',
        f'--out={self.folder}/again', '--noplot',
    ])
    self.assertEqual(code, 0)
    for one, two in zip(*self.adapted):
      np.testing.assert_array_equal(one, two)
    self.assertEqual(
        (out / 'predictions.csv').read_text(),
        (self.folder / 'again' / 'predictions.csv').read_text(),
    )

  def test_a_failed_adaptation_keeps_the_measurements(self):
    with mock.patch.object(
        transfer, 'adapt_device', side_effect=ValueError('too few'),
        create=True,
    ):
      code, _, err = self._run()
    self.assertEqual(code, 2)
    self.assertEndsWith(err, 'nasflat-quickstart: error: too few\n')
    self.assertEqual(
        [path.name for path in (self.folder / 'out').iterdir()],
        ['measurements.csv'],
    )

  def test_a_noisy_machine_is_one_line(self):
    with mock.patch.object(
        measure, 'collect', side_effect=measure.NoisyMachineError(
            'too noisy; take more repeats'
        )
    ):
      code, _, err = self._run()
    self.assertEqual(code, 2)
    self.assertEndsWith(
        err, 'nasflat-quickstart: error: too noisy; stop other programs or '
        'raise --max_noise\n'
    )

  @parameterized.named_parameters(
      ('support', ['--num_support=2'], 'num_support'),
      ('check', ['--num_check=-1'], 'num_check'),
      ('too_many', ['--num_check=15270'],
       '--num_check=15270: beside 15 support networks nasbench201 has only '
       '15269 valid members left'),
      ('space', ['--space=x'], "--space: unknown search space 'x'"),
      ('candidates', ['--candidates=random:'], '--candidates=random:'),
      ('no_candidates', ['--candidates=/none.csv'],
       '--candidates: /none.csv: No such file'),
      ('out', ['--out=/dev/null'], '--out=/dev/null: exists and is not'),
      ('empty_out', ['--out='], '--out is empty'),
  )
  def test_refuses_before_measuring(self, args, message):
    code, _, err = self._run(*args)
    self.assertEqual(code, 2)
    self.assertIn(message, err.splitlines()[-1])
    self.assertStartsWith(err.splitlines()[-1], 'nasflat-quickstart: error: ')
    self.assertEmpty(self.collected)
    self.assertFalse((self.folder / 'out').exists())

  def test_too_large_a_support_names_the_flag(self):
    with mock.patch.object(
        transfer, 'choose_support', side_effect=ValueError('chosen from 9')
    ):
      code, _, err = self._run('--num_support=10')
    self.assertEqual(code, 2)
    self.assertEndsWith(err, 'error: --num_support: chosen from 9\n')
    self.assertFalse((self.folder / 'out').exists())


class DrawCheckTest(absltest.TestCase):

  def test_leaves_out_the_support_even_when_little_is_left(self):
    rng = np.random.default_rng(0)
    valid = np.flatnonzero(
        _SPACE.is_valid(spaces.genotype_of(_SPACE, range(15625)))
    )
    left = rng.choice(valid, 200, replace=False)
    support = spaces.genotype_of(_SPACE, np.setdiff1d(valid, left))
    check = quickstart.draw_check(
        jax.random.key(0), _SPACE, support, num_check=200
    )
    self.assertCountEqual(spaces.index_of(_SPACE, check), left.tolist())

  def test_none(self):
    check = quickstart.draw_check(
        jax.random.key(0), _SPACE, np.zeros((3, 6), np.int32), num_check=0
    )
    self.assertEqual(check.shape, (0, 6))


class ProgressTest(absltest.TestCase):

  def _lines(self, seconds_each, calls):
    """What is printed when every call comes so much after the one before."""
    err = io.StringIO()
    ticks = itertools.count(1000.0, seconds_each)
    with contextlib.redirect_stderr(err), mock.patch.object(
        _main.time, 'monotonic', lambda: next(ticks)
    ):
      progress = _main.Progress('Measuring')
      for done, total in calls:
        progress(done, total)
    return err.getvalue().splitlines()

  def test_prints_a_line_for_every_tenth_of_slow_work(self):
    lines = self._lines(5.0, [(i, 100) for i in range(1, 101)])
    shown = [1, *range(10, 101, 10)]
    self.assertEqual(
        lines, [f'Measuring: {i}/100 ({5 * i} s)' for i in shown]
    )

  def test_prints_the_first_and_the_last_line_of_quick_work(self):
    lines = self._lines(0.001, [(i, 100) for i in range(1, 101)])
    self.assertEqual(
        lines, ['Measuring: 1/100 (0 s)', 'Measuring: 100/100 (0 s)']
    )

  def test_waits_two_seconds_between_lines(self):
    lines = self._lines(0.5, [(i, 10) for i in range(1, 11)])
    self.assertEqual(
        [line.split()[1] for line in lines], ['1/10', '5/10', '9/10', '10/10']
    )

  def test_a_count_that_falls_back_begins_anew(self):
    lines = self._lines(3.0, [(5, 10), (10, 10), (1, 5), (5, 5), (5, 5)])
    self.assertEqual(lines, [
        'Measuring: 5/10 (3 s)', 'Measuring: 10/10 (6 s)',
        'Measuring: 1/5 (0 s)', 'Measuring: 5/5 (3 s)',
    ])

  def test_rewrites_one_line_on_a_terminal(self):
    err = io.StringIO()
    err.isatty = lambda: True
    with contextlib.redirect_stderr(err):
      progress = _main.Progress('Measuring')
      progress(1, 2)
      progress(2, 2)
    self.assertEqual(err.getvalue().count('\r'), 2)
    self.assertEqual(err.getvalue().count('\n'), 1)
    self.assertEndsWith(err.getvalue(), '\n')


class ReaderHasGoneTest(absltest.TestCase):

  def _run(self, body):
    """Exit code and stderr of a process whose stdout nobody reads."""
    code = (
        'import sys\n'
        'from absl import flags\n'
        'from nasflat_jax.cli import _main\n'
        f'def body():\n  {body}\n'
        "sys.exit(_main.run('it', 'Help.', body, flags.FlagValues(),"
        ' sys.argv))\n'
    )
    reading, writing = os.pipe()
    os.close(reading)
    try:
      done = subprocess.run(
          [sys.executable, '-c', code, *(() if body != 'pass' else ['-h'])],
          stdout=writing, stderr=subprocess.PIPE, text=True, check=False,
      )
    finally:
      os.close(writing)
    return done.returncode, done.stderr

  def test_is_quiet(self):
    self.assertEqual(self._run('pass'), (141, ''))  # with --help
    self.assertEqual(self._run("print('x')"), (141, ''))
    self.assertEqual(self._run("print('x' * 10**6)"), (141, ''))

  def test_a_mistake_is_still_told(self):
    code, err = self._run("raise ValueError('no such file')")
    self.assertEqual((code, err), (2, 'it: error: no such file\n'))


if __name__ == '__main__':
  absltest.main()
