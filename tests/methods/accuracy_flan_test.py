"""FLAN as a few-shot accuracy method."""

from absl.testing import absltest
import jax
import numpy as np
import pytest
from scipy import stats

from nasflat_jax import spaces
from nasflat_jax import transfer
from nasflat_jax.methods import accuracy as methods


def _problem():
  """Networks whose accuracy is how many live 3x3 convolutions they have."""
  space = spaces.NASBENCH201
  genotype = np.asarray(space.random(jax.random.key(0), 60))
  graph = space.decode(genotype)
  live = np.asarray(graph.live_mask)[:, 0] & (np.asarray(graph.ops)[:, 0] == 3)
  proxies = np.random.default_rng(0).normal(size=(60, 13))
  proxies[::3, 4] = np.nan
  networks = transfer.Networks(space=space, genotype=genotype, proxies=proxies)
  problem = methods.AccuracyProblem(name='toy', networks=networks, sources=())
  return problem, live.sum(axis=1).astype(float)


class AccuracyFlanTest(absltest.TestCase):

  @pytest.mark.slow  # one program of the whole training: 20 s
  def test_orders_what_it_has_not_seen(self):
    problem, accuracy = _problem()
    method = methods.flan(encoding='zcp', epochs=40)
    state = method.prepare(jax.random.key(0), problem)
    ids = np.stack([np.arange(24), np.arange(24)[::-1]])
    keys = jax.random.split(jax.random.key(1))
    scores = method.predict(keys, problem, state, ids, accuracy[ids])
    self.assertEqual(scores.shape, (2, 60))
    for row in scores:
      self.assertGreater(stats.spearmanr(row[24:], accuracy[24:])[0], 0.5)
    self.assertEqual(method.budget(problem, 24).target, 24)
    # Another number of labels takes the same program.
    ids = ids[:1, :2]
    few = method.predict(keys[:1], problem, state, ids, accuracy[ids])
    self.assertTrue(np.isfinite(few).all())

  def test_refuses_an_unknown_encoding(self):
    with self.assertRaisesRegex(ValueError, "encoding: unknown 'glove'"):
      methods.flan(encoding='glove')
    with self.assertRaisesRegex(ValueError, 'epochs'):
      methods.flan(epochs=0)


if __name__ == '__main__':
  absltest.main()
