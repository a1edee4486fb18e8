"""The learned encodings: what they see, their scale and their training."""

import contextlib
import functools
import io
import os
import pathlib
import tempfile

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasflat_jax import encodings
from nasflat_jax import partitions
from nasflat_jax import spaces
from nasflat_jax.cli import encode as cli
from nasflat_jax.encodings import _arch2vec
from nasflat_jax.encodings import _cate
from nasflat_jax.encodings import _graph
from nasflat_jax.encodings import _train_cate
from nasflat_jax.encodings import training
import real_data

_SPACES = {'nasbench201': spaces.NASBENCH201, 'fbnet': spaces.FBNET}


def _ridge_spearman(features, latency, num_train):
  """Spearman on rows not trained on; plain numpy."""
  order = np.random.default_rng(0).permutation(len(latency))
  train, test = order[:num_train], order[num_train:]
  log = np.log(latency)
  x = (features - features[train].mean(0)) / (features[train].std(0) + 1e-9)
  weights = np.linalg.solve(
      x[train].T @ x[train] + np.eye(x.shape[1]),
      x[train].T @ (log[train] - log[train].mean()),
  )
  ranks = [np.argsort(np.argsort(v)) for v in (x[test] @ weights, log[test])]
  return np.corrcoef(ranks)[0, 1]


class LearnedTest(parameterized.TestCase):

  @parameterized.product(name=('arch2vec', 'cate'), space=tuple(_SPACES))
  def test_shape_scale_and_jit(self, name, space):
    space = _SPACES[space]
    encode = getattr(encodings, name)(space)
    sample = jnp.asarray(spaces.reference_sample(space))
    out = np.asarray(jax.jit(encode)(sample))
    self.assertEqual((out.shape, out.dtype), ((len(sample), 32), np.float32))
    np.testing.assert_allclose(out.mean(axis=0), 0.0, atol=0.02)
    np.testing.assert_allclose(out.std(axis=0), 1.0, atol=0.02)
    np.testing.assert_allclose(encode(sample[:4]), out[:4], atol=2e-3)
    # No two columns say the same.
    np.testing.assert_allclose(np.corrcoef(out.T), np.eye(32), atol=0.02)

  @parameterized.product(name=('arch2vec', 'cate'), space=tuple(_SPACES))
  def test_every_gene_and_every_order_counts(self, name, space):
    space = _SPACES[space]
    encode = getattr(encodings, name)(space)
    num_genes = space.spec.num_genes
    base = np.array([i % 3 + 1 for i in range(num_genes)], np.int32)
    others = []
    for gene in range(num_genes):
      others.append(base.copy())
      others[-1][gene] = 4
    for gene in range(num_genes - 1):
      others.append(base.copy())
      others[-1][[gene, gene + 1]] = base[[gene + 1, gene]]
    out = np.asarray(encode(jnp.asarray(np.stack([base, *others]))))
    apart = np.linalg.norm(out[1:] - out[0], axis=1)
    self.assertGreater(apart.min(), 0.05)
    self.assertLen(np.unique(out.round(3), axis=0), len(out))

  @parameterized.parameters(encodings.arch2vec, encodings.cate, encodings.caz)
  def test_no_weights_of_ofa(self, factory):
    with self.assertRaisesRegex(
        ValueError, "no weights for the space 'ofa'; known: fbnet, nasbench201"
    ):
      factory(spaces.OFA)

  @parameterized.product(name=('arch2vec', 'cate'), space=tuple(_SPACES))
  def test_packaged_weights_say_where_they_come_from(self, name, space):
    path = (
        pathlib.Path(training.__file__).parent / 'weights'
        / f'{name}_{space}.npz'
    )
    self.assertLess(path.stat().st_size, 400_000)
    found = training.load(path).provenance
    self.assertIn(f'--encoding={name}', found['command'])
    self.assertIn(f'--space={space}', found['command'])
    for field in ('date', 'hardware', 'report', 'seconds', 'seed', 'versions'):
      self.assertIn(field, found)
    if name == 'arch2vec':
      self.assertGreater(found['report']['op_accuracy'], 0.95)

  def test_weights_of_another_space(self):
    weights = training.load(
        pathlib.Path(training.__file__).parent / 'weights/cate_fbnet.npz'
    )
    with self.assertRaisesRegex(ValueError, "'fbnet', not 'nasbench201'"):
      training.from_weights(spaces.NASBENCH201, weights)


