"""All proxies of small NAS-Bench-201 networks against NumPy float64."""

import functools

from absl.testing import absltest
from absl.testing import parameterized
import jax
import numpy as np
import pytest
from zero_cost import definitions
from zero_cost import reference

from nasflat_jax import spaces
from nasflat_jax import zero_cost

# The comparison is of the programs that users get.
pytestmark = pytest.mark.optimised

_SPACE = spaces.NASBENCH201
_CELLS = 2
_NETWORK = zero_cost.nasbench201(
    channels=2, num_cells=_CELLS, resolution=8, num_classes=3
)
_BATCH = zero_cost.gaussian_batch(jax.random.key(3), 6, 3, resolution=8)
_KEY = jax.random.key(4)
_GENOTYPES = {
    'all_3x3': (3, 3, 3, 3, 3, 3),
    'mixed': (4, 1, 3, 2, 0, 4),
    'pointwise': (2, 2, 1, 3, 4, 2),
    # Node 1 gets nothing, node 2 leads nowhere.
    'dead_operations': (0, 2, 3, 3, 4, 0),
    'same_without_them': (0, 0, 0, 3, 0, 0),
    'same_with_others': (0, 1, 0, 3, 2, 0),
    'dead': (3, 2, 4, 0, 0, 0),
    'nothing': (0, 0, 0, 0, 0, 0),
    'skips': (1, 1, 1, 1, 1, 1),
}
_DEAD = ('dead', 'nothing')
_ALIVE = tuple(name for name in _GENOTYPES if name not in _DEAD)
_UNDEFINED = {
    'dead': {'epe_nas', 'jacov', 'synflow', 'zen'},
    'nothing': {'epe_nas', 'jacov', 'nwot', 'synflow', 'zen'},
}
# One size everywhere, so that programs are shared.
_CHUNK = 2


@functools.cache
def _scores():
  return _some(
      zero_cost.ALL, list(_GENOTYPES), chunk_size=_CHUNK, merge_duplicates=False
  )


def _some(fns, names, **options):
  genes = np.array([_GENOTYPES[name] for name in names], np.int32)
  return zero_cost.score(
      fns, _SPACE, _KEY, genes, _BATCH, network=_NETWORK, **options
  )


def _columns(fns):
  return [zero_cost.ALL.index(fn) for fn in fns]


def _rows(names):
  return [list(_GENOTYPES).index(name) for name in names]


def _row(name):
  return dict(zip(definitions.NAMES, _scores()[list(_GENOTYPES).index(name)]))


@functools.cache
def _inputs():
  return definitions.inputs(_NETWORK, _KEY, _BATCH)


@functools.cache
def _expected(name):
  (arch,) = _SPACE.to_string(np.array([_GENOTYPES[name]], np.int32))
  return definitions.proxies(reference.nasbench201(arch, _CELLS), _inputs())


class AgreementTest(parameterized.TestCase):

  @parameterized.parameters(*_ALIVE)
  def test_equals_the_definitions(self, name):
    row = _scores()[list(_GENOTYPES).index(name)]
    definitions.assert_close(row, _expected(name))

  @parameterized.parameters(*_DEAD)
  @pytest.mark.slow
  def test_dead_network(self, name):
    expected, found = _expected(name), _row(name)
    for proxy in definitions.NAMES:
      self.assertEqual(
          bool(np.isfinite(expected[proxy])), proxy not in _UNDEFINED[name]
      )
      if proxy in _UNDEFINED[name]:
        self.assertTrue(np.isnan(found[proxy]), proxy)
      else:
        np.testing.assert_allclose(
            found[proxy], expected[proxy], rtol=1e-4, atol=1e-6, err_msg=proxy
        )

  def test_nan_stays_where_it_belongs(self):
    self.assertTrue(np.isfinite(_scores()[_rows(_ALIVE)]).all())


