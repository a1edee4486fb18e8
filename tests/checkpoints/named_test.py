"""Trees of arrays by name: there, on disk, and back."""

import pathlib
from typing import Any, NamedTuple

from absl.testing import absltest
import jax
import numpy as np

from nasflat_jax import checkpoints


class _State(NamedTuple):
  params: Any
  rates: Any
  layers: Any


def _state():
  return _State(
      {'a': {'kernel': np.ones((2, 3), np.float32)}},
      None,
      [(np.arange(4, dtype=np.float32), np.zeros((2, 0), np.float32))],
  )


class NamedTest(absltest.TestCase):

  def test_a_tree_comes_back_from_a_file(self):
    path = pathlib.Path(self.create_tempdir()) / 'x.npz'
    named = checkpoints.named(_state())
    self.assertEqual(
        list(named), ['params/a/kernel', 'layers/0/0', 'layers/0/1']
    )
    checkpoints.save_arrays(path, named, {})
    arrays, _ = checkpoints.load_arrays(path)
    for found in (arrays, named):
      state = checkpoints.fitted(found, jax.eval_shape(_state))
      self.assertIsInstance(state, _State)
      self.assertIsNone(state.rates)
      jax.tree.map(np.testing.assert_array_equal, state, _state())

  def test_what_does_not_fit_is_named(self):
    named = checkpoints.named(_state())
    for change, message in (
        ({'more': np.zeros(1)}, r'^more: float64\[1\], should be absent$'),
        ({'layers/0/0': np.zeros(4, np.int32)},
         r'^layers/0/0: int32\[4\], should be float32\[4\]$'),
    ):
      with self.assertRaisesRegex(ValueError, message):
        checkpoints.fitted({**named, **change}, _state())
    del named['params/a/kernel']
    with self.assertRaisesRegex(ValueError, r'^params/a/kernel: absent, sho'):
      checkpoints.fitted(named, _state())


if __name__ == '__main__':
  absltest.main()
