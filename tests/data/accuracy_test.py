"""Tables of accuracies: what they hold, where they are found."""

import csv
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
from nasflat_jax import spaces
import real_data

_CELLS = (
    '|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|'
    'nor_conv_1x1~1|skip_connect~2|',
    '|none~0|+|none~0|none~1|+|none~0|none~1|none~2|',
)
_TASKS = ('cifar10', 'cifar100', 'ImageNet16-120')


def _table(**fields):
  values = {
      'space': 'nasbench201', 'source': 'toy', 'tasks': ('a', 'b'),
      'metrics': ('validation', 'test'), 'genotype': np.eye(3, 6),
      'values': np.arange(12.0).reshape(2, 2, 3),
  }
  return data.AccuracyTable(**(values | fields))


class TableTest(parameterized.TestCase):

  def test_file_round_trip(self):
    path = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    table = _table()
    table.save(path / 'a.npz')
    loaded = data.load_accuracy(path / 'a.npz')
    self.assertEqual(loaded.tasks, ('a', 'b'))
    self.assertEqual(loaded.metrics, ('validation', 'test'))
    np.testing.assert_array_equal(loaded.row('b', 'validation'), [6, 7, 8])
    self.assertEqual(data.fingerprint(loaded), data.fingerprint(table))
    with self.assertRaisesRegex(ValueError, 'not a latency table'):
      data.LatencyTable.load(path / 'a.npz')
    (path / 'b.npz').write_bytes(b'PK')
    with self.assertRaisesRegex(ValueError, 'b.npz is not a table of accur'):
      data.AccuracyTable.load(path / 'b.npz')

  @parameterized.parameters(
      ({'values': np.zeros((2, 3))}, r'\[T, M, N\] = \(2, 2, 3\)'),
      ({'values': np.full((2, 2, 3), np.inf)}, 'infinite'),
      ({'genotype': np.zeros((3, 6))}, 'occurs twice'),
      ({'genotype': np.zeros(3)}, r'\[N, G\]'),
      ({'tasks': ('a', 'a')}, 'a name occurs twice'),
  )
  def test_refuses(self, fields, message):
    with self.assertRaisesRegex(ValueError, f'toy: .*{message}'):
      _table(**fields)

  @parameterized.parameters(
      ('c', 'test', "no task 'c'; it has a, b"),
      ('a', 'train', "no metric 'train'; it has validation, test"),
  )
  def test_unknown_names_list_the_known(self, task, metric, message):
    with self.assertRaisesRegex(ValueError, message):
      _table().row(task, metric)

  def test_joins_by_genotype(self):
    table = _table()
    joined = table.join(np.stack([table.genotype[2], np.full(6, 4)]))
    np.testing.assert_array_equal(joined.row('b', 'test'), [11, np.nan])
    self.assertEqual(joined.genotype.tolist()[1], [4] * 6)


