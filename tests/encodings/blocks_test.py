"""Blocks of features against the costs and counts they stand for."""

from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import encodings
from nasflat_jax import spaces

_BLOCKS = (
    'live_costs', 'live_op_counts', 'one_hot', 'op_counts', 'roofline',
    'total_costs',
)
_SPACES = ('nasbench201', 'fbnet', 'ofa')


def _affine_fit(x, y):
  """Largest error of the best affine map of `x` onto `y`, over y's spread."""
  rows = np.c_[x, np.ones(len(x))]
  left = y - rows @ np.linalg.lstsq(rows, y, rcond=None)[0]
  return np.abs(left).max() / y.std()


class BlocksTest(parameterized.TestCase):

  @parameterized.product(block=_BLOCKS, space=_SPACES)
  def test_is_centred_and_of_unit_mean_squared_length(self, block, space):
    space = spaces.get(space)
    encode = getattr(encodings, block)(space)
    values = np.asarray(encode(spaces.reference_sample(space)), np.float64)
    if block.startswith('live') and 'none' not in space.spec.gene_names:
      assert values.shape[1] == 0
      return
    np.testing.assert_allclose(values.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(
        np.square(values).sum(axis=1).mean(), 1.0, rtol=1e-4
    )
    assert values.std(axis=0).min() > 0.0

  @parameterized.parameters(*_SPACES)
  def test_one_hot_tells_all_members_apart(self, name):
    space = spaces.get(name)
    genotype = np.unique(spaces.reference_sample(space)[:500], axis=0)
    values = np.asarray(encodings.one_hot(space)(genotype))
    assert len(np.unique(values.round(6), axis=0)) == len(genotype)

  @parameterized.parameters(*_SPACES)
  def test_total_costs_are_affine_in_the_costs(self, name):
    space = spaces.get(name)
    genotype = spaces.reference_sample(space)[:200]
    exact = space.costs(genotype)
    values = np.asarray(encodings.total_costs(space)(genotype), np.float64)
    for column, field in enumerate((
        'multiply_adds', 'weight_bytes', 'activation_bytes', 'kernels',
        'critical_path',
    )):
      assert _affine_fit(
          values[:, [column]], np.asarray(getattr(exact, field))
      ) < 1e-4

  def test_roofline_is_bytes_on_one_side_and_compute_on_the_other(self):
    space = spaces.FBNET
    genotype = spaces.reference_sample(space)[:200]
    cost = space.op_costs(genotype)
    moved = cost.weight_bytes + cost.activation_bytes
    values = np.asarray(encodings.roofline(space)(genotype), np.float64)
    for column, balance in enumerate((1.0, 4.0, 16.0, 64.0)):
      wanted = np.maximum(cost.multiply_adds / balance, moved).sum(axis=1)
      assert _affine_fit(values[:, [column]], wanted) < 1e-4

  def test_live_counts_see_only_what_reaches_the_output(self):
    space = spaces.NASBENCH201
    # Edge 0-1 feeds node 1, all of whose outgoing edges are `none`.
    dead, none = (
        jnp.asarray([[op, 3, 0, 0, 0, 3]], jnp.int32) for op in (3, 0)
    )
    live = encodings.live_op_counts(space)
    counts = encodings.op_counts(space)
    np.testing.assert_array_equal(live(dead), live(none))
    assert np.abs(np.asarray(counts(dead) - counts(none))).max() > 0.1

  def test_live_counts_follow_the_graph_where_genes_are_no_nodes(self):
    space = spaces.NDS_DARTS
    low = np.array(space.spec.gene_ranges)[:, 0]
    edges = slice(len(low) - 8, len(low))  # of the last cell
    genotype = np.tile(low.astype(np.int32), (3, 1))
    genotype[:, edges] = 3
    genotype[1:, edges.start : edges.start + 2] = 0
    # The wiring `low` chains every step to the first input alone.
    genotype[2, edges.start : edges.start + 2] = 0, 3
    values = np.asarray(encodings.live_op_counts(space)(genotype), np.float64)
    assert values[1].tolist() != values[0].tolist()
    assert values[2].tolist() not in (values[0].tolist(), values[1].tolist())
    assert encodings.live_costs(space)(genotype).shape == (3, 0)

  @parameterized.parameters(*_BLOCKS)
  def test_jit_changes_nothing(self, block):
    encode = getattr(encodings, block)(spaces.NASBENCH201)
    genotype = jnp.asarray(spaces.reference_sample(spaces.NASBENCH201)[:8])
    np.testing.assert_allclose(
        encode(genotype), jax.jit(encode)(genotype), atol=1e-6
    )
