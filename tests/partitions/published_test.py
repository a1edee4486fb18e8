"""The published splits: counts, names and what they leave out."""

import itertools

from absl.testing import absltest
from absl.testing import parameterized

from nasflat_jax import partitions
import real_data

# Source and target devices of each split, as published.
_COUNTS = {
    'ND': (9, 6), 'N1': (5, 5), 'N2': (5, 5), 'N3': (5, 5), 'N4': (10, 3),
    'NA': (17, 3), 'FD': (9, 3), 'F1': (5, 5), 'F2': (5, 5), 'F3': (5, 5),
    'F4': (10, 3), 'FA': (15, 4),
}


class PublishedTest(parameterized.TestCase):

  def test_all_in_order_and_by_name(self):
    names = [partition.name for partition in partitions.ALL]
    self.assertEqual(names, list(_COUNTS))
    for name in names:
      self.assertIs(partitions.get(name), getattr(partitions, name))

  @parameterized.parameters(*partitions.ALL)
  def test_counts_and_disjoint(self, partition):
    counts = len(partition.source), len(partition.target)
    self.assertEqual(counts, _COUNTS[partition.name])
    names = partition.source + partition.target
    self.assertLen(set(names), len(names))
    space = 'nasbench201' if partition.name[0] == 'N' else 'fbnet'
    self.assertEqual(partition.space, space)

  def test_adversarial_fbnet_sources_are_every_gpu(self):
    gpus = ('1080ti', '2080ti', 'titan_rtx', 'titanx', 'titanxp')
    expected = [f'{g}_{b}' for g, b in itertools.product(gpus, (1, 32, 64))]
    self.assertEqual(list(partitions.FA.source), expected)

  def test_order_of_targets_is_the_authors(self):
    self.assertEqual(
        partitions.N1.target,
        ('1080ti_1', 'titan_rtx_32', 'titanxp_1', '2080ti_32', 'titan_rtx_1'),
    )
    self.assertEqual(
        partitions.ND.target,
        ('titan_rtx_256', 'gold_6226', 'fpga', 'pixel2', 'raspi4', 'eyeriss'),
    )

  @parameterized.parameters(('nasbench201', 21, 40), ('fbnet', 12, 27))
  def test_non_targets(self, space, count, num_devices):
    devices = partitions.non_target_devices(space)
    self.assertLen(set(devices), count)
    targets = {
        t for p in partitions.ALL if p.space == space for t in p.target
    }
    self.assertEmpty(targets & set(devices))
    self.assertLen(targets | set(devices), num_devices)

  @parameterized.parameters('nasbench201', 'fbnet')
  def test_the_real_table_has_every_device(self, space):
    known = set(real_data.table(space).device_names)
    named = set(partitions.non_target_devices(space))
    for partition in partitions.ALL:
      if partition.space == space:
        named |= {*partition.source, *partition.target}
    self.assertEqual(named, known)

  def test_parse(self):
    self.assertEqual(
        partitions.parse(' ND,F1 '), (partitions.ND, partitions.F1)
    )
    self.assertEqual(partitions.parse('all'), partitions.ALL)

  @parameterized.parameters(
      ('XX', "unknown task 'XX'; choose from ND, N1"),
      ('ND,ND', 'named twice'),
      (' , ', 'no task named'),
  )
  def test_parse_refuses(self, names, message):
    with self.assertRaisesRegex(ValueError, message):
      partitions.parse(names)

  def test_unknown_space(self):
    with self.assertRaisesRegex(ValueError, 'nasbench201, fbnet'):
      partitions.non_target_devices('darts')


if __name__ == '__main__':
  absltest.main()
