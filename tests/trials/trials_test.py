"""The protocol: paired supports, no leak, honest figures, rows that resume."""

import dataclasses
import json
import pathlib
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from nasflat_jax import checkpoints
from nasflat_jax import data
from nasflat_jax import encodings
from nasflat_jax import methods
from nasflat_jax import samplers
from nasflat_jax import spaces
from nasflat_jax import trials
from nasflat_jax import types

_TASK = types.Partition(
    name='toy', space='nasbench201', source=('a', 'b', 'c'), target=('d', 'e')
)
# Minutes with their own settings; `testing.check_method` judges small ones.
_TRAINED = {
    'brp_nas', 'fomaml', 'help', 'maml', 'meta_sgd', 'multi_predict', 'nasflat',
    'reptile',
}
# Need the devices' latencies in another space, see `across_spaces_test`.
_ELSEWHERE = {'across_spaces', 'hardware_latencies', 'ridge_latencies'}
_KEYS = (
    'task', 'space', 'device', 'method', 'sampler', 'num_support', 'budget',
    'trial', 'spearman', 'kendall', 'mape', 'within_10pct', 'coverage_90',
    'adapt_seconds', 'prepare_seconds', 'degenerate',
)


def _table(num=300, seed=0, **changes):
  rng = np.random.default_rng(seed)
  ids = rng.choice(5**6, num, replace=False)
  genotype = spaces.genotype_of(spaces.NASBENCH201, ids.tolist())
  hot = (genotype[:, :, None] == np.arange(5)).reshape(num, -1)
  values = rng.uniform(0.1, 3.0, (5, 30)) @ hot.T + 1.0
  values *= rng.lognormal(0.0, 0.05, values.shape)
  values[3, :20] = np.nan
  table = data.LatencyTable(
      space='nasbench201', source='toy', genotype=genotype, values=values,
      devices=tuple(
          types.Device(name=name, family='gpu', processor='x')
          for name in 'abcde'
      ),
  )
  return dataclasses.replace(table, **changes)


def _draws(table, problem, seed=0, sizes=(5, 10), num_trials=3, **kwargs):
  return [
      trials.draw(
          jax.random.key(seed), problem, table, num_support=n,
          num_trials=num_trials, **kwargs,
      )
      for n in sizes
  ]


def _pair_key(device, num_support, trial):
  """The key of a (device, trial) pair under seed 0."""
  key = trials._protocol.fold(jax.random.key(0), 'toy', device)
  return jax.random.fold_in(jax.random.fold_in(key, num_support), trial)


def _method(predict, is_ms=False, **intervals):
  """A method from `(problem, ids [n], latency_ms [n]) -> scores [N]`."""

  def predict_all(keys, problem, state, support):
    del keys, state
    pairs = zip(support.ids, support.latency_ms, strict=True)
    scores = np.stack([predict(problem, *pair) for pair in pairs])
    return methods.Scores(
        scores, is_ms, **{k: f(scores) for k, f in intervals.items()}
    )

  return methods.Method(
      prepare=lambda key, problem: None,
      predict=predict_all,
      budget=lambda problem, n: types.Budget(source=0, reference=0, target=n),
  )


class ProtocolTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.table = _table()
    self.key = jax.random.key(0)
    self.problem = trials.problem(self.key, self.table, _TASK, num_source=50)

  def test_problem_has_no_target(self):
    self.assertEqual(self.problem.source_names, ('a', 'b', 'c'))
    np.testing.assert_array_equal(
        self.problem.source_latency_ms, self.table.values[:3]
    )
    self.assertLen(self.problem.source_ids, 50)
    values = self.table.values.copy()
    values[3:] = 77.0
    other = trials.problem(
        self.key, dataclasses.replace(self.table, values=values), _TASK,
        num_source=50,
    )
    np.testing.assert_array_equal(other.source_ids, self.problem.source_ids)

  def test_source_rows_are_valid_and_measured_on_all(self):
    values = self.table.values.copy()
    values[1, 100:] = np.nan
    table = dataclasses.replace(self.table, values=values)
    problem = trials.problem(self.key, table, _TASK)
    valid = np.asarray(spaces.NASBENCH201.is_valid(table.genotype))
    np.testing.assert_array_equal(
        problem.source_ids, np.flatnonzero(valid[:100])
    )
    with self.assertRaisesRegex(ValueError, 'cannot take 150 rows per source'):
      trials.problem(self.key, table, _TASK, num_source=150)

  def test_support_is_valid_measured_distinct_and_never_judged(self):
    valid = np.asarray(spaces.NASBENCH201.is_valid(self.table.genotype))
    self.assertFalse(valid.all())  # else the next check says nothing
    for drawn in _draws(self.table, self.problem):
      self.assertEqual(drawn.device, ('d',) * 3 + ('e',) * 3)
      self.assertEqual(drawn.trial, (0, 1, 2) * 2)
      for name, ids, latency_ms, truth, judged in zip(
          drawn.device, *drawn.support[:2], drawn.latency_ms, drawn.judged
      ):
        row = self.table.row(name)
        np.testing.assert_array_equal(truth, row)
        np.testing.assert_array_equal(latency_ms, row[ids])
        self.assertLen(set(ids.tolist()), drawn.num_support)
        self.assertTrue(valid[ids].all() and np.isfinite(row[ids]).all())
        expected = np.isfinite(row)
        expected[ids] = False
        np.testing.assert_array_equal(judged, expected)

  def test_draws_differ_by_device_size_trial_task_and_seed(self):
    other = dataclasses.replace(_TASK, name='other')
    problem = dataclasses.replace(self.problem, partition=other)
    first_five = [
        tuple(ids[:5])
        for drawn in (
            *_draws(self.table, self.problem),
            *_draws(self.table, self.problem, seed=1),
            *_draws(self.table, problem),
        )
        for ids in drawn.support.ids
    ]
    self.assertLen(first_five, 36)
    self.assertLen(set(first_five), 36)

  def test_draws_repeat_whatever_runs_beside_them(self):
    first = _draws(self.table, self.problem)[1]
    again = _draws(self.table, self.problem, sizes=(10,), num_trials=1)[0]
    np.testing.assert_array_equal(
        first.support.ids[[0, 3]], again.support.ids
    )
    np.testing.assert_array_equal(
        jax.random.key_data(first.keys[jnp.array([0, 3])]),
        jax.random.key_data(again.keys),
    )

  def test_pool_size_bounds_what_the_sampler_sees(self):
    seen = []

    def chooser(key, where, measure, num_support):
      del key, measure
      seen.append(int(where.sum()))
      return np.flatnonzero(where)[:num_support]

    _draws(self.table, self.problem, chooser=chooser, pool_size=40)
    self.assertEqual(seen, [40] * 12)

  def test_samplers_are_compiled_once_for_a_shape(self):
    traced = []

    def sampler(key, features, *, num_samples, where):
      traced.append(num_samples)
      return samplers.d_optimal(
          key, features, num_samples=num_samples, where=where
      )

    drawn = _draws(self.table, self.problem, sampler=sampler)
    self.assertEqual(traced, [5, 10])
    plain = samplers.d_optimal(
        jax.random.split(_pair_key('d', 5, 0), 3)[1],
        jnp.asarray(trials._features.one_hot(self.problem)), num_samples=5,
        where=jnp.asarray(self._pool('d')),
    )
    np.testing.assert_array_equal(drawn[0].support.ids[0], plain)

  def _pool(self, name):
    valid = np.asarray(spaces.NASBENCH201.is_valid(self.table.genotype))
    return valid & np.isfinite(self.table.row(name))

  def test_bad_samplers_are_named(self):
    def same(key, features, *, num_samples, where):
      del key, features
      return jnp.full(num_samples, jnp.argmax(where))

    def outside(key, features, *, num_samples, where):
      del key, features
      return jnp.argsort(where)[:num_samples]

    with self.assertRaisesRegex(ValueError, "'odd' must give 5 distinct"):
      _draws(self.table, self.problem, sampler=same, sampler_name='odd')
    with self.assertRaisesRegex(ValueError, "'odd' chose a row outside"):
      _draws(self.table, self.problem, sampler=outside, sampler_name='odd')

  def test_a_chooser_measures_as_it_goes(self):
    kept = []

    def chooser(key, where, measure, num_support):
      # The start is random, then the row nearest what was measured last.
      start = int(jax.random.choice(key, np.flatnonzero(where)))
      ids, values = [start], [measure(start)]
      while len(ids) < num_support:
        row = min(np.setdiff1d(np.flatnonzero(where), ids).tolist(),
                  key=lambda i: abs(i - 100 * values[-1]))
        ids.append(row)
        values.append(measure(row))
      kept.append(values)
      return np.array(ids)

    first, second = (
        _draws(self.table, self.problem, chooser=chooser, sampler_name='near')
        for _ in range(2)
    )
    np.testing.assert_array_equal(
        np.concatenate([d.support.latency_ms.ravel() for d in first]),
        np.concatenate(kept[:12]),
    )
    for a, b in zip(first, second):
      self.assertEqual(a.sampler, 'near')
      np.testing.assert_array_equal(a.support.ids, b.support.ids)
    # The adaptation has the keys that it has with any other sampler.
    np.testing.assert_array_equal(
        jax.random.key_data(first[0].keys),
        jax.random.key_data(_draws(self.table, self.problem)[0].keys),
    )

  @parameterized.parameters(
      (lambda rows, out, ask: ask(out), 'measured row [0-9]+, which is out'),
      (lambda rows, out, ask: ask(-1), 'measured row -1, which is outside'),
      (lambda rows, out, ask: [ask(rows[0]), ask(rows[0])],
       'measured row [0-9]+ twice'),
      (lambda rows, out, ask: [ask(i) for i in rows[:6]],
       'measured more than 5 rows'),
      (lambda rows, out, ask: ask(rows[9]),
       'measured row [0-9]+ without counting'),
  )
  def test_choosers_that_cheat_are_named(self, cheat, message):
    def chooser(key, where, measure, num_support):
      del key
      rows = np.flatnonzero(where)
      cheat(rows, np.flatnonzero(~where)[0], measure)
      return rows[:num_support]

    with self.assertRaisesRegex(ValueError, f"'sly' {message}"):
      _draws(self.table, self.problem, chooser=chooser, sampler_name='sly')

  def test_chooser_repeats_or_leaves_the_pool(self):
    for wanted, message in ((True, 'distinct rows'), (False, 'outside its')):
      def chooser(key, where, measure, num_support, wanted=wanted):
        rows = np.flatnonzero(where == wanted)
        return rows[np.zeros(num_support, int) if wanted else
                    np.arange(num_support)]

      with self.assertRaisesRegex(ValueError, message):
        _draws(self.table, self.problem, chooser=chooser)
    with self.assertRaisesRegex(ValueError, 'a sampler or a chooser'):
      _draws(self.table, self.problem, chooser=chooser, sampler=samplers.random)

  def test_too_small_a_pool(self):
    with self.assertRaisesRegex(ValueError, "device 'd' has [0-9]+ valid"):
      _draws(self.table, self.problem, sizes=(290,))

  def test_three_rows_are_left_to_judge(self):
    values = self.table.values.copy()
    valid = np.asarray(spaces.NASBENCH201.is_valid(self.table.genotype))
    values[4, np.flatnonzero(valid)[8:]] = np.nan
    values[4, ~valid] = np.nan
    table = dataclasses.replace(self.table, values=values)
    (drawn,) = _draws(table, self.problem, sizes=(5,))
    self.assertEqual(drawn.judged[3:].sum(axis=1).tolist(), [3, 3, 3])
    with self.assertRaisesRegex(
        ValueError, "task toy: num_support 6 leaves 2 .* device 'e' to judge"
    ):
      _draws(table, self.problem, sizes=(6,))

  def test_tables_that_do_not_fit(self):
    fbnet = dataclasses.replace(_TASK, space='fbnet')
    with self.assertRaisesRegex(ValueError, "on space 'fbnet'"):
      trials.problem(self.key, self.table, fbnet)
    devices = (
        *self.table.devices[:4],
        dataclasses.replace(self.table.devices[4], unit='mJ', metric='energy'),
    )
    table = dataclasses.replace(self.table, devices=devices)
    with self.assertRaisesRegex(ValueError, "'e' holds energy in mJ"):
      trials.problem(self.key, table, _TASK)


class FeaturesTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.table = _table()
    self.problem = trials.problem(
        jax.random.key(0), self.table, _TASK, num_source=50
    )

  def _draw(self, sampler, encoding=None):
    name, build = trials.sampler_features(sampler, encoding)
    (drawn,) = _draws(
        self.table, self.problem, sizes=(5,), num_trials=1,
        sampler=getattr(samplers, sampler), sampler_name=name,
        features=build(self.problem, self.table) if build else None,
    )
    return drawn

  @parameterized.product(
      sampler=sorted({*samplers.__all__} - {'random', 'stratified'}),
      encoding=('costs', 'one_hot', 'params', 'flops', 'latency_oracle'),
  )
  def test_every_sampler_takes_every_encoding(self, sampler, encoding):
    drawn = self._draw(sampler, encoding)
    self.assertEqual(drawn.sampler, f'{sampler}({encoding})')
    self.assertLen(drawn.device, 2)

  def test_an_encoding_is_the_same_in_chunks(self):
    _, build = trials.sampler_features('k_means', 'op_counts')
    whole = encodings.op_counts(spaces.NASBENCH201)(self.table.genotype)
    for size in (128, 300, 4096):
      with mock.patch.object(trials._features, '_CHUNK', size):
        features = build(self.problem, self.table)
      np.testing.assert_allclose(features, whole, rtol=1e-6)

  def test_prior_sees_the_source_rows_of_the_problem_only(self):
    drawn = self._draw('d_optimal', 'prior')
    self.assertEqual(drawn.sampler, 'd_optimal(prior)')
    _, build = trials.sampler_features('d_optimal', 'prior')
    features = build(self.problem, self.table)
    self.assertTrue(np.isfinite(features).all())
    hidden = np.ones(300, bool)
    hidden[self.problem.source_ids] = False
    values = self.table.values.copy()
    values[3:] = np.nan
    values[:, hidden] = np.nan
    problem = dataclasses.replace(
        self.problem, source_latency_ms=values[:3]
    )
    table = dataclasses.replace(self.table, values=values)
    np.testing.assert_array_equal(build(problem, table), features)
    values[0] *= 1 + np.arange(300) / 300
    self.assertFalse(np.array_equal(build(problem, table), features))

  @parameterized.parameters(
      ('random', 'random'), ('stratified', 'stratified(flops)'),
      ('d_optimal', 'd_optimal(costs)'), ('k_means', 'k_means(costs)'),
  )
  def test_defaults(self, sampler, name):
    self.assertEqual(self._draw(sampler).sampler, name)

  @parameterized.parameters('flops', 'params', 'latency_oracle')
  def test_strata_are_those_of_the_number(self, encoding):
    drawn = self._draw('stratified', encoding)
    for device, ids in zip(drawn.device, drawn.support.ids):
      row = self.table.row(device)
      valid = np.asarray(spaces.NASBENCH201.is_valid(self.table.genotype))
      pool = valid & np.isfinite(row)
      value = row if encoding == 'latency_oracle' else np.asarray(
          getattr(spaces.NASBENCH201.costs(self.table.genotype), encoding))
      edges = np.quantile(value[pool], np.linspace(0, 1, 6))
      for i, chosen in enumerate(value[ids]):
        # A rank of slack: edges fall between rows, and values tie.
        rank = np.sum(value[pool] < chosen), np.sum(value[pool] <= chosen)
        self.assertGreaterEqual(rank[1], i * pool.sum() // 5, edges)
        self.assertLessEqual(rank[0], (i + 1) * pool.sum() // 5 + 1, edges)

  @parameterized.parameters(
      ('stratified', 'costs', '--sampler_encoding: stratified sorts by one'),
      ('d_optimal', 'magic', "--sampler_encoding: unknown 'magic'; choose"),
      ('random', 'costs', '--sampler_encoding: random looks at no encoding'),
  )
  def test_wrong_pairs(self, sampler, encoding, message):
    with self.assertRaisesRegex(ValueError, message):
      trials.sampler_features(sampler, encoding)

  def test_features_that_do_not_fit(self):
    features = np.ones((300, 2))
    features[~np.asarray(spaces.NASBENCH201.is_valid(self.table.genotype))] = (
        np.nan
    )
    for change, message in (
        (lambda x: x, None),
        (lambda x: np.where(np.arange(300)[:, None] > 200, np.nan, x),
         r"'x': features of [0-9]+ architectures of the pool are not finite"),
        (lambda x: x[:-1], r'\[N, F\] with N = 300, got \(299, 2\)'),
    ):
      draw = lambda c=change: _draws(
          self.table, self.problem, sizes=(5,), sampler=samplers.d_optimal,
          sampler_name='x', features=c(features),
      )
      if message is None:
        draw()
      else:
        with self.assertRaisesRegex(ValueError, message):
          draw()


class NamesTest(parameterized.TestCase):

  @parameterized.parameters(
      ('flops', ['flops']),
      ('a, b[c=1,d=2],e', ['a', 'b[c=1,d=2]', 'e']),
      ('b[c=1],b[c=2]', ['b[c=1]', 'b[c=2]']),
      ('a,', ['a', '']),
  )
  def test_split(self, text, parts):
    self.assertEqual(trials.split(text), parts)

  def _make(self, text, **options):
    def ridge(*, name='x', flag=True, count=1, scale=0.5, weights=None):
      if name == 'bad':
        raise ValueError('name: bad')
      return name, flag, count, scale, weights

    namespace = mock.Mock(__all__=('ridge',), ridge=ridge)
    return trials.make_named(namespace, text, options, flag='methods')

  def test_values_have_the_types_of_the_defaults(self):
    self.assertEqual(self._make('ridge'), ('x', True, 1, 0.5, None))
    self.assertEqual(
        self._make('ridge[name=1, flag=False,count=3,scale=2]'),
        ('1', False, 3, 2.0, None),
    )
    # Those in brackets go before those for all.
    self.assertEqual(
        self._make('ridge[count=3]', count=5, name='y', other=1)[:3],
        ('y', True, 3),
    )

  def test_keywords_are_those_of_the_call(self):
    def ridge(*, name='x', flag=True, scale=0.5):
      return name, flag, scale

    namespace = mock.Mock(__all__=('ridge',), ridge=ridge)
    self.assertEqual(
        trials.keywords_of(
            namespace, 'ridge[scale=2]', {'scale': 3.0, 'name': 'y', 'z': 1},
            flag='methods',
        ),
        {'name': 'y', 'flag': True, 'scale': 2.0},
    )

  @parameterized.parameters(
      ('magic[a=1]', "--methods: unknown 'magic'; choose from ridge"),
      ('ridge[size=1]', "has no option 'size'; choose from name, flag, count"),
      ('ridge[flag=1]', r'ridge\[flag\]: want true or false'),
      ('ridge[count=x]', r"ridge\[count\]: want a whole number, got 'x'"),
      ('ridge[scale=x]', r"ridge\[scale\]: want a number, got 'x'"),
      ('ridge[weights=x]', r'ridge\[weights\]: cannot be given'),
      ('ridge[name=bad]', r'--methods: ridge\[name=bad\]: name: bad'),
      ('ridge[count]', 'distinct key=value pairs'),
      ('ridge[]', 'distinct key=value pairs'),
      ('ridge[count=1,count=2]', 'distinct key=value pairs'),
      ('ridge[count=1', 'want name or name'),
  )
  def test_mistakes(self, text, message):
    with self.assertRaisesRegex(ValueError, message):
      self._make(text)


class EvaluateTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.table = _table()
    self.key = jax.random.key(0)
    self.problem = trials.problem(self.key, self.table, _TASK, num_source=50)
    self.draws = _draws(self.table, self.problem)

  def _rows(self, method):
    return trials.evaluate(
        self.key, method, self.problem, self.draws, method_name='m'
    )

  def test_rows(self):
    method = methods.linear_sources()
    rows = self._rows(method)
    self.assertLen(rows, 12)
    for row in rows:
      self.assertEqual(tuple(row), _KEYS)
      json.dumps(row, allow_nan=False)
      self.assertEqual(
          row['budget'],
          {'source': 150, 'reference': 0, 'target': row['num_support']},
      )
      self.assertGreater(row['adapt_seconds'], 0.0)
    again = self._rows(method)
    for row, other in zip(rows, again):
      for name in ('adapt_seconds', 'prepare_seconds'):
        row.pop(name), other.pop(name)
      self.assertEqual(row, other)

  def test_references_are_seen_on_request_and_then_not_judged(self):
    references = self.problem.reference_ids
    self.assertLen(set(references.tolist()), 10)
    seen = []

    def rhos(reads, score):
      def predict(keys, problem, state, support):
        del keys, state
        seen.append(support.reference_ms)
        scores = np.tile(problem.source_latency_ms[0], (len(support.ids), 1))
        scores[:, references] = score
        return methods.Scores(scores, False)

      method = _method(lambda *_: None)._replace(
          predict=predict, reads_references=reads
      )
      return [row['spearman'] for row in self._rows(method)]

    self.assertNotEqual(rhos(False, 0.0), rhos(False, 1e6))
    self.assertEqual(seen, [None] * 2 * len(self.draws))
    seen.clear()
    self.assertEqual(rhos(True, 0.0), rhos(True, 1e6))
    for drawn, reference_ms in zip(self.draws, seen[:2], strict=True):
      np.testing.assert_array_equal(
          reference_ms, drawn.latency_ms[:, references]
      )

  def test_references_may_leave_too_few_rows_to_judge(self):
    table = _table(num=34)  # 14 rows of device d are measured
    problem = trials.problem(self.key, table, _TASK)
    method = methods.ridge_counts()._replace(reads_references=True)
    with self.assertRaisesRegex(
        ValueError, "5 and 10 reference .* of device 'd' to judge, at least 3"
    ):
      trials.evaluate(
          self.key, method, problem, _draws(table, problem, sizes=(5,)),
          method_name='m',
      )

  def test_references_are_measured_on_every_device(self):
    values = self.table.values.copy()
    gone = self.problem.reference_ids[:4]
    values[-1, gone] = np.nan
    table = dataclasses.replace(self.table, values=values)
    problem = trials.problem(jax.random.key(0), table, _TASK)
    ids = problem.reference_ids
    self.assertLen(set(ids.tolist()), 10)
    self.assertTrue(np.isfinite(values[:, ids]).all())
    self.assertTrue(
        np.asarray(spaces.NASBENCH201.is_valid(table.genotype[ids])).all()
    )

  def test_figures_are_those_of_the_judged_rows(self):
    # The scores give the support rows away; judged, they would lift the mean.
    def predict(problem, ids, latency_ms):
      scores = problem.source_latency_ms[0].copy()
      scores[ids] = latency_ms
      return scores

    rows = self._rows(_method(predict, is_ms=True))
    scores = self.problem.source_latency_ms[0]
    pairs = [(d, i) for d in self.draws for i in range(len(d.device))]
    for row, (drawn, index) in zip(rows, pairs):
      judged = drawn.judged[index]
      a, b = scores[judged], drawn.latency_ms[index][judged]
      np.testing.assert_allclose(row['spearman'], stats.spearmanr(a, b)[0])
      np.testing.assert_allclose(row['kendall'], stats.kendalltau(a, b)[0])
      error = np.abs(a - b) / b
      np.testing.assert_allclose(row['mape'], error.mean(), rtol=1e-5)
      np.testing.assert_allclose(
          row['within_10pct'], (error <= 0.1).mean(), rtol=1e-5
      )
      self.assertIsNone(row['coverage_90'])
      self.assertFalse(row['degenerate'])

  def test_unitless_scores_are_calibrated_on_the_support(self):
    def monotone(problem, ids, latency_ms):
      del ids, latency_ms
      return 1e9 * np.log(problem.source_latency_ms[0]) + 5e9

    values = self.table.values.copy()
    values[3:] = 3.0 * values[0] ** 0.5
    table = dataclasses.replace(self.table, values=values)
    self.draws = _draws(table, self.problem)
    for row in self._rows(_method(monotone)):
      np.testing.assert_allclose(row['mape'], 0.0, atol=1e-5)
      np.testing.assert_allclose(row['spearman'], 1.0)

  def test_coverage(self):
    truth = self.table.row('e')
    rows = self._rows(_method(
        lambda problem, ids, latency_ms: truth, is_ms=True,
        lower_ms=lambda s: 0.9 * s, upper_ms=lambda s: 1.1 * s,
    ))
    self.assertEqual(rows[3]['device'], 'e')
    self.assertEqual(rows[3]['coverage_90'], 1.0)
    self.assertLess(rows[0]['coverage_90'], 1.0)

  @parameterized.parameters(0.0, 3.0)
  def test_a_constant_predictor_scores_zero(self, value):
    constant = lambda problem, ids, ms: np.full(len(problem.genotype), value)
    for row in self._rows(_method(constant)):
      self.assertEqual((row['spearman'], row['kendall']), (0.0, 0.0))
      self.assertTrue(row['degenerate'])

  def test_a_constant_target_is_null(self):
    values = self.table.values.copy()
    values[3:] = 2.0
    table = dataclasses.replace(self.table, values=values)
    self.draws = _draws(table, self.problem)
    for row in self._rows(methods.flops()):
      self.assertIsNone(row['spearman'])
      self.assertIsNone(row['kendall'])
      self.assertFalse(row['degenerate'])

  def test_no_rows_to_judge_is_null(self):
    (drawn, _) = self.draws
    self.draws = [
        dataclasses.replace(drawn, judged=np.zeros_like(drawn.judged))
    ]
    for row in self._rows(_method(
        lambda problem, ids, ms: problem.source_latency_ms[0], is_ms=True,
        lower_ms=lambda s: s, upper_ms=lambda s: s,
    )):
      for name in ('spearman', 'kendall', 'mape', 'within_10pct',
                   'coverage_90'):
        self.assertIsNone(row[name])
      self.assertFalse(row['degenerate'])

  def test_refuses_what_is_no_prediction(self):
    def some_nan(problem, ids, latency_ms):
      del ids
      return np.where(latency_ms[0] > 0, np.nan, 1.0) * problem.genotype[:, 0]

    with self.assertRaisesRegex(ValueError, "not finite on device 'd', tri"):
      self._rows(_method(some_nan))
    with self.assertRaisesRegex(ValueError, r'gave scores \(6, 2\)'):
      self._rows(_method(lambda problem, ids, latency_ms: np.ones(2)))

  @parameterized.parameters(
      *[
          n for n in methods.__all__
          if n.islower() and n not in _TRAINED | _ELSEWHERE
      ]
  )
  def test_no_leak(self, name):
    """Query rows of the targets change no prediction."""
    method = getattr(methods, name)()
    kept = []

    def spy(keys, problem, state, support):
      kept.append(method.predict(keys, problem, state, support))
      return kept[-1]

    supports = self.draws
    rng = np.random.default_rng(0)
    for change in (lambda x: x, rng.permutation, lambda x: x * np.nan):
      values = self.table.values.copy()
      for d in (3, 4):
        # Rows in no support of the device are the query rows of all trials.
        used = np.concatenate([
            ids for drawn in supports
            for ids, device in zip(drawn.support.ids, drawn.device)
            if device == 'abcde'[d]
        ])
        query = np.setdiff1d(np.arange(300), used)
        values[d, query] = change(values[d, query])
      table = dataclasses.replace(self.table, values=values)
      problem = trials.problem(self.key, table, _TASK, num_source=50)
      for drawn in supports:
        replayed = dataclasses.replace(
            drawn, support=methods.Support(
                drawn.support.ids,
                np.stack([
                    table.row(device)[ids]
                    for device, ids in zip(drawn.device, drawn.support.ids)
                ]),
            ),
        )
        trials.evaluate(
            self.key, method._replace(predict=spy), problem, [replayed],
            method_name=name,
        )
    # Three versions of the table, two sizes each.
    for i in range(2):
      for j in (i + 2, i + 4):
        np.testing.assert_array_equal(kept[i].scores, kept[j].scores)


class StoreTest(absltest.TestCase):

  def setUp(self):
    super().setUp()
    self.path = pathlib.Path(self.create_tempdir()) / 'out.json'
    self.table = _table()
    self.methods = {
        'flops': methods.flops(), 'ridge_counts': methods.ridge_counts(),
    }

  def _meta(self, seed=0):
    return trials.metadata(
        command='c', seed=seed, settings={'num_trials': 2},
        data_sha256={'nasbench201': data.fingerprint(self.table)},
    )

  def _run(self, store, methods_by_name=None):
    return trials.run(
        [_TASK], methods_by_name or self.methods,
        {'nasbench201': self.table}, seed=0, num_support=[5], num_trials=2,
        num_source=50, store=store,
    )

  def test_same_support_for_every_method(self):
    seen = {}

    def watched(name, method):
      def predict(keys, problem, state, support):
        seen[name] = jax.random.key_data(keys), support.ids
        return method.predict(keys, problem, state, support)
      return method._replace(predict=predict)

    self._run(
        trials.Store(self.path, self._meta()),
        {name: watched(name, m) for name, m in self.methods.items()},
    )
    for a, b in zip(seen['flops'], seen['ridge_counts']):
      np.testing.assert_array_equal(a, b)

  def test_samplers_features_and_choosers_reach_the_rows(self):
    def run(**kwargs):
      return trials.run(
          [_TASK], {'flops': methods.flops()}, {'nasbench201': self.table},
          seed=0, num_support=[5], num_trials=1, num_source=50,
          store=trials.Store(self.path, self._meta()), **kwargs,
      )

    name, build = trials.sampler_features('stratified', 'latency_oracle')
    rows = run(
        sampler=samplers.stratified, sampler_name=name, features=build
    )
    self.assertEqual(rows[0]['sampler'], 'stratified(latency_oracle)')
    seen = []

    def chooser(problem):
      def choose(key, where, measure, num_support):
        seen.append(problem.source_names)
        return np.flatnonzero(where)[:num_support]
      return choose

    rows = run(chooser=chooser, sampler_name='first')
    self.assertEqual(rows[0]['sampler'], 'first')
    self.assertEqual(seen, [('a', 'b', 'c')] * 2)

  def test_file(self):
    rows = self._run(trials.Store(self.path, self._meta()))
    written = json.loads(self.path.read_text())
    self.assertEqual(written['rows'], rows)
    self.assertLen(rows, 8)
    self.assertSameElements(
        written['meta'],
        ('command', 'seed', 'settings', 'versions', 'hardware', 'data_sha256',
         'date'),
    )
    self.assertEqual([p.name for p in self.path.parent.iterdir()], ['out.json'])

  def test_an_interrupted_run_resumes(self):
    expected = self._run(trials.Store(self.path, self._meta()))
    before = self.path.read_text()

    def interrupt(*args):
      raise KeyboardInterrupt

    broken = {
        **self.methods,
        'ridge_counts': self.methods['ridge_counts']._replace(
            predict=interrupt),
    }
    with self.assertRaises(KeyboardInterrupt):
      self._run(trials.Store(self.path, self._meta()), broken)
    self.assertEqual(self.path.read_text(), before)
    partial = self.path.with_name('out.json.partial')
    with partial.open('a') as file:
      file.write('{"task": "toy", "meth')  # killed while writing
    store = trials.Store(self.path, self._meta(), resume=True)
    self.assertEqual(list(store.done), [('toy', 'flops')])
    unused = {
        **self.methods,
        'flops': self.methods['flops']._replace(predict=interrupt),
    }
    rows = self._run(store, unused)
    self.assertFalse(partial.exists())
    strip = lambda rs: [
        {**r, 'adapt_seconds': 0, 'prepare_seconds': 0} for r in rs
    ]
    self.assertEqual(strip(rows), strip(expected))

  def test_other_settings_are_not_mixed(self):
    trials.Store(self.path, self._meta()).add('toy', 'flops', [])
    with self.assertRaisesRegex(ValueError, 'has seed 0, this run has 1'):
      trials.Store(self.path, self._meta(seed=1), resume=True)
    self.table = _table(seed=5)
    with self.assertRaisesRegex(ValueError, 'another nasbench201 table'):
      trials.Store(self.path, self._meta(), resume=True)

  def test_an_interrupted_run_is_not_lost_without_resume(self):
    trials.Store(self.path, self._meta()).add('toy', 'flops', [])
    partial = self.path.with_name('out.json.partial')
    before = partial.read_text()
    with self.assertRaisesRegex(
        ValueError, 'out.json.partial .*pass --resume to go on or delete it'
    ):
      trials.Store(self.path, self._meta())
    self.assertEqual(partial.read_text(), before)
    resumed = trials.Store(self.path, self._meta(), resume=True)
    self.assertEqual(resumed.done, {('toy', 'flops'): []})
    partial.unlink()
    self.assertEmpty(trials.Store(self.path, self._meta()).done)

  def test_a_refused_run_leaves_nothing(self):
    with self.assertRaisesRegex(ValueError, 'cannot take 50'):
      self.table = _table(num=40)
      self._run(trials.Store(self.path, self._meta()))
    self.assertEmpty(list(self.path.parent.iterdir()))

  def test_a_damaged_log_is_named(self):
    partial = self.path.with_name('out.json.partial')
    for content in (b'[]\n', b'{"meta": "\xff"}\n{"ta', b''):
      partial.write_bytes(content)
      with self.assertRaisesRegex(ValueError, 'out.json.partial is not a log'):
        trials.Store(self.path, self._meta(), resume=True)
      self.assertEqual(partial.read_bytes(), content)


class PretrainingTest(absltest.TestCase):

  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(self.create_tempdir()) / 'kept'
    self.table = _table()
    self.prepared = []

  def _method(self, width=3):
    """Learns a random vector on the sources."""

    def prepare(key, problem):
      self.prepared.append(problem.partition.name)
      return jax.random.normal(key, (width,))

    def predict(keys, problem, state, support):
      del keys
      scores = problem.genotype[:, :3] @ np.asarray(state, np.float64)
      return methods.Scores(np.tile(scores, (len(support.ids), 1)), False)

    def restore(problem, arrays):
      del problem
      return checkpoints.fitted(arrays, {'w': np.zeros(width, np.float32)})['w']

    return methods.Method(
        prepare, predict, lambda problem, n: types.Budget(0, 0, n),
        dump=lambda state: {'w': state}, restore=restore,
    )

  def _run(self, method, seed=0, num_source=50, sizes=(5,), **keywords):
    meta = trials.metadata(
        command='c', seed=seed, settings={'num_source': num_source},
        data_sha256={'nasbench201': data.fingerprint(self.table)},
    )
    out = pathlib.Path(self.create_tempdir()) / 'out.json'
    names = 'm[a=1,b=x/y]', 'flops'
    rows = trials.run(
        [_TASK], {names[0]: method, 'flops': methods.flops()},
        {'nasbench201': self.table}, seed=seed, num_support=sizes, num_trials=2,
        num_source=num_source, store=trials.Store(out, meta),
        pretraining=trials.Pretraining(
            self.folder, meta, {name: keywords for name in names}),
    )
    return [row for row in rows if row['method'] != 'flops']

  def _without(self, rows, *names):
    return [{k: v for k, v in r.items() if k not in names} for r in rows]

  def test_a_kept_state_gives_the_rows_of_the_run_that_made_it(self):
    first = self._run(self._method())
    (path,) = self.folder.iterdir()
    self.assertEqual(path.name, 'toy-m-a=1-b=x-y.npz')
    before = path.read_bytes()
    again = self._run(self._method())
    self.assertEqual(self.prepared, ['toy'])
    self.assertEqual(
        self._without(again, 'adapt_seconds'),
        self._without(first, 'adapt_seconds'),
    )
    # Other supports need no other state.
    more = self._run(self._method(), sizes=(5, 10))
    self.assertEqual(self.prepared, ['toy'])
    self.assertEqual(
        self._without(more[:4], 'adapt_seconds'),
        self._without(first, 'adapt_seconds'),
    )
    self.assertEqual(path.read_bytes(), before)
    _, header = checkpoints.load_arrays(path)
    self.assertEqual(header['source'], ['a', 'b', 'c'])
    self.assertEqual(header['command'], 'c')
    self.assertEqual(header['prepare_seconds'], first[0]['prepare_seconds'])

  def test_other_settings_are_refused_and_nothing_is_lost(self):
    self._run(self._method(), a=1)
    (path,) = self.folder.iterdir()
    before = path.read_bytes()
    for change, message in (
        ({'seed': 1}, 'was made with seed 0, this run has 1'),
        ({'num_source': 40}, 'with num_source 50, this run has 40'),
        ({'a': 2}, "with keywords {'a': 1}, this run has {'a': 2}"),
    ):
      with self.assertRaisesRegex(ValueError, f'{path.name}: .*{message}'):
        self._run(self._method(), **{'a': 1, **change})
    with self.assertRaisesRegex(
        ValueError, rf'{path.name}: does not fit .*\(w: float32\[3\], should be'
        r' float32\[4\]\)'
    ):
      self._run(self._method(width=4), a=1)
    self.table = _table(seed=5)
    with self.assertRaisesRegex(ValueError, f'{path.name}: .* data_sha256'):
      self._run(self._method(), a=1)
    self.assertEqual(self.prepared, ['toy'])
    self.assertEqual(path.read_bytes(), before)

  def test_a_damaged_file_is_named(self):
    self._run(self._method())
    (path,) = self.folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with self.assertRaisesRegex(ValueError, f'{path.name}: not a checkpoint'):
      self._run(self._method())
    checkpoints.save_arrays(path, {'w': np.zeros(3)}, {'task': 'toy'})
    with self.assertRaisesRegex(
        ValueError, f'{path.name}: its header lacks space'
    ):
      self._run(self._method())
    self.assertEqual(self.prepared, ['toy'])

  def test_every_pair_is_checked_before_the_first_is_prepared(self):
    def check(problem):
      raise ValueError(f'no weights for {problem.space.spec.name}')

    meta = trials.metadata(command='c', seed=0, settings={}, data_sha256={})
    out = pathlib.Path(self.create_tempdir()) / 'out.json'
    with self.assertRaisesRegex(
        ValueError, "^method 'b' on task toy: no weights for nasbench201$"
    ):
      trials.run(
          [_TASK],
          {'a': self._method(), 'b': self._method()._replace(check=check)},
          {'nasbench201': self.table}, seed=0, num_support=[5], num_trials=1,
          store=trials.Store(out, meta),
      )
    self.assertEmpty(self.prepared)


class SummaryTest(absltest.TestCase):

  def _row(self, **changes):
    return {
        'task': 'A', 'method': 'm', 'sampler': 's', 'num_support': 5,
        'device': 'd', 'trial': 0, 'spearman': 0.5, 'kendall': 0.25,
        'mape': None, 'within_10pct': 0.5, 'coverage_90': None,
        'degenerate': False,
        'budget': {'source': 90, 'reference': 0, 'target': 5}, **changes,
    }

  def test_means_and_spread(self):
    rows = [
        self._row(device=device, trial=trial, spearman=value)
        for (device, trial), value in {
            ('d', 0): 0.2, ('e', 0): 0.4, ('d', 1): 0.6, ('e', 1): 0.8,
        }.items()
    ]
    (entry,) = trials.summarize(rows)
    self.assertAlmostEqual(entry['spearman'], 0.5)
    # Trial means .3 and .7.
    self.assertAlmostEqual(entry['spearman_std'], np.sqrt(0.08))
    self.assertEqual((entry['num_devices'], entry['num_trials']), (2, 2))
    self.assertIsNone(entry['mape'])

  def test_overall_is_the_mean_of_task_means(self):
    other = {'source': 40, 'reference': 10, 'target': 5}
    rows = [
        *(self._row(device=d, spearman=0.2) for d in 'abc'),
        self._row(task='B', spearman=0.8, degenerate=True, budget=other),
        self._row(task='B', method='only_b'),
    ]
    entries = trials.summarize(rows)
    self.assertEqual(
        [(e['task'], e['method']) for e in entries],
        [('A', 'm'), ('B', 'm'), ('B', 'only_b'), ('all', 'm')],
    )
    self.assertAlmostEqual(entries[-1]['spearman'], 0.5)
    text = trials.format_summary(entries)
    self.assertLen(text.splitlines(), 7)  # the header, and two notes
    self.assertIn('0.800 (1 degenerate)', text)
    self.assertRegex(
        text.splitlines()[-3], r'^all +m +5 +0\.500.* varies \+ varies \+ 5$'
    )
    self.assertRegex(text.splitlines()[1], r' 90 \+ 0 \+ 5$')

  def test_the_table_names_samplers_and_oracles(self):
    rows = [
        self._row(sampler=name)
        for name in ('random', 'k_means(costs)', 'stratified(latency_oracle)')
    ]
    text = trials.format_summary(trials.summarize(rows))
    self.assertEqual(
        [line[:40] for line in text.splitlines()[5:]],
        ['sampler: k_means(costs)', 'sampler: stratified(latency_oracle): an '],
    )
    self.assertIn('an oracle', text.splitlines()[-1])
    self.assertNotIn('sampler', trials.format_summary(
        trials.summarize([self._row(sampler='random')])))


if __name__ == '__main__':
  absltest.main()
