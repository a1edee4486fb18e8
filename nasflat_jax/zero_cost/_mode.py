"""What a run of a network records besides its output."""

from __future__ import annotations

from typing import NamedTuple

import jax

Extra = dict[str, jax.Array]


class Mode(NamedTuple):
  """What a run of a network is for; static.

  Attributes:
    batch_norm: False replaces every batch normalisation by the identity.
    passes: equal parts of the batch that are normalised on their own.
    gram: counts agreeing activation codes of images (nwot).
    variance: sums log deviations of batch normalisation (zen).
    counts: counts parameters and flops.
    norms: sums the norms of the weights.
    rescale: keeps activations near 1 and sums the logarithms (synflow).
  """

  batch_norm: bool = True
  passes: int = 1
  gram: bool = False
  variance: bool = False
  counts: bool = False
  norms: bool = False
  rescale: bool = False

  @property
  def backward(self) -> bool:
    """Whether a backward pass may follow."""
    return self.batch_norm and self.passes == 1
