"""Tasks: every table of a space joined by architecture."""

import csv
import os
import pathlib
import tempfile
from unittest import mock
import zipfile

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
from scipy import stats

from nasflat_jax import data
from nasflat_jax import spaces
import real_data

_NAN = np.nan


class FoundTest(parameterized.TestCase):
  """A folder with small tables of three cells, each in an order of its own."""

  def setUp(self):
    super().setUp()
    self.base = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    self.enterContext(mock.patch.dict(os.environ))
    os.environ['NASFLAT_DATA'] = str(self.base)
    os.environ.pop('NASFLAT_MIRROR', None)
    tasks = ('cifar10', 'cifar100')
    self._save('nasgraph_nasbench201', (0, 1, 2), tasks, {
        'validation': [[1, 2, 3], [4, 5, _NAN]], 'test': [[7, 8, 9]] * 2,
    })
    self._save('zccombinetasks_nasbench201', (2,), ('cifar10',), {
        'near_test_one_seed': [[6]], 'zen': [[30]], 'snip': [[0.3]],
    })
    self._save('suitezero_nasbench201', (1, 2), tasks, {
        'near_test_one_seed': [[5, 6]] * 2, 'zen': [[20, 30], [21, _NAN]],
    })
    self._save('naslib725_nasbench201', (0, 1), tasks, {
        'zen': [[-1, -2]] * 2, 'snip': [[-3, -4]] * 2,
        'synflow': [[-5, -6]] * 2,
    })
    self._save('naslib_nasbench201', (2, 0), tasks, {'snip': [[-7, -8]] * 2})
    self._save('minibench_nasbench201', (2, 1, 0), tasks, {
        'test_12_epochs': [[0.2, 0.1, 0.0]] * 2, 'valid_loss': [[1, 1, 1]] * 2,
    })

  def _save(self, name, cells, tasks, columns):
    data.AccuracyTable(
        space='nasbench201', source=name, tasks=tasks, metrics=tuple(columns),
        genotype=np.array([[cell] * 6 for cell in cells]),
        values=np.array([*columns.values()], float).swapaxes(0, 1),
        logarithms=('synflow',) if 'synflow' in columns else (),
    ).save(self.base / f'{name}.npz')

  def test_a_column_is_of_one_draw(self):
    task = data.load_task('nasbench201', 'cifar10')
    np.testing.assert_array_equal(task.genotype[:, 0], [0, 1, 2])
    np.testing.assert_array_equal(task.accuracy, [1, 2, 3])
    self.assertEqual(
        (task.metric, task.source), ('validation', 'nasgraph_nasbench201')
    )
    # Cell 0 has a score of another draw, which is on another scale.
    np.testing.assert_array_equal(task.column('zen'), [_NAN, 20, 30])
    np.testing.assert_array_equal(task.column('snip'), [_NAN, _NAN, 0.3])
    np.testing.assert_array_equal(task.column('synflow'), [-5, -6, _NAN])
    self.assertTrue(np.isnan(task.column('nwot')).all())
    sources = dict(zip(data.PROXIES, task.proxy_sources, strict=True))
    self.assertEqual(
        sources['zen'], ('zccombinetasks_nasbench201', 'suitezero_nasbench201')
    )
    self.assertEqual(sources['synflow'], ('naslib725_nasbench201',))
    self.assertEqual(sources['nwot'], ())
    self.assertEqual(task.logarithms, ('synflow',))
    table = task.zero_cost()
    self.assertEqual(table.proxies, ('snip', 'synflow', 'zen'))
    np.testing.assert_array_equal(table.column('zen'), task.column('zen'))

  def test_only_labelled_rows_unless_asked(self):
    task = data.load_task('nasbench201', 'cifar100')
    np.testing.assert_array_equal(task.accuracy, [4, 5])
    task = data.load_task('nasbench201', 'cifar100', unlabelled=True)
    np.testing.assert_array_equal(task.genotype[:, 0], [0, 1, 2])
    np.testing.assert_array_equal(task.accuracy, [4, 5, _NAN])
    np.testing.assert_array_equal(task.column('snip'), [-3, -4, _NAN])

  def test_metrics_by_name(self):
    self.assertEqual(data.metrics('nasbench201', 'cifar10'), [
        'validation', 'test', 'near_test_one_seed', 'test_12_epochs',
    ])
    task = data.load_task('nasbench201', 'cifar10', metric='test_12_epochs')
    np.testing.assert_array_equal(task.genotype[:, 0], [2, 1, 0])
    np.testing.assert_array_equal(task.column('zen'), [30, 20, _NAN])
    self.assertEqual(task.source, 'minibench_nasbench201')
    with self.assertRaisesRegex(ValueError, "no metric 'final'; it has valid"):
      data.load_task('nasbench201', 'cifar10', metric='final')

  @parameterized.parameters(
      ('fbnet', 'cifar100', "of the space 'fbnet'; known: nasbench101, nasb"),
      ('nasbench201', 'jigsaw', "nasbench201 has no task 'jigsaw'; it has cif"),
  )
  def test_unknown_names_list_the_known(self, space, task, message):
    for function in (data.load_task, data.siblings, data.metrics):
      with self.assertRaisesRegex(ValueError, message):
        function(space, task)

  def test_absent_data_names_the_command(self):
    (self.base / 'suitezero_nasbench201.npz').unlink()
    with self.assertRaisesRegex(
        FileNotFoundError, 'suitezero_nasbench201.npz: run nasflat-data '
        '--source=accuracy'
    ):
      data.load_task('nasbench201', 'cifar10')

  def test_select(self):
    task = data.load_task('nasbench201', 'cifar10')
    part = task.select(np.array([2, 0]))
    np.testing.assert_array_equal(part.accuracy, [3, 1])
    self.assertEqual(part.num_architectures, 2)
    with self.assertRaisesRegex(ValueError, 'cifar10: an architecture occurs'):
      task.select(np.array([0, 0]))
    with self.assertRaisesRegex(ValueError, "no proxy 'size'; known: epe_nas"):
      task.column('size')


