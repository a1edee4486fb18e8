"""`nasflat-data` and its script: exit codes, messages, nothing half-written."""

import contextlib
import io
import os
import pathlib
import subprocess
import sys
import tempfile
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import fake_upstream

from nasflat_jax.cli import data as cli
from nasflat_jax.data import _manifest

_ROOT = pathlib.Path(__file__).parents[2]


class CliTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.base = self.enterContext(tempfile.TemporaryDirectory())
    self.out = os.path.join(self.base, 'out')

  def _run(self, *args):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
      code = cli.run(['nasflat-data', *args])
    return code, out.getvalue(), err.getvalue()

  @parameterized.named_parameters(
      ('flag', ['--sauce=help'], "Unknown command line flag 'sauce'"),
      ('argument', ['help'], "unexpected argument 'help'"),
      ('source', ['--source=nope'], "unknown source 'nope'; known: all, core"),
      ('no_mirror', ['--mirror=/absent'], 'the mirror /absent is not a folder'),
      ('empty', ['--mirror='], '--mirror is empty'),
  )
  def test_mistakes(self, args, message):
    code, out, err = self._run(f'--data_dir={self.out}', *args)
    self.assertEqual(code, 2)
    self.assertEqual(out, '')
    self.assertEqual(err.count('\n'), 1)
    self.assertStartsWith(err, f'nasflat-data: error: {message}')
    self.assertFalse(os.path.exists(self.out))

  def test_file_missing_in_the_mirror(self):
    code, _, err = self._run(f'--data_dir={self.out}', f'--mirror={self.base}')
    self.assertEqual(code, 2)
    self.assertEqual(err.count('\n'), 1)
    self.assertRegex(err, 'the mirror lacks .*str_arch2idx.pt')
    self.assertFalse(os.path.exists(self.out))

  def test_unusable_data_dir(self):
    source, content = fake_upstream.csv_source()
    fake_upstream.put(pathlib.Path(self.base), source.files[0], content)
    file = pathlib.Path(self.base) / 'file'
    file.write_text('not a folder')
    with mock.patch.object(
        _manifest, 'sources', lambda: {source.name: source}
    ):
      code, _, err = self._run(f'--data_dir={file}', f'--mirror={self.base}')
    self.assertEqual((code, err.count('\n')), (2, 1))
    self.assertIn(str(file), err)
    self.assertEqual(file.read_text(), 'not a folder')

  def test_success_prints_the_tables(self):
    source, content = fake_upstream.csv_source()
    fake_upstream.put(pathlib.Path(self.base), source.files[0], content)
    with mock.patch.object(
        _manifest, 'sources', lambda: {source.name: source}
    ):
      code, out, err = self._run(
          f'--data_dir={self.out}', f'--mirror={self.base}'
      )
    self.assertEqual((code, err), (0, ''))
    self.assertEqual(out, f'{self.out}/{source.name}.npz: written\n')

  def test_script_is_the_same_binary(self):
    script = _ROOT / 'data_scripts' / 'download.py'
    result = subprocess.run(
        [sys.executable, script, '--source=nope', f'--data_dir={self.out}'],
        capture_output=True, text=True, cwd=self.base, check=False,
    )
    self.assertEqual((result.returncode, result.stdout), (2, ''))
    self.assertStartsWith(result.stderr, 'nasflat-data: error: unknown source')
    result = subprocess.run(
        [sys.executable, script, '--help'],
        capture_output=True, text=True, cwd=self.base, check=False,
    )
    self.assertEqual((result.returncode, result.stderr), (0, ''))
    self.assertIn('--mirror=', result.stdout)


if __name__ == '__main__':
  absltest.main()
