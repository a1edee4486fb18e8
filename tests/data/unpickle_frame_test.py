"""The reader of a pickled table builds columns and nothing else."""

import os
import pickle

from absl.testing import absltest
from absl.testing import parameterized

from nasflat_jax import data
from nasflat_jax.data import _unpickle_frame
import real_data


class _Call:

  def __init__(self, function, *args):
    self._reduce = (function, args)

  def __reduce__(self):
    return self._reduce


class UnpickleFrameTest(parameterized.TestCase):

  @parameterized.parameters(
      (_Call(os.system, 'true'), 'posix.system'),
      (_Call(eval, '1'), 'builtins.eval'),
      (_Call(getattr, 'a', 'upper'), 'builtins.getattr'),
  )
  def test_refuses_every_other_global(self, value, name):
    with self.assertRaisesRegex(ValueError, f'pickle x: .*global {name}'):
      _unpickle_frame.loads_frame(pickle.dumps(value), 'x')

  @parameterized.parameters({}, (slice(1, 2),), ([1, 2],), (b'',))
  def test_refuses_what_is_no_table(self, *value):
    with self.assertRaisesRegex(ValueError, 'refused the pickle x'):
      _unpickle_frame.loads_frame(pickle.dumps(value), 'x')

  def test_refuses_damage(self):
    (file,) = data.sources()['minibench_nasbench201'].files
    content = (real_data.mirror() / file.mirror_path).read_bytes()
    for broken in (content[:1000], content[:-1], content.replace(b'O8', b'V8')):
      with self.assertRaisesRegex(ValueError, 'refused the pickle x'):
        _unpickle_frame.loads_frame(broken, 'x')
    columns = _unpickle_frame.loads_frame(content, 'x')
    self.assertLen(columns, 8)
    self.assertEqual(columns['cellstr'][0][:15], '|avg_pool_3x3~0')
    self.assertAlmostEqual(float(columns['cifar10-test'].max()), 89.16)


if __name__ == '__main__':
  absltest.main()
