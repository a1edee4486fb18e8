"""The Bayesian transfer model on devices whose latency is known by formula."""

import functools

from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasflat_jax import metrics
from nasflat_jax import predictors
from nasflat_jax import samplers
from nasflat_jax import spaces
from nasflat_jax import transfer

_SPACE = spaces.FBNET


def _genotype(num, seed=0):
  return np.asarray(_SPACE.random(jax.random.key(seed), num))


def _cost_ms(genotype, field):
  value = np.asarray(getattr(_SPACE.costs(genotype), field), np.float64)
  return 3.0 + value / value.mean()


def _table_ms(genotype, seed):
  """A device with a time of its own for every operation at every layer."""
  times = np.random.default_rng(seed).uniform(0.1, 1.0, (22, 9))
  return times[np.arange(22), genotype].sum(axis=1)


def _spearman(pred, truth):
  return float(metrics.spearman(jnp.asarray(pred), jnp.asarray(truth)))


@functools.cache
def _model():
  return transfer.bayesian_model(_SPACE)


class ModelTest(parameterized.TestCase):

  def test_columns_of_the_prior_are_those_of_the_blocks(self):
    sources = transfer.fit_sources(
        _SPACE, _genotype(60), np.stack([_table_ms(_genotype(60), 1)])
    )
    model = transfer.bayesian_model(_SPACE, sources)
    features = model.encode(_genotype(5))
    assert features.shape == (5, model.prior.variance.shape[1])
    assert tuple(model.blocks)[-2:] == ('sources', 'mean_source')
    # Signal variance 1 under every hypothesis.
    sample = model.encode(spaces.reference_sample(_SPACE)[:1000])
    signal = np.square(sample) @ model.prior.variance.T
    np.testing.assert_allclose(signal.mean(axis=0), 1.0, atol=0.1)

  def test_inner_products_of_design_features_are_prior_covariances(self):
    model = _model()
    genotype = _genotype(6)
    x = np.asarray(model.encode(genotype))
    scaled = np.asarray(model.design_features(genotype))
    wanted = np.mean(
        [(x * v) @ x.T for v in np.asarray(model.prior.variance)], axis=0
    )
    np.testing.assert_allclose(scaled @ scaled.T, wanted, rtol=1e-3, atol=1e-4)

  def test_unknown_block_is_named(self):
    with pytest.raises(ValueError, match='warp_speed.*op_counts'):
      transfer.bayesian_model(_SPACE, blocks=('warp_speed',))
    with pytest.raises(ValueError, match='no columns in fbnet'):
      transfer.bayesian_model(_SPACE, blocks=('live_costs',))

  def test_fit_sources_is_a_look_up_table(self):
    genotype = _genotype(600)
    truth = np.stack([_table_ms(genotype, seed) for seed in (1, 2)])
    truth[1, ::3] = np.nan
    sources = transfer.fit_sources(_SPACE, genotype, truth)
    fresh = _genotype(100, seed=9)
    wanted = np.stack([_table_ms(fresh, seed) for seed in (1, 2)], axis=1)
    np.testing.assert_allclose(sources(fresh), wanted, rtol=2e-2)

  def test_fit_sources_names_an_unmeasured_device(self):
    genotype = _genotype(4)
    with pytest.raises(ValueError, match='source device 1 has 0'):
      transfer.fit_sources(
          _SPACE, genotype, np.array([[1.0, 2, 3, 4], [np.nan] * 4])
      )