class NetworksTest(absltest.TestCase):

  def _task(self, space, cells, accuracy, **proxies):
    genotype = spaces.get(space).from_string(cells)
    columns = np.full((len(cells), 13), _NAN)
    for name, values in proxies.items():
      columns[:, data.PROXIES.index(name)] = values
    return data.Task(
        space=space, task='cifar10', metric='validation', source='toy',
        genotype=genotype, accuracy=accuracy, proxies=columns,
        proxy_sources=((),) * 13,
    )

  def test_one_network_under_two_genotypes(self):
    # Input to output, with and without a vertex that leads nowhere.
    task = self._task(
        'nasbench101',
        [
            '(0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 4, 1)', '(0, 1, 0, 0, 0, 1)',
            '(0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 4, 1)',
        ],
        [80.0, 82.0, 91.0],
        zen=[1.0, _NAN, 5.0], snip=[_NAN, _NAN, 2.0],
    )
    first, second, third = task.networks()
    self.assertEqual(first, second)
    self.assertNotEqual(first, third)
    merged = task.merged()
    np.testing.assert_array_equal(merged.genotype, task.genotype[[0, 2]])
    np.testing.assert_array_equal(merged.accuracy, [81.0, 91.0])
    np.testing.assert_array_equal(merged.column('zen'), [1.0, 5.0])
    np.testing.assert_array_equal(merged.column('snip'), [_NAN, 2.0])

  def test_isomorphic_cells(self):
    cell = '|skip_connect~0|+|{}~0|{}~1|+|none~0|none~1|skip_connect~2|'
    task = self._task(
        'nasbench201',
        [cell.format('nor_conv_3x3', 'avg_pool_3x3'),
         cell.format('avg_pool_3x3', 'nor_conv_3x3')],
        [1.0, 2.0],
    )
    self.assertLen(set(task.networks().tolist()), 1)
    np.testing.assert_array_equal(task.merged().accuracy, [1.5])

  def test_cells_of_transnas_that_compute_the_same(self):
    task = self._task('transnas_micro', [
        '64-41414-2_00_010',  # 1x1 behind node 1, skipped to the output
        '64-41414-2_01_001',  # the same by way of node 2
        '64-41414-2_01_301',  # and a 3x3 from the input
        '64-41414-2_31_001',  # that one into node 2: the same again
        '64-41414-1_00_020',  # 1x1 behind a skip that may halve: another
    ], [1.0, 2.0, 3.0, 4.0, 5.0])
    first, second, third, fourth, fifth = task.networks()
    self.assertEqual(first, second)
    self.assertEqual(third, fourth)
    self.assertLen({first, third, fifth}, 3)


class ListTest(absltest.TestCase):

  def test_the_28(self):
    found = data.tasks()
    self.assertLen(set(found), 28)
    counts = {}
    for space, _ in found:
      counts[space] = counts.get(space, 0) + 1
    # Multi-Predict's order, https://arxiv.org/abs/2306.02459.
    self.assertEqual(list(counts.items()), [
        ('nasbench101', 1), ('nasbench201', 6), ('darts', 4),
        ('transnas_macro', 7), ('transnas_micro', 10),
    ])
    self.assertLen(data.siblings('transnas_micro', 'svhn'), 9)
    self.assertEqual(
        data.tasks('nasbench_macro'), [('nasbench_macro', 'cifar10')]
    )


