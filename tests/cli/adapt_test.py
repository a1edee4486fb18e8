"""`nasflat-adapt`: errors by message and exit code, files, leave-one-out."""

import contextlib
import csv
import importlib
import io
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
import pytest

from nasflat_jax import checkpoints
from nasflat_jax import reports
from nasflat_jax import spaces
from nasflat_jax import transfer
from nasflat_jax import types
from nasflat_jax.cli import adapt

_ROWS = 'index,latency_ms\n' + ''.join(
    f'{i},{1 + i / 1000}\n' for i in range(100, 15000, 1000)
)


class _Model:
  """Predicts a latency that grows with the index; remembers its support."""

  def __init__(self, space, genotype, latency_ms):
    self.space, self.genotype, self.latency_ms = space, genotype, latency_ms

  def predict(self, genotype, *, chunk_size=512):
    del chunk_size
    index = np.array(spaces.index_of(self.space, genotype), np.float64)
    latency_ms = 1 + index / 1000
    return types.Prediction(
        latency_ms=latency_ms, std_ms=0.1 * latency_ms,
        lower_ms=0.9 * latency_ms, upper_ms=1.1 * latency_ms,
    )


class AdaptTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(
        self.enterContext(tempfile.TemporaryDirectory())
    )
    self.models = []

    def load(name):
      space = 'fbnet' if 'fbnet' in os.fspath(name) else 'nasbench201'
      return None, {}, {'space': space}

    def adapt_device(key, checkpoint, genotype, latency_ms, **kwargs):
      del key, kwargs
      space = spaces.get(checkpoint[2]['space'])
      self.models.append(_Model(space, genotype, latency_ms))
      return self.models[-1]

    def leave_one_out(key, checkpoint, genotype, latency_ms, **kwargs):
      del key, checkpoint, genotype, kwargs
      return types.Prediction(latency_ms=1.25 * latency_ms)

    for module, fake in (
        (checkpoints, load), (transfer, adapt_device),
        (transfer, leave_one_out),
    ):
      self.enterContext(
          mock.patch.object(module, fake.__name__, fake, create=True)
      )

  def _run(self, *args, rows=_ROWS):
    """Returns exit code, stdout and stderr."""
    file = self.folder / 'phone.csv'
    file.write_text(rows)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
      code = adapt.run([
          'nasflat-adapt', f'--measurements={file}',
          f'--out={self.folder / "out"}', '--noplot', *args,
      ])
    return code, out.getvalue(), err.getvalue()

  def _summary(self):
    return json.loads((self.folder / 'out' / 'summary.json').read_text())

  def test_writes_the_whole_space_and_leave_one_out(self):
    code, out, err = self._run()
    self.assertEqual(code, 0, err)
    with open(self.folder / 'out' / 'predictions.csv', newline='') as file:
      rows = list(csv.DictReader(file))
    self.assertLen(rows, 15625)
    self.assertEqual(
        list(rows[0]),
        ['index', 'architecture', 'latency_ms', 'std_ms', 'lower_ms',
         'upper_ms'],
    )
    self.assertEqual(
        (rows[7]['index'], rows[7]['latency_ms']), ('7', '1.007')
    )
    summary = self._summary()
    self.assertEqual(summary['evaluation'], 'leave_one_out')
    self.assertEqual(
        (summary['num_support'], summary['num_check'],
         summary['num_predicted']),
        (15, 0, 15625),
    )
    self.assertAlmostEqual(summary['mape'], 0.25, places=5)
    self.assertAlmostEqual(summary['spearman'], 1.0, places=5)
    self.assertIsNone(summary['coverage'])
    self.assertIn('jax', summary['versions'])
    self.assertIn('leave-one-out on 15 networks', out)
    self.assertFalse((self.folder / 'out' / 'latency.png').exists())

  def test_check_rows_are_judged_on_and_never_adapted_on(self):
    rows = _ROWS.replace('latency_ms', 'latency_ms,role').replace(
        '\n', ',support\n'
    ).replace('role,support', 'role')
    rows += '200,2.4,check\n300,2.6,check\n400,1.4,check\n'
    code, out, err = self._run(rows=rows)
    self.assertEqual(code, 0, err)
    (model,) = self.models
    adapted = spaces.index_of(spaces.NASBENCH201, model.genotype)
    self.assertEqual(adapted, list(range(100, 15000, 1000)))
    summary = self._summary()
    self.assertEqual(summary['evaluation'], 'check')
    self.assertEqual((summary['num_support'], summary['num_check']), (15, 3))
    # Predicted 1.2, 1.3 and 1.4.
    self.assertAlmostEqual(summary['mape'], 1 / 3, places=5)
    self.assertAlmostEqual(summary['spearman'], -0.5, places=5)
    self.assertAlmostEqual(summary['coverage'], 1 / 3, places=5)
    self.assertIn('Judged on 3 measured networks', out)

  def test_replicates_are_joined_before_adapting(self):
    code, _, err = self._run(
        rows='index,latency_ms\n1,1\n2,2\n3,3\n1,2\n1,1.1\n'
    )
    self.assertEqual(code, 0, err)
    np.testing.assert_allclose(self.models[0].latency_ms, [1.1, 2.0, 3.0])
    self.assertGreater(self._summary()['replicate_noise'], 0.1)
    with open(self.folder / 'out' / 'measurements.csv', newline='') as file:
      rows = list(csv.DictReader(file))
    self.assertEqual([row['repeats'] for row in rows], ['3', '1', '1'])

  def test_constant_latencies_give_null_not_nan(self):
    code, out, err = self._run(rows='index,latency_ms\n1,2\n2,2\n3,2\n')
    self.assertEqual(code, 0, err)
    self.assertIsNone(self._summary()['spearman'])
    self.assertIn('Spearman -', out)

  def test_the_table_holds_connected_networks_only(self):
    code, out, _ = self._run('--top=4')
    self.assertEqual(code, 0)
    fastest = self._summary()['fastest_at_flops']
    self.assertLen(fastest, 4)
    for entry in fastest:
      self.assertIn(entry['architecture'], out)
      genotype = spaces.NASBENCH201.from_string([entry['architecture']])
      self.assertTrue(spaces.NASBENCH201.is_valid(genotype)[0])
      self.assertEqual(
          spaces.index_of(spaces.NASBENCH201, genotype), [int(entry['index'])]
      )

  def test_adapting_in_place_keeps_the_file(self):
    out = self.folder / 'out'
    out.mkdir()
    file = out / 'measurements.csv'
    file.write_text(_ROWS + '100,1.2\n')
    code, _, err = self._run(f'--measurements={file}')
    self.assertEqual(code, 0, err)
    self.assertEqual(file.read_text(), _ROWS + '100,1.2\n')
    self.assertTrue((out / 'predictions.csv').exists())

  @pytest.mark.slow
  def test_fbnet_draws_candidates(self):
    rows = 'index,latency_ms\n' + ''.join(
        f'{9**21 * i + 5},{i + 1}\n' for i in range(5)
    )
    code, _, err = self._run('--space=fbnet', '--candidates=random:40',
                             rows=rows)
    self.assertEqual(code, 0, err)
    self.assertEqual(self._summary()['num_predicted'], 40)
    first = (self.folder / 'out' / 'predictions.csv').read_text()
    self._run('--space=fbnet', '--candidates=random:40', rows=rows)
    self.assertEqual(
        (self.folder / 'out' / 'predictions.csv').read_text(), first
    )
    self._run('--space=fbnet', '--candidates=random:40', '--seed=1', rows=rows)
    self.assertNotEqual(
        (self.folder / 'out' / 'predictions.csv').read_text(), first
    )

  def test_candidates_from_a_file(self):
    wanted = self.folder / 'wanted.csv'
    wanted.write_text('index\n12\n3\n')
    code, _, err = self._run(f'--candidates={wanted}')
    self.assertEqual(code, 0, err)
    with open(self.folder / 'out' / 'predictions.csv', newline='') as file:
      rows = list(csv.DictReader(file))
    self.assertEqual([row['index'] for row in rows], ['12', '3'])

  @parameterized.named_parameters(
      ('unknown_flag', ['--spcae=fbnet'], "Unknown command line flag 'spcae'"),
      ('flag_value', ['--top=-1'], 'top'),
      ('not_a_number', ['--seed=x'], '--seed=x'),
      ('positional', ['phone.csv'], "unexpected argument 'phone.csv'"),
      ('space', ['--space=magic'], "--space: unknown search space 'magic'"),
      ('out', ['--out='], '--out is empty'),
      ('measurements', ['--measurements='], '--measurements is empty'),
      ('candidates', ['--candidates=random:0'], 'random:0: N of random:N'),
      ('candidates_text', ['--candidates=random:x'], 'N of random:N'),
      ('all_of_fbnet', ['--space=fbnet', '--candidates=all'], 'too large'),
      ('no_candidates', ['--candidates=/none.csv'],
       '--candidates: /none.csv: No such file or directory'),
      ('no_file', ['--measurements=/none.csv'],
       '/none.csv: No such file or directory'),
      ('other_space', ['--checkpoint=fbnet.npz'],
       '--checkpoint=fbnet.npz: pretrained for fbnet, not for nasbench201'),
      ('folder_is_file', ['--out=/dev/null'], 'exists and is not a folder'),
  )
  def test_refuses_flags(self, args, message):
    rows = 'index,latency_ms\n1,1\n2,2\n3,3\n'
    code, _, err = self._run(*args, rows=rows)
    self.assertEqual(code, 2)
    self.assertStartsWith(err, 'nasflat-adapt: error: ')
    self.assertIn(message, err)
    self.assertEqual(err.count('\n'), 1)
    self.assertFalse((self.folder / 'out').exists())
    self.assertEmpty(self.models)

  @parameterized.named_parameters(
      ('empty', '', ':1: the file is empty'),
      ('column', 'index\n1\n', ":1: no column 'latency_ms'"),
      ('zero', 'index,latency_ms\n1,0\n', ':2: latency_ms 0'),
      ('unknown', 'architecture,latency_ms\nvgg,1\n', ":2: 'vgg' is not"),
      ('replicates', 'index,latency_ms\n1,1\n1,4\n', ':3: replicates of one'),
      ('few', 'index,latency_ms\n1,1\n2,4\n', ':3: 2 distinct'),
  )
  def test_refuses_files(self, rows, message):
    code, out, err = self._run(rows=rows)
    self.assertEqual(code, 2)
    self.assertEqual(out, '')
    self.assertStartsWith(
        err, f'nasflat-adapt: error: {self.folder}/phone.csv{message}'
    )
    self.assertEqual(err.count('\n'), 1)
    self.assertFalse((self.folder / 'out').exists())

  @parameterized.parameters(
      (['--method=magic'], "--method: unknown 'magic'; choose from bayesian"),
      (['--method=nasflat', '--num_proposals=2'],
       '--num_proposals: nasflat proposes nothing'),
  )
  def test_methods_and_proposals_have_to_fit(self, args, message):
    code, _, err = self._run(*args)
    self.assertEqual(code, 2)
    self.assertIn(message, err)
    self.assertFalse((self.folder / 'out').exists())

  def test_an_unknown_checkpoint_names_the_flag(self):
    message = "'nofile' is neither a file nor a shipped checkpoint"
    with mock.patch.object(
        checkpoints, 'load', side_effect=FileNotFoundError(message)
    ):
      code, _, err = self._run('--checkpoint=nofile')
    self.assertEqual(
        (code, err), (2, f'nasflat-adapt: error: --checkpoint: {message}\n')
    )

  def test_predictions_that_are_not_finite_write_nothing(self):
    with mock.patch.object(
        _Model, 'predict',
        lambda self, genotype: types.Prediction(
            latency_ms=np.full(len(genotype), np.nan)
        ),
    ):
      code, _, err = self._run()
    self.assertEqual(code, 2)
    self.assertIn('15625 of 15625 latencies that are not finite', err)
    self.assertFalse((self.folder / 'out').exists())

  def test_interrupt(self):
    with mock.patch.object(
        transfer, 'adapt_device', side_effect=KeyboardInterrupt, create=True
    ):
      code, _, err = self._run()
    self.assertEqual(code, 130)
    self.assertNotIn('Traceback', err)
    self.assertFalse((self.folder / 'out').exists())

  def test_a_defect_keeps_its_traceback(self):
    with mock.patch.object(
        transfer, 'adapt_device', side_effect=TypeError('defect'), create=True
    ):
      with self.assertRaisesRegex(TypeError, 'defect'):
        self._run()

  def test_flags_start_from_their_defaults_in_every_run(self):
    self._run('--top=2', '--seed=5')
    self.assertEqual(self._summary()['seed'], 5)
    self._run()
    self.assertEqual(self._summary()['seed'], 0)

  def test_help_lists_the_flags(self):
    code, out, err = self._run('--help')
    self.assertEqual((code, err), (0, ''))
    for flag in ('--measurements', '--[no]plot', '--candidates', '--space'):
      self.assertIn(flag, out)

  def test_required_flags(self):
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
      code = adapt.run(['nasflat-adapt', '--out=x'])
    self.assertEqual(code, 2)
    self.assertEqual(
        err.getvalue(), 'nasflat-adapt: error: --measurements is required\n'
    )