class PrepareTest(absltest.TestCase):

  def setUp(self):
    super().setUp()
    self.base = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    self.enterContext(mock.patch.dict(os.environ))
    os.environ['NASFLAT_DATA'] = str(self.base)
    os.environ.pop('NASFLAT_MIRROR', None)

  def _prepare(self, name, texts):
    files = tuple(
        fake_upstream.upstream_file(text.encode(), path)
        for path, text in texts.items()
    )
    source = data.Source(
        name=name, owner='owner', repository='repo', commit='c0ffee',
        licence='MIT', licence_note='', citation=('someone',), files=files,
    )
    for file, text in zip(files, texts.values(), strict=True):
      fake_upstream.put(self.base / 'm', file, text.encode())
    (path,) = data.prepare([source], self.base, mirror=self.base / 'm')
    return json.loads(path.with_suffix('.json').read_text())

  def _csvs(self, cfg='infer.tiny', cells=_CELLS):
    head = (
        'file id,arch str,cfg name,C,N,train accuracy,validation accuracy,'
        'test accuracy'
    )
    return {
        f'data/nasbench201_{task}.csv': '\n'.join([head, *(
            f'{i},{cell},{cfg},16,5,{k}1,{k}2,{k}{i + 3}'
            for i, cell in enumerate(cells)
        )])
        for k, task in enumerate(_TASKS, 1)
    }

  def test_splits_tasks_and_cells(self):
    provenance = self._prepare('nasgraph_nasbench201', self._csvs())
    self.assertEqual(provenance['metrics'], ['train', 'validation', 'test'])
    self.assertEqual(provenance['tasks'], list(_TASKS))
    for name in ('nasbench201', 'nasgraph_nasbench201'):
      table = data.load_accuracy(name)
      np.testing.assert_array_equal(table.genotype[0], [3, 0, 1, 4, 2, 1])
      np.testing.assert_array_equal(table.row('cifar100', 'test'), [23, 24])
      np.testing.assert_array_equal(
          table.row('ImageNet16-120', 'validation'), [32, 32]
      )

  def test_refuses_other_trainings_and_orders(self):
    with self.assertRaisesRegex(ValueError, "cifar10.csv: configurations {'x"):
      self._prepare('nasgraph_nasbench201', self._csvs(cfg='x'))
    mixed = self._csvs()
    mixed['data/nasbench201_cifar100.csv'] = self._csvs(cells=_CELLS[::-1])[
        'data/nasbench201_cifar100.csv'
    ]
    with self.assertRaisesRegex(ValueError, 'cifar100.csv orders its rows'):
      self._prepare('nasgraph_nasbench201', mixed)
    mixed['data/nasbench201_cifar10.csv'] = 'file id\n1'
    with self.assertRaisesRegex(ValueError, 'cifar10.csv: not a table of acc'):
      self._prepare('nasgraph_nasbench201', mixed)

  def test_candidates(self):
    self._prepare('metad2a_nasbench201', {
        'c.txt': f'116.9\n{_CELLS[1]}, 1.0, 0.5\n{_CELLS[0]}, 72.5, -0.25\n'
    })
    table = data.load_accuracy('metad2a_nasbench201')
    np.testing.assert_array_equal(table.row('cifar100', 'test'), [1.0, 72.5])
    np.testing.assert_array_equal(
        table.row('cifar100', 'metad2a_score'), [0.5, -0.25]
    )
    with self.assertRaisesRegex(ValueError, 'd.txt: not a list of candidates'):
      self._prepare('metad2a_nasbench201', {'d.txt': '1\nnonsense\n'})

  def test_absent_and_unknown(self):
    with self.assertRaisesRegex(
        FileNotFoundError, 'nasflat-data --source=nasgraph_nasbench201'
    ):
      data.load_accuracy('nasbench201')
    with self.assertRaisesRegex(ValueError, "'fbnet'; known: nasbench201, nas"):
      data.load_accuracy('fbnet')
    with self.assertRaisesRegex(ValueError, "unknown table 'metad2a_"):
      data.load('metad2a_nasbench201')


class RealTest(absltest.TestCase):

  def test_accuracies_are_the_published_ones(self):
    real_data.mirror()
    table = data.load_accuracy('nasbench201')
    self.assertEqual(table.values.shape, (3, 3, 15625))
    for task, metric, best, row in (
        ('cifar10', 'validation', 91.607, 6111),
        ('cifar100', 'validation', 73.493, 9930),
        ('cifar100', 'test', 73.513, 9930),
        ('ImageNet16-120', 'validation', 46.733, 10676),
        ('ImageNet16-120', 'test', 47.311, 857),
    ):
      values = table.row(task, metric)
      self.assertAlmostEqual(values.max(), best, places=3)
      self.assertEqual(values.argmax(), row)

  def test_rows_are_those_of_the_latencies(self):
    # HELP's table is in official order, like this one; found by string.
    table = data.load_accuracy('nasbench201')
    latency = real_data.table('nasbench201')
    np.testing.assert_array_equal(table.genotype, latency.genotype)
    (_, file, _) = data.sources()['nasgraph_nasbench201'].files
    text = (real_data.mirror() / file.mirror_path).read_text().splitlines()
    for raw in list(csv.DictReader(text))[::4000]:
      (genotype,) = spaces.NASBENCH201.from_string([raw['arch str']])
      (row,) = np.flatnonzero((latency.genotype == genotype).all(axis=1))
      self.assertEqual(
          table.row('cifar100', 'test')[row], float(raw['test accuracy'])
      )

  def test_candidates_have_the_accuracies_of_the_table(self):
    real_data.mirror()
    candidates = data.load_accuracy('metad2a_nasbench201')
    self.assertEqual(candidates.num_architectures, 500)
    self.assertTrue(
        (np.diff(candidates.row('cifar100', 'metad2a_score')) <= 0).all()
    )
    whole = data.load_accuracy('nasbench201').join(candidates.genotype)
    np.testing.assert_allclose(
        candidates.row('cifar100', 'test'), whole.row('cifar100', 'test'),
        atol=1e-3,
    )


if __name__ == '__main__':
  absltest.main()
