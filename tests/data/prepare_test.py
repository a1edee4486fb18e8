"""From upstream files to tables, on a made-up upstream."""

import json
import os
import pathlib
import tempfile
from unittest import mock

from absl.testing import absltest
import fake_upstream
import numpy as np

from nasflat_jax import data
from nasflat_jax.data import _convert


class PrepareTest(absltest.TestCase):

  def setUp(self):
    super().setUp()
    self.base = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    self.mirror, self.out = self.base / 'mirror', self.base / 'out'
    self.source, self.content = fake_upstream.csv_source()
    (self.file,) = self.source.files
    fake_upstream.put(self.mirror, self.file, self.content)

  def _prepare(self, **kwargs):
    lines = []
    (path,) = data.prepare(
        [self.source], self.out,
        **({'mirror': self.mirror, 'report': lines.append} | kwargs),
    )
    return path, ' '.join(lines)

  def test_converts_a_mirror(self):
    path, report = self._prepare()
    self.assertEqual(report, f'{path}: written')
    self.assertCountEqual(os.listdir(self.out), [
        'hwnasbench_nasbench201.npz', 'hwnasbench_nasbench201.json',
    ])
    table = data.load(path)
    self.assertEqual(table.values.shape, (3, 15625))
    np.testing.assert_array_equal(table.row('edgegpu_latency')[:2], [0.5, 1.5])
    energy = table.row('eyeriss_energy')
    np.testing.assert_array_equal(np.isnan(energy), np.arange(15625) % 7 == 0)
    self.assertEqual(
        [(d.unit, d.metric) for d in table.devices],
        [('ms', 'latency'), ('mJ', 'energy'),
         ('operations/byte', 'arithmetic_intensity')],
    )

  def test_csv_cells_become_our_genotypes(self):
    table = data.load(self._prepare()[0])
    # Row 0 1 2 3 4 of the csv, base 5: edges 0-1, 0-2, 0-3, 1-2, 1-3, 2-3 with
    # skip_connect, skip_connect, none, nor_conv_3x3, nor_conv_1x1, avg_pool.
    row = int('001234', 5)
    np.testing.assert_array_equal(table.genotype[row], [1, 1, 3, 0, 2, 4])

  def test_provenance(self):
    path, _ = self._prepare()
    found = json.loads(path.with_suffix('.json').read_text())
    self.assertEqual(found['commit'], 'c0ffee')
    self.assertEqual(found['licence'], 'MIT')
    self.assertEqual(found['citation'], ['someone'])
    self.assertEqual(found['fingerprint'], data.fingerprint(data.load(path)))
    self.assertEqual(found['files'], [{
        'path': 'data/fälle 1.csv', 'bytes': len(self.content),
        'sha256': self.file.sha256,
    }])

  def test_second_run_changes_nothing(self):
    path, _ = self._prepare()
    before = path.stat(), path.with_suffix('.json').stat()
    _, report = self._prepare()
    self.assertEqual(report, f'{path}: up to date')
    self.assertEqual(before, (path.stat(), path.with_suffix('.json').stat()))

  def test_remakes_what_is_damaged_or_old(self):
    path, _ = self._prepare()
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    self.assertIn('written', self._prepare()[1])
    self.assertEqual(path.read_bytes(), good)
    path.with_suffix('.json').write_text('{')
    self.assertIn('written', self._prepare()[1])
    with mock.patch.object(_convert, 'VERSION', _convert.VERSION + 1):
      self.assertIn('written', self._prepare()[1])

  def test_refuses_a_wrong_mirror_and_writes_nothing(self):
    fake_upstream.put(self.mirror, self.file, self.content[:-1])
    with self.assertRaisesRegex(ValueError, self.file.sha256):
      self._prepare()
    (self.mirror / self.file.mirror_path).unlink()
    with self.assertRaisesRegex(FileNotFoundError, 'fälle 1.csv'):
      self._prepare()
    with self.assertRaisesRegex(FileNotFoundError, 'not a folder'):
      self._prepare(mirror=self.base / 'absent')
    self.assertFalse(self.out.exists())

  def test_one_bad_source_keeps_all_from_being_written(self):
    bad = data.sources()['help_ofa']
    with self.assertRaisesRegex(FileNotFoundError, 'ofa_archs.pt'):
      data.prepare([self.source, bad], self.out, mirror=self.mirror)
    self.assertFalse(self.out.exists())

  def test_downloads_once_and_equals_the_mirror(self):
    (with_mirror,) = data.prepare(
        [self.source], self.base / 'other', mirror=self.mirror
    )
    host = fake_upstream.Host({self.file.mirror_path: self.content})
    seen = []
    with host.serving():
      kwargs = dict(
          mirror=None, base_url=host.url,
          progress=lambda done, total: seen.append((done, total)),
      )
      path, _ = self._prepare(**kwargs)
      self._prepare(**kwargs)
    self.assertLen(host.requests, 1)
    self.assertEqual(path.read_bytes(), with_mirror.read_bytes())
    self.assertEqual(seen[-1], (len(self.content), len(self.content)))
    self.assertTrue((self.out / 'upstream' / self.file.mirror_path).is_file())

  def test_a_file_of_two_sources_is_downloaded_and_counted_once(self):
    host = fake_upstream.Host({self.file.mirror_path: self.content})
    seen = []
    with host.serving():
      data.prepare(
          [self.source, self.source], self.out, base_url=host.url,
          progress=lambda done, total: seen.append(total),
      )
    self.assertLen(host.requests, 1)
    self.assertEqual(set(seen), {len(self.content)})


