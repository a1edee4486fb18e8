"""`nasflat-zerocost`: files, resuming, errors by message and exit code."""

import contextlib
import csv
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
import pytest

from nasflat_jax import data
from nasflat_jax import encodings
from nasflat_jax import spaces
from nasflat_jax import zero_cost
from nasflat_jax.cli import _main
from nasflat_jax.cli import zerocost

# Of few layers and few pixels: the compiler's time is all there is.
_TINY = (
    '--channels=2', '--num_cells=1', '--resolution=8', '--batch=4',
    '--chunk_size=1', '--cache_dir=none',
)
_PROXIES = 'params,synflow'
_DEAD = '|none~0|+|none~0|none~1|+|none~0|none~1|none~2|'
# An operation on edge 0-1 that leads nowhere, and the same cell without it.
_HIDDEN = '|nor_conv_1x1~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|'
_BARE = '|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|'


class ZeroCostTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(
        self.enterContext(tempfile.TemporaryDirectory())
    )
    self.out = self.folder / 'scores.npz'
    # Once JAX runs, the binary leaves this process's number of devices alone.
    jax.devices()

  def _run(self, *args, out=None, tiny=_TINY):
    """Exit code, stdout and stderr."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
      code = zerocost.run([
          'nasflat-zerocost', f'--proxies={_PROXIES}', *tiny,
          f'--out={out or self.out}', *args,
      ])
    return code, stdout.getvalue(), stderr.getvalue()

  def _names(self, *names):
    path = self.folder / 'names.txt'
    path.write_text('\n'.join(names))
    return f'--genotypes={path}'

  def _loaded(self, path):
    with np.load(path, allow_pickle=False) as npz:
      return {name: npz[name] for name in npz.files}

  @pytest.mark.slow
  def test_npz_holds_what_the_driver_gives(self):
    code, out, err = self._run(self._names(_HIDDEN, _DEAD, _BARE))
    self.assertEqual(code, 0, err)
    found = self._loaded(self.out)
    self.assertEqual(found['architecture'].tolist(), [_HIDDEN, _DEAD, _BARE])
    self.assertEqual(found['values'].dtype, np.float64)
    np.testing.assert_array_equal(found['is_valid'], [True, False, True])
    np.testing.assert_array_equal(
        spaces.NASBENCH201.from_string([_HIDDEN, _DEAD, _BARE]),
        found['genotype'],
    )
    key, batch_key = jax.random.split(jax.random.key(0))
    network = zero_cost.nasbench201(
        channels=2, num_cells=1, num_classes=10, resolution=8
    )
    wanted = zero_cost.score(
        [zero_cost.params, zero_cost.synflow], spaces.NASBENCH201, key,
        found['genotype'],
        zero_cost.gaussian_batch(batch_key, 4, 10, resolution=8),
        chunk_size=1, network=network,
    )
    np.testing.assert_array_equal(found['values'], wanted)
    # The hidden operation counts and changes nothing else.
    self.assertGreater(wanted[0, 0], wanted[2, 0])
    self.assertEqual(wanted[0, 1], wanted[2, 1])
    self.assertTrue(np.isnan(wanted[1, 1]))
    self.assertIn('1 networks ignore their input', out)
    self.assertIn('synflow of 1', out)
    self.assertIn('gaussian, random numbers', out)
    self.assertEqual(
        sorted(p.name for p in self.folder.iterdir()),
        ['names.txt', 'scores.npz'],
    )

  def test_header(self):
    self.assertEqual(self._run(self._names(_BARE), '--seed=3')[0], 0)
    header = json.loads(str(self._loaded(self.out)['header']))
    self.assertEqual(header['seed'], 3)
    self.assertTrue(header['images_are_a_stand_in'])
    self.assertEqual(header['settings']['channels'], 2)
    self.assertEqual(header['settings']['proxies'], ['params', 'synflow'])
    self.assertIn('jax', header['versions'])
    self.assertIn('cpu_count', header['hardware'])
    self.assertIn('--channels=2', header['command'])
    self.assertNotIn(str(self.out), header['command'])

  def test_merging_changes_no_score(self):
    names = self._names(_HIDDEN, _DEAD, _BARE)
    self.assertEqual(self._run(names)[0], 0)
    other = self.folder / 'each.npz'
    code, _, err = self._run(names, '--nomerge_duplicates', out=other)
    self.assertEqual(code, 0, err)
    np.testing.assert_array_equal(
        self._loaded(self.out)['values'], self._loaded(other)['values']
    )

  def test_csv(self):
    self.out = self.folder / 'scores.csv'
    code, _, err = self._run(self._names(_DEAD, _BARE))
    self.assertEqual(code, 0, err)
    with self.out.open(newline='') as file:
      dead, bare = csv.DictReader(file)
    self.assertEqual(list(bare), ['architecture', 'params', 'synflow'])
    self.assertEqual(dead['architecture'], _DEAD)
    self.assertEqual(dead['synflow'], '')
    npz = self.folder / 'scores.npz'
    self.assertEqual(self._run(self._names(_DEAD, _BARE), out=npz)[0], 0)
    self.assertEqual(
        float(bare['synflow']), self._loaded(npz)['values'][1, 1]
    )
    header = json.loads((self.folder / 'scores.csv.json').read_text())
    self.assertEqual(header['images'], 'gaussian')

  def test_csv_of_names_is_read_back(self):
    first = self.folder / 'first.csv'
    self.assertEqual(self._run(self._names(_BARE), out=first)[0], 0)
    self.assertEqual(self._run(f'--genotypes={first}')[0], 0)
    self.assertEqual(
        self._loaded(self.out)['architecture'].tolist(), [_BARE]
    )

  def _interrupted(self, *args, after):
    """Interrupts a run after some blocks."""
    score, calls = zero_cost.score, []

    def stopping(*args, **kwargs):
      calls.append(1)
      if len(calls) > after:
        raise KeyboardInterrupt
      return score(*args, **kwargs)

    with mock.patch.object(zero_cost, 'score', stopping):
      return self._run(*args), len(calls)

  @pytest.mark.slow
  def test_an_interrupted_run_is_resumed_bit_for_bit(self):
    args = '--genotypes=random:40', '--seed=5'
    whole = self.folder / 'whole.npz'
    self.assertEqual(self._run(*args, out=whole)[0], 0)
    (code, _, err), _ = self._interrupted(*args, after=2)
    self.assertEqual(code, 130)
    self.assertFalse(self.out.exists())
    partial = self.folder / 'scores.npz.partial'
    # As if killed while writing.
    with partial.open('a') as file:
      file.write('{"task": "job 0", "meth')
    code, _, err = self._run(*args)
    self.assertEqual(code, 2)
    self.assertIn('pass --resume', err)
    for change in ('--seed=6', '--batch=5', '--genotypes=random:39'):
      code, _, err = self._run(*args, change, '--resume')
      self.assertEqual(code, 2, change)
      self.assertIn('delete it to start anew', err)
    (code, out, err), calls = self._interrupted(*args, '--resume', after=99)
    self.assertEqual(code, 0, err)
    self.assertIn('were there already', out)
    _, all_calls = self._interrupted(
        *args, f'--out={self.folder / "again.npz"}', after=99
    )
    self.assertEqual(calls, all_calls - 2)
    self.assertFalse(partial.exists())
    found, wanted = self._loaded(self.out), self._loaded(whole)
    for name in wanted.keys() - {'header'}:
      np.testing.assert_array_equal(found[name], wanted[name])

  @pytest.mark.slow
  def test_real_images(self):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 8, 8, 3)).astype(np.uint8)
    file = self.folder / 'pictures.npz'
    np.savez(file, images=images, labels=np.arange(12) % 3)
    args = self._names(_BARE), '--proxies=snip', f'--images={file}'
    code, out, err = self._run(*args, '--balanced')
    self.assertEqual(code, 0, err)
    self.assertIn('Images: pictures.npz', out)
    found = self._loaded(self.out)
    header = json.loads(str(found['header']))
    self.assertFalse(header['images_are_a_stand_in'])
    self.assertEqual(header['settings']['num_classes'], 3)
    key, batch_key = jax.random.split(jax.random.key(0))
    batch = zero_cost.images_batch(
        batch_key, images, np.arange(12) % 3, 4, 3, balanced=True
    )
    wanted = zero_cost.score(
        [zero_cost.snip], spaces.NASBENCH201, key, found['genotype'], batch,
        chunk_size=1,
        network=zero_cost.nasbench201(
            channels=2, num_cells=1, num_classes=3, resolution=8
        ),
    )
    np.testing.assert_array_equal(found['values'], wanted)

  def test_the_file_is_an_encoding(self):
    code, _, err = self._run('--genotypes=random:12')
    self.assertEqual(code, 0, err)
    table = data.load_zero_cost(self.out)
    self.assertEqual(table.logarithms, ('synflow',))
    space = spaces.NASBENCH201
    out = np.asarray(encodings.zcp(space, table=table)(table.genotype))
    self.assertEqual(out.shape, (12, 3))
    np.testing.assert_array_equal(out[:, 2], 1.0)
    synflow = table.column('synflow')
    wanted = (synflow - synflow.min()) / np.ptp(synflow)
    np.testing.assert_allclose(out[:, 1], wanted, rtol=1e-6, atol=1e-7)
    with mock.patch.dict(os.environ, NASFLAT_ZERO_COST=str(self.out)):
      again = np.asarray(encodings.zcp(space)(table.genotype))
    np.testing.assert_array_equal(again, out)

  @parameterized.parameters(
      (['--genotypes=all', '--space=fbnet'],
       '--genotypes=all: fbnet has 984,770,902,183,611,232,881 members'),
      (['--genotypes=random:x'], '--genotypes=random:x'),
      (['--genotypes=nowhere.txt'], '--genotypes: nowhere.txt'),
      (['--proxies=params,naswot'], "--proxies: unknown proxy 'naswot'"),
      (['--proxies=params,params'], '--proxies: a name occurs twice'),
      (['--space=ofa'], "--space: no network of 'ofa'"),
      (['--space=nasbench2'], '--space: '),
      (['--space=fbnet', '--genotypes=random:2', '--setting=mnist'],
       "--setting: setting: unknown 'mnist'"),
      (['--space=fbnet', '--channels=8'],
       '--channels is of darts, nasbench101, nasbench201, transnas_micro, '
       'not of fbnet'),
      (['--setting=cifar'], '--setting is of fbnet, not of nasbench201'),
      (['--images=nowhere'], '--images: nowhere'),
      (['--batch=1'], '--batch'),
      (['--num_devices=1000'], '--num_devices=1000: JAX already runs'),
      (['--out=scores.json'], '--out=scores.json: want a file'),
      (['--out='], '--out is empty'),
      (['--cache_dir=/dev/null/x'], '--cache_dir: '),
  )
  def test_mistakes(self, args, message):
    code, _, err = self._run(*args, tiny=('--cache_dir=none',))
    self.assertEqual(code, 2)
    self.assertStartsWith(err, 'nasflat-zerocost: error: ')
    self.assertIn(message, err)
    self.assertLen(err.splitlines(), 1)
    self.assertEmpty(list(self.folder.iterdir()))

  @parameterized.parameters(
      (['--resolution=16'], 'has images of (8, 8, 3), the networks want (16'),
      (['--num_classes=2'], '--num_classes=2: '),
      (['--batch=7'], '--images: 7 images wanted of 6'),
  )
  def test_images_that_do_not_fit(self, args, message):
    file = self.folder / 'few.npz'
    np.savez(
        file, images=np.zeros((6, 8, 8, 3), 'u1'), labels=np.arange(6) % 3
    )
    code, _, err = self._run(
        self._names(_BARE), f'--images={file}', '--resolution=8', *args,
        tiny=_TINY,
    )
    self.assertEqual(code, 2)
    self.assertIn(message, err)
    self.assertFalse(self.out.exists())

  def test_one_image_of_each_class_is_told(self):
    args = self._names(_BARE), '--proxies=epe_nas', '--batch=4'
    with mock.patch.object(
        zero_cost, 'score', lambda fns, space, key, genotype, *_, **__:
        np.zeros((len(genotype), len(fns)))
    ):
      self.assertIn('epe_nas compares', self._run(*args)[2])
      self.assertNotIn('epe_nas compares', self._run(*args, '--batch=20')[2])


class ProgressTest(absltest.TestCase):

  def test_time_left_is_of_the_pace_since_the_first_call(self):
    ticks = iter([0.0, 100.0, 104.0, 108.0, 116.0])
    err = io.StringIO()
    with contextlib.redirect_stderr(err), mock.patch.object(
        _main.time, 'monotonic', lambda: next(ticks)
    ):
      progress = _main.Progress('Scoring', time_left=True)
      # 100 s for the first: compiling.
      for done in (10, 20, 30, 50):
        progress(done, 50)
    self.assertEqual(err.getvalue().splitlines(), [
        'Scoring: 10/50 (100 s)',
        'Scoring: 20/50 (104 s, 12 s left)',
        'Scoring: 30/50 (108 s, 8 s left)',
        'Scoring: 50/50 (116 s)',
    ])


if __name__ == '__main__':
  absltest.main()
