"""Training of the encodings of all spaces on random networks of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.encodings import _unified
from nasflat_jax.encodings import _unified_arch2vec
from nasflat_jax.encodings import _unified_cate
from nasflat_jax.encodings import _weights

_MODULES = {'arch2vec': _unified_arch2vec, 'cate': _unified_cate}
COLUMNS = {name: module.columns for name, module in _MODULES.items()}
_HELD_OUT = 0.1
# Networks of each space that the principal components are of.
_SAMPLE = 512


def train(
    encoding: str,
    *,
    seed: int,
    num_networks: int,
    num_epochs: int,
    members: Sequence[types.SearchSpace] = (),
    provenance: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> _weights.Weights:
  """Trains one encoder on random networks of several spaces.

  No latency and no accuracy enters.

  Args:
    encoding: `arch2vec` or `cate`.
    seed: of everything random.
    num_networks: networks to draw from each space; a tenth is held out.
    num_epochs: passes over the others.
    members: the spaces; none is all of `spaces.names()`.
    provenance: what else to note in the weights.
    progress: called with the steps done and all of them.

  Returns:
    Weights of the space `unified`, with shares of held-out operations that are
    rebuilt or guessed in the provenance, by space and beside those by chance.
  """
  members = tuple(members) or tuple(spaces.get(n) for n in spaces.names())
  module = _MODULES[encoding]
  draw_key, train_key = jax.random.split(jax.random.key(seed))
  drawn = [
      np.asarray(space.random(key, num_networks + _SAMPLE))
      for key, space in zip(
          jax.random.split(draw_key, len(members)), members, strict=True
      )
  ]
  num_held_out = max(int(_HELD_OUT * num_networks), 2)
  variables, report, loss = module.train(
      train_key,
      _unified.pool(members, [g[num_held_out:num_networks] for g in drawn]),
      _unified.pool(members, [g[:num_held_out] for g in drawn]),
      num_epochs=num_epochs,
      progress=progress,
  )
  variables = _weights.rounded(variables)

  def moments(space, genotype):
    graph = _unified.cells(space, genotype)
    return _unified.moments(module.columns(variables, graph), graph.mask)

  projection, mean, spread = _unified.reduction([
      np.asarray(jax.jit(moments, static_argnums=0)(space, g[num_networks:]))
      for space, g in zip(members, drawn, strict=True)
  ])
  return _weights.Weights(
      encoding=encoding,
      space=_unified.SPACE,
      variables=variables,
      projection=projection.astype(np.float32),
      mean=mean.astype(np.float32),
      spread=spread.astype(np.float32),
      provenance={
          **(provenance or {}),
          'seed': seed,
          'spaces': [space.spec.name for space in members],
          'num_networks': num_networks,
          'num_epochs': num_epochs,
          'report': {
              'loss': round(loss, 4),
              **{
                  members[number].spec.name: {
                      name: round(value, 4) for name, value in shares.items()
                  }
                  for number, shares in report.items()
              },
          },
      },
  )
