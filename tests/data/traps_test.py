"""Facts about the published tables, each a way to get a study wrong."""

import itertools
import os
import pathlib
import tempfile
import time
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
from scipy import stats

from nasflat_jax import data
from nasflat_jax.data import _manifest
from nasflat_jax.data import _unpickle
import real_data

_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
_PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))  # edges of every path to node 3
_OPS = ('none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3')


def _one_hot(genotype):
  """Features `[N, G * O + 1]` of an additive model."""
  ops = genotype.max() + 1
  one_hot = np.eye(ops)[genotype].reshape(genotype.shape[0], -1)
  return np.concatenate([one_hot, np.ones((genotype.shape[0], 1))], axis=1)


def _additive_residual(table, name):
  """Largest residual of the best additive model, relative to the range."""
  x, y = _one_hot(table.genotype), table.row(name)
  fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0]
  return np.abs(fitted - y).max() / np.ptp(y), 1 - (
      np.sum((fitted - y) ** 2) / np.sum((y - y.mean()) ** 2)
  )


def _rows_in(table, other):
  """Row in `table` of each architecture of `other`."""
  row = {g.tobytes(): i for i, g in enumerate(table.genotype)}
  return np.array([row[g.tobytes()] for g in other.genotype])


def _string(genes):
  tokens = iter(
      f'{_OPS[gene]}~{sender}'
      for gene, (sender, _) in zip(genes, _EDGES, strict=True)
  )
  return '+'.join(
      f'|{"|".join(itertools.islice(tokens, n))}|' for n in (1, 2, 3)
  )


class ShapesTest(parameterized.TestCase):

  @parameterized.parameters(
      ('help_nasbench201', 27, 15625, 6, 5),
      ('help_fbnet', 27, 5000, 22, 9),
      ('eagle_nasbench201', 13, 15625, 6, 5),
      ('oneproxy_nasbench201', 18, 1999, 6, 5),
      ('hwnasbench_nasbench201', 10, 15625, 6, 5),
  )
  def test_table(self, name, num_devices, num_architectures, genes, ops):
    table = real_data.source_table(name)
    self.assertEqual(table.values.shape, (num_devices, num_architectures))
    self.assertEqual(table.genotype.shape, (num_architectures, genes))
    self.assertEqual(set(np.unique(table.genotype)), set(range(ops)))
    self.assertEqual(f'{table.source.split("_")[0]}_{table.space}', name)

  def test_ofa(self):
    table = real_data.source_table('help_ofa')
    self.assertEqual(table.values.shape, (12, 5000))
    self.assertEqual(table.genotype.shape, (5000, 21))
    # 9 blocks, the skip and 25 resolutions, each where it belongs.
    self.assertEqual(set(np.unique(table.genotype[:, 0])), set(range(10, 35)))
    self.assertEqual(set(np.unique(table.genotype[:, 1:])), set(range(10)))

  def test_published_ranges(self):
    # Figures of the published files; a wrong row or unit would show.
    table = real_data.source_table('help_nasbench201')
    for name, low, high in (
        ('titanx_256', 8.148, 39.96), ('titan_rtx_32', 2.399, 10.62),
    ):
      row = table.row(name)
      np.testing.assert_allclose([row.min(), row.max()], [low, high], 1e-3)
    row = real_data.table('fbnet').row('gold_6226')
    np.testing.assert_allclose([row.min(), row.max()], [33.25, 244.4], 1e-3)
    row = real_data.table('ofa').row('v100_64')
    np.testing.assert_allclose([row.min(), row.max()], [7.838, 42.63], 1e-3)


