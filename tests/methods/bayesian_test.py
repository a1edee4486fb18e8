"""The Bayesian method: budget, intervals, what it reads, its choices."""

from absl.testing import parameterized
import jax
import jax.numpy as jnp
from methods import toy_problem
import numpy as np
import pytest

from nasflat_jax import data
from nasflat_jax import methods
from nasflat_jax import metrics
from nasflat_jax import partitions
from nasflat_jax import spaces
from nasflat_jax import transfer
from nasflat_jax import trials
from tests import real_data

_SPACE = spaces.NASBENCH201
_KEYS = jax.random.split(jax.random.key(1), 2)


def _problem(num=200, num_sources=3):
  rng = np.random.default_rng(0)
  problem, target_ms = toy_problem.draw(
      rng, num, num_sources, least_ms=5.0, num_read=150
  )
  ids = np.stack([rng.choice(num, 12, replace=False) for _ in _KEYS])
  return problem, methods.Support(ids.astype(np.int32), target_ms[ids])


def _run(method, problem, support):
  state = method.prepare(jax.random.key(0), problem)
  return method.predict(_KEYS, problem, state, support)


class BayesianTest(parameterized.TestCase):

  def test_gives_milliseconds_inside_their_interval(self):
    problem, support = _problem()
    scores = _run(methods.bayesian(), problem, support)
    assert scores.is_ms
    assert scores.scores.shape == (2, 200)
    assert (scores.lower_ms < scores.scores).all()
    assert (scores.scores < scores.upper_ms).all()
    assert (scores.lower_ms > 0).all()

  def test_further_encodings_are_blocks_too(self):
    """Whatever the linear blocks cannot say, a block that does can."""
    problem, support = _problem()
    rng = np.random.default_rng(1)
    secret = rng.standard_normal(len(problem.genotype))
    latency = np.asarray(support.latency_ms) * 0 + 10.0 + secret[support.ids]
    keys = {row.tobytes(): x for row, x in zip(problem.genotype, secret)}

    def encode(genotype):
      rows = np.asarray(genotype, np.int32)
      return np.array([[keys.get(row.tobytes(), rng.normal())] for row in rows])

    def error(further):
      model = transfer.bayesian_model(_SPACE, further=further)
      adapted = transfer.adapt_bayesian(
          model, problem.genotype[support.ids], latency
      )
      found = adapted.predict(problem.genotype).latency_ms
      return np.abs(np.asarray(found) - 10.0 - secret).mean()

    assert error({'secret': encode}) < 0.3 * error({})

  def test_refuses_a_further_block_twice(self):
    with pytest.raises(ValueError, match="'one_hot'"):
      methods.bayesian(further='one_hot')
    with pytest.raises(ValueError, match="'roofline'"):
      transfer.bayesian_model(_SPACE, further={'roofline': lambda g: g})

  def test_budget_counts_the_source_rows_it_reads(self):
    problem, _ = _problem()
    budget = methods.bayesian().budget(problem, 12)
    assert (budget.source, budget.target) == (3 * 150, 12)
    assert methods.bayesian(sources='none').budget(problem, 12).source == 0

  @parameterized.parameters('linear', 'none')
  def test_reads_no_other_source_row(self, sources):
    problem, support = _problem()
    changed = problem.source_latency_ms.copy()
    changed[:, 150:] = np.nan
    if sources == 'none':
      changed[:] = np.nan
    other = methods.Problem(
        space=problem.space,
        genotype=problem.genotype,
        source_names=problem.source_names,
        source_latency_ms=changed,
        source_ids=problem.source_ids,
    )
    method = methods.bayesian(sources=sources)
    np.testing.assert_array_equal(
        _run(method, problem, support).scores,
        _run(method, other, support).scores,
    )

  @parameterized.parameters(
      ({'sources': 'tables'}, 'sources: unknown .tables.; choose from linear'),
      ({'network': methods.flops()}, "no use with sources='linear'"),
      ({'without': 'roofline+luck'}, 'unknown block .luck.; choose from op_'),
  )
  def test_unknown_choices_are_named(self, options, message):
    with pytest.raises(ValueError, match=message):
      methods.bayesian(**options)

  def test_left_out_blocks_are_out(self):
    problem, _ = _problem()
    state = methods.bayesian(without='one_hot+roofline').prepare(
        jax.random.key(0), problem
    )
    assert set(state.blocks) == {
        'op_counts', 'live_op_counts', 'total_costs', 'live_costs',
        'sources', 'mean_source',
    }

  @pytest.mark.slow
  def test_a_network_can_stand_for_the_sources(self):
    problem, support = _problem()
    method = methods.bayesian(
        sources='network',
        network=methods.nasflat(pretrain_steps=3, predictor='dense_graph_flow'),
    )
    state = method.prepare(jax.random.key(0), problem)
    assert state.blocks['sources'](problem.genotype[:5]).shape == (5, 3)
    scores = method.predict(_KEYS, problem, state, support)
    assert np.isfinite(scores.scores).all()
    assert method.budget(problem, 12).source == 3 * 150

  def test_on_measured_devices_of_no_published_task(self):
    """Ten measurements of a GPU, known from phones only."""
    real_data.mirror()
    table = data.load_latency('nasbench201')
    task = partitions.ND.__class__(
        name='design',
        space='nasbench201',
        source=('samsung_a50', 'samsung_s7', 'essential_ph_1'),
        target=('titanx_32',),
    )
    key = jax.random.key(0)
    problem = trials.problem(key, table, task, num_source=300)
    draws = trials.draw(key, problem, table, num_support=10, num_trials=3)
    method = methods.bayesian()
    scores = method.predict(
        draws.keys, problem, method.prepare(key, problem), draws.support
    )
    truth = jnp.asarray(table.row('titanx_32'), jnp.float32)
    rho = [
        float(metrics.spearman(jnp.asarray(row), truth))
        for row in scores.scores
    ]
    covered = [
        float(metrics.coverage(jnp.asarray(low), jnp.asarray(high), truth))
        for low, high in zip(scores.lower_ms, scores.upper_ms, strict=True)
    ]
    assert np.mean(rho) > 0.93
    assert np.mean(covered) > 0.75