@pytest.mark.slow
class PropertiesTest(parameterized.TestCase):

  def test_sees_dead(self):
    a, b = _row('dead_operations'), _row('same_without_them')
    for proxy in zero_cost.ALL:
      same = bool(np.isclose(a[proxy.name], b[proxy.name], rtol=1e-4))
      self.assertEqual(same, not proxy.sees_dead, proxy.name)

  def test_merging_duplicates_changes_nothing(self):
    names = [
        'same_without_them', 'mixed', 'dead_operations', 'mixed',
        'same_with_others',
    ]  # fmt: skip
    found = _some(zero_cost.ALL, names, chunk_size=_CHUNK)
    np.testing.assert_allclose(found, _scores()[_rows(names)], rtol=1e-5)

  def test_chunk_size_does_not_matter(self):
    one, many = (
        _some((zero_cost.synflow,), list(_ALIVE), chunk_size=size)
        for size in (1, 4)
    )
    np.testing.assert_array_equal(one, many)

  def test_the_other_architectures_do_not_matter(self):
    names = ['skips', 'dead', 'all_3x3', 'mixed', 'pointwise']
    found = _some(
        zero_cost.ALL, names, chunk_size=_CHUNK, merge_duplicates=False
    )
    np.testing.assert_array_equal(found, _scores()[_rows(names)])

  @parameterized.parameters(
      ((zero_cost.snip, zero_cost.grad_norm),),
      (tuple(fn for fn in zero_cost.ALL if fn.sees_dead),),
  )
  def test_the_other_proxies_do_not_matter(self, fns):
    found = _some(
        fns, list(_GENOTYPES), chunk_size=_CHUNK, merge_duplicates=False
    )
    np.testing.assert_allclose(found, _scores()[:, _columns(fns)], rtol=1e-5)

  def test_plain_is_the_layers_without_normalisation(self):
    inputs = _inputs()
    labels = np.asarray(inputs.labels)
    genes = np.array([_GENOTYPES['all_3x3']], np.int32)
    (arch,) = _SPACE.to_string(genes)
    kernels = definitions.float64(inputs.params.kernel)
    _, _, gradient, _ = reference.gradients(
        reference.nasbench201(arch, _CELLS), kernels,
        definitions.float64(inputs.params.bias),
        reference.Value(np.asarray(inputs.images, np.float64)), labels,
    )  # fmt: skip
    products = {
        name: (kernels[name] * gradient[name, -1]).sum()
        for name in kernels
        if (name, -1) in gradient and not _NETWORK.layers[name].normalised
    }
    self.assertEqual(
        set(products), {'head', 'reduction_1/shortcut', 'reduction_2/shortcut'}
    )
    plain, snip = (_row('all_3x3')[name] for name in ('plain', 'snip'))
    # The rest is what is added to variances: small beside the whole.
    self.assertLess(abs(plain - sum(products.values())), 2e-3 * snip)

  def test_synflow_of_a_deep_wide_network_does_not_overflow(self):
    network = zero_cost.nasbench201(num_cells=5, channels=16)
    batch = zero_cost.gaussian_batch(jax.random.key(0), 2, 10)
    genes = np.full((1, 6), 3, np.int32)
    ((found,),) = zero_cost.score(
        (zero_cost.synflow,), _SPACE, _KEY, genes, batch, network=network,
        chunk_size=1,
    )  # fmt: skip
    params = definitions.inputs(network, _KEY, batch).params
    (arch,) = _SPACE.to_string(genes)
    expected = reference.synflow(
        reference.nasbench201(arch, 5), definitions.float64(params.kernel),
        definitions.float64(params.bias), network.input_shape,
    )  # fmt: skip
    self.assertGreater(expected, 89)  # float32's exponential ends at 88.7
    np.testing.assert_allclose(found, expected, rtol=1e-5)


class ReferenceTest(absltest.TestCase):

  def test_tape_is_the_derivative(self):
    """Its gradient along a direction is the loss's complex step."""
    inputs = _inputs()
    rng = np.random.default_rng(0)
    build = reference.nasbench201(
        _SPACE.to_string(np.array([_GENOTYPES['mixed']], np.int32))[0], _CELLS
    )
    kernels = definitions.float64(inputs.params.kernel)
    biases = definitions.float64(inputs.params.bias)
    images = reference.Value(np.asarray(inputs.images, np.float64))
    net, _, gradient, _ = reference.gradients(
        build, kernels, biases, images, inputs.labels
    )
    direction = {k: rng.normal(size=g.shape) for k, g in gradient.items()}
    moved = reference.moved(kernels, direction)
    logits = build(reference.Net(moved, biases), images)
    loss = reference.cross_entropy(logits, inputs.labels).data
    np.testing.assert_allclose(
        loss.imag / reference.TINY,
        sum((gradient[k] * d).sum() for k, d in direction.items()),
        rtol=1e-10,
    )
    self.assertLen(net.kernels, len(gradient))


if __name__ == '__main__':
  absltest.main()
