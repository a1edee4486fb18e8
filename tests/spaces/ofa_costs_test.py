"""Costs of Once-for-All against published networks and an independent count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.spaces import _ofa_costs
import real_data

SPACE = spaces.OFA
FIELDS = tuple(types.Costs.__annotations__)
# Widths of ofa_mbv3_d234_e346_k357_w1.2, as in the authors' network files.
_WIDTHS = (32, 48, 96, 136, 192)
_STRIDES = (2, 2, 2, 1, 2)
_SQUEEZE = (False, True, False, True, True)


def _settings(genotype):
  """One genotype in Once-for-All's words, as Python numbers."""
  s = spaces.ofa_settings(genotype[None])
  return tuple(np.asarray(x)[0].tolist() for x in s)


def _conv(count, cin, cout, kernel, size_in, size_out, *, groups=1, norm=True):
  weights = cout * (cin // groups) * kernel * kernel
  count['multiply_adds'] += weights * size_out**2
  count['flops'] += weights * size_out**2 + 2 * norm * cout * size_out**2
  count['params'] += weights + 2 * norm * cout
  count['weight_bytes'] += 4 * (weights + norm * cout)
  count['activation_bytes'] += 4 * (cin * size_in**2 + cout * size_out**2)
  count['kernels'] += 1


def _dense(count, units_in, units_out):
  count['multiply_adds'] += units_in * units_out
  count['flops'] += units_in * units_out
  count['params'] += (units_in + 1) * units_out
  count['weight_bytes'] += 4 * (units_in + 1) * units_out
  count['activation_bytes'] += 4 * (units_in + units_out)
  count['kernels'] += 1


def _other(count, read, written, flops=0):
  count['activation_bytes'] += 4 * (read + written)
  count['flops'] += flops
  count['kernels'] += 1


def _count(kernels, expansions, depths, resolution):
  """Layer by layer, as a forward pass would meet them."""
  count = dict.fromkeys(FIELDS, 0)
  size = -(-resolution // 2)
  _conv(count, 3, 24, 3, resolution, size)
  _conv(count, 24, 24, 3, size, size, groups=24)
  _conv(count, 24, 24, 1, size, size)
  _other(count, 2 * 24 * size**2, 24 * size**2)
  count['flops'] += 2 * 24 * size**2  # two activations
  channels = 24
  for stage in range(5):
    for block in range(depths[stage]):
      stride = _STRIDES[stage] if block == 0 else 1
      out, after = _WIDTHS[stage], -(-size // stride)
      kernel = kernels[4 * stage + block]
      wide = channels * expansions[4 * stage + block]
      _conv(count, channels, wide, 1, size, size)
      _conv(count, wide, wide, kernel, size, after, groups=wide)
      count['flops'] += wide * (size**2 + after**2)
      if _SQUEEZE[stage]:
        # A quarter, to the nearest multiple of 8 (halves go up).
        narrow = 8 * ((wide // 4 + 4) // 8)
        _other(count, wide * after**2, wide, wide * after**2)
        _dense(count, wide, narrow)
        _dense(count, narrow, wide)
        count['flops'] += narrow + wide
        _other(count, wide * after**2 + wide, wide * after**2)
      _conv(count, wide, out, 1, after, after)
      if stride == 1 and channels == out:
        _other(count, 2 * out * after**2, out * after**2)
      channels, size = out, after
  _conv(count, 192, 1152, 1, size, size)
  count['flops'] += 1152 * size**2
  _other(count, 1152 * size**2, 1152, 1152 * size**2)
  _conv(count, 1152, 1536, 1, 1, 1, norm=False)
  count['flops'] += 1536
  _dense(count, 1536, 1000)
  count['critical_path'] = count['kernels']
  return count


def _random(seed, n):
  return np.array(SPACE.random(jax.random.key(seed), n))


def test_costs_equal_a_count_layer_by_layer():
  genotype = _random(0, 40)
  costs = SPACE.costs(genotype)
  for row, genes in enumerate(genotype):
    expected = _count(*_settings(genes))
    for name in FIELDS:
      assert getattr(costs, name)[row] == expected[name], (name, row)


def test_published_network():
  # flops@595M_top1@80.0_finetune@75 of github.com/mit-han-lab/once-for-all:
  # its README gives 595M multiply-adds and 9.1M parameters at 236 x 236
  # pixels, beyond this space's resolutions, hence the tables by themselves.
  kernels = (
      (3, 5, 3), (5, 5, 3, 5), (7, 5, 3, 5), (3, 5, 7, 3), (3, 3, 5, 3),
  )  # fmt: skip
  expansions = (
      (3, 4, 3), (4, 4, 6, 3), (6, 6, 3, 4), (6, 6, 6, 4), (6, 6, 6, 3),
  )  # fmt: skip
  blocks = _ofa_costs.block_costs(236)
  summed = _ofa_costs.fixed_costs(236)
  for stage in range(5):
    choices = zip(kernels[stage], expansions[stage], strict=True)
    for block, choice in enumerate(choices):
      code = _ofa_costs.BLOCKS.index(choice)
      summed = summed + blocks[4 * stage + block, code]
  costs = dict(zip(FIELDS, summed.tolist(), strict=True))
  assert costs['multiply_adds'] == 595_189_032
  assert costs['params'] == 9_135_928
  # Its params at 224 pixels, through the space itself.
  settings = spaces.OfaSettings(
      np.array([[*k, *[0] * (4 - len(k))] for k in kernels]).reshape(1, 20),
      np.array([[*e, *[0] * (4 - len(e))] for e in expansions]).reshape(1, 20),
      np.array([[len(k) for k in kernels]]),
      np.array([224]),
  )
  at_224 = SPACE.costs(spaces.ofa_genotype(settings))
  assert at_224.params[0] == 9_135_928
  assert at_224.multiply_adds[0] == 512_861_680


@pytest.mark.parametrize(
    'name, multiply_adds, params, kernels',
    [
        # Shallowest, k3_e3, and deepest, k7_e6; 128 and 224 pixels. Kernels:
        # 8 outside the blocks, 3 of a block, 4 of squeeze-and-excitation in
        # 12 of 20 blocks, a residual in 3 of 4.
        ('small', 65_536_896, 4_602_456, 8 + 30 + 24 + 5),
        ('large', 843_101_040, 10_701_632, 8 + 60 + 48 + 15),
    ],
)
def test_ends_of_the_space(name, multiply_adds, params, kernels):
  stage = ('k3_e3', 'k3_e3', 'skip', 'skip')
  words = ['r128', *stage * 5]
  if name == 'large':
    words = ['r224', *['k7_e6'] * 20]
  costs = SPACE.costs(SPACE.from_string(['|'.join(words)]))
  assert costs.multiply_adds[0] == multiply_adds
  assert costs.params[0] == params
  assert costs.kernels[0] == costs.critical_path[0] == kernels


def test_float64_on_the_host_and_float32_under_jit():
  genotype = _random(1, 64)
  for function in (SPACE.costs, SPACE.op_costs):
    exact = function(genotype, setting='imagenet')
    traced = jax.jit(function)(jnp.asarray(genotype))
    for name in FIELDS:
      wanted, got = getattr(exact, name), getattr(traced, name)
      assert wanted.dtype == np.float64 and got.dtype == jnp.float32
      assert wanted.shape == got.shape
      np.testing.assert_allclose(got, wanted, rtol=1e-6)
      np.testing.assert_array_equal(wanted, wanted.round())


def test_parts_add_up_and_skips_are_free():
  genotype = _random(2, 200)
  whole, parts = SPACE.costs(genotype), SPACE.op_costs(genotype)
  skip = genotype == SPACE.spec.gene_names.index('skip')
  for name in FIELDS:
    values = getattr(parts, name)
    assert values.shape == (200, 21)
    np.testing.assert_array_equal(values.sum(1), getattr(whole, name))
    np.testing.assert_array_equal(values == 0, skip)


def test_resolution_changes_work_but_not_weights():
  low, high = SPACE.spec.gene_ranges[0]
  genotype = np.repeat(_random(3, 1), high - low, axis=0)
  genotype[:, 0] = np.arange(low, high)
  costs = SPACE.costs(genotype)
  for name in ('params', 'weight_bytes', 'kernels', 'critical_path'):
    assert len(set(getattr(costs, name))) == 1
  for name in ('multiply_adds', 'flops', 'activation_bytes'):
    assert (np.diff(getattr(costs, name)) > 0).all()
  # Nearly the square of the side.
  ratio = costs.activation_bytes[-1] / costs.activation_bytes[0]
  assert 0.97 < ratio / (224 / 128) ** 2 < 1


def test_unknown_settings_are_named():
  for function in (SPACE.costs, SPACE.op_costs):
    with pytest.raises(ValueError, match="'svhn'; known: imagenet"):
      function(_random(4, 2), setting='svhn')


def test_costs_refuse_what_is_no_genotype():
  for function in (SPACE.costs, SPACE.op_costs):
    for gene, code in ((0, 0), (0, 35), (2, -1), (2, 9), (4, 10)):
      bad = _random(5, 2)
      bad[1, gene] = code
      with pytest.raises(ValueError, match='row 1 has a gene outside'):
        function(bad)
    with pytest.raises(AssertionError, match='shape'):
      function(np.zeros((2, 20), int))


def test_multiply_adds_order_measured_networks():
  # Large batches keep a GPU busy: a wrong width, resolution or depth shows.
  table = real_data.table('ofa')
  costs = SPACE.costs(table.genotype)
  rank = [
      np.argsort(np.argsort(values))
      for values in (costs.multiply_adds, table.row('titan_rtx_64'))
  ]
  assert np.corrcoef(*rank)[0, 1] > 0.996
