"""Depth, width and paths, against enumeration of a cell's paths."""

import itertools

from absl.testing import absltest
import jax.numpy as jnp
import numpy as np

from nasflat_jax import encodings
from nasflat_jax import spaces
from nasflat_jax.encodings import _structure

# NAS-Bench-201: gene of each edge, and the four paths from node 0 to node 3.
_EDGES = {(0, 1): 0, (0, 2): 1, (1, 2): 2, (0, 3): 3, (1, 3): 4, (2, 3): 5}
_PATHS = (
    ((0, 3),), ((0, 1), (1, 3)), ((0, 2), (2, 3)), ((0, 1), (1, 2), (2, 3)),
)
_NONE, _SKIP, _CONV1, _CONV3, _POOL = range(5)


def _enumerated(cell):
  """The columns of one cell, path by path."""
  paths = [[cell[_EDGES[edge]] for edge in path] for path in _PATHS]
  edges = [
      {_EDGES[edge] for edge in path}
      for path, ops in zip(_PATHS, paths, strict=True) if _NONE not in ops
  ]
  paths = [ops for ops in paths if _NONE not in ops]
  live = [cell[gene] for gene in sorted(set().union(*edges))] if edges else []
  count = lambda ops, kinds: sum(op in kinds for op in ops)
  most = lambda kinds: max((count(ops, kinds) for ops in paths), default=0)
  least = lambda kinds: min((count(ops, kinds) for ops in paths), default=0)
  ops = {_CONV1, _CONV3, _POOL}
  return {
      0: len(live), 2: count(live, {_CONV1}), 3: count(live, {_CONV3}),
      4: count(live, {_POOL}), 5: count(live, {_SKIP}), 6: most(ops),
      7: most({_CONV1, _CONV3}), 8: most({_CONV3}), 9: least(ops),
      10: least({_CONV1, _CONV3}), 11: np.log1p(len(paths)),
      13: bool(paths) and least(ops) == 0,
  }


class StructureTest(absltest.TestCase):

  def test_columns_by_enumeration(self):
    rng = np.random.default_rng(0)
    cells = np.concatenate([
        rng.integers(0, 5, size=(60, 6)),
        [[_NONE] * 6, [_SKIP] * 6, [1, 0, 0, 0, 1, 0]],
    ]).astype(np.int32)
    columns = np.asarray(
        _structure.cell_columns(spaces.NASBENCH201, jnp.asarray(cells))
    )[:, 0]
    for cell, row in zip(cells.tolist(), columns, strict=True):
      for column, wanted in _enumerated(cell).items():
        self.assertAlmostEqual(
            float(row[column]), float(wanted), places=5, msg=(cell, column)
        )

  def test_isomorphic_cells_are_counted_alike(self):
    # Nodes 1 and 2 of a cell without an edge between them change places.
    cells = [
        (a, b, _NONE, c, d, e)
        for a, b, c, d, e in itertools.product((1, 2, 3), repeat=5)
    ]
    twins = [(b, a, none, c, e, d) for a, b, none, c, d, e in cells]
    space = spaces.NASBENCH201
    np.testing.assert_allclose(
        _structure.cell_columns(space, jnp.asarray(cells)),
        _structure.cell_columns(space, jnp.asarray(twins)),
    )

  def test_what_is_dead_has_no_position(self):
    # Edge 0->1 leads nowhere: node 1 has no way on.
    cells = jnp.asarray([[op, 2, 0, 3, 0, 3] for op in range(5)])
    rows = np.asarray(encodings.positions(spaces.NASBENCH201)(cells))
    np.testing.assert_allclose(rows, np.broadcast_to(rows[0], rows.shape))

  def test_blocks_are_of_unit_length(self):
    space = spaces.NASBENCH201
    sample = jnp.asarray(spaces.reference_sample(space))
    for name in ('topology', 'positions', 'placed_costs'):
      rows = np.asarray(getattr(encodings, name)(space)(sample))
      self.assertAlmostEqual((rows**2).sum(1).mean(), 1.0, places=3)
      np.testing.assert_allclose(rows.mean(axis=0), 0.0, atol=1e-4)


if __name__ == '__main__':
  absltest.main()
