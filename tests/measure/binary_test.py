"""nasflat-measure: what it reads, writes and refuses."""

import contextlib
import csv
import io
import pathlib

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from nasflat_jax import reports
from nasflat_jax import spaces
from nasflat_jax.cli import measure as binary

_SPACE = spaces.NASBENCH201


def _run(*args):
  out, err = io.StringIO(), io.StringIO()
  with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    code = binary.run(['nasflat-measure', *args])
  return code, out.getvalue(), err.getvalue()


class MeasureBinaryTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(self.create_tempdir().full_path)
    self.genotypes = np.array(
        [[0, 0, 0, 1, 0, 0], [0, 0, 0, 2, 0, 0]], np.int32
    )
    self.strings = _SPACE.to_string(self.genotypes)

  def _write(self, text):
    path = self.folder / 'architectures.txt'
    path.write_text(text)
    return str(path)

  def test_measures_a_list_into_a_file_others_read(self):
    path = self.folder / 'measured.csv'
    code, out, err = _run(
        f'--genotypes={self._write(chr(10).join(self.strings))}',
        f'--out={path}', '--rounds=2', '--repeats=1', '--max_noise=1000',
        '--setting=imagenet16-120',
    )
    self.assertEqual((code, err.count('error')), (0, 0), err)
    self.assertIn('2 networks', out)
    self.assertIn('Compiling networks: 2/2', err)
    with path.open() as file:
      rows = list(csv.DictReader(file))
    self.assertEqual(
        list(rows[0]),
        ['index', 'architecture', 'role', 'latency_ms', 'iqr_ms', 'repeats'],
    )
    self.assertEqual(
        [int(row['index']) for row in rows],
        spaces.index_of(_SPACE, self.genotypes),
    )
    self.assertEqual({row['role'] for row in rows}, {'support'})
    read = reports.read_measurements(path, _SPACE, min_support=2)
    np.testing.assert_array_equal(read.genotype, self.genotypes)
    self.assertEqual([p.name for p in self.folder.glob('*.csv')], [path.name])

  def test_reads_csv_columns_and_joins_repeated_lines(self):
    a, b = self.strings
    for text in (
        f'{a}\n\n  {b}\n{a}\n',
        f'architecture\n{a}\n{b}\n',
        'index,latency_ms\n25,1.0\n50,2.0\n',
    ):
      got = binary.read_genotypes(_SPACE, self._write(text), seed=0)
      np.testing.assert_array_equal(got, self.genotypes)

  def test_random_members_are_distinct_valid_and_seeded(self):
    a, b, other = (
        binary.read_genotypes(_SPACE, 'random:300', seed) for seed in (0, 0, 1)
    )
    self.assertEqual(a.shape, (300, 6))
    self.assertLen(np.unique(a, axis=0), 300)
    self.assertTrue(np.all(_SPACE.is_valid(a)))
    np.testing.assert_array_equal(a, b)
    self.assertFalse(np.array_equal(a, other))

  @parameterized.parameters(
      (['--genotypes=random:0'], 'N of random:N must be a positive number'),
      (['--genotypes=random:15625'], 'ask for at most half of them'),
      (['--genotypes=nothing.txt'], '--genotypes: nothing.txt: No such file'),
      (['--space=magic'], "--space: unknown search space 'magic'"),
      (['--space=darts'], "--space: no networks for the space 'darts'"),
      (['--space=ofa'], "--space: no networks for the space 'ofa'"),
      (['--genotypes=random:1', '--setting=mnist'],
       "--setting: no setting 'mnist'"),
      (['--out='], '--out is empty'),
      (['--out=absent/out.csv'], 'there is no folder absent'),
      (['--rounds=1'], 'rounds'),
  )
  def test_mistakes_are_one_line_and_exit_code_2(self, args, message):
    code, _, err = _run(f'--out={self.folder / "out.csv"}', *args)
    self.assertEqual(code, 2)
    self.assertLen(err.splitlines(), 1)
    self.assertIn(message, err)
    self.assertFalse((self.folder / 'out.csv').exists())

  def test_a_missing_flag_is_named(self):
    code, _, err = _run('--genotypes=random:1')
    self.assertEqual(
        (code, err), (2, 'nasflat-measure: error: --out is required\n')
    )

  def test_help_says_what_is_reported(self):
    code, out, _ = _run('--help')
    self.assertEqual(code, 0)
    self.assertIn(
        'median over the rounds of these quickest passes', ' '.join(out.split())
    )

  def test_names_the_line_of_a_wrong_architecture(self):
    path = self._write(f'{self.strings[0]}\nconv|conv\n')
    with self.assertRaisesRegex(ValueError, 'architectures.txt:2: '):
      binary.read_genotypes(_SPACE, path, seed=0)

  def test_an_empty_list_is_a_mistake(self):
    with self.assertRaisesRegex(ValueError, 'the file is empty'):
      binary.read_genotypes(_SPACE, self._write('\n'), seed=0)


if __name__ == '__main__':
  absltest.main()
