"""The splits beside the published twelve: devices, tables and names."""

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from nasflat_jax import data
from nasflat_jax import partitions
import real_data

_FURTHER = (*partitions.OFA, *partitions.ONEPROXY)


def _table(partition):
  if partition.table is None:
    return real_data.table(partition.space)
  return real_data.source_table(partition.table)


class FurtherTest(parameterized.TestCase):

  def test_names(self):
    self.assertEqual(
        [partition.name for partition in _FURTHER],
        [
            'OFA-2080ti', 'OFA-titan_rtx', 'OFA-titan_xp', 'OFA-v100',
            'OneProxy-eagle', 'OneProxy-rice', 'OneProxy-true',
        ],
    )

  @parameterized.parameters(*_FURTHER)
  def test_the_real_table_splits_into_source_and_target(self, partition):
    table = _table(partition)
    self.assertEqual(table.space, partition.space)
    named = (*partition.source, *partition.target)
    self.assertLen(set(named), len(named))
    self.assertEqual(set(named), set(table.device_names))

  @parameterized.parameters(*partitions.OFA)
  def test_ofa_targets_are_one_processor(self, partition):
    self.assertIsNone(partition.table)
    table = _table(partition)
    chips, sizes = (
        {getattr(table.device(n), field) for n in partition.target}
        for field in ('processor', 'batch_size')
    )
    self.assertLen(chips, 1)
    self.assertEqual(sizes, {1, 32, 64})
    self.assertNoCommonElements(
        chips, {table.device(n).processor for n in partition.source}
    )

  @parameterized.parameters(
      ('OneProxy-eagle', 8), ('OneProxy-rice', 6), ('OneProxy-true', 4)
  )
  def test_oneproxy_targets_are_one_set(self, name, count):
    partition = partitions.get(name)
    prefix = name.removeprefix('OneProxy-') + '_'
    self.assertEqual(partition.table, 'oneproxy_nasbench201')
    self.assertLen(partition.target, count)
    self.assertLen(partition.source, 18 - count)
    self.assertTrue(all(n.startswith(prefix) for n in partition.target))
    self.assertFalse(any(n.startswith(prefix) for n in partition.source))

  def test_each_device_is_a_target_once(self):
    for group, count in ((partitions.OFA, 12), (partitions.ONEPROXY, 18)):
      targets = [name for partition in group for name in partition.target]
      self.assertLen(targets, count)
      self.assertLen(set(targets), count)

  def test_failed_compilations_are_no_measurements(self):
    table = _table(partitions.ONEPROXY[0])
    missing = {
        name: int(np.isnan(table.row(name)).sum())
        for name in table.device_names
    }
    self.assertEqual(missing.pop('rice_edgetpu'), 259)
    self.assertEqual(set(missing.values()), {0})

  def test_which_columns_the_published_splits_know(self):
    # The docstring's claim: twelve of 18 columns are the study's own.
    table = _table(partitions.ONEPROXY[0])
    study = real_data.table('nasbench201')
    row = {genes.tobytes(): i for i, genes in enumerate(study.genotype)}
    rows = [row[genes.tobytes()] for genes in table.genotype]
    # At 1e-9: the study's Eagle rows went through seconds.
    new = {
        name
        for name in table.device_names
        if not np.isclose(
            study.values[:, rows], table.row(name), rtol=1e-9, atol=0
        ).all(axis=1).any()
    }
    self.assertEqual(
        new,
        {
            'rice_edgegpu', 'rice_edgetpu', 'true_630', 'true_640',
            'true_a76', 'true_vpu',
        },
    )

  def test_the_published_twelve_stay_by_themselves(self):
    self.assertLen(partitions.ALL, 12)
    self.assertNoCommonElements(partitions.ALL, _FURTHER)
    self.assertEqual({p.table for p in partitions.ALL}, {None})
    with self.assertRaisesRegex(ValueError, 'nasbench201, fbnet'):
      partitions.non_target_devices('ofa')
    self.assertNotIn(
        'true_vpu', partitions.non_target_devices('nasbench201')
    )

  def test_tables_are_known_by_name(self):
    tables = {p.table for p in _FURTHER if p.table is not None}
    self.assertContainsSubset(tables, set(data.sources()))


class ParseTest(parameterized.TestCase):

  def test_names_and_groups(self):
    for partition in _FURTHER:
      self.assertIs(partitions.get(partition.name), partition)
    self.assertEqual(partitions.parse('ofa'), partitions.OFA)
    self.assertEqual(partitions.parse('oneproxy'), partitions.ONEPROXY)
    self.assertEqual(
        partitions.parse('all, ofa,OneProxy-true'),
        (*partitions.ALL, *partitions.OFA, partitions.ONEPROXY[2]),
    )

  @parameterized.parameters('ofa,OFA-v100', 'all,ND', 'ofa,ofa')
  def test_a_name_within_its_group_is_a_repetition(self, names):
    with self.assertRaisesRegex(ValueError, 'named twice'):
      partitions.parse(names)

  @parameterized.parameters('OFA', 'OneProxy', 'OFA-1080ti')
  def test_unknown_names_list_all_there_are(self, name):
    with self.assertRaisesRegex(
        ValueError, f'{name!r}; .*FA, OFA-2080ti, .*group: all, ofa, oneproxy'
    ):
      partitions.parse(name)


if __name__ == '__main__':
  absltest.main()