class StudyTest(parameterized.TestCase):

  def test_nasbench201_has_the_40_devices(self):
    table = real_data.table('nasbench201')
    self.assertLen(table.devices, 40)
    self.assertEqual(list(table.device_names), sorted(table.device_names))
    # NASFLAT's first and last rows, and one of Eagle's.
    self.assertEqual(table.device_names[:2], ('1080ti_1', '1080ti_256'))
    self.assertEqual(table.device_names[-1], 'titanxp_32')
    self.assertIn(
        'mobile_dsp_snapdragon_675_hexagon_685_int8', table.device_names
    )
    self.assertEqual({d.unit for d in table.devices}, {'ms'})
    help_table = real_data.source_table('help_nasbench201')
    np.testing.assert_array_equal(table.genotype, help_table.genotype)
    np.testing.assert_array_equal(
        table.select(help_table.device_names).values, help_table.values
    )

  def test_official_order(self):
    table = real_data.table('nasbench201')
    np.testing.assert_array_equal(table.official_index, np.arange(15625))
    self.assertEqual(
        _string(table.genotype[0]),
        '|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|'
        '+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|',
    )
    np.testing.assert_array_equal(table.genotype[1462], [3] * 6)
    np.testing.assert_array_equal(table.genotype[1835], [1] * 6)

  def test_order_is_upstreams_mapping(self):
    file = data.sources()['help_nasbench201'].file(
        'data/nasbench201/str_arch2idx.pt'
    )
    content = _manifest.read(file, real_data.mirror())
    index_of = _unpickle.loads_torch(content, file.path)
    strings = [_string(g) for g in real_data.table('nasbench201').genotype]
    self.assertEqual(
        strings, sorted(index_of, key=lambda string: index_of[string])
    )

  @parameterized.parameters(
      ('nasbench201', (11982, 431, 55, 9, 14451, 8636, 9881, 13479, 6196,
                       1462)),
      ('fbnet', (3328, 3790, 3313, 890, 3052, 2538, 1640, 2514, 457, 2100)),
      ('ofa', (1316, 1587, 1621, 1636, 1980, 2329, 2487, 3355, 3740, 4948)),
  )
  def test_reference_architectures(self, space, reference):
    np.testing.assert_array_equal(
        real_data.table(space).reference_index, reference
    )

  def test_help_has_no_gaps(self):
    for name in ('help_nasbench201', 'help_fbnet', 'help_ofa'):
      self.assertTrue(np.isfinite(real_data.source_table(name).values).all())

  def test_loads_fast_from_the_data_folder(self):
    folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    names = 'help_nasbench201,eagle_nasbench201'
    data.prepare(
        data.select_sources(names), folder, mirror=real_data.mirror()
    )
    with mock.patch.dict(os.environ, {'NASFLAT_DATA': str(folder)}):
      start = time.perf_counter()
      table = data.load_latency('nasbench201')
      seconds = time.perf_counter() - start
    self.assertLess(seconds, 1.0)
    self.assertEqual(
        data.fingerprint(table),
        data.fingerprint(real_data.table('nasbench201')),
    )


class SyntheticColumnsTest(parameterized.TestCase):

  @parameterized.parameters('eyeriss', 'fpga', 'pixel3', 'raspi4')
  def test_fbnet_columns_are_sums_of_a_table(self, name):
    self.assertIn(name, data.SYNTHETIC['help_fbnet'])
    residual, _ = _additive_residual(real_data.table('fbnet'), name)
    self.assertLess(residual, 1e-12)

  # Rounding noise of the sums makes 38 numbers of Eyeriss's 27 latencies.
  @parameterized.parameters(('eyeriss', 38, 27), ('fpga', 84, 84))
  def test_nasbench201_columns_are_sums_of_a_table(self, name, raw, distinct):
    self.assertIn(name, data.SYNTHETIC['help_nasbench201'])
    table = real_data.table('nasbench201')
    residual, _ = _additive_residual(table, name)
    self.assertLess(residual, 1e-12)
    self.assertLen(np.unique(table.row(name)), raw)
    self.assertLen(np.unique(table.row(name).round(9)), distinct)

  def test_measured_columns_are_not(self):
    for space, name in (('fbnet', 'gold_6226'), ('nasbench201', 'pixel3')):
      residual, _ = _additive_residual(real_data.table(space), name)
      self.assertGreater(residual, 1e-2)

  def test_large_batches_are_nearly_additive(self):
    table = real_data.table('nasbench201')
    for name in ('titan_rtx_256', '1080ti_256'):
      self.assertGreater(_additive_residual(table, name)[1], 0.995)


class DeadCodeTest(parameterized.TestCase):

  @parameterized.parameters(('pixel3', 477, 284), ('raspi4', 487, 295))
  def test_runtimes_remove_dead_cells(self, name, number, disconnected):
    table = real_data.table('nasbench201')
    alive = np.zeros(table.num_architectures, bool)
    for path in _PATHS:
      alive |= (table.genotype[:, path] != 0).all(axis=1)
    self.assertEqual((~alive).sum(), 341)
    row = table.row(name)
    fast = row < 0.15 * np.median(row)
    self.assertEqual(fast.sum(), number)
    self.assertEqual((fast & ~alive).sum(), disconnected)

  def test_other_devices_do_not(self):
    row = real_data.table('nasbench201').row('1080ti_1')
    self.assertEqual((row < 0.15 * np.median(row)).sum(), 0)


