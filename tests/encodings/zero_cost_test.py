"""The zero-cost encoding: its scale, its look-up and what it masks."""

import os
import pathlib
import tempfile
from unittest import mock

from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import data
from nasflat_jax import encodings
from nasflat_jax import spaces
from nasflat_jax.encodings import _zero_cost
import real_data


def _table(space, genotype, values=None):
  if values is None:
    values = np.random.default_rng(0).uniform(1.0, 2.0, (len(genotype), 13))
  return data.ZeroCostTable(
      space=space.spec.name, source='toy', proxies=data.PROXIES,
      genotype=genotype, values=values,
  )


def _random(space, num, seed=0):
  genes = np.random.default_rng(seed).integers(
      len(space.spec.gene_names), size=(num, space.spec.num_genes)
  )
  return np.unique(genes, axis=0).astype(np.int32)


class ZeroCostTest(parameterized.TestCase):

  def test_normalisation(self):
    values = np.random.default_rng(1).lognormal(0.0, 3.0, (50, 13))
    values[:, data.PROXIES.index('synflow')] *= 1e37
    table = _table(spaces.FBNET, _random(spaces.FBNET, 50), values)
    out = _zero_cost.normalise(table)
    logs = {'fisher', 'flops', 'grad_norm', 'params', 'snip', 'synflow'}
    for name, raw, scaled in zip(data.PROXIES, values.T, out.T, strict=True):
      raw = np.log(1.0 + raw) if name in logs else raw
      if name == 'grasp':
        wanted = (raw - raw.mean()) / raw.std()
      else:
        wanted = (raw - raw.min()) / (raw.max() - raw.min())
      np.testing.assert_allclose(scaled, wanted, rtol=1e-12, atol=1e-12)

  @parameterized.parameters(True, False)
  def test_finds_what_is_in_the_table_and_nothing_else(self, jit):
    space = spaces.FBNET
    genotype = _random(space, 500)
    table = _table(space, genotype)
    encode = encodings.zcp(space, table=table)
    encode = jax.jit(encode) if jit else encode
    order = np.random.default_rng(2).permutation(500)
    out = np.asarray(encode(jnp.asarray(genotype[order])))
    self.assertEqual(out.shape, (500, 14))
    np.testing.assert_array_equal(out[:, -1], 1.0)
    np.testing.assert_allclose(
        out[:, :-1], _zero_cost.normalise(table)[order], rtol=1e-6
    )
    neighbours = genotype.copy()
    neighbours[:, 7] = (neighbours[:, 7] + 1) % 9
    np.testing.assert_array_equal(encode(neighbours), 0.0)

  def test_equal_hashes_are_no_hit(self):
    space = spaces.FBNET
    table = _table(space, _random(space, 20))
    factors = np.zeros(22, np.uint32)
    genotype = table.genotype[:1]
    # All networks share the key 0; only the one in the table is known.
    lookup = factors, np.zeros(1, np.uint32), genotype, np.ones((1, 14), 'f4')
    with self.subTest('patched'):
      original = _zero_cost._lookup
      _zero_cost._lookup = lambda *unused: lookup
      self.addCleanup(setattr, _zero_cost, '_lookup', original)
      out = encodings.zcp(space, table=table)(table.genotype)
    np.testing.assert_array_equal(out[:, -1], [1.0, *[0.0] * 19])

  def test_dead_operations_count_in_flops_and_params_only(self):
    space = spaces.NASBENCH201
    # Edge 0-1 leads nowhere in the second cell.
    cells = np.array([[0, 3, 0, 0, 0, 3], [3, 3, 0, 0, 0, 3]], np.int32)
    table = _table(space, cells[:1])
    done = _zero_cost.completed(space, table)
    row = done.genotype.tolist().index(cells[1].tolist())
    for name in data.PROXIES:
      found = done.column(name)[row]
      if name in ('flops', 'params'):
        wanted = getattr(space.costs(cells[1:]), name)[0] / 1e6
      else:
        wanted = table.column(name)[0]
      self.assertEqual(found, wanted)

  def test_logarithms_are_not_taken_again(self):
    genotype = _random(spaces.FBNET, 30)
    raw = np.random.default_rng(3).lognormal(5.0, 3.0, (30, 2))
    logs = np.log(raw) - 9.0  # some below -1, where log(1 + x) is none
    table = data.ZeroCostTable(
        space='fbnet', source='toy', proxies=('synflow', 'snip'),
        genotype=genotype, values=np.stack([logs[:, 0], raw[:, 1]], axis=1),
        logarithms=('synflow',),
    )
    out = _zero_cost.normalise(table)
    wanted = np.stack([logs[:, 0], np.log1p(raw[:, 1])], axis=1)
    wanted = (wanted - wanted.min(0)) / np.ptp(wanted, axis=0)
    np.testing.assert_allclose(out, wanted, rtol=1e-12, atol=1e-12)

  @parameterized.parameters('zcp', 'caz')
  def test_only_the_given_rows_set_the_scale(self, name):
    space = spaces.FBNET
    genotype = _random(space, 60)
    values = np.random.default_rng(4).lognormal(0.0, 2.0, (60, 13))
    table = _table(space, genotype, values)
    some = np.random.default_rng(5).permutation(60)[:20]
    strangers = _random(space, 5, seed=9)
    factory = getattr(encodings, name)
    rows = np.concatenate([genotype[some], strangers])
    out = factory(space, table=table, rows=rows)(genotype)[:, -14:]
    np.testing.assert_array_equal(out[:, -1], 1.0)
    scale = _zero_cost.normalise(_table(space, genotype[some], values[some]))
    np.testing.assert_allclose(out[some, :-1], scale, rtol=1e-5, atol=1e-6)
    # Nothing of the others is in it.
    values = values.copy()
    others = np.setdiff1d(np.arange(60), some)
    values[others] *= 1000.0
    table = _table(space, genotype, values)
    changed = factory(space, table=table, rows=rows)(genotype)[:, -14:]
    np.testing.assert_array_equal(changed[some], out[some])
    self.assertGreater(float(np.abs(changed[others] - out[others]).max()), 1.0)

  def test_rows_that_the_table_lacks(self):
    space = spaces.FBNET
    table = _table(space, _random(space, 10))
    with self.assertRaisesRegex(ValueError, 'rows: toy has 1 of them'):
      encodings.zcp(
          space, table=table,
          rows=np.concatenate([table.genotype[:1], _random(space, 3, seed=7)]),
      )

  def test_a_proxy_that_is_nowhere_defined_is_named(self):
    space = spaces.FBNET
    values = np.ones((4, 13))
    values[:, data.PROXIES.index('jacov')] = np.nan
    table = _table(space, _random(space, 4), values)
    with self.assertRaisesRegex(ValueError, r'nowhere defined: jacov\)'):
      encodings.zcp(space, table=table)

  @parameterized.parameters((1.0, 1.0), (0.5, 0.0))
  def test_only_networks_of_the_published_size_complete_a_table(
      self, size, known
  ):
    space = spaces.NASBENCH201
    cells = np.array([[0, 3, 0, 0, 0, 3], [3, 3, 0, 0, 0, 3]], np.int32)
    costs = space.costs(cells[:1])
    table = data.ZeroCostTable(
        space='nasbench201', source='toy', proxies=('flops', 'snip'),
        genotype=cells[:1],
        values=np.array([[costs.flops[0] * size / 1e6, 5.0]]),
    )
    out = encodings.zcp(space, table=table)(cells)
    np.testing.assert_array_equal(out[:, -1], [1.0, known])

  def test_a_table_of_ones_own_by_the_environment(self):
    space = spaces.FBNET
    table = _table(space, _random(space, 8))
    folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
    path = folder / 'scores.npz'
    self.enterContext(
        mock.patch.dict(os.environ, NASFLAT_ZERO_COST=str(path))
    )
    with self.assertRaisesRegex(FileNotFoundError, 'NASFLAT_ZERO_COST: '):
      encodings.zcp(space)
    table.save(path)
    np.testing.assert_array_equal(
        encodings.zcp(space)(table.genotype),
        encodings.zcp(space, table=table)(table.genotype),
    )
    self.assertEqual(data.load_zero_cost('fbnet').source, 'toy')

  def test_incomplete_rows_are_masked(self):
    space = spaces.FBNET
    genotype = _random(space, 10)
    values = np.random.default_rng(0).uniform(1.0, 2.0, (10, 13))
    values[3, 5] = np.nan
    out = encodings.zcp(space, table=_table(space, genotype, values))(genotype)
    np.testing.assert_array_equal(out[3], 0.0)
    self.assertEqual(out[:, -1].sum(), 9)

  def test_refuses_the_table_of_another_space(self):
    table = _table(spaces.FBNET, _random(spaces.FBNET, 3))
    with self.assertRaisesRegex(ValueError, "'fbnet', not 'nasbench201'"):
      encodings.zcp(spaces.NASBENCH201, table=table)

  def test_no_proxies_of_ofa(self):
    with self.assertRaisesRegex(ValueError, "no zero-cost .*'ofa'"):
      encodings.zcp(spaces.OFA)


