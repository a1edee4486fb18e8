"""LatencyTable: checks, round trip through npz, selection, fingerprint."""

import dataclasses
import io
import os
import pathlib
import tempfile

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from nasflat_jax import data
from nasflat_jax import types


def _table(**changes) -> data.LatencyTable:
  fields = dict(
      space='toy',
      source='example',
      devices=(
          types.Device(
              name='a_1', family='gpu', processor='A', batch_size=1,
              precision='fp16',
          ),
          types.Device(
              name='b', family='cpu', processor='B', unit='mJ',
              metric='energy',
          ),
      ),
      genotype=np.array([[0, 1], [2, 0], [1, 1]]),
      values=np.array([[1.0, np.nan, 3.0], [0.25, 1 / 3, 1e-9]]),
  )
  return data.LatencyTable(**(fields | changes))


class LatencyTableTest(parameterized.TestCase):

  def _path(self, name='table.npz') -> pathlib.Path:
    return pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / name

  @parameterized.parameters(
      {}, {'official_index': [2, 0, 1], 'reference_index': [1, 1]}
  )
  def test_round_trip_is_exact(self, **fields):
    table, path = _table(**fields), self._path()
    table.save(path)
    loaded = data.load(str(path))
    for field in dataclasses.fields(table):
      np.testing.assert_equal(
          getattr(loaded, field.name), getattr(table, field.name)
      )
    self.assertIsNone(loaded.devices[1].batch_size)
    self.assertEqual(loaded.genotype.dtype, np.int32)
    self.assertEqual(loaded.values.dtype, np.float64)
    self.assertEqual(data.fingerprint(loaded), data.fingerprint(table))

  def test_file_holds_no_objects_and_is_reproducible(self):
    first, second = self._path(), self._path()
    _table().save(first)
    _table().save(second)
    self.assertEqual(first.read_bytes(), second.read_bytes())
    with np.load(first, allow_pickle=False) as npz:
      kinds = {npz[name].dtype.kind for name in npz.files}
    self.assertEqual(kinds, {'U', 'i', 'f'})

  def test_save_replaces_whole_or_not_at_all(self):
    path = self._path()
    _table().save(path)
    before = path.read_bytes()
    table = _table()
    object.__setattr__(table, 'space', np.array(None, dtype=object))
    with self.assertRaises(ValueError):  # an object array is refused
      table.save(path)
    self.assertEqual(path.read_bytes(), before)
    self.assertEqual(os.listdir(path.parent), [path.name])

  def test_row_and_select(self):
    table = _table()
    np.testing.assert_array_equal(table.row('b'), [0.25, 1 / 3, 1e-9])
    chosen = table.select(['b', 'a_1'])
    self.assertEqual(chosen.device_names, ('b', 'a_1'))
    np.testing.assert_array_equal(chosen.values, table.values[::-1])
    self.assertEqual(chosen.device('b').unit, 'mJ')
    with self.assertRaisesRegex(ValueError, "no device 'c'; it has a_1, b"):
      table.select(['c'])

  def test_arrays_are_read_only_copies(self):
    values = np.ones((2, 3))
    table = _table(values=values)
    values[:] = 7.0
    np.testing.assert_array_equal(table.values, np.ones((2, 3)))
    with self.assertRaises(ValueError):
      table.values[0, 0] = 2.0

  @parameterized.named_parameters(
      ('shape', {'values': np.ones((3, 2))}, r'\[D, N\] = \(2, 3\)'),
      ('rank', {'genotype': np.arange(3)}, r'genotype must be \[N, G\]'),
      ('fraction', {'genotype': np.full((3, 2), 0.5)}, 'integers'),
      ('wide', {'genotype': np.array([[2**40], [1], [2]])}, '32 bits'),
      ('twice', {'genotype': np.zeros((3, 2), int)}, 'occurs twice'),
      ('negative', {'values': np.array([[1.0, 1, -1], [1, 1, 1]])},
       "device 'a_1', row 2: -1.0 is not a measurement"),
      ('infinite', {'values': np.full((2, 3), np.inf)}, 'not a measurement'),
      ('official', {'official_index': [1]}, 'official_index'),
      ('reference', {'reference_index': [3]}, 'rows below 3'),
  )
  def test_rejects(self, changes, message):
    with self.assertRaisesRegex(ValueError, message):
      _table(**changes)

  def test_rejects_a_device_named_twice(self):
    device = types.Device(name='a', family='cpu', processor='A')
    with self.assertRaisesRegex(ValueError, r"named twice: \['a'\]"):
      _table(devices=(device, device))

  def test_refuses_files_that_are_no_tables(self):
    good = self._path()
    _table().save(good)
    pickled, plain, other = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez(pickled, space=np.array([None, {}], dtype=object))
    np.save(plain, np.ones(3))
    np.savez(other, values=np.ones(3))
    contents = {
        'empty': b'',
        'text': b'a,b\n1,2\n',
        'cut': good.read_bytes()[:-100],
        'pickled': pickled.getvalue(),
        'array': plain.getvalue(),
        'other': other.getvalue(),
    }
    for name, content in contents.items():
      with self.subTest(name):
        path = self._path(f'{name}.npz')
        path.write_bytes(content)
        with self.assertRaisesRegex(ValueError, f'{name}.npz is not a latency'):
          data.load(path)
    with self.assertRaises(FileNotFoundError):
      data.load('absent.npz')

  def test_fingerprint_sees_values_and_genotypes_only(self):
    table = _table()
    base = data.fingerprint(table)
    self.assertRegex(base, '^[0-9a-f]{64}$')
    self.assertEqual(base, data.fingerprint(_table(source='other')))
    other_nan = table.values.copy()
    other_nan[0, 1] = -np.float64('nan')
    self.assertEqual(base, data.fingerprint(_table(values=other_nan)))
    changed = table.values.copy()
    changed[1, 0] = np.nextafter(changed[1, 0], 1)
    swapped = table.genotype[[1, 0, 2]]
    self.assertNotEqual(base, data.fingerprint(_table(values=changed)))
    self.assertNotEqual(base, data.fingerprint(_table(genotype=swapped)))

  def test_join_matches_genotypes(self):
    device = types.Device(name='c', family='fpga', processor='C')
    other = _table(
        source='more', devices=(device,),
        genotype=np.array([[1, 1], [9, 9], [0, 1]]),
        values=np.array([[11.0, 99.0, 10.0]]),
    )
    joined = data.join(_table(), other)
    np.testing.assert_array_equal(joined.row('c'), [10.0, np.nan, 11.0])
    np.testing.assert_array_equal(joined.row('b'), _table().row('b'))
    self.assertEqual(joined.source, 'example+more')
    with self.assertRaisesRegex(ValueError, 'cannot join tables of toy and x'):
      data.join(_table(), dataclasses.replace(other, space='x'))
    with self.assertRaisesRegex(ValueError, 'named twice'):
      data.join(_table(), _table())


if __name__ == '__main__':
  absltest.main()
