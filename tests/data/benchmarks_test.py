"""Converters of the further benchmarks: what they refuse."""

import io
import json
import pathlib
import tempfile
import zipfile

from absl.testing import absltest
from absl.testing import parameterized
import fake_upstream
import numpy as np

from nasflat_jax import data
from nasflat_jax import spaces
from nasflat_jax.data import _convert


def _convert_file(name, content):
  file = fake_upstream.upstream_file(content, 'data/file')
  source = data.Source(
      name=name, owner='owner', repository='repo', commit='c0ffee',
      licence='MIT', licence_note='', citation=('someone',), files=(file,),
  )
  with tempfile.TemporaryDirectory() as folder:
    fake_upstream.put(pathlib.Path(folder), file, content)
    return _convert.convert(source, pathlib.Path(folder))


def _archive(*arrays):
  buffer = io.BytesIO()
  with zipfile.ZipFile(buffer, 'w') as archive:
    for i, array in enumerate(arrays):
      archive.writestr(f'archive/data/{i}', array.tobytes())
  return buffer.getvalue()


class EnergyTest(parameterized.TestCase):

  def test_cells_of_fewer_vertices_are_filled_up_at_the_end(self):
    adjacency = np.zeros((2, 7, 7), '<i8')
    adjacency[0, [0, 1, 0], [1, 2, 2]] = 1  # three vertices
    adjacency[1, [0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6]] = 1
    ops = np.array([[1, 2, 5, 0, 0, 0, 0], [1, 3, 3, 4, 2, 3, 5]], '<i8')
    table = _convert_file(
        'ecnas_nasbench101',
        _archive(adjacency, ops, np.array([0.5, 2.0], '<f4')),
    )
    np.testing.assert_array_equal(table.values, [[0.5, 2.0]])
    self.assertEqual(spaces.NASBENCH101.to_string(table.genotype), [
        str((0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 3, 1)),
        str((*np.eye(7, k=1, dtype=int).ravel().tolist(), 0, 4, 4, 2, 3, 4, 1)),
    ])

  @parameterized.parameters(
      b'PK', _archive(np.zeros(3, '<i8')),
      _archive(np.zeros(49, '<i8'), np.full(7, 9, '<i8'), np.ones(1, '<f4')),
  )
  def test_refuses(self, content):
    with self.assertRaisesRegex(ValueError, 'data/file: not the table'):
      _convert_file('ecnas_nasbench101', content)


class MacroTest(parameterized.TestCase):

  @parameterized.parameters(
      ([],), ({'00000000': {'test_acc': [1.0]}},),
      ({'00000000': {'test_acc': [1, 2, 3], 'mean_acc': 2.0}},),
  )
  def test_refuses(self, records):
    with self.assertRaisesRegex(ValueError, 'data/file: not the table'):
      _convert_file(
          'nasbenchmacro_nasbench_macro', json.dumps(records).encode()
      )


if __name__ == '__main__':
  absltest.main()
