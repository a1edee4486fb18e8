"""Properties: tables, votes, latencies with their uncertainty, relaxation."""

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np
import toy_space

from nasflat_jax import encodings
from nasflat_jax import search
from nasflat_jax import spaces
from nasflat_jax import transfer
from nasflat_jax import types

_SPACE = spaces.FBNET


class TableTest(absltest.TestCase):

  def test_a_large_table_is_looked_up_and_the_rest_fails(self):
    rng = np.random.default_rng(0)
    # Enough rows that some share a hash of 32 bits.
    rows = np.unique(rng.integers(9, size=(150_000, 22)), axis=0)
    value = rng.normal(size=len(rows)).astype(np.float32)
    absent = rows[:50].copy()
    rows, value = rows[50:], value[50:]
    lookup = jax.jit(search.table(_SPACE, rows, value))
    np.testing.assert_array_equal(lookup(rows), value)
    self.assertTrue(np.isnan(lookup(absent)).all())

  def test_what_does_not_fit_is_refused(self):
    rows = np.zeros((2, 22), np.int32)
    with self.assertRaisesRegex(ValueError, 'listed twice'):
      search.table(_SPACE, rows, np.zeros(2))
    with self.assertRaisesRegex(ValueError, r'values \[N\]'):
      search.table(_SPACE, rows[:1], np.zeros(2))
    with self.assertRaisesRegex(ValueError, 'empty'):
      search.table(_SPACE, rows[:0], np.zeros(0))

  def test_tabulate_scores_a_space_once(self):
    calls = []

    def untraceable(genotype):
      calls.append(len(genotype))
      return np.asarray(genotype).sum(axis=1) / 10.0

    lookup = search.tabulate(toy_space.SPACE, untraceable)
    genotype = toy_space.SPACE.random(jax.random.key(0), 9)
    np.testing.assert_allclose(
        jax.jit(lookup)(genotype), genotype.sum(axis=1) / 10.0, rtol=1e-6
    )
    self.assertEqual(calls, [7776])

  def test_votes_and_costs(self):
    genotype = np.asarray(_SPACE.random(jax.random.key(0), 5))
    scores = np.arange(10.0).reshape(5, 2)
    vote = search.zero_cost_vote(_SPACE, genotype, scores)
    np.testing.assert_allclose(vote(genotype), np.linspace(0, 1, 5))
    np.testing.assert_allclose(
        search.cost(_SPACE, 'params')(genotype),
        _SPACE.costs(genotype).params,
        rtol=1e-6,
    )

  def test_predictions_of_a_network(self):
    def apply(params, architectures, devices, *, key=None):
      del key
      features = architectures.encoding.sum(axis=1)
      return params * features + devices.index

    genotype = _SPACE.random(jax.random.key(0), 4)
    accuracy = search.predicted(
        _SPACE, types.Predictor(lambda *_: 2.0, apply), 2.0, device=3,
        encode=encodings.one_hot(_SPACE),
    )
    expected = 2.0 * encodings.one_hot(_SPACE)(genotype).sum(axis=1) + 3
    np.testing.assert_allclose(accuracy(genotype), expected, rtol=1e-5)


class ConstraintTest(absltest.TestCase):

  def test_what_is_broken_adds_up(self):
    total = search.total_violation([
        search.at_most(lambda x: x[:, 0] * 1.0, 2.0),
        search.at_least(lambda x: x[:, 1] * 1.0, 4.0),
    ])
    rows = jnp.array([[2, 4], [3, 4], [0, 1], [3, 1]])
    np.testing.assert_allclose(total(rows), [0.0, 0.5, 0.75, 1.25])


class LatencyTest(parameterized.TestCase):

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    # Most of the time here is compilation.
    jax.config.update('jax_disable_most_optimizations', True)
    cls.addClassCleanup(
        jax.config.update, 'jax_disable_most_optimizations', False
    )
    support = np.asarray(_SPACE.random(jax.random.key(0), 8))
    costs = _SPACE.costs(support)
    latency_ms = np.stack([costs.flops / 2e7, costs.activation_bytes / 1e6])
    cls.adapted = transfer.adapt_bayesian(
        transfer.bayesian_model(_SPACE), np.stack([support] * 2), latency_ms
    )
    cls.genotype = _SPACE.random(jax.random.key(1), 40)
    cls.within = staticmethod(jax.jit(jax.vmap(
        lambda budget: search.probability_within(
            cls.adapted, budget, device=1
        )(cls.genotype)
    )))

  def test_the_median_is_what_predict_says(self):
    predicted = self.adapted.predict(self.genotype)
    for device in range(2):
      latency = search.latency(self.adapted, device=device)
      np.testing.assert_allclose(
          jax.jit(latency)(self.genotype), predicted.latency_ms[device],
          rtol=1e-5,
      )

  @parameterized.parameters(0.05, 0.95)
  def test_a_quantile_has_its_probability(self, level):
    bound = search.latency_quantile(self.adapted, level=level, device=1)
    bound_ms = bound(self.genotype)
    holds = jnp.diagonal(self.within(bound_ms))
    np.testing.assert_allclose(holds, level, atol=1e-3)

  def test_the_budget_may_be_traced_and_has_a_gradient(self):
    budgets = jnp.linspace(0.0, 12.0, 40)
    holds = self.within(budgets)
    self.assertTrue((jnp.diff(holds, axis=0) >= 0.0).all())
    np.testing.assert_array_equal(holds[0], 0.0)
    self.assertGreater(float(holds[-1].max()), 0.5)
    probability = search.probability_within
    slope = jax.jit(jax.grad(
        lambda budget: probability(self.adapted, budget)(self.genotype).sum()
    ))(5.5)
    self.assertGreater(float(slope), 0.0)

  def test_mistakes(self):
    with self.assertRaisesRegex(ValueError, 'device 2 is not one of 0..1'):
      search.latency(self.adapted, device=2)
    with self.assertRaisesRegex(ValueError, 'level must be between 0 and 1'):
      search.latency_quantile(self.adapted, level=1.0)


class RelaxTest(parameterized.TestCase):

  @parameterized.parameters('one_hot', 'op_counts', 'total_costs', 'roofline')
  def test_is_the_expectation_over_genotypes(self, name):
    encode = getattr(encodings, name)(_SPACE)
    relaxed = search.relax(_SPACE, encode)
    logits = jax.random.normal(jax.random.key(0), (22, 9))
    drawn = jax.random.categorical(jax.random.key(1), logits, shape=(20000, 22))
    values = encode(drawn)
    error = values.std(axis=0) / np.sqrt(len(drawn))
    got = relaxed(jax.nn.softmax(logits)[None])[0]
    self.assertLess(
        float(jnp.abs((got - values.mean(axis=0)) / (error + 1e-6)).max()), 5.0
    )
    corner = jax.nn.one_hot(drawn[:50], 9)
    np.testing.assert_allclose(relaxed(corner), values[:50], atol=1e-4)

  def test_refuses_what_does_not_add_up(self):
    space = spaces.NASBENCH201
    with self.assertRaisesRegex(ValueError, 'does not add up'):
      search.relax(space, encodings.live_costs(space))
    with self.assertRaisesRegex(ValueError, 'ranges of their own'):
      search.relax(spaces.OFA, encodings.one_hot(spaces.OFA))


if __name__ == '__main__':
  absltest.main()