class PartsTest(parameterized.TestCase):

  def test_ancestors(self):
    seen = _graph.ancestors(spaces.NASBENCH201.spec)
    self.assertEqual(np.flatnonzero(seen[6]).tolist(), [0, 1, 2, 3, 6])
    self.assertTrue(seen[7].all())
    np.testing.assert_array_equal(
        _graph.ancestors(spaces.FBNET.spec), np.tri(24, dtype=bool)
    )

  def test_moments_are_means_weighted_by_legendre_polynomials(self):
    states = np.random.default_rng(0).normal(size=(2, 5, 3))
    place = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    legendre = [
        np.ones(5), place, 1.5 * place**2 - 0.5, 2.5 * place**3 - 1.5 * place
    ]
    out = np.asarray(_graph.moments(jnp.asarray(states))).reshape(2, 4, 3)
    for degree, weights in enumerate(legendre):
      weights = weights * np.sqrt(2 * degree + 1)
      np.testing.assert_allclose(
          out[:, degree], (states * weights[:, None]).mean(axis=1), rtol=1e-5
      )

  def test_pairs_are_near_and_smaller(self):
    params = np.random.default_rng(0).uniform(0.0, 1e6, 300)
    pairs = _train_cate.pairs(np.random.default_rng(1), params)
    gap = params[pairs[:, 0]] - params[pairs[:, 1]]
    self.assertGreaterEqual(gap.min(), 0.0)
    self.assertLessEqual(gap.max(), 0.13 * params.max())
    self.assertGreater(len(pairs), 500)

  def test_corruption(self):
    spec = spaces.FBNET.spec
    ops = jnp.zeros((2000, 24), jnp.int32)
    tokens, guessed = _train_cate.corrupt(jax.random.key(0), spec, ops)
    mask = _cate.mask_token(spec)
    self.assertNotIn(mask, range(len(spec.op_names)))
    np.testing.assert_array_equal(tokens[~guessed], ops[~guessed])
    self.assertAlmostEqual(float(guessed.mean()), 0.2, delta=0.01)
    hidden = np.asarray(tokens == mask)[guessed]
    self.assertAlmostEqual(hidden.mean(), 0.8, delta=0.02)

  def test_arch2vec_loss_of_a_sure_and_right_decoder_is_its_divergence(self):
    spec = spaces.NASBENCH201.spec
    ops = jnp.asarray([[5, 0, 1, 2, 3, 4, 2, 6]])
    wired = _graph.adjacency(spec)
    edges = jnp.where(jnp.asarray(wired), 50.0, -50.0)[None]
    logits = 50.0 * jax.nn.one_hot(ops, 7)
    mean = np.random.default_rng(0).normal(size=(1, 8, 4))
    log_std = np.random.default_rng(1).normal(size=(1, 8, 4))
    found = _arch2vec.loss(
        spec, (logits, edges, jnp.asarray(mean), jnp.asarray(log_std)), ops
    )
    each = 0.5 * (mean**2 + np.exp(2 * log_std) - 1 - 2 * log_std).sum(-1)
    np.testing.assert_allclose(found, each.mean() / 8, rtol=1e-4)
    wrong = _arch2vec.loss(
        spec, (logits, -edges, jnp.asarray(mean), jnp.asarray(log_std)), ops
    )
    self.assertGreater(float(wrong), float(found) + 40.0)


def _train(name, seed):
  return training.train(
      name, spaces.NASBENCH201, seed=seed, num_networks=80, num_epochs=1
  )


_trained = functools.cache(_train)  # compiles for seconds


