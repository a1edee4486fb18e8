"""`nasflat-proxy`: three calls from nothing to a front, and what it refuses."""

import contextlib
import csv
import io
import json
import pathlib
import tempfile

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import pytest

from nasflat_jax import spaces
from nasflat_jax.cli import proxy
import real_data

_SPACE = spaces.NASBENCH201
_TIMES = np.random.default_rng(0).uniform(0.5, 3.0, (6, 5))


def _latency_ms(indices):
  genotype = np.asarray(spaces.genotype_of(_SPACE, indices))
  return 5.0 + _TIMES[np.arange(6), genotype].sum(axis=1)


def _read(path):
  with open(path, newline='') as file:
    return list(csv.DictReader(file))


class ProxyTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(
        self.enterContext(tempfile.TemporaryDirectory())
    )
    self.out = self.folder / 'out'
    # More than a ridge needs; the target takes twice as long, and 1 ms.
    self.proxy = self._write('proxy.csv', range(7, 15000, 43))
    self.phone = self._write('phone.csv', range(50, 15000, 397), 2.0, 1.0)

  def _write(self, name, indices, scale=1.0, offset=0.0):
    indices = list(indices)
    values = scale * _latency_ms(indices) + offset
    path = self.folder / name
    path.write_text(
        'index,latency_ms\n'
        + ''.join(f'{i},{v}\n' for i, v in zip(indices, values))
    )
    return path

  def _run(self, *args):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
      code = proxy.run(['nasflat-proxy', f'--out={self.out}', *args])
    return code, out.getvalue(), err.getvalue()

  def _summary(self):
    return json.loads((self.out / 'summary.json').read_text())

  def test_three_calls_from_nothing_to_a_front(self):
    code, out, err = self._run('--num_support=30', '--seed=1')
    self.assertEqual(code, 0, err)
    self.assertIn('Measure the 30 networks', out)
    asked = [int(r['index']) for r in _read(self.out / 'measure_next.csv')]
    self.assertLen(set(asked), 30)

    phone = self._write('mine.csv', asked, 2.0, 1.0)
    args = (
        f'--measurements={phone}', f'--proxy={self.proxy}', '--adapt=adaproxy',
        '--seed=1', '--num_finalists=5',
    )
    code, out, err = self._run(*args)
    self.assertEqual(code, 0, err)
    self.assertIn('Reuse the proxy', out)
    summary = self._summary()
    self.assertEqual(
        (summary['action'], summary['searched_by'], summary['measure_more']),
        ('reuse', 'proxy', 0),
    )
    self.assertGreater(summary['proxy_monotonicity']['lower'], 0.9)
    rows = _read(self.out / 'measure_next.csv')
    self.assertEqual({row['why'] for row in rows}, {'finalist'})
    self.assertLen(rows, summary['num_finalists_to_measure'])
    self.assertIsNone(summary['front'])
    self.assertFalse((self.out / 'front.csv').exists())
    self.assertTrue((self.out / 'proxy.png').exists())

    finals = self._write(
        'finals.csv', [int(row['index']) for row in rows], 2.0, 1.0
    )
    code, out, err = self._run(*args, f'--verified={finals}', '--noplot')
    self.assertEqual(code, 0, err)
    front = _read(self.out / 'front.csv')
    latency = [float(row['latency_ms']) for row in front]
    objective = [float(row['objective']) for row in front]
    self.assertEqual(latency, sorted(latency))
    self.assertEqual(objective, sorted(objective))
    np.testing.assert_allclose(
        latency, 2.0 * _latency_ms([int(r['index']) for r in front]) + 1.0,
        rtol=1e-5,
    )
    self.assertLen(self._summary()['front'], len(front))
    self.assertFalse((self.out / 'proxy.png').exists())

  def test_a_file_of_accuracies_is_what_is_searched(self):
    file = self.folder / 'accuracy.csv'
    file.write_text(
        'index,accuracy\n'
        + ''.join(f'{i},{90 - i % 7}\n' for i in range(100, 15000, 200))
    )
    code, _, err = self._run(
        f'--measurements={self.phone}', f'--proxy={self.proxy}',
        '--adapt=adaproxy', '--objective=accuracy', f'--accuracy={file}',
        '--noplot',
    )
    self.assertEqual(code, 0, err)
    for row in _read(self.out / 'measure_next.csv'):
      index = int(row['index'])
      self.assertIn(index, range(100, 15000, 200))
      self.assertEqual(float(row['objective']), 90 - index % 7)

  def test_a_network_is_asked_for_once(self):
    few = self._write('few.csv', range(50, 9000, 397))
    rng = np.random.default_rng(0)
    noise = self.folder / 'noise.csv'
    noise.write_text('index,latency_ms\n' + ''.join(
        f'{i},{rng.uniform(1, 3)}\n' for i in range(50, 4500, 397)
    ))
    code, _, err = self._run(
        f'--measurements={noise}', f'--proxy={self.proxy}',
        f'--candidates={few}', '--adapt=adaproxy', '--noplot',
    )
    self.assertEqual(code, 0, err)
    self.assertEqual(self._summary()['action'], 'measure')
    asked = [row['index'] for row in _read(self.out / 'measure_next.csv')]
    self.assertLen(set(asked), len(asked))

  @pytest.mark.slow
  def test_a_device_of_the_tables_and_the_most_alike(self):
    table = real_data.table('nasbench201')
    rows = np.arange(60, 15625, 700)
    names = spaces.index_of(_SPACE, table.genotype[rows])
    (self.folder / 'own.csv').write_text(
        'index,latency_ms\n' + ''.join(
            f'{i},{3 * v}\n' for i, v in zip(names, table.row('fpga')[rows])
        )
    )
    for name in ('fpga', 'auto'):
      code, _, err = self._run(
          f'--measurements={self.folder / "own.csv"}', f'--proxy={name}',
          '--adapt=adaproxy', '--noplot',
      )
      self.assertEqual(code, 0, err)
      summary = self._summary()
      self.assertEqual((summary['proxy'], summary['action']), ('fpga', 'reuse'))
      self.assertEqual(summary['num_support_measured_on_proxy'], len(rows))

  @parameterized.parameters(
      (['--adapt=magic'], '--adapt=magic: value should be one of'),
      (['--threshold=1.5'], '--threshold must be between 0 and 1, got 1.5'),
      (['--confidence=0'], '--confidence must be between 0 and 1'),
      (['--objective=speed'], '--objective=speed: value should be one of'),
      (['--objective=accuracy'], '--accuracy goes with'),
      (['--space=nowhere'], "--space: .*'nowhere'"),
      (['--verified=x.csv'], '--verified: has no use without'),
      (['--num_support=3'], '--num_support'),
      (['--measurements=none.csv'], '--measurements: .*none.csv: No such file'),
      (
          ['--measurements={phone}', '--proxy=none.csv'],
          '--proxy: .*none.csv: No such file',
      ),
      (
          ['--measurements={phone}', '--proxy={phone}', '--objective=accuracy',
           '--accuracy={phone}'],
          "--accuracy: .*no column 'accuracy'",
      ),
      (
          ['--measurements={phone}', '--proxy={same}'],
          '--proxy: all 30 latencies of .*same.csv are the same',
      ),
      (['--measurements={bad}', '--proxy={phone}'], r'bad.csv:3: latency_ms'),
  )
  def test_refuses_in_one_line_and_writes_nothing(self, args, message):
    bad = self.folder / 'bad.csv'
    bad.write_text('index,latency_ms\n1,2\n2,x\n')
    same = self._write('same.csv', range(50, 80), 0.0, 7.0)
    args = [arg.format(phone=self.phone, bad=bad, same=same) for arg in args]
    code, _, err = self._run(*args)
    self.assertEqual(code, 2)
    self.assertRegex(err.splitlines()[-1], f'nasflat-proxy: error: .*{message}')
    self.assertFalse(self.out.exists())


if __name__ == '__main__':
  absltest.main()