class AdaptTest(parameterized.TestCase):

  @parameterized.parameters('multiply_adds', 'activation_bytes', 'kernels')
  def test_without_sources_finds_the_cost_that_counts(self, field):
    model = _model()
    pool, fresh = _genotype(2000), _genotype(300, seed=5)
    ids = samplers.d_optimal(
        jax.random.key(0), model.design_features(pool), num_samples=6,
        noise=0.5,
    )
    support = pool[np.asarray(ids)]
    costs = np.concatenate([support, fresh])
    latency = _cost_ms(costs, field)
    adapted = transfer.adapt_bayesian(model, support[None], latency[None, :6])
    got = adapted.predict(fresh)
    assert got.latency_ms.shape == (1, 300)
    assert _spearman(got.latency_ms[0], latency[6:]) > 0.95

  def test_sources_help_where_they_are_like_the_target(self):
    genotype, fresh = _genotype(600), _genotype(300, seed=5)
    sources = transfer.fit_sources(
        _SPACE,
        genotype,
        np.stack([_table_ms(genotype, seed) for seed in (1, 2, 3)]),
    )
    support = genotype[:8]
    truth = _table_ms(fresh, 2)
    got = {}
    for name, known in (('with', sources), ('without', None)):
      model = transfer.bayesian_model(_SPACE, known)
      adapted = transfer.adapt_bayesian(
          model, support[None], _table_ms(support, 2)[None]
      )
      got[name] = _spearman(adapted.predict(fresh).latency_ms[0], truth)
    assert got['with'] > 0.97
    assert got['with'] > got['without'] + 0.1

  def test_devices_do_not_see_each_other(self):
    model = _model()
    support = np.stack([_genotype(7, seed) for seed in range(5)])
    latency = np.stack([_table_ms(g, 4) for g in support])
    fresh = _genotype(20, seed=8)
    together = transfer.adapt_bayesian(model, support, latency).predict(fresh)
    for device in range(5):
      alone = transfer.adapt_bayesian(
          model, support[[device]], latency[[device]]
      ).predict(fresh)
      np.testing.assert_allclose(
          together.latency_ms[device], alone.latency_ms[0], rtol=1e-4
      )

  def test_chunks_change_nothing(self):
    model = _model()
    support = _genotype(6)
    adapted = transfer.adapt_bayesian(
        model, support[None], _table_ms(support, 1)[None]
    )
    fresh = _genotype(33, seed=2)
    whole, parts = (
        adapted.predict(fresh, chunk_size=size) for size in (100, 8)
    )
    for a, b in zip(
        jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True
    ):
      np.testing.assert_allclose(a, b, rtol=1e-5)

  def test_agrees_with_the_predictor_it_wraps(self):
    model = _model()
    support, fresh = _genotype(6), _genotype(9, seed=3)
    latency = _table_ms(support, 1)
    posterior = predictors.fit_bayesian(
        model.prior, model.encode(support), jnp.asarray(latency)
    )
    wanted = predictors.predict_bayesian(posterior, model.encode(fresh))
    got = transfer.adapt_bayesian(
        model, support[None], latency[None]
    ).predict(fresh)
    np.testing.assert_allclose(got.upper_ms[0], wanted.upper_ms, rtol=1e-3)

  @pytest.mark.slow
  def test_proposals_lower_the_uncertainty_more_than_chance(self):
    model = _model()
    pool, support = _genotype(400), _genotype(4, seed=7)
    latency = _cost_ms(np.concatenate([support, pool]), 'multiply_adds')
    adapted = transfer.adapt_bayesian(model, support[None], latency[None, :4])
    where = np.arange(400) < 300
    ids = adapted.propose(pool, 6, where=where[None])[0]
    assert len(set(ids.tolist())) == 6 and where[ids].all()

    def width(rows):
      more = np.concatenate([support, pool[rows]])
      truth = np.concatenate([latency[:4], latency[4:][rows]])
      got = transfer.adapt_bayesian(model, more[None], truth[None]).predict(
          pool[300:]
      )
      return float(np.mean(np.log(got.upper_ms / got.lower_ms)))

    chance = [
        width(np.random.default_rng(seed).choice(300, 6, replace=False))
        for seed in range(5)
    ]
    assert width(ids) < np.mean(chance)

  def test_refuses_bad_latency_and_too_many_proposals(self):
    model = _model()
    support = _genotype(3)
    with pytest.raises(ValueError, match=r'above 0, got -1.0 at \(0, 1\)'):
      transfer.adapt_bayesian(model, support[None], [[1.0, -1.0, 2.0]])
    adapted = transfer.adapt_bayesian(
        model, support[None], _table_ms(support, 1)[None]
    )
    with pytest.raises(ValueError, match='cannot propose 4 of 3'):
      adapted.propose(_genotype(3), 4)
    with pytest.raises(ValueError, match='at least one architecture'):
      adapted.predict(_genotype(3)[:0])
    with pytest.raises(ValueError, match='at least one measurement'):
      transfer.adapt_bayesian(model, support[None, :0], np.zeros((1, 0)))
