"""The fastest networks at given FLOPs."""

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from nasflat_jax import reports


class FrontierTest(parameterized.TestCase):

  @parameterized.parameters(1, 4, 50)
  def test_agrees_with_a_plain_search(self, num_bins):
    rng = np.random.default_rng(num_bins)
    flops = rng.uniform(1e6, 2e8, 300)
    latency_ms = rng.uniform(1, 9, 300)
    rows = reports.fastest_per_flops(flops, latency_ms, num_bins=num_bins)
    self.assertEqual(sum(row.num_networks for row in rows), 300)
    self.assertLessEqual(len(rows), num_bins)
    for row in rows:
      inside = (flops >= row.low_flops) & (
          (flops < row.high_flops) | (flops == flops.max())
          & (row.high_flops >= flops.max())
      )
      self.assertEqual(row.num_networks, inside.sum())
      best = np.flatnonzero(inside)[np.argmin(latency_ms[inside])]
      self.assertEqual(row.fastest, best)
      self.assertEqual(row.latency_ms, latency_ms[best])
      self.assertEqual(row.median_ms, np.median(latency_ms[inside]))
      self.assertEqual(row.slowest_ms, latency_ms[inside].max())

  def test_ties_go_to_the_larger_network(self):
    (row,) = reports.fastest_per_flops(
        np.array([1.0, 3.0, 2.0, 3.0]), np.array([5.0, 5.0, 5.0, 5.0]),
        num_bins=1,
    )
    self.assertEqual(row.fastest, 1)

  def test_an_inner_edge_belongs_to_the_upper_range(self):
    rows = reports.fastest_per_flops(
        np.array([0.0, 5.0, 10.0]), np.array([2.0, 1.0, 3.0]), num_bins=2
    )
    self.assertEqual(
        [(row.fastest, row.num_networks) for row in rows], [(0, 1), (1, 2)]
    )

  def test_empty_ranges_are_left_out(self):
    rows = reports.fastest_per_flops(
        np.array([0.0, 10.0]), np.array([1.0, 2.0]), num_bins=5
    )
    self.assertEqual([row.fastest for row in rows], [0, 1])

  def test_equal_flops_make_one_range(self):
    rows = reports.fastest_per_flops(
        np.full(3, 7.0), np.array([3.0, 1.0, 2.0]), num_bins=4
    )
    self.assertEqual([(r.fastest, r.num_networks) for r in rows], [(1, 3)])

  @parameterized.parameters(
      ([], [], 1, 'N > 0'),
      ([1.0], [1.0, 2.0], 1, r'\(1,\) and \(2,\)'),
      ([1.0], [1.0], 0, 'num_bins'),
  )
  def test_refuses(self, flops, latency_ms, num_bins, message):
    with self.assertRaisesRegex(ValueError, message):
      reports.fastest_per_flops(
          np.array(flops), np.array(latency_ms), num_bins=num_bins
      )

  def test_table_is_aligned_and_names_the_fastest(self):
    rows = reports.fastest_per_flops(
        np.array([1e6, 2e6, 150e6]), np.array([3.0, 1.0, 123.4]), num_bins=2
    )
    lines = reports.format_table(rows, ['a', 'b', 'c'], [10, 11, 12]).split(
        '\n'
    )
    self.assertLen(lines, 3)
    self.assertEqual(lines[1].split()[-2:], ['11', 'b'])
    self.assertEqual(lines[2].split()[-2:], ['12', 'c'])
    self.assertEqual(lines[1].rindex('b'), lines[2].rindex('c'))


if __name__ == '__main__':
  absltest.main()