class ResolveTest(absltest.TestCase):

  def setUp(self):
    super().setUp()
    self.base = self.enterContext(tempfile.TemporaryDirectory())
    self.enterContext(mock.patch.dict(os.environ))
    for name in ('NASFLAT_DATA', 'NASFLAT_MIRROR', 'XDG_CACHE_HOME'):
      os.environ.pop(name, None)

  def test_data_dir(self):
    os.environ['HOME'] = self.base
    base = pathlib.Path(self.base)
    self.assertEqual(data.data_dir(), base / '.cache/nasflat_jax')
    os.environ['XDG_CACHE_HOME'] = 'relative'  # ignored by the specification
    self.assertEqual(data.data_dir(), base / '.cache/nasflat_jax')
    os.environ['XDG_CACHE_HOME'] = f'{self.base}/xdg'
    self.assertEqual(data.data_dir(), base / 'xdg/nasflat_jax')
    os.environ['NASFLAT_DATA'] = '~/mine'
    self.assertEqual(data.data_dir(), base / 'mine')

  def test_absent_data_names_the_command(self):
    os.environ['NASFLAT_DATA'] = self.base
    with self.assertRaisesRegex(
        FileNotFoundError, 'nasflat-data --source=help_fbnet'
    ):
      data.load_latency('fbnet')

  def test_absent_mirror_is_named(self):
    os.environ['NASFLAT_DATA'] = self.base
    os.environ['NASFLAT_MIRROR'] = f'{self.base}/absent'
    with self.assertRaisesRegex(FileNotFoundError, 'absent is not a folder'):
      data.load('help_fbnet')

  def test_data_folder_goes_before_the_mirror(self):
    source, content = fake_upstream.csv_source()
    mirror = pathlib.Path(self.base) / 'mirror'
    fake_upstream.put(mirror, source.files[0], content)
    data.prepare([source], pathlib.Path(self.base), mirror=mirror)
    os.environ['NASFLAT_DATA'] = self.base
    os.environ['NASFLAT_MIRROR'] = f'{self.base}/absent'
    self.assertEqual(data.load('hwnasbench_nasbench201').values.shape[0], 3)

  def test_unknown_names(self):
    with self.assertRaisesRegex(ValueError, "'eagle'; known: help_nasbench201"):
      data.load('eagle')
    with self.assertRaisesRegex(ValueError, "'darts'; known: nasbench201"):
      data.load_latency('darts')


if __name__ == '__main__':
  absltest.main()
