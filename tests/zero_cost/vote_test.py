"""Majorities and mean ranks, by hand and against a slow count."""

import numpy as np
import pytest

from nasflat_jax import zero_cost

_COMBINE = [zero_cost.vote, zero_cost.rank_average]


def _scores(num=40, num_proxies=3, seed=0):
  rng = np.random.default_rng(seed)
  # Few values, so that there are ties.
  return rng.integers(0, 9, size=(num, num_proxies)).astype(float)


@pytest.mark.parametrize('num_proxies', [1, 2, 3, 4])
def test_vote_counts_pairs(num_proxies):
  scores = _scores(num_proxies=num_proxies)
  want = [
      sum(np.sign(np.sign(mine - other).sum()) for other in scores)
      for mine in scores
  ]
  np.testing.assert_array_equal(zero_cost.vote(scores), want)


def test_vote_of_more_rows_than_a_block_is_that_of_the_pairs():
  scores = _scores(num=1100)
  got = zero_cost.vote(scores)
  for row in (0, 511, 512, 1099):
    pairs = np.sign(np.sign(scores[row] - scores).sum(axis=1))
    assert got[row] == pairs.sum()
  assert got.sum() == 0


def test_vote_can_go_round_in_a_circle():
  scores = np.array([[3.0, 1.0, 2.0], [2.0, 3.0, 1.0], [1.0, 2.0, 3.0]])
  np.testing.assert_array_equal(zero_cost.vote(scores), np.zeros(3))


def test_majority_overrules_a_proxy_whatever_its_margin():
  scores = np.array([[1.0, 1.0, -1e9], [0.0, 0.0, 1e9]])
  np.testing.assert_array_equal(zero_cost.vote(scores), [1, -1])


@pytest.mark.parametrize('combine', _COMBINE)
def test_only_the_order_counts(combine):
  scores = _scores()
  np.testing.assert_array_equal(
      combine(np.exp(scores) - 7.0), combine(scores)
  )


@pytest.mark.parametrize('combine', _COMBINE)
def test_one_proxy_keeps_its_order(combine):
  scores = np.array([[5.0], [np.nan], [-2.0], [7.0]])
  assert np.argsort(combine(scores)).tolist() == [1, 2, 0, 3]


@pytest.mark.parametrize('combine', _COMBINE)
def test_undefined_scores_share_the_last_place(combine):
  scores = np.array([[np.nan, np.nan], [1.0, 1.0], [np.nan, np.nan]])
  got = combine(scores)
  assert got[0] == got[2] < got[1]


@pytest.mark.parametrize('combine', _COMBINE)
def test_follows_a_permutation_of_the_rows(combine):
  scores = _scores()
  order = np.random.default_rng(1).permutation(len(scores))
  np.testing.assert_array_equal(combine(scores[order]), combine(scores)[order])


@pytest.mark.parametrize('combine', _COMBINE)
def test_no_architectures_give_no_scores(combine):
  assert combine(np.zeros((0, 3))).shape == (0,)


@pytest.mark.parametrize('combine', _COMBINE)
@pytest.mark.parametrize('shape', [(3,), (3, 0), (2, 2, 2)])
def test_other_shapes_are_refused(combine, shape):
  with pytest.raises(ValueError, match=r'want \[N, P\]'):
    combine(np.zeros(shape))
