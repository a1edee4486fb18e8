"""Files: round trip, damage, other settings, and the ones that ship."""

import functools
import importlib.resources
import io
import json
import os
import pathlib
import re
from unittest import mock
import zipfile

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import checkpoints
from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import transfer
from nasflat_jax import types

_SPACE = spaces.NASBENCH201
_KEYWORDS = {
    'num_devices': 3,
    'layer': 'dense_graph_flow',
    'hardware_embedding': 'head',
}
_PROVENANCE = {
    'devices': ['a', 'b'],
    'transfer': {'encoding': 'none', 'adapt_steps': 2, 'parts': ['head']},
    'date': '2024-01-01',
    'scores': {'mean': None},
}


def _rows(num=5):
  genotype = _SPACE.random(jax.random.key(0), num)
  index = jnp.arange(num, dtype=jnp.int32) % 3
  return _SPACE.decode(genotype), types.Devices(
      index=index, reference=jnp.zeros((num, 0))
  )


@functools.cache
def _made():
  """A predictor and its parameters."""
  predictor = predictors.nasflat(
      _SPACE.spec,
      **{**_KEYWORDS, 'layer': predictors.dense_graph_flow},
  )
  return predictor, jax.jit(predictor.init)(jax.random.key(1), *_rows())


class RoundTripTest(absltest.TestCase):

  def test_the_same_parameters_scores_and_header(self):
    path = pathlib.Path(self.create_tempdir()) / 'new' / 'mine.npz'
    predictor, params = _made()
    checkpoints.save(
        path, params, space='nasbench201', factory='nasflat',
        keywords=_KEYWORDS, provenance=_PROVENANCE,
    )
    again = checkpoints.load(path)
    self.assertEqual(
        jax.tree.structure(again.params), jax.tree.structure(dict(params))
    )
    jax.tree.map(np.testing.assert_array_equal, again.params, dict(params))
    jax.tree.map(
        lambda a, b: self.assertEqual(a.dtype, b.dtype), again.params, params
    )
    np.testing.assert_array_equal(
        jax.jit(again.predictor.apply)(again.params, *_rows()),
        jax.jit(predictor.apply)(params, *_rows()),
    )
    self.assertEqual(
        again.provenance,
        {**_PROVENANCE, 'format': 1, 'space': 'nasbench201',
         'factory': 'nasflat', 'keywords': _KEYWORDS},
    )
    pre = transfer.Pretrained.from_checkpoint(_SPACE, *again)
    self.assertEqual((pre.num_sources, pre.parts), (2, ('head',)))
    # Nothing but the file is left, and others may read it.
    self.assertEqual([p.name for p in path.parent.iterdir()], ['mine.npz'])
    self.assertEqual(path.stat().st_mode & 0o777, 0o644)

  def test_refuses_what_it_could_not_rebuild(self):
    path = pathlib.Path(self.create_tempdir()) / 'mine.npz'
    with self.assertRaisesRegex(ValueError, "'magic' is not a public name"):
      checkpoints.save(
          path, {}, space='nasbench201', factory='magic', keywords={},
          provenance={},
      )
    self.assertFalse(path.exists())


def _npz(**arrays):
  buffer = io.BytesIO()
  np.savez(buffer, **arrays)
  return buffer.getvalue()


def _header(**fields):
  text = json.dumps(fields)
  return np.frombuffer(text.encode(), np.uint8)


def _zip(**members):
  buffer = io.BytesIO()
  with zipfile.ZipFile(buffer, 'w') as file:
    for name, content in members.items():
      file.writestr(name, content)
  return buffer.getvalue()


def _plain_array():
  buffer = io.BytesIO()
  np.save(buffer, np.arange(3))
  return buffer.getvalue()


class _Bomb:

  def __reduce__(self):
    return (os.abort, ())


class DamageTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.path = pathlib.Path(self.create_tempdir()) / 'some.npz'

  @parameterized.named_parameters(
      ('empty', b''),
      ('text', b'not a checkpoint'),
      ('random', np.random.default_rng(0).bytes(5000)),
      ('plain_array', _plain_array()),
      ('no_header', _npz(a=np.arange(3))),
      ('no_json', _npz(header=np.arange(9, dtype=np.uint8))),
      ('no_mapping', _npz(header=np.frombuffer(b'[1]', np.uint8))),
      ('foreign_zip', _zip(header=b'x')),
      ('pickled', _npz(**{
          'header': _header(format=1, factory='nasflat'),
          'params/a': np.array([_Bomb()], object),
      })),
      ('pickled_header', _npz(header=np.array([_Bomb()], object))),
      ('text_parameters', _npz(**{
          'header': _header(format=1), 'params/a': np.array(['x']),
      })),
      ('leaf_and_branch', _npz(**{
          'header': _header(format=1), 'params/a': np.ones(1),
          'params/a/b': np.ones(1),
      })),
  )
  def test_refuses(self, content):
    self.path.write_bytes(content)
    message = re.escape(f'{self.path}: not a checkpoint')
    with self.assertRaisesRegex(ValueError, message):
      checkpoints.load(self.path)
    with self.assertRaisesRegex(ValueError, message):
      checkpoints.restore_state(self.path, {}, {})

  def test_refuses_every_truncation_and_flipped_bytes(self):
    rng = np.random.default_rng(1)
    tree = {'a': rng.normal(size=(60, 40)), 'b': {'c': np.arange(5)}}
    checkpoints.save_arrays(self.path, tree, {'format': 1})
    whole = self.path.read_bytes()
    for size in np.linspace(0, len(whole) - 1, 25).astype(int):
      self.path.write_bytes(whole[:size])
      with self.assertRaisesRegex(ValueError, 'some.npz: not a checkpoint'):
        checkpoints.load_arrays(self.path)
    refused = 0
    for place in rng.choice(len(whole), 60, replace=False):
      damaged = bytearray(whole)
      damaged[place] ^= 0xFF
      self.path.write_bytes(damaged)
      try:  # bytes that carry nothing, such as dates, may change
        read, _ = checkpoints.load_arrays(self.path)
        np.testing.assert_array_equal(read['a'], tree['a'].astype(np.float32))
      except ValueError:
        refused += 1
    self.assertGreater(refused, 50)

  @parameterized.parameters(
      ({'format': 2, 'factory': 'nasflat'}, 'checkpoint format 2, this'),
      ({}, 'format None, this version reads 1'),
      ({'format': 1},
       'header lacks space, factory, keywords, transfer, devices'),
  )
  def test_other_headers(self, header, message):
    checkpoints.save_arrays(self.path, {'a': np.ones(2)}, header)
    with self.assertRaisesRegex(ValueError, f'some.npz: .*{message}'):
      checkpoints.load(self.path)

  def test_a_header_holds_no_nan(self):
    checkpoints.save_arrays(self.path, {'a': np.ones(2)}, {'n': 1})
    old = self.path.read_bytes()
    for value in (np.nan, np.inf):
      with self.assertRaisesRegex(ValueError, 'not JSON compliant'):
        checkpoints.save_arrays(self.path, {'a': np.ones(2)}, {'n': value})
    self.assertEqual(self.path.read_bytes(), old)

  def test_unknown_name_lists_what_ships(self):
    with self.assertRaisesRegex(
        FileNotFoundError, "'magic' is neither a file nor a shipped"
    ) as caught:
      checkpoints.load('magic')
    for name in checkpoints.names():
      self.assertIn(name, str(caught.exception))
    with self.assertRaisesRegex(FileNotFoundError, 'no such checkpoint'):
      checkpoints.load_arrays(self.path)

  @parameterized.parameters('replace', 'fsync')
  def test_a_failed_write_leaves_the_old_file(self, function):
    checkpoints.save_arrays(self.path, {'a': np.ones(2)}, {'n': 1})
    old = self.path.read_bytes()
    with mock.patch.object(os, function, side_effect=OSError('disk full')):
      with self.assertRaisesRegex(OSError, 'disk full'):
        checkpoints.save_arrays(self.path, {'a': np.zeros(2)}, {'n': 2})
    self.assertEqual(self.path.read_bytes(), old)
    self.assertEqual(list(self.path.parent.iterdir()), [self.path])


