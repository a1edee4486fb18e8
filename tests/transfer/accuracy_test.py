"""Few-shot accuracy: what sources may say, and what labels do."""

import dataclasses

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nasflat_jax import spaces
from nasflat_jax import transfer
from nasflat_jax.transfer import _accuracy_features as _features
from nasflat_jax.transfer import _accuracy_kernels

_SPACE = spaces.NASBENCH201


def _networks(size, seed=0, num_proxies=3):
  rng = np.random.default_rng(seed)
  index = rng.choice(_SPACE.spec.size, size, replace=False)
  genotype = np.asarray(_SPACE.from_index(jnp.asarray(index)))
  proxies = transfer.normal_scores(rng.normal(size=(size, num_proxies)))
  return transfer.Networks(_SPACE, genotype, proxies)


def _accuracy(networks, noise=0.1, seed=0):
  """Large convolutions help, on the last edges most."""
  large = networks.genotype == 3
  rng = np.random.default_rng(seed)
  return 80 + large @ np.arange(1.0, 7.0) + noise * rng.normal(size=len(large))


def _source(size=60, seed=1, name='nasbench201/source'):
  networks = _networks(size, seed)
  return transfer.AccuracySource(name, networks, _accuracy(networks))


class FeaturesTest(parameterized.TestCase):

  def test_normal_scores(self):
    values = np.array([[3.0, np.nan], [1.0, 2.0], [1e9, 2.0], [1.0, 2.0]])
    scores = transfer.normal_scores(values)
    np.testing.assert_array_equal(
        np.argsort(scores[:, 0], kind='stable'), [1, 3, 0, 2]
    )
    self.assertEqual(scores[1, 0], scores[3, 0])
    np.testing.assert_allclose(scores[:, 1], [np.nan, 0.0, 0.0, 0.0])
    wanted = stats.norm.ppf((stats.rankdata(values[:, 0]) - 0.5) / 4)
    np.testing.assert_allclose(scores[:, 0], wanted / wanted.std())
    # Any increasing transform of a proxy is the same proxy.
    np.testing.assert_allclose(
        transfer.normal_scores(np.exp(values[:, :1] / 1e9)),
        scores[:, :1], atol=1e-9,
    )

  def test_labels_do_not_know_units(self):
    accuracy = np.random.default_rng(0).normal(size=(2, 9))
    labels = _accuracy_kernels.labels(accuracy)
    np.testing.assert_allclose(
        _accuracy_kernels.labels(7.0 * accuracy - 3.0), labels, atol=1e-9
    )
    np.testing.assert_allclose(
        _accuracy_kernels.labels(np.full(4, 5.0)), 0.0
    )

  def test_kernels_against_numpy_double(self):
    networks = _networks(30)
    model = transfer.accuracy_model(networks)
    rows = np.arange(12)
    label = _accuracy_kernels.labels(_accuracy(networks)[rows])
    fitted = _accuracy_kernels.fit(
        model.kernels, model.prior, model.features[rows], label
    )
    features = model.features.astype(np.float64)
    grams = []
    for kernel in model.kernels:
      part = features[:, kernel.start : kernel.stop]
      squared = ((part[:, None] - part) ** 2).sum(-1)
      grams.append(part @ part.T if kernel.is_linear else np.exp(-squared / 2))
    weight, noise, _, _ = (np.asarray(x, np.float64) for x in model.prior)
    total = np.einsum('hk,kij->hij', weight, np.stack(grams))
    gram = total[:, :12, :12] + 1.0 + noise[:, None, None] * np.eye(12)
    dual = np.stack([np.linalg.solve(one, label) for one in gram])
    evidence = -0.5 * np.linalg.slogdet(gram)[1]
    evidence -= (1.0 + 6.0) * np.log(0.3 + 0.5 * dual @ label)
    prob = np.exp(evidence - evidence.max())
    prob /= prob.sum()
    wanted = np.einsum('h,hij,hj->i', prob, total[:, :, :12] + 1.0, dual)
    np.testing.assert_allclose(
        _accuracy_kernels.predict(model.kernels, fitted, model.features),
        wanted, atol=2e-3,
    )