class RealTest(parameterized.TestCase):
  """Facts measured on the published tables."""

  def setUp(self):
    super().setUp()
    real_data.mirror()

  def test_500_cells_of_nasbench101_are_292_networks(self):
    table = data.load_accuracy('nasbench101')
    self.assertEqual(table.num_architectures, 500)
    networks = spaces.nasbench101_hash(table.genotype)
    self.assertLen(set(networks), 292)
    # Every accuracy is one training's: a whole number of 9,984 images.
    images = table.row('cifar10', 'validation_one_run') * 99.84
    np.testing.assert_allclose(images, images.round(), atol=1e-3)
    # The parameters say that operations and adjacency are read aright.
    np.testing.assert_allclose(
        np.asarray(spaces.NASBENCH101.costs(table.genotype).params),
        table.row('cifar10', 'params') * 1e6, rtol=0, atol=0.5,
    )

  def test_networks_of_nasbench301(self):
    table = data.load_accuracy('darts')
    self.assertEqual(table.num_architectures, 500)
    np.testing.assert_allclose(
        np.asarray(spaces.DARTS.costs(table.genotype).params),
        table.row('cifar10', 'params') * 1e6, rtol=0, atol=0.5,
    )
    labelled, every = (
        data.load_task('darts', 'cifar10', unlabelled=more)
        for more in (False, True)
    )
    self.assertEqual(labelled.num_architectures, 500)
    self.assertEqual(every.num_architectures, 500 + 11221)
    self.assertEqual((~np.isnan(every.column('nwot'))).sum(), 11221)
    self.assertTrue(np.isnan(every.accuracy[500:]).all())

  def test_nine_tasks_have_all_proxies(self):
    rows = {'nasbench201': 199, 'darts': 199, 'transnas_micro': 192}
    for space, number in rows.items():
      for task in ('ninapro', 'svhn', 'scifar100'):
        found = data.load_task(space, task)
        self.assertEqual(found.num_architectures, number)
        self.assertTrue(all(found.proxy_sources))
        # Two cells connect input and output by nothing.
        missing = np.isnan(found.proxies).any(axis=1).sum()
        self.assertEqual(missing, 0 if space == 'darts' else 2)

  def test_energy_of_training_nasbench101(self):
    table = data.load('ecnas_nasbench101')
    self.assertEqual(table.values.shape, (1, 4310))
    self.assertEqual(table.devices[0].unit, 'kWh')
    (file,) = data.sources()['ecnas_nasbench101'].files
    path = real_data.mirror() / file.mirror_path
    with zipfile.ZipFile(path) as archive:
      params = np.frombuffer(archive.read('archive/data/3'), '<i8')
    np.testing.assert_array_equal(
        np.asarray(spaces.NASBENCH101.costs(table.genotype).params), params
    )

  def test_all_networks_of_nasbench_macro(self):
    task = data.load_task('nasbench_macro', 'cifar10')
    self.assertEqual(task.num_architectures, 3**8)
    # The parameters say which digit is which operation.
    costs = spaces.NASBENCH_MACRO.costs(task.genotype)
    np.testing.assert_allclose(
        np.asarray(costs.params) / 1e6, task.column('params'), rtol=1e-9
    )
    runs = [
        data.load_task('nasbench_macro', 'cifar10', metric=f'test_run_{i}')
        for i in range(3)
    ]
    np.testing.assert_allclose(
        np.mean([run.accuracy for run in runs], axis=0), task.accuracy,
        rtol=1e-12,
    )

  def test_suite_zeros_cell_accuracy_is_nearly_the_test_accuracy(self):
    names = data.metrics('nasbench201', 'cifar10')
    self.assertContainsSubset(
        ['validation', 'test', 'near_test_one_seed', 'validation_12_epochs'],
        names,
    )
    table = data.load_accuracy('nasbench201')
    leak = data.load_accuracy('suitezero_nasbench201').join(table.genotype)
    leak = leak.row('cifar10', 'near_test_one_seed')
    for split, difference in (('test', 0.215), ('validation', 0.415)):
      found = np.abs(table.row('cifar10', split) - leak).mean()
      self.assertAlmostEqual(found, difference, places=3)

  @parameterized.parameters('transnas_macro', 'transnas_micro')
  def test_best_epoch_is_at_least_the_final_one(self, space):
    # In every row and task only if both files name the same network.
    best = data.load_accuracy(f'nasgraph_{space}')
    final = data.load_accuracy(space).join(best.genotype)
    rows = {'transnas_macro': 3256, 'transnas_micro': 4096}[space]
    self.assertEqual(best.num_architectures, rows)
    for task in best.tasks:
      gain = best.row(task, 'validation_best') - final.row(
          task, 'validation_final'
      )
      self.assertEqual((gain >= 0).sum(), rows, task)
      self.assertGreater(gain.max(), 0, task)

  def test_no_training_of_transnas_is_of_two_networks(self):
    table = data.load_accuracy('transnas_micro')
    task = data.load_task('transnas_micro', 'jigsaw')
    np.testing.assert_array_equal(task.genotype, table.genotype)
    results = np.stack([
        table.row(name, 'validation_final') for name in table.tasks[:7]
    ])
    _, training = np.unique(results, axis=1, return_inverse=True)
    pairs = set(zip(training.reshape(-1), task.networks(), strict=True))
    self.assertLen(pairs, 2994)  # as many as trainings
    self.assertLen({network for _, network in pairs}, 1229)

  def test_transnas_files_hold_no_strings_but_an_order(self):
    # Row 1 as in the readme of its authors; a loss that is infinite upstream.
    table = data.load_accuracy('nasgraph_transnas_macro')
    strings = spaces.TRANSNAS_MACRO.to_string(table.genotype[:2])
    self.assertEqual(strings[1], '64-2311-basic')
    (file,) = (
        f for f in data.sources()['nasgraph_transnas_macro'].files
        if f.stem == 'transbench101_class_scene'
    )
    path = real_data.mirror() / file.mirror_path
    with path.open() as text:
      rows = list(csv.DictReader(text))
    for metric, name in (
        ('validation_best', 'valid_top1'), ('test_best_top5', 'test_top5'),
        ('train_seconds', 'time_elapsed'),
    ):
      for i in (0, 1, 3255):
        self.assertEqual(
            table.row('class_scene', metric)[i], float(rows[i][name])
        )
    losses = [
        np.isnan(
            data.load_accuracy(f'nasgraph_{space}').row(
                'room_layout', 'validation_best_loss'
            )
        ).sum()
        for space in ('transnas_macro', 'transnas_micro')
    ]
    self.assertEqual(sum(losses), 1)

  def test_zccombine_and_suite_zero_are_one_draw_on_cells_of_transnas(self):
    first = data.load_accuracy('zccombine_transnas_micro')
    second = data.load_accuracy('suitezero_transnas_micro').join(first.genotype)
    self.assertEqual(first.num_architectures, 2128)
    for column in ('zen', 'epe_nas', 'synflow', 'validation_final'):
      np.testing.assert_array_equal(
          first.row('class_scene', column), second.row('class_scene', column)
      )

  @parameterized.parameters('cifar10', 'ImageNet16-120')
  def test_zccombine_and_suite_zero_are_one_draw(self, task):
    first = data.load_accuracy('zccombinetasks_nasbench201')
    second = data.load_accuracy('suitezero_nasbench201').join(first.genotype)
    self.assertEqual(first.num_architectures, 9445)
    for column in ('zen', 'near_test_one_seed'):
      np.testing.assert_array_equal(
          first.row(task, column), second.row(task, column)
      )

  def test_draws_differ_in_scale(self):
    # The final values used twice the batch: nwot must not be mixed.
    first = data.load_accuracy('zccombinetasks_nasbench201')
    other = data.load_accuracy('naslib725_nasbench201').join(first.genotype)
    one, two = (t.row('cifar10', 'nwot') for t in (first, other))
    both = ~np.isnan(one) & ~np.isnan(two)
    self.assertBetween(np.median(one[both] / two[both]), 1.9, 2.1)
    self.assertGreater(stats.spearmanr(one[both], two[both])[0], 0.98)
    for proxy in ('params', 'flops'):
      np.testing.assert_array_equal(
          first.row('cifar10', proxy)[both], other.row('cifar10', proxy)[both]
      )

  def test_twelve_epochs_are_a_fidelity_of_their_own(self):
    table = data.load_accuracy('minibench_nasbench201')
    full = data.load_accuracy('nasbench201')
    np.testing.assert_array_equal(table.genotype, full.genotype)
    short = table.row('cifar10', 'test_12_epochs')
    self.assertAlmostEqual(short.max(), 89.16, places=2)
    correlation = np.corrcoef(short, full.row('cifar10', 'test'))[0, 1]
    self.assertAlmostEqual(correlation, 0.95, places=2)


if __name__ == '__main__':
  absltest.main()
