"""HELP's 5,000 Once-for-All networks as genotypes of the space."""

import numpy as np
import pytest

from nasflat_jax import data
from nasflat_jax import encodings
from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.data import _unpickle
import real_data

_KERNELS, _EXPANSIONS = (3, 5, 7), (3, 4, 6)


def _upstream():
  """The networks as HELP stores them: a list of dicts."""
  file = data.sources()['help_ofa'].file('data/ofa/ofa_archs.pt')
  found = [
      path
      for path in real_data.mirror().glob('HayeonLee/HELP/*/' + file.path)
      if path.is_file()
  ]
  assert len(found) == 1
  return _unpickle.loads_torch(found[0].read_bytes(), file.path)['arch']


def _help_encoding(networks):
  """`[N, 145]`: HELP's one-hot kernels, expansions and resolution."""
  rows = []
  for network in networks:
    kernels, expansions = [], []
    for block in range(20):
      there = block % 4 < network['d'][block // 4]
      kernels += [there and network['ks'][block] == k for k in _KERNELS]
      expansions += [there and network['e'][block] == e for e in _EXPANSIONS]
    resolution = [network['r'] == r for r in range(128, 225, 4)]
    rows.append([*kernels, *expansions, *resolution])
  return np.array(rows, bool)


def _encode(genotype):
  """The same from genotypes, through `ofa_settings`."""
  settings = spaces.ofa_settings(genotype)
  parts = (
      settings.kernel[..., None] == _KERNELS,
      settings.expansion[..., None] == _EXPANSIONS,
      settings.resolution[..., None] == range(128, 225, 4),
  )
  return np.concatenate([p.reshape(len(genotype), -1) for p in parts], axis=1)


def _decode(encoding):
  """Genotypes from HELP's encoding; the depth is what is not zero."""
  kernel = (encoding[:, :60].reshape(-1, 20, 3) @ _KERNELS).astype(int)
  expansion = (encoding[:, 60:120].reshape(-1, 20, 3) @ _EXPANSIONS).astype(int)
  return spaces.ofa_genotype(
      spaces.OfaSettings(
          kernel,
          expansion,
          (kernel.reshape(-1, 5, 4) > 0).sum(-1),
          128 + 4 * encoding[:, 120:].argmax(1),
      )
  )


def test_the_table_is_helps_networks_in_their_order():
  networks = _upstream()
  table = real_data.source_table('help_ofa')
  assert table.genotype.shape == (5000, 21) and len(networks) == 5000
  encoding = _help_encoding(networks)
  assert encoding.shape == (5000, 145)
  np.testing.assert_array_equal(_encode(table.genotype), encoding)
  bits = encodings.help_bits(spaces.OFA)(table.genotype)
  np.testing.assert_array_equal(bits, encoding)
  np.testing.assert_array_equal(_decode(encoding), table.genotype)


def test_a_table_of_an_older_version_is_refused(tmp_path, monkeypatch):
  # It held 20 kernels, 20 expansions, 5 depths and the resolution.
  table = data.LatencyTable(
      space='ofa',
      source='help_ofa',
      devices=(types.Device(name='a', family='gpu', processor='A'),),
      genotype=np.arange(2 * 46).reshape(2, 46),
      values=np.ones((1, 2)),
  )
  table.save(tmp_path / 'help_ofa.npz')
  monkeypatch.setenv('NASFLAT_DATA', str(tmp_path))
  with pytest.raises(ValueError, match='46 genes, not 21.*--source=help_ofa'):
    data.load('help_ofa')


def test_rows_are_distinct_members():
  genotype = real_data.table('ofa').genotype
  assert np.asarray(spaces.OFA.is_valid(genotype)).all()
  assert len(np.unique(genotype, axis=0)) == 5000
  # Every code of every gene occurs.
  for gene, (low, high) in enumerate(spaces.OFA.spec.gene_ranges):
    assert set(np.unique(genotype[:, gene])) == set(range(low, high))


def test_depths_are_drawn_as_random_draws_them():
  depth = spaces.ofa_settings(real_data.table('ofa').genotype).depth
  counts = (depth[..., None] == [2, 3, 4]).sum(0)
  assert (abs(counts - 5000 / 3) < 5 * np.sqrt(5000 / 3)).all()
