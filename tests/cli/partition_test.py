"""nasflat-partition: its file, what it prints, and wrong flags."""

import contextlib
import io
import json
import pathlib

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from nasflat_jax import data
from nasflat_jax import partitions
from nasflat_jax import types
from nasflat_jax.cli import partition
import real_data

_SUITES = pathlib.Path(__file__).parents[2] / 'benchmarks' / 'partitions'


def _run(*flags):
  """Exit code, stdout and stderr."""
  out, err = io.StringIO(), io.StringIO()
  with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    code = partition.run(['nasflat-partition', *flags])
  return code, out.getvalue(), err.getvalue()


class PartitionTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(self.create_tempdir())
    self.out = self.folder / 'suite.json'

  def _own_table(self):
    path = str(self.folder / 'mine.npz')
    data.LatencyTable(
        space='toy', source='test',
        devices=tuple(
            types.Device(name=f'd{i}', family='cpu', processor='A')
            for i in range(8)
        ),
        genotype=np.arange(30)[:, None],
        values=np.random.default_rng(0).uniform(1, 2, (8, 30)),
    ).save(path)
    return path

  def test_a_suite_of_a_table_of_ones_own(self):
    table = self._own_table()
    flags = (f'--table={table}', '--sizes=3x2,2x3', f'--out={self.out}')
    code, out, err = _run(*flags, '--exclude=d0')
    self.assertEqual(code, 0, err)
    first, second = partitions.load_suite(self.out)
    self.assertEqual((first.name, second.name), ('X1', 'X2'))
    self.assertEqual((len(first.source), len(first.target)), (3, 2))
    self.assertEqual((len(second.source), len(second.target)), (2, 3))
    self.assertEqual(first.table, table)
    self.assertEmpty({*first.target} & {*second.target})
    cross = partitions.cross_correlation(data.load(table), first)
    self.assertIn(f'sources and targets: Spearman mean {cross.mean:.3f}', out)
    self.assertIn(f'targets: {", ".join(first.target)}', out)
    self.assertIn('random split: mean', out)
    content = json.loads(self.out.read_text())
    self.assertIn('--exclude=d0', content['command'])
    self.assertNotIn('--out', content['command'])
    self.assertLen(content['data_sha256'], 64)
    before = self.out.read_bytes()
    self.assertEqual(_run(*flags, '--exclude=d0')[0], 0)
    self.assertEqual(self.out.read_bytes(), before)

  @parameterized.parameters(
      ('--table=nowhere', "--table: unknown table 'nowhere'"),
      ('--sizes=5-5', "--sizes: want SOURCESxTARGETS such as 5x5, got '5-5'"),
      ('--sizes=,', '--sizes: no sizes'),
      ('--objective=most', "--objective: unknown 'most'"),
      ('--num_source=7', 'cannot take 7 sources'),
      ('--exclude=nothing', "no device 'nothing'"),
      ('--name=ND', "--name: 'ND' is a task"),
      ('--name=a/b', 'name: want letters'),
      ('--out=suite.txt', '--out: want a .json file'),
  )
  def test_wrong_flags(self, flag, message):
    code, _, err = _run(
        f'--table={self._own_table()}', '--num_source=2', '--num_target=2',
        f'--out={self.out}', flag,
    )
    self.assertEqual(code, 2)
    self.assertIn(message, err)
    self.assertFalse(self.out.exists())

  @parameterized.parameters('fbnet', 'nasbench201', 'ofa')
  def test_committed_suites(self, space):
    table = real_data.table(space)
    content = json.loads((_SUITES / f'{space}.json').read_text())
    self.assertEqual(content['data_sha256'], data.fingerprint(table))
    suite = partitions.load_suite(_SUITES / f'{space}.json')
    targets = [name for split in suite for name in split.target]
    self.assertLen(set(targets), len(targets))
    published = (*partitions.ALL, *partitions.OFA)
    for split, entry in zip(suite, content['partitions'], strict=True):
      mean = partitions.cross_correlation(table, split).mean
      self.assertAlmostEqual(mean, entry['cross_correlation']['mean'])
      # Harder than every published split with as many sources, or nearly.
      alike = [
          partitions.cross_correlation(table, p).mean
          for p in published
          if p.space == space and abs(len(p.source) - len(split.source)) < 4
      ]
      self.assertLess(mean, min(alike, default=1.0))

  def test_a_committed_suite_is_made_by_its_command(self):
    real_data.table('fbnet')
    written = (_SUITES / 'fbnet.json').read_bytes()
    program, *flags = json.loads(written)['command'].split()
    self.assertEqual(program, 'nasflat-partition')
    code, out, err = _run(*flags, f'--out={self.out}')
    self.assertEqual(code, 0, err)
    again = json.loads(self.out.read_text())
    for entry, other in zip(
        again['partitions'], json.loads(written)['partitions'], strict=True
    ):
      self.assertEqual(entry['target'], other['target'])
      self.assertEqual(entry['source'], other['source'])
    self.assertIn('FD: Spearman mean 0.656, from 0.226 to 0.976', out)


if __name__ == '__main__':
  absltest.main()