class SubprocessTest(absltest.TestCase):

  def _run(self, *args):
    root = pathlib.Path(importlib.import_module('nasflat_jax').__file__)
    return subprocess.run(
        [sys.executable, '-m', 'nasflat_jax.cli.adapt', *args],
        capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, 'PYTHONPATH': str(root.parents[1])},
    )

  def test_error_is_one_line_and_exit_code_two(self):
    with tempfile.TemporaryDirectory() as folder:
      file = pathlib.Path(folder, 'phone.csv')
      file.write_text('architecture;latency_ms\na;1,5\n')
      done = self._run(f'--measurements={file}', f'--out={folder}/out')
      self.assertEqual(done.returncode, 2)
      self.assertEqual(
          done.stderr.splitlines()[-1],
          f'nasflat-adapt: error: {file}:1: cells are separated by '
          'semicolons; save the file with commas (and a point for decimals)',
      )
      self.assertNotIn('Traceback', done.stderr)
      self.assertEqual(os.listdir(folder), ['phone.csv'])

  def test_help_does_not_import_jax(self):
    code = (
        'import sys; from nasflat_jax.cli import adapt, quickstart; '
        'adapt.run(["a", "--help"]); quickstart.run(["q", "--help"]); '
        'sys.exit("jax" in sys.modules or "numpy" in sys.modules)'
    )
    root = pathlib.Path(importlib.import_module('nasflat_jax').__file__)
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True,
        check=False, env={**os.environ, 'PYTHONPATH': str(root.parents[1])},
    )
    self.assertEqual(done.returncode, 0, done.stderr)



