"""Tables of zero-cost proxies: what they hold, where they are found."""

import csv
import dataclasses
import json
import os
import pathlib
import tempfile
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import fake_upstream
import numpy as np

from nasflat_jax import data
import real_data

_CSV = 'net,net_str,' + ','.join(data.PROXIES)
_CELL = '|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|'


def _table(**fields):
  values = {
      'space': 'fbnet', 'source': 'toy', 'proxies': ('params', 'zen'),
      'genotype': np.arange(44).reshape(2, 22) % 9,
      'values': np.array([[1.0, 2.0], [3.0, np.nan]]),
  }
  return data.ZeroCostTable(**(values | fields))


def _source(name, content):
  return data.Source(
      name=name, owner='owner', repository='repo', commit='c0ffee',
      licence='MIT', licence_note='', citation=('someone',),
      files=(fake_upstream.upstream_file(content, 'scores'),),
  )


class TableTest(parameterized.TestCase):

  def test_file_round_trip(self):
    path = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / 'z'
    table = _table()
    table.save(path)
    loaded = data.ZeroCostTable.load(path)
    self.assertEqual(loaded.proxies, ('params', 'zen'))
    self.assertEqual((loaded.space, loaded.source), ('fbnet', 'toy'))
    np.testing.assert_array_equal(loaded.values, table.values)
    np.testing.assert_array_equal(loaded.genotype, table.genotype)
    self.assertEqual(data.fingerprint(loaded), data.fingerprint(table))
    self.assertEqual(loaded.logarithms, ())
    dataclasses.replace(table, logarithms=('zen',)).save(path)
    self.assertEqual(data.ZeroCostTable.load(path).logarithms, ('zen',))
    with self.assertRaisesRegex(ValueError, 'not a latency table'):
      data.LatencyTable.load(path)

  @parameterized.parameters(
      ({'values': np.zeros((2, 3))}, r'values must be \[N, P\] = \(2, 2\)'),
      ({'values': np.full((2, 2), np.inf)}, 'infinite'),
      ({'genotype': np.zeros((2, 22))}, 'occurs twice'),
      ({'genotype': np.zeros(2)}, r'\[N, G\]'),
  )
  def test_refuses(self, fields, message):
    with self.assertRaisesRegex(ValueError, f'toy: .*{message}'):
      _table(**fields)

  def test_unknown_proxy_lists_the_known(self):
    with self.assertRaisesRegex(ValueError, "no proxy 'plain'; it has params"):
      _table().column('plain')

  @parameterized.parameters('ofa', 'darts')
  def test_spaces_without_proxies(self, space):
    with self.assertRaisesRegex(ValueError, f"'{space}'; known: nasbench201"):
      data.load_zero_cost(space)


class PrepareTest(absltest.TestCase):

  def setUp(self):
    super().setUp()
    self.base = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    self.enterContext(mock.patch.dict(os.environ))
    os.environ['NASFLAT_DATA'] = str(self.base)
    os.environ.pop('NASFLAT_MIRROR', None)

  def _prepare(self, name, text):
    source = _source(name, text.encode())
    fake_upstream.put(self.base / 'm', source.files[0], text.encode())
    (path,) = data.prepare([source], self.base, mirror=self.base / 'm')
    return json.loads(path.with_suffix('.json').read_text())

  def test_cells_and_failed_scores(self):
    cell = _CELL.format(
        'nor_conv_3x3', 'none', 'skip_connect', 'avg_pool_3x3',
        'nor_conv_1x1', 'skip_connect',
    )
    scores = [str(i) for i in range(13)]
    scores[12] = '-100000000.0'
    provenance = self._prepare(
        'zccombine_nasbench201', f'{_CSV}\n"()",{cell},{",".join(scores)}\n'
    )
    self.assertEqual(provenance['proxies'], list(data.PROXIES))
    self.assertNotIn('devices', provenance)
    table = data.load_zero_cost('nasbench201')
    np.testing.assert_array_equal(table.genotype, [[3, 0, 1, 4, 2, 1]])
    np.testing.assert_array_equal(table.values[0], [*range(12), np.nan])

  def test_json_columns_are_found_by_name(self):
    scores = {name: float(i) for i, name in enumerate(data.PROXIES)}
    scores = dict(reversed(scores.items()))
    genotype = [i % 9 for i in range(22)]
    self._prepare(
        'nasflat_fbnet', json.dumps({'_'.join(map(str, genotype)): scores})
    )
    table = data.load_zero_cost('fbnet')
    np.testing.assert_array_equal(table.genotype, [genotype])
    np.testing.assert_array_equal(table.values, [range(13)])

  def test_a_missing_score_is_named(self):
    with self.assertRaisesRegex(ValueError, 'scores: a score is missing.*zen'):
      self._prepare('nasflat_fbnet', json.dumps(
          {'_'.join(['0'] * 22): dict.fromkeys(data.PROXIES[:-1], 1.0)}
      ))

  def test_absent_data_names_the_command(self):
    with self.assertRaisesRegex(
        FileNotFoundError, 'nasflat-data --source=nasflat_fbnet'
    ):
      data.load_zero_cost('fbnet')

  def test_is_no_latency_table(self):
    with self.assertRaisesRegex(ValueError, "unknown table 'nasflat_fbnet'"):
      data.load('nasflat_fbnet')


class RealTest(absltest.TestCase):

  def _raw(self, source):
    (file,) = data.sources()[source].files
    return (real_data.mirror() / file.mirror_path).read_text()

  def test_nasbench201_cells_read_independently(self):
    rows = list(csv.reader(self._raw('zccombine_nasbench201').splitlines()))
    table = data.load_zero_cost('nasbench201')
    self.assertEqual(table.values.shape, (9445, 13))
    # The csv's own numbers: skip, none, 3x3, 1x1, pool; edges by source node.
    for row in (1, 777, 9445):
      a, b, d, c, e, f = (
          (1, 0, 3, 2, 4)[int(op)] for op in rows[row][0].strip('()').split(',')
      )
      self.assertEqual(table.genotype[row - 1].tolist(), [a, b, c, d, e, f])
      for name, text in zip(rows[0][2:], rows[row][2:], strict=True):
        self.assertEqual(table.column(name)[row - 1], float(text))

  def test_only_the_empty_cell_lacks_scores(self):
    real_data.mirror()
    table = data.load_zero_cost('nasbench201')
    row, column = np.nonzero(np.isnan(table.values))
    np.testing.assert_array_equal(table.genotype[np.unique(row)], [[0] * 6])
    self.assertEqual(
        [table.proxies[i] for i in column], ['epe_nas', 'jacov', 'nwot', 'zen']
    )

  def test_fbnet_networks_read_independently(self):
    raw = json.loads(self._raw('nasflat_fbnet'))
    table = data.load_zero_cost('fbnet')
    self.assertEqual(table.values.shape, (5000, 13))
    self.assertFalse(np.isnan(table.values).any())
    self.assertGreater(table.column('synflow').max(), 2e38)
    for row in (0, 1234, 4999):
      scores = raw['_'.join(str(gene) for gene in table.genotype[row])]
      for name in data.PROXIES:
        self.assertEqual(table.column(name)[row], scores[name])

  def test_fbnet_networks_are_those_of_the_latencies(self):
    real_data.mirror()
    proxies = {row.tobytes() for row in data.load_zero_cost('fbnet').genotype}
    latency = real_data.table('fbnet')
    self.assertEqual(proxies, {row.tobytes() for row in latency.genotype})


if __name__ == '__main__':
  absltest.main()