class CheckTest(parameterized.TestCase):
  """A good checkpoint with one thing changed is refused by name."""

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.params = _made()[1]
    cls.header = {
        **_PROVENANCE, 'format': 1, 'space': 'nasbench201',
        'factory': 'nasflat', 'keywords': _KEYWORDS,
    }

  def _refuses(self, message, params=None, header=None):
    path = pathlib.Path(self.create_tempdir()) / 'some.npz'
    checkpoints.save_arrays(path, params or self.params, header or self.header)
    with self.assertRaisesRegex(ValueError, f'some.npz: .*{message}'):
      checkpoints.load(path)

  def test_the_unchanged_one_loads(self):
    path = pathlib.Path(self.create_tempdir()) / 'some.npz'
    transfer_ = {
        'encoding': 'none', 'adapt_steps': 1, 'learning_rate': 0.5,
        'parts': ['fine_tune', 'head'], 'head_sources': [0, 1],
    }
    checkpoints.save_arrays(
        path, self.params, {**self.header, 'transfer': transfer_}
    )
    self.assertEqual(checkpoints.load(path).provenance['transfer'], transfer_)

  @parameterized.parameters('space', 'transfer', 'devices', 'keywords')
  def test_missing_fields(self, field):
    header = {k: v for k, v in self.header.items() if k != field}
    self._refuses(f'its header lacks {field}$', header=header)

  @parameterized.parameters(
      ('space', 'magic', "unknown search space 'magic'"),
      ('space', ['fbnet'], 'space takes a name'),
      ('factory', 'magic', 'unknown predictor .*magic'),
      ('factory', 3, 'unknown predictor'),
      ('factory', 'num_parameters', 'unknown predictor'),
      ('keywords', [], 'keywords takes a mapping'),
      ('keywords', {}, 'num_devices = None, but there are 2 devices'),
      ('keywords', {**_KEYWORDS, 'num_devices': 4}, 'num_devices = 4, but'),
      ('keywords', {**_KEYWORDS, 'num_devices': 3.0}, 'num_devices = 3.0, but'),
      ('keywords', {**_KEYWORDS, 'layer': 'magic'}, 'predictor .*magic'),
      ('keywords', {**_KEYWORDS, 'layer': 'score'}, 'unknown predictor'),
      ('keywords', {**_KEYWORDS, 'magic': 1}, 'predictor .*magic'),
      ('keywords', {**_KEYWORDS, 'hardware_embedding': 'magic'},
       "predictor .*'magic'"),
      ('devices', 'ab', "devices takes a list of names, got 'ab'"),
      ('devices', [1, 2], 'devices takes a list of names'),
      ('devices', [], 'devices takes a list of names'),
      ('devices', ['a'], 'num_devices = 3, but there are 1 devices'),
      ('transfer', ['head'], 'transfer takes a mapping'),
      ('transfer', {'magic': 1}, "transfer has an unknown keyword 'magic'"),
      ('transfer', {'num_sources': 2}, "unknown keyword 'num_sources'"),
      ('transfer', {'encoding': 'magic'}, "transfer has encoding = 'magic'"),
      ('transfer', {'encoding': ['none']}, 'transfer has encoding'),
      ('transfer', {'adapt_steps': 0}, 'transfer has adapt_steps = 0'),
      ('transfer', {'adapt_steps': True}, 'transfer has adapt_steps = True'),
      ('transfer', {'learning_rate': '1'}, "transfer has learning_rate = '1'"),
      ('transfer', {'learning_rate': -1.0}, 'transfer has learning_rate'),
      ('transfer', {'parts': ['magic']}, 'transfer has parts'),
      ('transfer', {'parts': 'head'}, "transfer has parts = 'head'"),
      ('transfer', {'parts': []}, 'transfer has parts'),
      ('transfer', {'head_sources': [0, 2]}, 'transfer has head_sources'),
      ('transfer', {'head_sources': [-1]}, 'transfer has head_sources'),
      ('transfer', {'head_sources': [0.0]}, 'transfer has head_sources'),
  )
  def test_wrong_fields(self, field, value, message):
    self._refuses(message, header={**self.header, field: value})

  def test_a_learning_rate_that_is_not_a_number(self):
    # save_arrays refuses it, another writer need not.
    path = pathlib.Path(self.create_tempdir()) / 'some.npz'
    header = _header(**{**self.header, 'transfer': {'learning_rate': np.nan}})
    path.write_bytes(_npz(header=header))
    with self.assertRaisesRegex(ValueError, 'transfer has learning_rate = nan'):
      checkpoints.load(path)

  def test_parameters_of_another_predictor(self):
    table = self.params['device_embedding']
    for params, message in (
        ({**self.params, 'device_embedding': table[:2]},
         r'device_embedding: float32\[2, 8\], should be float32\[3, 8\]'),
        ({**self.params, 'device_embedding': table.astype(jnp.int32)},
         r'device_embedding: int32\[3, 8\], should be float32\[3, 8\]'),
        ({**self.params, 'magic': table},
         r'1 parameters .*magic: float32\[3, 8\], should be absent'),
        ({k: v for k, v in self.params.items() if k != 'score'},
         r'2 parameters .*score/Dense_0/bias: missing, should be'),
    ):
      with self.subTest(message):
        self._refuses(message, params=params)

  def test_parameters_of_another_encoding_or_space(self):
    for changed, message in (
        ({'transfer': {'encoding': 'costs'}}, 'parameters do not fit'),
        ({'transfer': {}}, 'parameters do not fit'),  # costs is the default
        ({'space': 'fbnet'}, 'parameters do not fit'),
    ):
      with self.subTest(str(changed)):
        self._refuses(message, header={**self.header, **changed})


