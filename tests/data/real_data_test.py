"""Absent data skips and says which variable to set; it may be demanded."""

import os
import tempfile
import unittest
from unittest import mock

from absl.testing import absltest

import real_data


class RealDataTest(absltest.TestCase):

  def setUp(self):
    super().setUp()
    self.enterContext(mock.patch.dict(os.environ))
    for name in ('NASFLAT_DATA', 'NASFLAT_MIRROR', 'NASFLAT_REQUIRE_DATA'):
      os.environ.pop(name, None)

  def test_skip_names_the_variable(self):
    with self.assertRaisesRegex(unittest.SkipTest, 'set NASFLAT_MIRROR'):
      real_data.mirror()
    with self.assertRaisesRegex(unittest.SkipTest, 'NASFLAT_DATA'):
      real_data.table('nasbench201')

  def test_demanded_data_is_an_error(self):
    os.environ['NASFLAT_REQUIRE_DATA'] = '1'
    for ask in (real_data.mirror, lambda: real_data.source_table('help_ofa')):
      with self.assertRaisesRegex(FileNotFoundError, 'set NASFLAT_MIRROR'):
        ask()

  def test_mirror(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    os.environ['NASFLAT_DATA'] = folder
    with self.assertRaises(unittest.SkipTest):
      real_data.mirror()
    os.mkdir(os.path.join(folder, 'upstream'))
    self.assertEqual(str(real_data.mirror()), f'{folder}/upstream')
    os.environ['NASFLAT_MIRROR'] = folder
    self.assertEqual(str(real_data.mirror()), folder)
    os.environ['NASFLAT_MIRROR'] = f'{folder}/absent'
    with self.assertRaisesRegex(FileNotFoundError, 'not a folder'):
      real_data.mirror()


if __name__ == '__main__':
  absltest.main()