class MeasurementsTest(parameterized.TestCase):

  def test_failed_compilations_are_nan(self):
    row = real_data.source_table('oneproxy_nasbench201').row('rice_edgetpu')
    self.assertEqual(np.isnan(row).sum(), 259)
    self.assertGreater(np.nanmin(row), 0.6)
    table = real_data.source_table('hwnasbench_nasbench201')
    gaps = np.isnan(table.values).sum(axis=1)
    self.assertEqual(
        dict(zip(table.device_names, gaps, strict=True)),
        dict.fromkeys(table.device_names, 0) | {'edgetpu_latency': 4699},
    )

  def test_eagle_covers_its_cells(self):
    table = real_data.source_table('eagle_nasbench201')
    measured = np.isfinite(table.values).sum(axis=1)
    for name, number in zip(table.device_names, measured, strict=True):
      self.assertEqual(
          number,
          15252 if '_450_' in name else 15261 if '_675_' in name else 15284,
      )

  def test_outliers_are_kept(self):
    row = real_data.table('nasbench201').row('samsung_a50')
    self.assertEqual(row.max(), 183)
    self.assertEqual(round(np.quantile(row, 0.99)), 44)

  @parameterized.parameters('nasbench201', 'fbnet')
  def test_four_phones_have_whole_milliseconds(self, space):
    table = real_data.table(space)
    whole = {
        d.name for d, row in zip(table.devices, table.values, strict=True)
        if d.family == 'phone' and (row == row.round()).all()
    }
    self.assertEqual(
        whole, {'pixel2', 'samsung_a50', 'samsung_s7', 'essential_ph_1'}
    )

  def test_near_duplicates(self):
    eagle = real_data.source_table('eagle_nasbench201')
    oneproxy = real_data.source_table('oneproxy_nasbench201')
    for table, pair, rho in zip(
        (eagle, oneproxy), data.NEAR_DUPLICATES, (0.997, 0.999), strict=True
    ):
      rows = [table.row(name) for name in pair]
      found = stats.spearmanr(*rows, nan_policy='omit').statistic
      self.assertAlmostEqual(found, rho, places=3)

  def test_nano_precisions_differ(self):
    table = real_data.source_table('eagle_nasbench201')
    half, single = (
        table.row(f'embedded_gpu_jetson_nano_{p}') for p in ('fp16', 'fp32')
    )
    self.assertGreater(np.nanmedian(single / half), 1.5)


class SourcesAgreeTest(parameterized.TestCase):

  @parameterized.parameters('pixel3', 'raspi4', 'eyeriss', 'fpga')
  def test_oneproxy_equals_help(self, name):
    table = real_data.source_table('help_nasbench201')
    oneproxy = real_data.source_table('oneproxy_nasbench201')
    rows = _rows_in(table, oneproxy)
    self.assertEqual(rows[:5].tolist(), [910, 16, 13605, 11299, 11530])
    self.assertLen(set(rows), 1999)
    np.testing.assert_array_equal(
        table.row(name)[rows], oneproxy.row(f'rice_{name}')
    )

  @parameterized.parameters('pixel3', 'raspi4', 'eyeriss', 'fpga')
  def test_hwnasbench_equals_help(self, name):
    table = real_data.source_table('help_nasbench201')
    hwnasbench = real_data.source_table('hwnasbench_nasbench201')
    np.testing.assert_array_equal(hwnasbench.genotype, table.genotype)
    np.testing.assert_allclose(
        hwnasbench.row(f'{name}_latency'), table.row(name), rtol=1e-12
    )

  @parameterized.parameters('edgegpu', 'edgetpu')
  def test_hwnasbench_equals_oneproxy(self, name):
    hwnasbench = real_data.source_table('hwnasbench_nasbench201')
    oneproxy = real_data.source_table('oneproxy_nasbench201')
    rows = _rows_in(hwnasbench, oneproxy)
    np.testing.assert_allclose(
        hwnasbench.row(f'{name}_latency')[rows],
        oneproxy.row(f'rice_{name}'),
        rtol=1e-12,
    )

  @parameterized.parameters(
      ('eagle_gtx', 'desktop_gpu_gtx_1080ti_fp32'),
      ('eagle_i7', 'desktop_cpu_core_i7_7820x_fp32'),
      ('eagle_jetson', 'embedded_gpu_jetson_nano_fp32'),
      ('eagle_jetson_16', 'embedded_gpu_jetson_nano_fp16'),
      ('eagle_tpu', 'embedded_tpu_edge_tpu_int8'),
      ('eagle_cpu_855', 'mobile_cpu_snapdragon_855_kryo_485_int8'),
      ('eagle_gpu_855', 'mobile_gpu_snapdragon_855_adreno_640_int8'),
      ('eagle_dsp_855', 'mobile_dsp_snapdragon_855_hexagon_690_int8'),
  )
  def test_eagle_equals_oneproxy(self, name, eagle_name):
    # Equality fixes the order of Eagle's keys and its unit at once.
    eagle = real_data.source_table('eagle_nasbench201')
    oneproxy = real_data.source_table('oneproxy_nasbench201')
    rows = _rows_in(eagle, oneproxy)
    np.testing.assert_allclose(
        eagle.row(eagle_name)[rows], oneproxy.row(name), rtol=1e-9
    )


if __name__ == '__main__':
  absltest.main()