class StateTest(absltest.TestCase):

  def setUp(self):
    super().setUp()
    self.path = pathlib.Path(self.create_tempdir()) / 'out.npz.partial'
    self.state = types.TransferState(
        {'w': jnp.arange(6.0).reshape(2, 3)},
        (jnp.ones(3), {'count': jnp.asarray(4, jnp.int32)}),
        jnp.asarray(12, jnp.int32),
    )
    self.like = jax.tree.map(jnp.zeros_like, self.state)
    self.settings = {'seed': 0, 'exclude': ['a'], 'learning_rate': 1e-3}
    checkpoints.save_state(self.path, self.state, self.settings)

  def test_round_trip(self):
    again = checkpoints.restore_state(self.path, self.like, self.settings)
    self.assertEqual(jax.tree.structure(again), jax.tree.structure(self.state))
    jax.tree.map(np.testing.assert_array_equal, again, self.state)
    self.assertEqual(again.step.dtype, jnp.int32)

  def test_other_settings_are_named(self):
    for changed, message in (
        ({'seed': 1}, r'\(seed was 0, is 1\)'),
        ({'exclude': []}, r"\(exclude was \['a'\], is \[\]\)"),
        ({'new': 3}, r'\(new was None, is 3\)'),
        ({'seed': 2, 'learning_rate': 0.1},
         r'\(learning_rate was 0.001, is 0.1, seed was 0, is 2\)'),
    ):
      with self.assertRaisesRegex(ValueError, message):
        checkpoints.restore_state(
            self.path, self.like, {**self.settings, **changed}
        )

  def test_another_structure_is_refused(self):
    for like in (
        self.like._replace(step=jnp.zeros(1, jnp.int32)),
        self.like._replace(step=jnp.zeros(())),
        self.like._replace(meta_params={'w': jnp.zeros((3, 2))}),
        self.like._replace(opt_state=()),
    ):
      with self.assertRaisesRegex(ValueError, 'not hold a state of this run'):
        checkpoints.restore_state(self.path, like, self.settings)

  def test_an_unfinished_run_is_no_checkpoint(self):
    with self.assertRaisesRegex(ValueError, 'checkpoint format None'):
      checkpoints.load(self.path)


class ShippedTest(parameterized.TestCase):

  @parameterized.parameters('nasbench201', 'fbnet')
  def test_is_there_and_small(self, name):
    self.assertIn(name, checkpoints.names())
    folder = importlib.resources.files('nasflat_jax.checkpoints')
    with importlib.resources.as_file(folder / f'{name}.npz') as path:
      self.assertLess(path.stat().st_size, 5_000_000)

  @parameterized.parameters(*[(name,) for name in checkpoints.names()])
  def test_predicts_and_says_where_it_comes_from(self, name):
    checkpoint = checkpoints.load(name)
    header = checkpoint.provenance
    self.assertEqual(header['space'], name)
    self.assertContainsSubset(
        ('devices', 'factory', 'keywords', 'transfer', 'data', 'command',
         'versions', 'date', 'scores', 'licence', 'format'),
        header,
    )
    self.assertLen(header['data']['sha256'], 64)
    self.assertStartsWith(header['command'], 'nasflat-pretrain --')
    self.assertContainsSubset(('jax', 'nasflat_jax'), header['versions'])
    self.assertRegex(header['date'], r'^20\d\d-\d\d-\d\d$')
    self.assertGreater(header['scores']['mean'], 0.8)
    self.assertCountEqual(header['scores']['spearman'], header['devices'])
    # No absolute path of the machine it was made on.
    self.assertNotRegex(json.dumps(header), r'(^|[\s"=\'])(/|~|[A-Z]:\\)\w')

    space = spaces.get(name)
    pre = transfer.Pretrained.from_checkpoint(space, *checkpoint)
    rows = checkpoint.params['device_embedding'].shape[0]
    self.assertEqual(rows, len(header['devices']) + 1)
    self.assertEqual(rows, header['keywords']['num_devices'])
    genotype = np.asarray(space.random(jax.random.key(0), 4))
    scores = pre.source_scores(genotype, devices=(0, rows - 2))
    self.assertEqual(scores.shape, (2, 4))
    self.assertTrue(np.isfinite(scores).all())
    self.assertGreater(scores.std(), 0.0)


if __name__ == '__main__':
  absltest.main()