class TrainingTest(parameterized.TestCase):

  @parameterized.parameters(*training.ENCODINGS)
  @pytest.mark.slow
  def test_one_seed_one_result_also_through_a_file(self, name):
    space = spaces.NASBENCH201
    first, again = _trained(name, 3), _train(name, 3)
    genotype = jnp.asarray(spaces.reference_sample(space)[:16])
    path = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / 'w'
    training.save(path, first)
    out = [
        np.asarray(training.from_weights(space, weights)(genotype))
        for weights in (first, again, training.load(path))
    ]
    np.testing.assert_array_equal(out[0], out[1])
    np.testing.assert_array_equal(out[0], out[2])
    self.assertEqual(training.load(path).provenance['seed'], 3)

  @pytest.mark.slow
  def test_another_seed_is_another_result(self):
    space = spaces.NASBENCH201
    genotype = jnp.asarray(spaces.reference_sample(space)[:16])
    first, other = (
        training.from_weights(space, weights)(genotype)
        for weights in (_trained('arch2vec', 3), _train('arch2vec', 4))
    )
    self.assertGreater(np.abs(np.asarray(first - other)).max(), 0.1)

  def test_mistakes(self):
    with self.assertRaisesRegex(ValueError, "'bert'; known: arch2vec, cate"):
      training.train(
          'bert', spaces.FBNET, seed=0, num_networks=9, num_epochs=1
      )
    with self.assertRaisesRegex(ValueError, 'a batch of 32 of 9 rows'):
      training.train(
          'arch2vec', spaces.FBNET, seed=0, num_networks=10, num_epochs=1
      )
    path = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / 'w'
    path.write_bytes(b'no zip')
    with self.assertRaisesRegex(ValueError, 'no weights of an encoding'):
      training.load(path)


class CliTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.base = self.enterContext(tempfile.TemporaryDirectory())
    self.out = os.path.join(self.base, 'new', 'w.npz')

  def _run(self, *args):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
      code = cli.run(['nasflat-encode', *args])
    return code, out.getvalue(), err.getvalue()

  @pytest.mark.slow
  def test_writes_weights_that_load(self):
    code, out, _ = self._run(
        '--encoding=cate', f'--out={self.out}', '--num_networks=60',
        '--num_epochs=1',
    )
    self.assertEqual(code, 0)
    self.assertIn('cate of nasbench201; loss', out)
    weights = training.load(self.out)
    self.assertEqual(
        weights.provenance['command'],
        'nasflat-encode --encoding=cate --num_epochs=1 --num_networks=60'
        ' --seed=0 --space=nasbench201',
    )
    self.assertEqual(os.listdir(os.path.dirname(self.out)), ['w.npz'])

  def test_an_interruption_leaves_nothing(self):
    def interrupted(*unused_args, **unused_kwargs):
      raise KeyboardInterrupt

    self.addCleanup(setattr, training, 'train', training.train)
    training.train = interrupted
    code, _, err = self._run('--encoding=cate', f'--out={self.out}')
    self.assertEqual(code, 130)
    self.assertIn('interrupted', err)
    self.assertEqual(os.listdir(self.base), [])

  def test_a_failure_leaves_a_folder_that_was_there(self):
    os.mkdir(os.path.dirname(self.out))
    deep = os.path.join(os.path.dirname(self.out), 'a', 'b', 'w.npz')
    code, _, _ = self._run('--encoding=cate', f'--out={deep}', '--space=darts')
    self.assertEqual(code, 2)
    self.assertEqual(os.listdir(self.base), ['new'])
    self.assertEqual(os.listdir(os.path.dirname(self.out)), [])

  @parameterized.parameters(
      (['--encoding=bert'], 'encoding'),
      (['--encoding=cate', '--space=darts'], '--space: .*darts'),
      (['--encoding=cate', '--out='], '--out is empty'),
      (['--encoding=cate', '--num_networks=20'], 'a batch of 32'),
  )
  def test_mistakes(self, args, message):
    code, out, err = self._run(f'--out={self.out}', *args)
    self.assertEqual((code, out, err.count('\n')), (2, '', 1))
    self.assertRegex(err, f'^nasflat-encode: error: .*{message}')


class RealTest(parameterized.TestCase):

  @parameterized.parameters('arch2vec', 'cate')
  def test_beats_the_op_histogram_on_fbnet(self, name):
    table = real_data.table('fbnet')
    device = partitions.non_target_devices('fbnet')[0]
    genotype = jnp.asarray(table.genotype)
    learned, counts = (
        _ridge_spearman(
            np.asarray(getattr(encodings, which)(spaces.FBNET)(genotype)),
            table.row(device), 4000,
        )
        for which in (name, 'op_counts')
    )
    self.assertGreater(learned, 0.82)  # nasflat's op histogram: .784
    self.assertGreater(learned, counts + 0.03)


if __name__ == '__main__':
  absltest.main()
