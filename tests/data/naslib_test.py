"""NASLib's files: which architecture a row is, which score counts."""

import io
import json
import os
import pathlib
import tempfile
from unittest import mock
import zipfile

from absl.testing import absltest
from absl.testing import parameterized
import fake_upstream
import numpy as np

from nasflat_jax import data
from nasflat_jax.data import _naslib

# Edges 0-1, 0-2, 0-3, 1-2, 1-3, 2-3; skip, none, 3x3, 1x1, pool.
_CELL = '(2, 1, 0, 3, 4, 2)'
_GENOTYPE = [3, 0, 2, 1, 4, 3]
_EMPTY = '(1, 1, 1, 1, 1, 1)'
_TASKS = (
    'cifar10', 'cifar100', 'ImageNet16-120', 'ninapro', 'svhn', 'scifar100'
)


def _zip(proxy, scores, *, space='nasbench201', tasks=_TASKS, accuracy=None):
  """A zip with a part of one record per task and score, last part first."""
  buffer = io.BytesIO()
  with zipfile.ZipFile(buffer, 'w') as archive:
    for task in tasks:
      for i, (arch, score) in reversed(list(enumerate(scores.items()))):
        record = {'idx': f'{i}', 'arch': arch, proxy: {'score': score}}
        if accuracy is not None:
          record['val_accuracy'] = accuracy
        name = f'{proxy}/benchmark--{space}--{task}--{i * 1000}.json'
        archive.writestr(name, json.dumps([record]))
  return buffer.getvalue()


class NaslibTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.base = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    self.enterContext(mock.patch.dict(os.environ))
    os.environ['NASFLAT_DATA'] = str(self.base)
    os.environ.pop('NASFLAT_MIRROR', None)

  def _prepare(self, name, contents):
    files = tuple(
        fake_upstream.upstream_file(content, path)
        for path, content in contents.items()
    )
    source = data.Source(
        name=name, owner='owner', repository='repo', commit='c0ffee',
        licence='MIT', licence_note='', citation=('someone',), files=files,
    )
    for file, content in zip(files, contents.values(), strict=True):
      fake_upstream.put(self.base / 'm', file, content)
    data.prepare([source], self.base, mirror=self.base / 'm')
    return data.load_accuracy(name)

  def test_edges_are_sorted_by_their_source_node(self):
    genotype = _naslib.genotypes('nasbench201', [_CELL, _EMPTY])
    np.testing.assert_array_equal(genotype, [_GENOTYPE, [0] * 6])

  @parameterized.parameters('(1, 2)', '(1, 1, 1, 1, 1, 5)', 'x', '(1,' * 6)
  def test_refuses_what_is_no_cell(self, key):
    with self.assertRaisesRegex(ValueError, 'no cell of NAS-Bench-201'):
      _naslib.genotypes('nasbench201', [key])

  def test_records_are_in_order_and_the_first_file_counts(self):
    table = self._prepare('suitezero_nasbench201', {
        'a.zip': _zip('zen', {_CELL: 1.0, _EMPTY: -1e8}, accuracy=80.0),
        'b.zip': _zip('zen', {_CELL: 2.0}),
        'c.zip': _zip('synflow', {_EMPTY: 3.0}),
        'other.zip': _zip('zen', {'(1, 1)': 4.0}, space='nasbench301'),
    })
    self.assertEqual(
        table.metrics, ('near_test_one_seed', 'suite_zero', 'synflow', 'zen')
    )
    self.assertEqual(table.logarithms, ('synflow',))
    np.testing.assert_array_equal(table.genotype, [_GENOTYPE, [0] * 6])
    np.testing.assert_array_equal(table.row('svhn', 'zen'), [1.0, np.nan])
    np.testing.assert_array_equal(table.row('cifar10', 'synflow'), [np.nan, 3])
    np.testing.assert_array_equal(
        table.row('svhn', 'suite_zero'),
        table.row('cifar10', 'near_test_one_seed'),
    )
    self.assertTrue(np.isnan(table.row('svhn', 'near_test_one_seed')).all())
    again = data.AccuracyTable.load(self.base / 'suitezero_nasbench201.npz')
    self.assertEqual(again.logarithms, ('synflow',))

  def test_older_files(self):
    records = {_CELL: {'zen': 1.5, 'val_accuracy': 70.0, 'more': 0}}
    table = self._prepare('naslib_nasbench201', {
        'a.json': json.dumps({
            'nasbench201': dict.fromkeys(_TASKS[:3], records)
        }).encode(),
    })
    np.testing.assert_array_equal(table.row('cifar100', 'zen'), [1.5])
    timed = {_CELL: {'zen': {'score': 2.5, 'time': 9}, 'val_accuracy': 70.0}}
    table = self._prepare('naslib725_nasbench201', {
        'b.json': json.dumps(dict.fromkeys(_TASKS[:3], timed)).encode()
    })
    np.testing.assert_array_equal(table.row('cifar100', 'zen'), [2.5])

  def test_refuses_contradictions_and_other_files(self):
    with self.assertRaisesRegex(ValueError, 'accuracy of .* is 2.0, before'):
      self._prepare('suitezero_nasbench201', {
          'a.zip': _zip('zen', {_CELL: 1.0}, accuracy=1.0),
          'b.zip': _zip('snip', {_CELL: 1.0}, accuracy=2.0),
      })
    with self.assertRaisesRegex(ValueError, 'the files have the tasks svhn,'):
      self._prepare('suitezero_nasbench201', {
          'a.zip': _zip('zen', {_CELL: 1.0}, tasks=('svhn',))
      })
    with self.assertRaisesRegex(ValueError, 'a.zip: not a zip of NASLib'):
      self._prepare('suitezero_nasbench201', {'a.zip': b'PK'})
    with self.assertRaisesRegex(ValueError, 'a.json: not a file of NASLib'):
      self._prepare('naslib_nasbench201', {'a.json': b'{}'})

  def test_zccombine_joins_scores_and_accuracies_by_cell(self):
    head = 'net,zen\n'
    table = self._prepare('zccombinetasks_nasbench201', {
        'data/nb201_zc_proxies.csv':
            f'{head}"{_CELL}",1.0\n"{_EMPTY}",-100000000.0\n'.encode(),
        'data/nb201_val_accs.csv':
            f'net,val_accs\n"{_EMPTY}",10.0\n"{_CELL}",90.0\n'.encode(),
        'data/nb201_ImageNet16-120_zc_proxies.csv':
            f'{head}"{_EMPTY}",2.0\n'.encode(),
        'data/nb201_ImageNet16-120_valid_nets.csv':
            f'net,net_str,val_accs\n"{_EMPTY}",x,5.0\n'.encode(),
    })
    np.testing.assert_array_equal(table.genotype, [_GENOTYPE, [0] * 6])
    np.testing.assert_array_equal(table.values, [
        [[90.0, 10.0], [1.0, np.nan]], [[np.nan, 5.0], [np.nan, 2.0]],
    ])
    with self.assertRaisesRegex(ValueError, 't.csv: not a table of scores'):
      self._prepare('zccombine_transnas_micro', {'t.csv': b'a,b\n1,2\n'})


if __name__ == '__main__':
  absltest.main()
