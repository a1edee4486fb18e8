"""HELP's bits against its rule; its own file is in ofa_data_test.py."""

import numpy as np
import pytest

from nasflat_jax import encodings
from nasflat_jax import spaces


def test_fbnet_has_a_kernel_and_a_kind_for_each_layer():
  genotype = np.array([[*range(9), *[8] * 13], [7] * 22])
  bits = np.asarray(encodings.help_bits(spaces.FBNET)(genotype))
  assert bits.shape == (2, 132)
  for row, genes in zip(bits.reshape(2, 22, 6), genotype, strict=True):
    for layer, gene in zip(row, genes, strict=True):
      wanted = np.zeros(6)
      if gene < 8:  # i < 4 has kernel 3; i mod 4 is the kind; 8 is the skip
        wanted[[gene // 4, 2 + gene % 4]] = 1
      np.testing.assert_array_equal(layer, wanted)


def test_other_spaces_are_refused():
  with pytest.raises(ValueError, match='no nasbench201 by bits; known: fbnet'):
    encodings.help_bits(spaces.NASBENCH201)
