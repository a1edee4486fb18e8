"""The learned encodings, from the weights that ship with the package."""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import data
from nasflat_jax import spaces
from nasflat_jax import types
from nasflat_jax.encodings import _arch2vec
from nasflat_jax.encodings import _cate
from nasflat_jax.encodings import _graph
from nasflat_jax.encodings import _unified
from nasflat_jax.encodings import _unified_arch2vec
from nasflat_jax.encodings import _unified_cate
from nasflat_jax.encodings import _weights
from nasflat_jax.encodings import _zero_cost

Encode = Callable[[chex.Array], jax.Array]
COLUMNS = {'arch2vec': _arch2vec.columns, 'cate': _cate.columns}
_UNIFIED_COLUMNS = {
    'arch2vec': _unified_arch2vec.columns, 'cate': _unified_cate.columns,
}
_WIDTH = 32
# Below this share of the first, a direction is rounding and not a difference.
_LEAST = 1e-5


def arch2vec(space: types.SearchSpace) -> Encode:
  """arch2vec, an autoencoder's view, `genotype [B, G] -> [B, 32]`.

  Yan et al. (https://arxiv.org/abs/2006.06936), one of NASFLAT's
  supplementary encodings (https://arxiv.org/abs/2403.02446). The encoder's
  means of the nodes are averaged, plainly and weighted by polynomials of the
  node's position; the 32 principal components of these over the space's
  reference sample are the encoding, each of mean 0 and standard deviation 1.

  Note:
    NASFLAT takes the plain mean alone, which says how often an operation is
    used in FBNet and not where.

  Args:
    space: the search space, one that has weights.

  Returns:
    A jittable encoding.

  Raises:
    ValueError: there are no weights for the space.
  """
  return from_weights(space, _weights.packaged('arch2vec', space.spec.name))


def cate(space: types.SearchSpace) -> Encode:
  """CATE, a transformer's view, `genotype [B, G] -> [B, 32]`.

  Yan et al. (https://arxiv.org/abs/2102.07108), one of NASFLAT's
  supplementary encodings (https://arxiv.org/abs/2403.02446). Nodes are
  averaged, reduced and scaled as in `arch2vec`.

  Note:
    NASFLAT takes the last node alone; training never asks it to sum up the
    network.

  Args:
    space: the search space, one that has weights.

  Returns:
    A jittable encoding.

  Raises:
    ValueError: there are no weights for the space.
  """
  return from_weights(space, _weights.packaged('cate', space.spec.name))


def caz(
    space: types.SearchSpace,
    *,
    table: data.ZeroCostTable | None = None,
    rows: chex.Array | None = None,  # [R, G]
) -> Encode:
  """CATE, arch2vec and zero-cost proxies, `genotype [B, G] -> [B, 78]`.

  NASFLAT's concatenation (https://arxiv.org/abs/2403.02446); the last column
  tells whether the proxies are known, see `zcp`.

  Args:
    space: the search space, one that has weights.
    table: raw zero-cost scores, see `zcp`.
    rows: `[R, G]` the networks that set their scale; None is all.

  Returns:
    A jittable encoding.

  Raises:
    ValueError: there are no weights or no proxies for the space.
    FileNotFoundError: there is no data; names the command that gets it.
  """
  parts = (
      cate(space),
      arch2vec(space),
      _zero_cost.zcp(space, table=table, rows=rows),
  )

  def encode(genotype: chex.Array) -> jax.Array:
    return jnp.concatenate([part(genotype) for part in parts], axis=1)

  return encode


def unified_arch2vec(space: types.SearchSpace) -> Encode:
  """arch2vec of one encoder for all spaces, `genotype [B, G] -> [B, 32]`.

  FLAN's joint encoding (https://arxiv.org/abs/2403.02484): the same number
  means the same in every space, so a predictor can go from one to another. An
  operation is known by its attributes, which lets the encoder take spaces it
  was not trained on. Means of the nodes are weighted by polynomials of their
  place, cell by cell; the 32 principal components of the differences within
  spaces are the encoding, each of standard deviation 1 within the spaces it
  was trained on.

  Args:
    space: any search space whose operators have known kinds.

  Returns:
    A jittable encoding.
  """
  return unified_from_weights(space, _weights.packaged_unified('arch2vec'))


def unified_cate(space: types.SearchSpace) -> Encode:
  """CATE of one encoder for all spaces, `genotype [B, G] -> [B, 32]`.

  FLAN's joint encoding (https://arxiv.org/abs/2403.02484); nodes are averaged,
  reduced and scaled as in `unified_arch2vec`.

  Args:
    space: any search space whose operators have known kinds.

  Returns:
    A jittable encoding.
  """
  return unified_from_weights(space, _weights.packaged_unified('cate'))


def unified_from_weights(
    space: types.SearchSpace, weights: _weights.Weights
) -> Encode:
  """The encoding of a space that weights trained on all spaces stand for.

  Raises:
    ValueError: the weights are of one space.
  """
  if weights.space != _unified.SPACE:
    raise ValueError(
        f'weights of {weights.encoding} for the space {weights.space!r}, '
        f'not {_unified.SPACE!r}'
    )
  columns = _UNIFIED_COLUMNS[weights.encoding]
  return _unified.encoder(
      lambda graph: columns(weights.variables, graph),
      space,
      weights.projection,
      weights.mean,
      weights.spread,
  )


def from_weights(
    space: types.SearchSpace, weights: _weights.Weights
) -> Encode:
  """The encoding that trained weights stand for.

  Raises:
    ValueError: the weights are of another space.
  """
  if weights.space != space.spec.name:
    raise ValueError(
        f'weights of {weights.encoding} for the space {weights.space!r}, '
        f'not {space.spec.name!r}'
    )
  columns = COLUMNS[weights.encoding]
  scaled = (weights.projection / weights.spread).astype(np.float32)
  shift = (weights.mean / weights.spread).astype(np.float32)

  def encode(genotype: chex.Array) -> jax.Array:
    chex.assert_rank(genotype, 2)
    ops = _graph.ops(space, genotype)
    return columns(space.spec, weights.variables, ops) @ scaled - shift

  return encode


def reduction(
    space: types.SearchSpace, encoding: str, variables: chex.ArrayTree
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Principal components of an encoder's moments over the reference sample.

  Args:
    space: the search space.
    encoding: `arch2vec` or `cate`.
    variables: of the encoder.

  Returns:
    Projection `[M, 32]`, mean and standard deviation `[32]` of what it gives;
    directions that do not vary are projected to zero.
  """
  ops = _graph.ops(space, spaces.reference_sample(space))
  moments = np.asarray(
      jax.jit(COLUMNS[encoding], static_argnums=0)(space.spec, variables, ops),
      np.float64,
  )
  mean = moments.mean(axis=0)
  _, _, axes = np.linalg.svd(moments - mean, full_matrices=False)
  axes = axes[:_WIDTH].T
  # A component's sign is arbitrary: its largest entry is made positive.
  axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(_WIDTH)])
  spread = ((moments - mean) @ axes).std(axis=0)
  kept = spread > _LEAST * spread[0]
  axes = np.where(kept, axes, 0.0)
  return axes, mean @ axes, np.where(kept, spread, 1.0)