class RealAdaptTest(absltest.TestCase):

  @pytest.mark.slow
  def test_without_checkpoint_gives_intervals_and_proposals(self):
    folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    space = spaces.OFA
    genotype = np.asarray(space.random(jax.random.key(0), 30))
    latency_ms = np.asarray(space.costs(genotype).multiply_adds) / 1e7
    file = folder / 'board.csv'
    reports.write_measurements(
        file, space, genotype[:10], latency_ms[:10],
        role=['support'] * 8 + ['check'] * 2,
    )
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
      code = adapt.run([
          'nasflat-adapt', '--space=ofa', f'--measurements={file}',
          f'--out={folder / "out"}', '--candidates=random:50', '--noplot',
          '--num_proposals=3',
      ])
    self.assertEqual(code, 0)
    summary = json.loads((folder / 'out' / 'summary.json').read_text())
    self.assertIsNone(summary['checkpoint'])
    self.assertLen(set(summary['measure_next']), 3)
    known = set(space.to_string(genotype[:10]))
    self.assertFalse(known & set(summary['measure_next']))
    self.assertIn(summary['measure_next'][0], out.getvalue())
    with open(folder / 'out' / 'predictions.csv', newline='') as rows:
      first = next(csv.DictReader(rows))
    self.assertLess(float(first['lower_ms']), float(first['latency_ms']))
    self.assertLess(float(first['latency_ms']), float(first['upper_ms']))


if __name__ == '__main__':
  absltest.main()
