"""One model of latency and error, on heads that are known by formula."""

from absl.testing import absltest
import jax
import numpy as np
from scipy import stats

from nasflat_jax import search
from nasflat_jax import spaces
from nasflat_jax import transfer

_SPACE = spaces.NASBENCH201


def _made_up(num=300):
  """Two devices and a task with one hidden cause each, and a new of each."""
  genotype = np.asarray(_SPACE.random(jax.random.key(0), num))
  costs = _SPACE.costs(genotype)
  macs = np.asarray(costs.multiply_adds, np.float64)
  kernels = np.asarray(costs.kernels, np.float64)
  capacity = macs / macs.mean() + (genotype == 1).sum(axis=1)
  heads = {
      'gpu': 1.0 + 0.02 * kernels,
      'cpu': 1.0 + macs / 1e7,
      'seen error': 5.0 + 40.0 * np.exp(-capacity),
  }
  new = {
      'phone': 2.0 + macs / 2e7 + 0.01 * kernels,
      'new error': 20.0 + 60.0 * np.exp(-0.9 * capacity),
  }
  return genotype, heads, new


class JointTest(absltest.TestCase):

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    cls.genotype, heads, cls.new = _made_up()
    heads['cpu'] = np.where(np.arange(300) < 20, np.nan, heads['cpu'])
    cls.model = transfer.joint(_SPACE, cls.genotype, heads, rank=3)
    cls.posterior = cls.model.posterior({
        name: (cls.genotype[:10], value[:10])
        for name, value in cls.new.items()
    })

  def test_both_kinds_of_heads_from_one_model(self):
    for name, value in self.new.items():
      got = self.posterior.predict(name, self.genotype[10:])
      rho = stats.spearmanr(got.latency_ms, value[10:])[0]
      self.assertGreater(rho, 0.9, name)
      self.assertTrue((got.std_ms > 0.0).all())
    models = {id(head.model) for head in self.posterior.heads.values()}
    self.assertLen(models, 1)

  def test_search_takes_both_objectives(self):
    heads = self.posterior.heads
    evaluate = search.problem(
        search.latency_quantile(heads['phone'], level=0.9),
        search.latency(heads['new error']),
    )
    scores = jax.jit(evaluate)(self.genotype)
    chosen = np.asarray(search.non_dominated(scores.objectives))
    truth = np.stack([self.new['phone'], self.new['new error']], axis=1)
    best = np.asarray(search.non_dominated(truth))
    reference = truth.max(axis=0)
    volume = [
        float(search.hypervolume(truth[rows] / reference, np.ones(2)))
        for rows in (chosen, best)
    ]
    self.assertGreater(volume[0] / volume[1], 0.95)

  def test_rank_is_that_of_the_trunk(self):
    trunk = self.model.trunk
    self.assertEqual(trunk.names, ('gpu', 'cpu', 'seen error'))
    values = np.asarray(trunk(self.genotype), np.float64)
    low = transfer.fit_trunk(
        _SPACE,
        self.genotype,
        {'gpu': self.new['phone'], 'cpu': self.new['new error']},
        rank=1,
    )
    self.assertEqual(np.linalg.matrix_rank(values - values.mean(0), 1e-2), 3)
    self.assertEqual(np.linalg.matrix_rank(low.weights, 1e-3), 1)

  def test_errors(self):
    for heads, rank, message in (
        ({}, 1, 'at least one head'),
        ({'a': self.new['phone']}, 0, 'rank must be positive, got 0'),
        ({'a': -self.new['phone']}, 1, "head 'a' needs 2 measurements"),
    ):
      with self.assertRaisesRegex(ValueError, message):
        transfer.fit_trunk(_SPACE, self.genotype, heads, rank=rank)
    with self.assertRaisesRegex(ValueError, "no head 'tv'; choose from phone"):
      self.posterior.predict('tv', self.genotype)


if __name__ == '__main__':
  absltest.main()
