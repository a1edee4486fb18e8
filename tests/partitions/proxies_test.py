"""Choosing proxies: greedy against brute force, chance, ties, real tables."""

import itertools

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from nasflat_jax import partitions
import real_data


def _correlation(size, seed):
  rng = np.random.default_rng(seed)
  return np.corrcoef(rng.normal(size=(size, 3)) @ rng.normal(size=(3, 30)))


class ChooseProxiesTest(parameterized.TestCase):

  @parameterized.product(seed=(0, 1, 2, 3), num=(1, 2, 3))
  def test_is_within_the_guarantee_of_the_best_set(self, seed, num):
    correlation = _correlation(9, seed)
    chosen = partitions.choose_proxies(correlation, num)
    self.assertLen(set(chosen), num)
    best = max(
        partitions.proxy_coverage(correlation, subset)
        for subset in itertools.combinations(range(9), num)
    )
    got = partitions.proxy_coverage(correlation, chosen)
    self.assertLessEqual(got, best + 1e-9)
    # Counted from -1, the value of no proxy.
    self.assertGreaterEqual(1 + got, (1 - 1 / np.e) * (1 + best))
    if num == 1:
      self.assertAlmostEqual(got, best)

  def test_larger_sets_continue_smaller_ones(self):
    correlation = _correlation(8, 5)
    four = partitions.choose_proxies(correlation, 4)
    self.assertEqual(partitions.choose_proxies(correlation, 2), four[:2])

  def test_chance_is_the_mean_over_all_sets(self):
    block = _correlation(7, 0)[:, :3]
    for num in (1, 2, 4, 7):
      wanted = np.mean([
          block[list(subset)].max(axis=0)
          for subset in itertools.combinations(range(7), num)
      ], axis=0)
      np.testing.assert_allclose(
          partitions.coverage_by_chance(block, num), wanted
      )

  def test_measurements_decide_and_the_medoid_breaks_ties(self):
    correlation = np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.3], [0.1, 0.3, 1.0]])
    for measured, wanted in (
        ([0.5, 0.5, 0.9], 2), ([0.9, 0.9, 0.2], 1), ([np.nan, -0.5, -0.7], 1),
        ([np.nan] * 3, 1),
    ):
      self.assertEqual(
          partitions.choose_proxy(correlation, np.array(measured)), wanted
      )

  @parameterized.parameters('nasbench201', 'fbnet')
  def test_is_better_than_chance_on_devices_held_out(self, space):
    table = real_data.table(space)
    correlation = partitions.correlation_matrix(table.values)
    half = np.arange(len(correlation)) % 2 == 0
    among = correlation[np.ix_(half, half)]
    across = correlation[np.ix_(half, ~half)]
    for num in (1, 2, 3, 4):
      got = partitions.proxy_coverage(
          across, partitions.choose_proxies(among, num)
      )
      self.assertGreater(
          got, partitions.coverage_by_chance(across, num).mean()
      )

  def test_refuses(self):
    correlation = _correlation(4, 0)
    for call, message in (
        (lambda: partitions.choose_proxies(correlation, 5), '5 proxies of 4'),
        (lambda: partitions.choose_proxies(correlation[:2]), r'\[S, S\]'),
        (lambda: partitions.choose_proxies(correlation * np.nan), 'every two'),
        (lambda: partitions.coverage_by_chance(correlation, 0), '0 proxies'),
        (
            lambda: partitions.choose_proxy(correlation, np.zeros(3)),
            r'measured must be \[4\]',
        ),
    ):
      with self.assertRaisesRegex(ValueError, message):
        call()


if __name__ == '__main__':
  absltest.main()
