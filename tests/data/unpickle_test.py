"""The restricted unpickler: reads numbers, refuses everything else."""

import collections
import datetime
import io
import os
import pathlib
import pickle
import struct
import tempfile
import zipfile

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from nasflat_jax.data import _unpickle


class _Runs:
  """Unpickling it with a plain loader calls a function."""

  def __init__(self, function, *args):
    self._reduced = function, args

  def __reduce__(self):
    return self._reduced


def _torch_zip(**members: bytes) -> bytes:
  buffer = io.BytesIO()
  with zipfile.ZipFile(buffer, 'w') as archive:
    for name, content in members.items():
      archive.writestr(f'archive/{name.replace("__", "/")}', content)
  return buffer.getvalue()


_SCALAR = b'cnumpy.core.multiarray\nscalar\n'
_DTYPE = b'cnumpy\ndtype\n'


class UnpickleTest(parameterized.TestCase):

  @parameterized.parameters(2, 3, 4, 5)
  def test_reads_containers_and_numpy_scalars(self, protocol):
    value = {
        (0, 1): [np.float64(0.1), np.float64(-np.pi), np.float64('inf')],
        'r': [np.int64(224), np.int64(-3)],
        'plain': [1, 2.5, None, True, 2**70],
    }
    loaded = _unpickle.loads(pickle.dumps(value, protocol), 'x')
    self.assertEqual(loaded, value)
    self.assertIs(type(loaded[0, 1][0]), float)
    self.assertIs(type(loaded['r'][0]), int)

  def test_reads_big_endian_scalars(self):
    value = np.array([1.5], '>f8').dtype.type(1.5)
    swapped = pickle.dumps(value, 2).replace(b'<', b'>')
    (wanted,) = struct.unpack('>d', struct.pack('<d', 1.5))
    self.assertEqual(_unpickle.loads(swapped, 'x'), wanted)

  def test_refuses_to_run_code(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    witness = pathlib.Path(folder) / 'witness'
    for protocol in range(6):
      payload = pickle.dumps([1.0, _Runs(os.mkdir, str(witness))], protocol)
      with self.assertRaisesRegex(
          ValueError, r'refused the pickle evil.pkl: .*posix\.mkdir'
      ):
        _unpickle.loads(payload, 'evil.pkl')
    self.assertFalse(witness.exists())
    pickle.loads(payload)  # the payload would have worked
    self.assertTrue(witness.exists())

  @parameterized.named_parameters(
      ('eval', pickle.dumps(_Runs(eval, '1'))),
      ('getattr', pickle.dumps(_Runs(getattr, '', 'join'))),
      ('harmless_class', pickle.dumps(datetime.date(2024, 1, 1))),
      ('ordered_dict', pickle.dumps(collections.OrderedDict(a=1))),
      ('array', pickle.dumps(np.ones(3))),
      ('dotted', b'\x80\x04\x8c\x05numpy\x8c\rdtype.__new__\x93.'),
      ('submodule', b'cnumpy.core\nmultiarray.scalar\n.'),
      ('instance', b'(ios\nsystem\n.'),
      ('extension', b'\x80\x02\x82\x01.'),
      ('persistent', b'Pid\n.'),
      ('object_dtype', pickle.dumps(np.dtype('O'))),
      ('narrow_scalar', pickle.dumps(np.float32(1.0))),
      ('scalar_of_text', _SCALAR + b"(" + _DTYPE + b"(S'f8'\ntRS'x'\ntR."),
      ('scalar_of_nothing', _SCALAR + b'(tR.'),
      ('codec', b'c_codecs\nencode\n(Vx\nVrot13\ntR.'),
      ('cut', pickle.dumps([1.0, 2.0])[:-3]),
      ('no_pickle', b'<html>'),
      ('empty', b''),
  )
  def test_refuses(self, payload):
    with self.assertRaisesRegex(ValueError, 'refused the pickle odd.pkl'):
      _unpickle.loads(payload, 'odd.pkl')

  def test_a_pickle_cannot_alter_the_reader(self):
    # BUILD with a slots state sets attributes of any object it can reach.
    for name in (_SCALAR, _DTYPE, b'c_codecs\nencode\n'):
      payload = name + b"(N(dS'__call__'\nI1\nstb."
      with self.assertRaisesRegex(ValueError, 'refused'):
        _unpickle.loads(payload, 'x')
    self.assertEqual(_unpickle.loads(pickle.dumps(np.float64(2)), 'x'), 2.0)

  def test_reads_torch_zip_without_torch(self):
    content = _torch_zip(**{
        'data.pkl': pickle.dumps([1.0, 2.0], 2), 'version': b'3\n',
    })
    self.assertEqual(_unpickle.loads_torch(content, 'x.pt'), [1.0, 2.0])

  @parameterized.named_parameters(
      ('no_zip', b'no zip', 'x.pt is not a .pt file'),
      ('no_pickle', _torch_zip(version=b'3\n'), 'plain containers'),
      ('storages', _torch_zip(**{
          'data.pkl': pickle.dumps([]), 'data__0': b'1234',
      }), 'plain containers'),
      ('code', _torch_zip(**{
          'data.pkl': pickle.dumps(_Runs(eval, '1'), 2),
      }), 'refused the pickle x.pt'),
  )
  def test_refuses_torch_zip(self, content, message):
    with self.assertRaisesRegex(ValueError, message):
      _unpickle.loads_torch(content, 'x.pt')


if __name__ == '__main__':
  absltest.main()
