"""Training of the learned encodings; `nasflat-encode` runs it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from nasflat_jax import types
from nasflat_jax.encodings import _learned
from nasflat_jax.encodings import _train_arch2vec
from nasflat_jax.encodings import _train_cate
from nasflat_jax.encodings import _train_unified
from nasflat_jax.encodings import _weights
from nasflat_jax.encodings._learned import from_weights
from nasflat_jax.encodings._learned import unified_from_weights
from nasflat_jax.encodings._unified import SPACE as UNIFIED
from nasflat_jax.encodings._weights import load
from nasflat_jax.encodings._weights import save
from nasflat_jax.encodings._weights import Weights

__all__ = [
    'ENCODINGS',
    'UNIFIED',
    'Weights',
    'from_weights',
    'load',
    'save',
    'train',
    'train_unified',
    'unified_from_weights',
]

_TRAIN = {'arch2vec': _train_arch2vec.train, 'cate': _train_cate.train}
ENCODINGS = tuple(_TRAIN)
_HELD_OUT = 0.1


def train(
    encoding: str,
    space: types.SearchSpace,
    *,
    seed: int,
    num_networks: int,
    num_epochs: int,
    provenance: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Weights:
  """Trains an encoder on random networks of a space.

  No latency and no accuracy enters. The same arguments give the same weights
  on the same machine.

  Args:
    encoding: one of `ENCODINGS`.
    space: the search space.
    seed: of everything random.
    num_networks: networks to draw; a tenth of them is held out.
    num_epochs: passes over the others.
    provenance: what else to note in the weights.
    progress: called with the steps done and all of them.

  Returns:
    Weights for `from_weights` and `save`, with the final `loss` and shares of
    held-out operations that are rebuilt or guessed in the provenance.

  Raises:
    ValueError: the encoding is unknown, there are too few networks for a
      batch, or training diverged.
  """
  if encoding not in _TRAIN:
    raise ValueError(
        f'no training of {encoding!r}; known: {", ".join(ENCODINGS)}'
    )
  draw_key, train_key = jax.random.split(jax.random.key(seed))
  genotype = np.asarray(space.random(draw_key, num_networks))
  num_held_out = max(int(_HELD_OUT * num_networks), 1)
  variables, report = _TRAIN[encoding](
      train_key,
      space,
      genotype[num_held_out:],
      genotype[:num_held_out],
      num_epochs=num_epochs,
      progress=progress,
  )
  variables = _weights.rounded(variables)
  projection, mean, spread = _learned.reduction(space, encoding, variables)
  return Weights(
      encoding=encoding,
      space=space.spec.name,
      variables=variables,
      projection=projection.astype(np.float32),
      mean=mean.astype(np.float32),
      spread=spread.astype(np.float32),
      provenance={
          **(provenance or {}),
          'seed': seed,
          'num_networks': num_networks,
          'num_epochs': num_epochs,
          'report': {name: round(v, 4) for name, v in report.items()},
      },
  )


def train_unified(
    encoding: str,
    *,
    seed: int,
    num_networks: int,
    num_epochs: int,
    members: Sequence[types.SearchSpace] = (),
    provenance: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Weights:
  """Trains one encoder on random networks of several spaces.

  No latency and no accuracy enters. The same arguments give the same weights
  on the same machine.

  Args:
    encoding: one of `ENCODINGS`.
    seed: of everything random.
    num_networks: networks to draw from each space; a tenth is held out.
    num_epochs: passes over the others.
    members: the spaces; none is all of `spaces.names()`.
    provenance: what else to note in the weights.
    progress: called with the steps done and all of them.

  Returns:
    Weights of the space `UNIFIED` for `unified_from_weights` and `save`, with
    shares of held-out operations that are rebuilt or guessed in the
    provenance, by space and beside those by chance.

  Raises:
    ValueError: the encoding is unknown, there are too few networks for a
      batch, or training diverged.
  """
  if encoding not in _TRAIN:
    raise ValueError(
        f'no training of {encoding!r}; known: {", ".join(ENCODINGS)}'
    )
  return _train_unified.train(
      encoding,
      seed=seed,
      num_networks=num_networks,
      num_epochs=num_epochs,
      members=members,
      provenance=provenance,
      progress=progress,
  )