class RealTest(parameterized.TestCase):

  def test_nasbench201_is_covered_but_for_cells_without_a_path(self):
    real_data.mirror()
    space = spaces.NASBENCH201
    cells = spaces.genotype_of(space, range(15625))
    out = np.asarray(jax.jit(encodings.zcp(space))(jnp.asarray(cells)))
    known = out[:, -1] == 1.0
    np.testing.assert_array_equal(known, space.is_valid(cells))
    self.assertEqual(known.sum(), 15284)
    np.testing.assert_array_equal(out[~known], 0.0)
    self.assertLess(np.abs(out[:, [0, 1, 2, 3, 5, 6, 12]]).max(), 1.0001)

  def test_exact_counts_equal_the_published_ones(self):
    real_data.mirror()
    table = data.load_zero_cost('nasbench201')
    costs = spaces.NASBENCH201.costs(table.genotype)
    for name in ('flops', 'params'):
      np.testing.assert_allclose(
          table.column(name), getattr(costs, name) / 1e6, rtol=1e-12
      )

  def test_fbnet_latencies_all_have_proxies(self):
    real_data.mirror()
    genotype = real_data.table('fbnet').genotype
    out = np.asarray(encodings.zcp(spaces.FBNET)(genotype))
    np.testing.assert_array_equal(out[:, -1], 1.0)
    self.assertTrue(np.isfinite(out).all())
