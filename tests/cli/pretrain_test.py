"""`nasflat-pretrain`: real data in, a checkpoint out, through a kill -9."""

import contextlib
import dataclasses
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np
import pytest

from nasflat_jax import checkpoints
from nasflat_jax import data
from nasflat_jax import spaces
from nasflat_jax import transfer
from nasflat_jax import types
from nasflat_jax.cli import pretrain
import real_data

_SMALL = (
    '--space=nasbench201', '--num_steps=6', '--num_source=40',
    '--save_every=2', '--num_devices=2', '--num_architectures=8',
    '--predictor=dense_graph_flow', '--adapt_steps=2', '--head_sources=3',
)
_KEPT = 6  # devices: judging all forty takes its time


def _run(*flags):
  """Exit code, stdout and stderr."""
  out, err = io.StringIO(), io.StringIO()
  with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    code = pretrain.run(['nasflat-pretrain', *flags])
  return code, out.getvalue(), err.getvalue()


def _small():
  names = real_data.table('nasbench201').device_names
  return (*_SMALL, f'--exclude={",".join(names[_KEPT:])}')


class PretrainTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(self.create_tempdir())
    self.out = self.folder / 'new' / 'mine.npz'
    self.partial = self.out.with_name('mine.npz.partial')

  def _on_real_data(self, *flags):
    table = real_data.table('nasbench201')
    with mock.patch.object(data, 'load_latency', lambda space: table):
      return _run(f'--out={self.out}', *_small(), *flags)

  @pytest.mark.slow
  def test_end_to_end_and_through_kill_9(self):
    # Killed as soon as the first state is there.
    killed = self.folder / 'killed.npz'
    partial = self.folder / 'killed.npz.partial'
    command = [
        sys.executable, '-m', 'nasflat_jax.cli.pretrain', f'--out={killed}',
        *_small(),
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)}, text=True,
    )
    # Meanwhile, here, without an interruption.
    code, out, err = self._on_real_data()
    self.assertEqual(code, 0, err)
    deadline = time.monotonic() + 120
    while not partial.exists() and process.poll() is None:
      self.assertLess(time.monotonic(), deadline)
      time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    _, complaint = process.communicate()
    self.assertEqual(process.returncode, -signal.SIGKILL, complaint)
    self.assertTrue(partial.exists())
    self.assertFalse(killed.exists())

    with self.subTest('the checkpoint'):
      self.assertRegex(out, r'mine.npz: [\d,]+ parameters, 6 devices; Spearman')
      self.assertIn('Pretraining, steps: 6/6', err)
      self.assertEqual(
          [path.name for path in self.out.parent.iterdir()], ['mine.npz']
      )
      checkpoint = checkpoints.load(self.out)
      header = checkpoint.provenance
      table = real_data.table('nasbench201')
      self.assertEqual(tuple(header['devices']), table.device_names[:_KEPT])
      self.assertEqual(
          header['data'],
          {'sha256': data.fingerprint(table.select(header['devices'])),
           'source': table.source},
      )
      self.assertEqual(header['transfer']['adapt_steps'], 2)
      self.assertLen(header['transfer']['head_sources'], 3)
      self.assertEqual(header['scores']['num_held_out'], 2000)
      self.assertCountEqual(header['scores']['spearman'], header['devices'])
      self.assertIn('--num_steps=6', header['command'])
      self.assertNotIn(str(self.folder), json.dumps(header))
      self.assertCountEqual(header['versions'], ['nasflat_jax', 'jax', 'numpy'])

    with self.subTest('it adapts to a device'):
      pre = transfer.Pretrained.from_checkpoint(
          spaces.NASBENCH201, *checkpoint
      )
      rows = np.arange(0, 15000, 1500)
      adapted = transfer.adapt_devices(
          jax.random.split(jax.random.key(0), 1),
          dataclasses.replace(pre, parts=('head',)),
          table.genotype[None, rows],
          table.row(table.device_names[-1])[None, rows],
      )
      self.assertTrue((adapted.predict(table.genotype[:20]) > 0).all())

    self.out, uninterrupted = killed, checkpoint
    with self.subTest('other settings are refused'):
      before = partial.read_bytes()
      code, out, err = self._on_real_data('--seed=1')
      self.assertEqual((code, out), (2, ''))
      self.assertIn('other settings (seed was 0, is 1)', err.splitlines()[-1])
      self.assertNotIn('Traceback', err)
      self.assertEqual(partial.read_bytes(), before)
      self.assertFalse(killed.exists())

    with self.subTest('the same command goes on and ends the same'):
      code, _, err = self._on_real_data()
      self.assertEqual(code, 0, err)
      self.assertRegex(err, r'Resuming .*killed.npz.partial at step [246]\n')
      self.assertFalse(partial.exists())
      resumed = checkpoints.load(killed)
      self.assertEqual(
          jax.tree.structure(resumed.params),
          jax.tree.structure(uninterrupted.params),
      )
      jax.tree.map(
          np.testing.assert_array_equal, resumed.params, uninterrupted.params
      )
      self.assertEqual(resumed.provenance, uninterrupted.provenance)

  @parameterized.parameters(
      ('--space=magic', "--space: unknown search space 'magic'; known: darts"),
      ('--exclude=magic,abacus', '--exclude: no device abacus, magic in'),
      ('--num_source=99999', '--num_source=99999: '),
      ('--num_steps=0', 'num_steps'),
      ('--predictor=magic', 'predictor'),
      ('--encoding=magic', 'encoding'),
      ('--device_representation=magic', 'device_representation'),
      ('--learning_rate=-1', 'learning_rate'),
      ('--learning_rate=nan', '--learning_rate=nan: must be finite'),
      ('--learning_rate=inf', '--learning_rate=inf: must be finite'),
      ('--adapt_learning_rate=nan', 'adapt_learning_rate=nan: must be finite'),
      ('--adapt_learning_rate=inf', 'adapt_learning_rate=inf: must be finite'),
      ('--seed=4294967296', '--seed'),
      ('--seed=-1', '--seed'),
      ('--out=', '--out: . is a folder'),
      ('--out=/dev/null/mine.npz', '--out: no folder /dev/null can be made'),
      ('--what=1', 'what'),
  )
  def test_wrong_flags_are_one_line_and_exit_code_two(self, flag, message):
    code, out, err = self._on_real_data(flag)
    self.assertEqual((code, out), (2, ''))
    self.assertIn(message, err)
    self.assertLen(err.splitlines(), 1)
    self.assertFalse(self.partial.exists())

  @parameterized.parameters('loss', 'state')
  def test_a_diverged_training_stops_and_keeps_the_good_state(self, what):
    good = types.TransferState(
        {'w': np.ones(2, np.float32)}, (), np.asarray(2, np.int32)
    )
    bad = {'loss': good, 'state': good._replace(
        meta_params={'w': np.array([1.0, np.nan], np.float32)})}[what]

    def train(*args, on_chunk, **kwargs):
      del args, kwargs
      on_chunk(good, 1.0)
      self.before = self.partial.read_bytes()
      on_chunk(
          bad._replace(step=np.asarray(4, np.int32)),
          np.nan if what == 'loss' else 1.0,
      )

    with mock.patch.object(transfer, 'pretrain_network', train):
      code, out, err = self._on_real_data()
    self.assertEqual((code, out), (2, ''))
    self.assertRegex(
        err.splitlines()[-1],
        'training diverged by step 4 .*; lower --learning_rate and remove .*'
        'mine.npz.partial$',
    )
    self.assertEqual(self.partial.read_bytes(), self.before)
    self.assertFalse(self.out.exists())

  def test_the_largest_seed_is_taken(self):
    code, _, err = self._on_real_data(
        f'--seed={2**32 - 1}', '--num_source=99999'
    )
    self.assertEqual(code, 2)
    self.assertIn('--num_source=99999: ', err)  # beyond the seed

  def test_a_device_without_a_rank_correlation_can_be_saved(self):
    table = real_data.table('nasbench201')
    table = table.select(table.device_names[:2])
    scores = np.arange(10.0)
    pre = mock.Mock(source_scores=lambda g: np.stack([scores, 0 * scores]))
    found = pretrain._scores(pre, table, np.arange(10))
    self.assertIsNone(found['mean'])
    rho = [found['spearman'][name] for name in table.device_names]
    self.assertIsInstance(rho[0], float)
    self.assertIsNone(rho[1])
    json.dumps(found, allow_nan=False)

  def test_no_device_left(self):
    names = real_data.table('nasbench201').device_names
    code, _, err = self._on_real_data(f'--exclude={",".join(names)}')
    self.assertEqual(code, 2)
    self.assertIn('--exclude: no device is left', err)

  def test_out_is_required(self):
    code, _, err = _run('--space=nasbench201')
    self.assertEqual(code, 2)
    self.assertIn('--out', err)

  def test_help_without_jax(self):
    code = (
        'import sys; from nasflat_jax.cli import pretrain; '
        "pretrain.run(['nasflat-pretrain', '--help']); "
        "sys.exit('jax' in sys.modules or 'numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True,
        check=False,
    )
    self.assertEqual(done.returncode, 0, done.stderr)
    for flag in pretrain._FLAGS:
      self.assertIn(f'--{flag}=', done.stdout)


if __name__ == '__main__':
  absltest.main()
