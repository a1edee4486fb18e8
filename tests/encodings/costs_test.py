"""The cost encoding: its columns, its scale and what it does not depend on."""

from absl.testing import absltest
from absl.testing import parameterized
import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import encodings
from nasflat_jax import spaces
from nasflat_jax.encodings import _costs

_SPACES = {'nasbench201': spaces.NASBENCH201, 'fbnet': spaces.FBNET}
_COLUMNS = (
    'multiply_adds', 'weight_bytes', 'activation_bytes', 'kernels',
    'critical_path',
)


def _uniform(space, num, seed):
  """Genotypes with every gene uniform, as the scale's sample is drawn."""
  rng = np.random.default_rng(seed)
  ops = len(space.spec.gene_names)
  return rng.integers(ops, size=(num, space.spec.num_genes)).astype(np.int32)


def _unscaled(space, genotype):
  """Columns in float64: live operations one by one, then exact costs."""
  costs = space.costs(genotype)
  columns = np.stack([getattr(costs, name) for name in _COLUMNS], axis=1)
  if space.spec.name != 'nasbench201':
    return columns
  counts = np.zeros((len(genotype), 5))
  live = np.asarray(spaces.live_edges(genotype))
  for row, genes in enumerate(genotype):
    for gene, op in enumerate(genes):
      counts[row, op] += live[row, gene]
  return np.concatenate([counts, columns], axis=1)


class CostsTest(chex.TestCase, parameterized.TestCase):

  @chex.variants(with_jit=True, without_jit=True)
  @parameterized.named_parameters(('nasbench201',) * 2, ('fbnet',) * 2)
  def test_columns_are_exact_costs_up_to_their_scale(self, name):
    space = _SPACES[name]
    genotype = _uniform(space, 300, 0)
    out = np.asarray(
        self.variant(encodings.costs(space))(jnp.asarray(genotype))
    )
    expected = _unscaled(space, genotype)
    self.assertEqual(out.shape, expected.shape)
    self.assertEqual(out.dtype, np.float32)
    self.assertTrue(np.isfinite(out).all())
    for column in range(out.shape[1]):
      wanted = expected[:, column]
      if wanted.std() == 0:  # `none` is never live
        np.testing.assert_array_equal(out[:, column], out[0, column])
        continue
      # An increasing affine map of the exact column, nothing else.
      slope, shift = np.polyfit(wanted, out[:, column].astype(np.float64), 1)
      self.assertGreater(slope, 0)
      np.testing.assert_allclose(
          out[:, column], slope * wanted + shift, atol=2e-4
      )

  @parameterized.parameters(*_SPACES)
  def test_centred_and_scaled_on_a_fresh_sample(self, name):
    space = _SPACES[name]
    genotype = _uniform(space, 4000, 99)
    out = np.asarray(encodings.costs(space)(jnp.asarray(genotype)), np.float64)
    spread = out.std(axis=0)
    varies = _unscaled(space, genotype[:200]).std(axis=0) > 0
    # Two samples of about 4000 rows: four standard errors of a mean.
    np.testing.assert_allclose(out.mean(axis=0), 0.0, atol=0.09)
    np.testing.assert_allclose(spread[varies], 1.0, atol=0.09)
    np.testing.assert_array_equal(spread[~varies], 0.0)
    self.assertGreaterEqual(varies.sum(), 4)

  @parameterized.parameters(*_SPACES)
  def test_rows_do_not_depend_on_the_batch(self, name):
    space = _SPACES[name]
    encode = encodings.costs(space)
    genotype = jnp.asarray(_uniform(space, 32, 5))
    whole = np.asarray(encode(genotype))
    np.testing.assert_allclose(encode(genotype[:1]), whole[:1], rtol=1e-6)
    np.testing.assert_allclose(
        encode(genotype[::-1]), whole[::-1], rtol=1e-6
    )

  def test_the_scale_is_the_same_when_first_used_under_jit(self):
    genotype = jnp.asarray(_uniform(spaces.FBNET, 8, 6))
    _costs._affine.cache_clear()

    @jax.jit
    def traced(genotype):
      return encodings.costs(spaces.FBNET)(genotype)

    np.testing.assert_allclose(
        traced(genotype),
        encodings.costs(spaces.FBNET)(genotype),
        rtol=1e-5,
        atol=1e-5,
    )

  def test_rejects_one_genotype_without_a_batch_axis(self):
    with self.assertRaisesRegex(AssertionError, 'rank'):
      encodings.costs(spaces.FBNET)(jnp.zeros(22, jnp.int32))


class NoneTest(absltest.TestCase):

  def test_is_empty(self):
    out = encodings.none(spaces.FBNET)(jnp.zeros((3, 22), jnp.int32))
    self.assertEqual((out.shape, out.dtype), ((3, 0), jnp.float32))


if __name__ == '__main__':
  absltest.main()
