"""Accuracy methods: what they read, what they cost, honest trials."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nasflat_jax import spaces
from nasflat_jax import transfer
from nasflat_jax.methods import accuracy as methods

_SPACE = spaces.NASBENCH201


def _networks(size, seed):
  rng = np.random.default_rng(seed)
  index = rng.choice(_SPACE.spec.size, size, replace=False)
  genotype = np.asarray(_SPACE.from_index(jnp.asarray(index)))
  signal = (genotype == 3).sum(axis=1) + 0.5 * rng.normal(size=size)
  proxies = np.stack([-signal, rng.normal(size=size)], axis=1)
  return transfer.Networks(_SPACE, genotype, transfer.normal_scores(proxies))


def _accuracy(networks):
  return 70.0 + (networks.genotype == 3).sum(axis=1) * 3.0


def _problem():
  networks, known = _networks(120, 0), _networks(40, 1)
  source = transfer.AccuracySource(
      'nasbench201/source', known, _accuracy(known)
  )
  siblings = np.full(120, np.nan)
  siblings[:30] = _accuracy(networks)[:30]
  return methods.AccuracyProblem(
      'nasbench201/target', networks, (source,), {source.name: siblings}
  )


def _draws(num_trials=3, size=12):
  rng = np.random.default_rng(0)
  return np.stack([rng.permutation(120)[:size] for _ in range(num_trials)])


class MethodTest(parameterized.TestCase):

  def _predict(self, method, order=(0, 1, 2)):
    problem = _problem()
    labels = _accuracy(problem.networks)
    ids = _draws()[list(order)]
    keys = jax.random.split(jax.random.key(1), 3)[jnp.array(order)]
    state = method.prepare(jax.random.key(0), problem)
    scores = method.predict(keys, problem, state, ids, labels[ids])
    return scores[np.argsort(order)], labels, _draws()

  @parameterized.parameters(methods.ridge, methods.best_proxy)
  def test_trials_do_not_depend_on_each_other(self, factory):
    self._check_trials(factory, {})

  @parameterized.named_parameters(
      ('fresh', methods.zcp_mlp, {'num_steps': 60}),
      ('pretrained', methods.zcp_mlp,
       {'sources': 'tasks', 'num_steps': 20, 'source_epochs': 5}),
      ('bayesian', methods.bayesian, {'learn_prior': False}),
  )
  @pytest.mark.slow
  def test_trials_of_trained_methods(self, factory, options):
    self._check_trials(factory, options)

  def _check_trials(self, factory, options):
    scores, labels, ids = self._predict(factory(**options))
    self.assertEqual(scores.shape, (3, 120))
    again, _, _ = self._predict(factory(**options), (2, 0, 1))
    np.testing.assert_allclose(again, scores, rtol=1e-4, atol=1e-5)
    left = np.setdiff1d(np.arange(120), ids[0])
    rho = stats.spearmanr(scores[0, left], labels[left])[0]
    self.assertGreater(rho, 0.4)

  def test_ridge_is_the_normal_equation(self):
    scores, labels, ids = self._predict(methods.ridge(shrinkage=0.3))
    proxies = _problem().networks.proxies
    known, label = proxies[ids[1]], labels[ids[1]]
    centred = known - known.mean(axis=0)
    weights = np.linalg.inv(centred.T @ centred + 0.3 * 12 * np.eye(2))
    weights = weights @ centred.T @ (label - label.mean()) / label.std()
    np.testing.assert_allclose(scores[1], proxies @ weights)

  def test_best_proxy_turns_it_round(self):
    scores, labels, _ = self._predict(methods.best_proxy())
    proxies = _problem().networks.proxies
    np.testing.assert_allclose(scores[0], -proxies[:, 0])
    self.assertGreater(stats.spearmanr(scores[0], labels)[0], 0.0)

  @parameterized.parameters(
      (methods.ridge, {}, 0),
      (methods.zcp_mlp, {}, 0),
      (methods.zcp_mlp, {'sources': 'tasks'}, 40),
      (methods.bayesian, {'sources': 'none'}, 0),
      (methods.bayesian, {'sources': 'space'}, 40),
      (methods.bayesian, {}, 40),
      (methods.bayesian, {'sources': 'siblings'}, 70),
  )
  def test_budget(self, factory, options, source):
    budget = factory(**options).budget(_problem(), 12)
    self.assertEqual(
        (budget.source, budget.reference, budget.target), (source, 0, 12)
    )

  @parameterized.parameters(
      (methods.bayesian, {'sources': 'all'}, "sources: unknown 'all'"),
      (methods.zcp_mlp, {'sources': 'one'}, "sources: unknown 'one'"),
      (methods.zcp_mlp, {'num_steps': 0}, 'num_steps must be at least 1'),
      (methods.ridge, {'shrinkage': 0.0}, 'shrinkage must be above 0'),
  )
  def test_errors(self, factory, options, message):
    with self.assertRaisesRegex(ValueError, message):
      factory(**options)


if __name__ == '__main__':
  absltest.main()
