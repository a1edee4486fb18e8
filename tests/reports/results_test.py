"""Files are written whole, exactly and in the documented columns."""

import csv
import json
import os
import pathlib
import sys
import tempfile
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import jax.numpy as jnp
import numpy as np

from nasflat_jax import reports
from nasflat_jax import spaces
from nasflat_jax import types


def _rows(path):
  with open(path, newline='', encoding='utf-8') as file:
    return list(csv.reader(file))


class WriteTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(
        self.enterContext(tempfile.TemporaryDirectory())
    )

  @parameterized.parameters('nasbench201', 'fbnet')
  def test_measurements_round_trip_exactly(self, name):
    space = spaces.get(name)
    rng = np.random.default_rng(0)
    genotype = rng.integers(
        0, len(space.spec.gene_names), (20, space.spec.num_genes), np.int32
    )
    latency_ms = np.exp(rng.normal(size=20))
    role = ['support'] * 15 + ['check'] * 5
    path = self.folder / 'measurements.csv'
    reports.write_measurements(
        path, space, genotype, latency_ms, role=role,
        iqr_ms=latency_ms / 10, repeats=np.full(20, 30),
    )
    measured = reports.read_measurements(path, space)
    np.testing.assert_array_equal(measured.genotype, genotype)
    np.testing.assert_array_equal(measured.latency_ms, latency_ms)
    self.assertEqual(measured.role, tuple(role))
    header, first, *_ = _rows(path)
    self.assertEqual(
        header,
        ['index', 'architecture', 'role', 'latency_ms', 'iqr_ms', 'repeats'],
    )
    self.assertEqual(first[5], '30')
    self.assertAlmostEqual(float(first[4]), latency_ms[0] / 10, places=4)

  def test_unknown_spread_is_left_empty(self):
    path = self.folder / 'measurements.csv'
    reports.write_measurements(
        path, spaces.NASBENCH201, np.zeros((1, 6), np.int32), [2.5],
        role=['support'],
    )
    self.assertEqual(_rows(path)[1][2:], ['support', '2.5', '', ''])
    reports.write_measurements(
        path, spaces.NASBENCH201, np.zeros((2, 6), np.int32), [2.5, 3.0],
        role=['support'] * 2, iqr_ms=[np.nan, 0.5], repeats=[1, 9],
    )
    self.assertEqual([row[4:] for row in _rows(path)[1:]],
                     [['', '1'], ['0.5', '9']])

  def test_predictions_have_the_columns_the_method_gives(self):
    genotype = spaces.genotype_of(spaces.NASBENCH201, [0, 15624])
    path = self.folder / 'predictions.csv'
    reports.write_predictions(
        path, spaces.NASBENCH201, genotype,
        types.Prediction(latency_ms=np.float32([1.1, 2e-5])),
    )
    rows = _rows(path)
    self.assertEqual(rows[0], ['index', 'architecture', 'latency_ms'])
    self.assertEqual([row[0] for row in rows[1:]], ['0', '15624'])
    self.assertEqual([row[2] for row in rows[1:]], ['1.1', '2e-05'])
    reports.write_predictions(
        path, spaces.NASBENCH201, genotype,
        types.Prediction(
            latency_ms=jnp.ones(2), std_ms=jnp.ones(2), lower_ms=jnp.zeros(2),
            upper_ms=2 * jnp.ones(2),
        ),
    )
    rows = _rows(path)
    self.assertEqual(
        rows[0][2:], ['latency_ms', 'std_ms', 'lower_ms', 'upper_ms']
    )
    self.assertEqual(rows[1][2:], ['1', '1', '0', '2'])
    np.testing.assert_array_equal(
        reports.read_architectures(path, spaces.NASBENCH201), genotype
    )

  def test_summary_holds_null_for_what_is_not_finite(self):
    path = self.folder / 'summary.json'
    reports.write_summary(path, {
        'nan': float('nan'),
        'numpy': np.float32('inf'),
        'jax': jnp.array([1.0, jnp.nan]),
        'nested': [{'x': -np.inf, 'flag': True, 'none': None}],
        'count': np.int64(3),
        'text': 'µs',
    })
    self.assertEqual(json.loads(path.read_text(encoding='utf-8')), {
        'nan': None,
        'numpy': None,
        'jax': [1.0, None],
        'nested': [{'x': None, 'flag': True, 'none': None}],
        'count': 3,
        'text': 'µs',
    })

  def test_a_failed_write_leaves_the_old_file_and_nothing_else(self):
    path = self.folder / 'summary.json'
    reports.write_summary(path, {'old': 1})
    with mock.patch.object(os, 'replace', side_effect=OSError('disk full')):
      with self.assertRaises(OSError):
        reports.write_summary(path, {'new': 2})
    self.assertEqual(json.loads(path.read_text()), {'old': 1})
    self.assertEqual(os.listdir(self.folder), ['summary.json'])

  def test_a_block_that_raises_leaves_no_file(self):
    with self.assertRaisesRegex(ValueError, 'half way'):
      with reports.atomic_path(self.folder / 'a.txt') as partial:
        partial.write_text('half')
        raise ValueError('half way')
    self.assertEmpty(os.listdir(self.folder))

  def test_what_cannot_be_written_leaves_no_file(self):
    with self.assertRaises(TypeError):
      reports.write_summary(self.folder / 'summary.json', {'x': object()})
    with self.assertRaisesRegex(ValueError, 'argument 2 is shorter|shorter'):
      reports.write_measurements(
          self.folder / 'm.csv', spaces.NASBENCH201,
          np.zeros((2, 6), np.int32), [1.0, 2.0], role=['support'],
      )
    self.assertEmpty(os.listdir(self.folder))


class FolderTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(
        self.enterContext(tempfile.TemporaryDirectory())
    )

  def _write(self, plot):
    source = self.folder / 'phone.csv'
    source.write_text('index,latency_ms,iqr_ms,repeats\n'
                      '1,1,0.1,30\n2,2,,\n3,3,.3,7\n3,3,.3,7\n')
    measured = reports.read_measurements(source, spaces.NASBENCH201)
    reports.write_folder(
        self.folder / 'out', spaces.NASBENCH201, source=source,
        measured=measured, genotype=measured.genotype,
        prediction=types.Prediction(latency_ms=np.ones(3)),
        evaluation=reports.Evaluation(
            'check', np.arange(1.0, 4.0), np.arange(1.0, 4.0), None, None,
            {'spearman': 1.0, 'kendall': 1.0, 'mape': 0.0,
             'within_10_percent': 1.0, 'coverage': None},
        ),
        summary={}, plot=plot,
    )

  def test_spread_and_repeats_are_carried_through(self):
    self._write(plot=False)
    rows = _rows(self.folder / 'out' / 'measurements.csv')
    self.assertEqual([row[4:] for row in rows[1:]],
                     [['0.1', '30'], ['', '1'], ['', '14']])

  @parameterized.parameters(False, True)
  def test_a_picture_of_an_earlier_run_goes(self, plot):
    picture = self.folder / 'out' / 'latency.png'
    picture.parent.mkdir()
    picture.write_text('old')
    with mock.patch('importlib.util.find_spec', return_value=None):
      self._write(plot)
    self.assertFalse(picture.exists())

  def test_the_summary_comes_last(self):
    self._write(plot=False)
    written = []
    replace = os.replace

    def spy(old, new):
      self.assertFalse((self.folder / 'out' / 'summary.json').exists())
      written.append(pathlib.Path(new).name)
      replace(old, new)

    with mock.patch.object(os, 'replace', spy):
      self._write(plot=False)
    self.assertEqual(
        written, ['predictions.csv', 'measurements.csv', 'summary.json']
    )


class PlotTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    folder = self.enterContext(tempfile.TemporaryDirectory())
    self.path = pathlib.Path(folder, 'latency.png')

  @parameterized.named_parameters(
      ('narrow', 1.2, False), ('wide', 30.0, False), ('bars', 30.0, True),
      ('constant', 1.0, False),
  )
  def test_writes_a_small_png(self, ratio, bars):
    path = self.path
    measured = np.geomspace(2.0, 2.0 * ratio, 30)
    predicted = measured * 1.05
    drawn = reports.plot_latency(
        path, measured, predicted, title='nasbench201', note='Spearman 1.000',
        lower_ms=0.9 * predicted if bars else None,
        upper_ms=1.1 * predicted if bars else None,
    )
    if not drawn:
      self.skipTest('matplotlib is not installed')
    content = path.read_bytes()
    self.assertStartsWith(content, b'\x89PNG')
    self.assertLess(len(content), 150_000)
    self.assertEqual(os.listdir(path.parent), ['latency.png'])

  def test_without_matplotlib_nothing_is_written(self):
    path = self.path
    with mock.patch('importlib.util.find_spec', return_value=None):
      drawn = reports.plot_latency(
          path, np.ones(3), np.ones(3), title='nasbench201'
      )
    self.assertFalse(drawn)
    self.assertFalse(path.exists())

  def test_leaves_pyplot_alone(self):
    path = self.path
    with mock.patch.dict(sys.modules):
      sys.modules.pop('matplotlib.pyplot', None)
      reports.plot_latency(
          path, np.array([1.0, 2.0]), np.array([1.0, 2.0]), title='t'
      )
      self.assertNotIn('matplotlib.pyplot', sys.modules)


if __name__ == '__main__':
  absltest.main()