class SourceTest(parameterized.TestCase):

  def test_a_source_does_not_speak_of_what_it_was_fitted_on(self):
    source = _source()
    features, _ = _features.joined(
        _features.structure_kernels(source.networks)
    )
    _, parts = source._parts
    group = source.networks.group
    for part, fitted in enumerate(parts):
      same = (features[:, None] == fitted.support).all(-1)
      seen = group[same.any(axis=1)]
      spoken = group[group % len(parts) == part]
      self.assertNotEmpty(spoken)
      self.assertEmpty(np.intersect1d(seen, spoken))
    said = source.speak(source.networks)
    self.assertGreater(stats.spearmanr(said, source.accuracy)[0], 0.5)

  def test_one_label_leaves_what_a_source_says(self):
    # A single label has no spread: what is expected orders the networks.
    networks = _networks(60, seed=5)
    source = _source()
    model = transfer.accuracy_model(
        networks, [source], across=False, learn_prior=False
    )
    scores = transfer.adapt_accuracy(model, [[0]], [[90.0]])[0]
    said = source.speak(networks)
    self.assertGreater(stats.spearmanr(scores, said)[0], 0.95)

  def test_twins_are_one_group(self):
    cells = [(1, 2, 0, 3, 1, 3), (2, 1, 0, 3, 3, 1)]
    networks = transfer.Networks(
        _SPACE, np.array(cells, np.int32), np.zeros((2, 1))
    )
    self.assertEqual(*networks.group)

  @pytest.mark.slow
  def test_a_source_helps_few_labels(self):
    networks = _networks(200, seed=5)
    accuracy = _accuracy(networks)
    ids = np.random.default_rng(0).permutation(200)[:5][None]
    left = np.setdiff1d(np.arange(200), ids)

    def judged(sources):
      model = transfer.accuracy_model(networks, sources, across=False)
      scores = transfer.adapt_accuracy(model, ids, accuracy[ids])[0]
      return stats.spearmanr(scores[left], accuracy[left])[0]

    self.assertGreater(judged([_source()]), judged([]) + 0.1)

  @pytest.mark.slow
  def test_a_source_that_is_wrong_is_left(self):
    networks = _networks(200, seed=5)
    accuracy = _accuracy(networks)
    source = _source()
    noise = np.random.default_rng(3).permutation(source.accuracy)
    wrong = dataclasses.replace(source, accuracy=noise)
    ids = np.random.default_rng(0).permutation(200)[:40][None]
    left = np.setdiff1d(np.arange(200), ids)
    found = []
    for sources in ([], [wrong]):
      model = transfer.accuracy_model(networks, sources, across=False)
      scores = transfer.adapt_accuracy(model, ids, accuracy[ids])[0]
      found.append(stats.spearmanr(scores[left], accuracy[left])[0])
    self.assertGreater(found[1], found[0] - 0.05)

  def test_errors(self):
    networks = _networks(5)
    with self.assertRaisesRegex(ValueError, r'toy: accuracy must be \[M\]'):
      transfer.AccuracySource('toy', networks, np.zeros(4))
    with self.assertRaisesRegex(ValueError, 'all finite'):
      transfer.AccuracySource('toy', networks, np.full(5, np.nan))
    with self.assertRaisesRegex(ValueError, '5 genotypes and 4 rows'):
      transfer.Networks(_SPACE, networks.genotype, np.zeros((4, 1)))

  def test_rows_of_a_source_are_drawn_among_the_known(self):
    networks = _networks(30)
    accuracy = _accuracy(networks)
    accuracy[::2] = np.nan
    source = transfer.accuracy_source(
        jax.random.key(0), 'toy', networks, accuracy, num_labels=8,
        siblings={'other': accuracy + 1.0},
    )
    self.assertLen(source.accuracy, 8)
    np.testing.assert_allclose(source.siblings['other'], source.accuracy + 1)


class AdaptTest(absltest.TestCase):

  def test_trials_are_independent(self):
    networks = _networks(80, seed=2)
    accuracy = _accuracy(networks)
    model = transfer.accuracy_model(networks)
    rng = np.random.default_rng(0)
    ids = np.stack([rng.permutation(80)[:6] for _ in range(3)])
    scores = transfer.adapt_accuracy(model, ids, accuracy[ids])
    again = transfer.adapt_accuracy(model, ids[::-1], accuracy[ids[::-1]])
    np.testing.assert_array_equal(again[::-1], scores)

  @pytest.mark.slow
  def test_siblings_are_read_where_known(self):
    networks = _networks(150, seed=6)
    rng = np.random.default_rng(1)
    accuracy = rng.normal(size=150)  # nothing that structure could tell
    source = _source(name='nasbench201/other')
    siblings = {source.name: accuracy + 0.2 * rng.normal(size=150)}
    ids = np.arange(10)[None]
    found = []
    for known in (None, siblings):
      model = transfer.accuracy_model(
          networks, [source], siblings=known, across=False, learn_prior=False
      )
      scores = transfer.adapt_accuracy(model, ids, accuracy[ids])[0]
      found.append(stats.spearmanr(scores[10:], accuracy[10:])[0])
    self.assertLess(abs(found[0]), 0.4)
    self.assertGreater(found[1], 0.7)

  def test_errors(self):
    model = transfer.accuracy_model(_networks(20))
    with self.assertRaisesRegex(ValueError, r'\[T, n\] alike'):
      transfer.adapt_accuracy(model, np.zeros((1, 2), int), np.zeros((1, 3)))
    with self.assertRaisesRegex(ValueError, 'not finite'):
      transfer.adapt_accuracy(
          model, np.zeros((1, 1), int), np.full((1, 1), np.nan)
      )


if __name__ == '__main__':
  absltest.main()
