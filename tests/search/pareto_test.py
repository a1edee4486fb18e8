"""Fronts and hypervolumes against brute force."""

import itertools

from absl.testing import absltest
from absl.testing import parameterized
import chex
import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import search


def _brute_force(objectives: np.ndarray, where: np.ndarray) -> np.ndarray:
  rows = len(objectives)
  kept = where & ~np.isnan(objectives).any(axis=1)
  out = kept.copy()
  for i, j in itertools.product(range(rows), repeat=2):
    a, b = objectives[i], objectives[j]
    if kept[j] and (b <= a).all() and (b < a).any():
      out[i] = False
  return out


def _union_of_boxes(gaps: np.ndarray) -> float:
  """Inclusion and exclusion over all subsets of boxes at one corner."""
  total = 0.0
  for size in range(1, len(gaps) + 1):
    for chosen in itertools.combinations(gaps, size):
      total -= (-1) ** size * np.prod(np.min(chosen, axis=0))
  return total


class NonDominatedTest(parameterized.TestCase):

  @parameterized.product(width=(1, 2, 3, 4), levels=(4, 1000))
  def test_matches_brute_force(self, width, levels):
    rng = np.random.default_rng(width + levels)
    # Few levels: many ties and equal rows.
    objectives = rng.integers(levels, size=(60, width)).astype(np.float32)
    objectives[rng.integers(60, size=3), rng.integers(width, size=3)] = np.nan
    objectives[7, 0] = np.inf
    where = rng.random(60) < 0.8
    got = search.non_dominated(objectives, where)
    np.testing.assert_array_equal(got, _brute_force(objectives, where))
    everything = np.ones(60, bool)
    np.testing.assert_array_equal(
        search.non_dominated(objectives), _brute_force(objectives, everything)
    )

  def test_chunk_size_changes_nothing(self):
    objectives = jax.random.normal(jax.random.key(0), (50, 3))
    chex.assert_trees_all_equal(
        search.non_dominated(objectives),
        search.non_dominated(objectives, chunk_size=7),
    )

  @parameterized.parameters(2, 3)
  def test_vmap_and_one_trace(self, width):
    objectives = jax.random.normal(jax.random.key(0), (4, 30, width))
    chex.clear_trace_counter()
    one = jax.jit(chex.assert_max_traces(search.non_dominated, n=1))
    chex.assert_trees_all_equal(
        jax.vmap(search.non_dominated)(objectives),
        jnp.stack([one(each) for each in objectives]),
    )

  def test_nothing_counts(self):
    nothing = jnp.full((3, 2), jnp.nan)
    self.assertFalse(search.non_dominated(nothing).any())
    self.assertEqual(search.pareto_front(nothing).shape, (0,))
    self.assertEqual(search.non_dominated(jnp.zeros((0, 2))).shape, (0,))

  def test_a_batch_of_sets_is_refused(self):
    with self.assertRaisesRegex(AssertionError, 'rank'):
      search.non_dominated(jnp.zeros((2, 3, 4)))

  def test_front_is_sorted_without_equal_rows(self):
    rng = np.random.default_rng(0)
    objectives = rng.integers(6, size=(80, 2)).astype(float)
    rows = search.pareto_front(objectives)
    front = objectives[rows]
    self.assertTrue((np.diff(front[:, 0]) > 0).all())
    self.assertTrue((np.diff(front[:, 1]) < 0).all())

  def test_front_tells_apart_what_float32_does_not(self):
    objectives = np.array([[1.0, 5.0], [1.0 + 1e-12, 5.0], [2.0, 5.0 - 1e-12]])
    self.assertEqual(search.pareto_front(objectives).tolist(), [0, 2])


class HypervolumeTest(parameterized.TestCase):

  @parameterized.parameters(1, 2, 3, 4)
  def test_matches_inclusion_and_exclusion(self, width):
    rng = np.random.default_rng(width)
    objectives = rng.uniform(0.0, 1.3, size=(9, width))
    objectives[0] = np.nan
    inside = objectives[(objectives < 1.0).all(axis=1)]
    got = search.hypervolume(objectives, np.ones(width))
    np.testing.assert_allclose(got, _union_of_boxes(1.0 - inside), rtol=1e-5)

  @parameterized.parameters(2, 3)
  def test_matches_monte_carlo(self, width):
    rng = np.random.default_rng(10 + width)
    objectives = rng.uniform(size=(40, width))
    points = rng.uniform(size=(20000, 1, width))
    covered = (points >= objectives).all(axis=2).any(axis=1)
    got = search.hypervolume(objectives, np.ones(width))
    error = covered.std() / np.sqrt(len(points))
    np.testing.assert_allclose(got, covered.mean(), atol=4 * error)

  def test_dominated_rows_and_rows_left_out_add_nothing(self):
    objectives = jax.random.uniform(jax.random.key(0), (30, 3))
    corner = jnp.ones(3)
    kept = search.non_dominated(objectives)
    volume = search.hypervolume(objectives, corner)
    chex.assert_trees_all_close(
        volume, search.hypervolume(objectives, corner, where=kept), rtol=1e-6
    )
    none = search.hypervolume(objectives, corner, where=jnp.zeros(30, bool))
    self.assertEqual(none, 0.0)

  def test_counts_do_not_round_the_reference(self):
    got = search.hypervolume(jnp.array([[1, 2], [2, 1]]), [3.5, 3.5])
    self.assertEqual(got, 3.75 + 3.75 - 2.25)

  def test_vmap_equals_one_by_one(self):
    objectives = jax.random.uniform(jax.random.key(0), (3, 12, 3))
    corner = jnp.ones(3)
    chex.assert_trees_all_close(
        jax.vmap(search.hypervolume, (0, None))(objectives, corner),
        jnp.stack([search.hypervolume(each, corner) for each in objectives]),
    )


if __name__ == '__main__':
  absltest.main()
