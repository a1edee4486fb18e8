"""Files in the official layout of NDS."""

import copy
import json
import pathlib
import tempfile

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from nasflat_jax import data
from nasflat_jax import spaces

_CELL = [
    ['sep_conv_3x3', 1], ['max_pool_3x3', 0], ['none', 0], ['skip_connect', 2],
    ['dil_conv_5x5', 1], ['skip_connect', 3], ['avg_pool_3x3', 4],
    ['sep_conv_5x5', 0],
]  # fmt: skip
_OTHER = [['skip_connect', 0]] * 8


def _record(errors, *, normal=_CELL, width=16, depth=12, rate=0.025):
  """A training as the authors write it, with more than is read."""
  return {
      'job_id': 1, 'rng_seed': 7, 'exp_mem': 0.5,
      'params': 2500000, 'flops': 350000000,
      'net': {
          'genotype': {
              'normal': normal, 'normal_concat': [2, 3, 4, 5],
              'reduce': _CELL, 'reduce_concat': [2, 3, 4, 5],
          },
          'width': width, 'depth': depth, 'aux': True, 'drop_prob': 0.1,
      },
      'optim': {'base_lr': rate, 'wd': 3e-4, 'max_ep': len(errors)},
      'train_ep_top1': errors, 'test_ep_top1': errors,
  }


class NdsTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.base = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

  def _read(self, name, content, **kwargs):
    path = self.base / name
    path.write_text(json.dumps(content))
    return data.read_nds(path, **kwargs)

  def test_accuracy_is_that_of_the_last_epoch(self):
    table = self._read('DARTS.json', [
        _record([90.0, 10.0, 12.5]), _record([50.0, 40.0], normal=_OTHER),
    ])
    self.assertEqual(
        (table.space, table.name, table.dataset),
        ('nds_darts', 'DARTS', 'cifar10'),
    )
    np.testing.assert_array_equal(table.accuracy, [87.5, 60.0])
    np.testing.assert_array_equal(table.best_accuracy, [90.0, 60.0])
    np.testing.assert_array_equal(table.params, [2.5, 2.5])
    np.testing.assert_array_equal(table.flops, [350.0, 350.0])
    np.testing.assert_array_equal(table.learning_rate, [0.025] * 2)
    np.testing.assert_array_equal(table.weight_decay, [3e-4] * 2)
    self.assertTrue(table.auxiliary.all())
    self.assertEqual(table.sample, ('', ''))
    # The cells survive a round trip through the space's own strings.
    (net,) = spaces.NDS_DARTS.to_string(table.genotype[:1])
    net = json.loads(net)
    self.assertEqual((net['width'], net['depth']), (16, 12))
    for step in range(4):
      self.assertCountEqual(
          net['genotype']['normal'][2 * step : 2 * step + 2],
          _CELL[2 * step : 2 * step + 2],
      )

  @parameterized.parameters('DARTS_fix-w-d', 'DARTS_lr-wd', 'DARTS')
  def test_variants(self, name):
    table = self._read(f'{name}.json', [_record([9.0], rate=0.3)])
    self.assertEqual((table.name, table.dataset), (name, 'cifar10'))
    self.assertEqual(table.learning_rate[0], 0.3)

  def test_imagenet_has_two_samples(self):
    table = self._read('DARTS_in.json', {
        'mid': [_record([30.0])],
        'top': [_record([20.0]), _record([25.0], depth=16)],
    })
    self.assertEqual(table.dataset, 'imagenet')
    self.assertEqual(table.sample, ('top', 'top', 'mid'))
    np.testing.assert_array_equal(table.accuracy, [80.0, 75.0, 70.0])

  def test_a_task_has_one_row_a_network(self):
    swapped = [
        pair for i in range(0, 8, 2) for pair in (_CELL[i + 1], _CELL[i])
    ]
    table = self._read('DARTS.json', [
        _record([5.0], normal=_OTHER), _record([10.0]),
        _record([20.0], normal=swapped), _record([None], width=32),
        _record([30.0], width=32),
    ])
    self.assertEqual(table.num_trainings, 5)
    self.assertTrue(np.isnan(table.accuracy[3]))
    task = table.task()
    self.assertEqual((task.space, task.task), ('nds_darts', 'cifar10'))
    np.testing.assert_array_equal(task.genotype, table.genotype[[0, 1, 4]])
    np.testing.assert_array_equal(task.accuracy, [95.0, 85.0, 70.0])
    np.testing.assert_array_equal(task.column('params'), [2.5] * 3)
    self.assertEqual(task.zero_cost().proxies, ('flops', 'params'))

  def test_missing_numbers_are_nan(self):
    record = _record([10.0])
    for name in ('params', 'flops', 'optim'):
      del record[name]
    table = self._read('any.json', [record], space='nds_darts')
    for values in (table.params, table.flops, table.weight_decay):
      self.assertTrue(np.isnan(values).all())

  @parameterized.parameters(
      ('ResNet.json', [], 'not named after a cell space of NDS: Amoeba, DARTS'),
      ('DARTS.json', [], 'not a file of NDS: it holds no trainings'),
      ('DARTS.json', 3, 'not a file of NDS'),
      ('DARTS.json', [{}], 'not a file of NDS'),
      ('DARTS_in.json', {'low': []}, 'it holds no trainings'),
      ('PNAS.json', [_record([1.0])], 'record 0'),
  )
  def test_refuses(self, name, content, message):
    with self.assertRaisesRegex(ValueError, f'{name}: .*{message}'):
      self._read(name, content)

  @parameterized.parameters('width', 'genotype', 'test_ep_top1')
  def test_refuses_incomplete_records(self, name):
    record = copy.deepcopy(_record([1.0]))
    (record['net'] if name in record['net'] else record).pop(name)
    with self.assertRaisesRegex(ValueError, 'DARTS.json: not a file of NDS'):
      self._read('DARTS.json', [record])

  def test_absent(self):
    with self.assertRaises(FileNotFoundError):
      data.read_nds(self.base / 'DARTS.json')


if __name__ == '__main__':
  absltest.main()
