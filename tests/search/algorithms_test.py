"""Algorithms find more than chance does, and hold what they are told to."""

import functools
import pathlib
import tempfile

from absl.testing import absltest
from absl.testing import parameterized
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy_space

from nasflat_jax import search
from nasflat_jax import spaces

_SPACE = toy_space.SPACE
_SEEDS = 12


_SCHEDULE = (2, 2, 2, 2, 4, 4, 4)


@functools.cache
def _members():
  return search.all_members(_SPACE)


def _one_hot():
  return jax.nn.one_hot(_members(), toy_space.CODES).reshape(-1, 30)


@functools.cache
def _found(name):
  """Least loss of every seed after 200 evaluations (guided: 40)."""
  algorithm, rounds = {
      'random': lambda: (search.random(_SPACE, num_children=20), 10),
      'regularised_evolution': lambda: (
          search.regularised_evolution(
              _SPACE, population_size=30, tournament_size=10, num_children=2
          ),
          100,
      ),
      'constrained_evolution': lambda: (
          # Once-for-All's tenth of the genes would be half a gene here.
          search.constrained_evolution(
              _SPACE, num_children=20, mutation_prob=0.3
          ),
          10,
      ),
      'nsga2': lambda: (
          search.nsga2(_SPACE, num_objectives=1, num_children=20), 10
      ),
      'predictor_guided': lambda: (
          search.predictor_guided(
              _SPACE, features=_one_hot(), schedule=_SCHEDULE
          ),
          search.guided_rounds(_SCHEDULE),
      ),
  }[name]()
  run = functools.partial(
      search.run,
      algorithm=algorithm,
      evaluate=search.problem(toy_space.loss),
      num_rounds=rounds,
      archive_size=4,
  )
  keys = jax.random.split(jax.random.key(0), _SEEDS)
  result = jax.jit(jax.vmap(lambda key: run(key)))(keys)
  return np.asarray(result.archive.objectives[:, 0, 0])


class BeatsRandomTest(parameterized.TestCase):

  @parameterized.parameters(
      'regularised_evolution', 'constrained_evolution', 'nsga2'
  )
  def test_finds_the_optimum_more_often_with_the_same_evaluations(self, name):
    found, chance = _found(name), _found('random')
    best = float(toy_space.loss(_members()).min())
    self.assertGreaterEqual(found.min(), best - 1e-5)
    hits, lucky = ((x < best + 1e-5).sum() for x in (found, chance))
    # By chance 200 of 7,776 hold it once in 39 seeds.
    self.assertGreaterEqual(hits, lucky + _SEEDS // 4)
    self.assertLess(found.mean(), chance.mean())

  @pytest.mark.slow
  def test_guided_rounds_do_with_a_fifth_of_the_evaluations(self):
    self.assertLess(
        _found('predictor_guided').mean(), _found('random').mean()
    )


class GuidedTest(absltest.TestCase):

  def test_many_keys_do_not_fit_more_often_than_one(self):
    run = functools.partial(
        search.run,
        algorithm=search.predictor_guided(
            _SPACE, features=_one_hot(), schedule=(2, 4),
            surrogate=lambda features, value, where, query: query.sum(axis=1),
        ),
        evaluate=search.problem(toy_space.loss),
        num_rounds=3,
        archive_size=4,
    )
    keys = jax.random.split(jax.random.key(0), 2)
    program = jax.make_jaxpr(jax.vmap(lambda key: run(key)))(keys)
    # `vmap` makes a selection of a condition that differs from key to key.
    self.assertIn('cond[', str(program))


  def test_runs_in_double_precision(self):
    with jax.enable_x64(True):
      found = search.run(
          jax.random.key(0),
          search.predictor_guided(
              _SPACE, features=_one_hot(), schedule=(2, 4),
              surrogate=lambda features, value, where, query: query[:, 0],
          ),
          search.problem(toy_space.loss),
          num_rounds=3,
          archive_size=4,
      ).found
    self.assertLen(found.genotype, 4)


class ExhaustiveTest(absltest.TestCase):

  def test_finds_the_best_of_all_in_order(self):
    rounds = search.num_rounds(len(_members()), 2000)
    self.assertEqual(rounds, 4)
    found = search.run(
        jax.random.key(0),
        search.exhaustive(_SPACE, num_children=2000),
        search.problem(toy_space.loss),
        num_rounds=rounds,
        archive_size=9,
    ).found
    losses = np.asarray(toy_space.loss(_members()))
    np.testing.assert_allclose(
        found.objectives[:, 0], np.sort(losses)[:9], rtol=1e-6
    )
    best = _members()[losses.argmin()]
    np.testing.assert_array_equal(found.genotype[0], best)

  def test_members_of_a_space(self):
    self.assertEqual(
        search.all_members(spaces.NASBENCH201).shape, (15284, 6)
    )
    with self.assertRaisesRegex(ValueError, 'too large to enumerate'):
      search.exhaustive(spaces.FBNET)


class ConstraintsTest(parameterized.TestCase):

  @classmethod
  def setUpClass(cls):
    super().setUpClass()
    # Most of the time here is compilation.
    jax.config.update('jax_disable_most_optimizations', True)
    cls.addClassCleanup(
        jax.config.update, 'jax_disable_most_optimizations', False
    )

  def test_children_hold_every_budget_in_one_program(self):
    cost = toy_space.cost
    traces = []

    def one(key, budget):
      traces.append(budget)
      held = search.at_most(cost, budget)
      return search.run(
          key,
          search.constrained_evolution(
              _SPACE, violation=held, num_children=16, num_draws=64
          ),
          search.problem(toy_space.loss, constraints=(held,)),
          num_rounds=6,
          archive_size=5,
      )

    budgets = jnp.array([0.3, 0.5])
    keys = jax.random.split(jax.random.key(0), 2)
    over_budgets = jax.vmap(one, (None, 0))
    run = jax.jit(jax.vmap(over_budgets, (0, None)))
    result = run(keys, budgets)
    self.assertLen(traces, 1)
    run(keys[::-1], 1.1 * budgets)
    self.assertLen(traces, 1)
    # Every child of every round, of 2 seeds and 2 budgets.
    np.testing.assert_array_equal(result.history.num_feasible, 16)
    for seed in range(2):
      for place, budget in enumerate(budgets):
        genotype = result.archive.genotype[seed, place]
        self.assertLessEqual(float(cost(genotype).max()), float(budget))
    alone = jax.jit(one)(keys[1], budgets[1])
    np.testing.assert_array_equal(
        alone.archive.genotype, result.archive.genotype[1, 1]
    )

  def test_what_cannot_be_held_is_broken_least(self):
    cost = toy_space.cost
    held = search.at_most(cost, -1.0)
    result = search.run(
        jax.random.key(0),
        search.constrained_evolution(
            _SPACE, violation=held, num_children=8, num_draws=3
        ),
        search.problem(toy_space.loss, constraints=(held,)),
        num_rounds=3,
        archive_size=4,
    )
    self.assertFalse(result.found.is_feasible.any())
    self.assertTrue((np.diff(result.found.violation) >= 0).all())
    self.assertTrue(np.isinf(np.asarray(result.history.best)).all())


class FrontTest(absltest.TestCase):

  def test_scores_have_the_objectives_of_the_search(self):
    fewest = search.problem(search.cost(spaces.FBNET, 'flops'))
    two = search.nsga2(spaces.FBNET, num_children=4)
    one = search.random(spaces.FBNET, num_children=4)
    key = jax.random.key(0)
    with self.assertRaisesRegex(ValueError, r'of 2 objective\(s\), .* have 1'):
      search.run(key, two, fewest, num_rounds=1)
    with self.assertRaisesRegex(ValueError, r'of 3 objective\(s\), .* have 1'):
      search.run_on_host(key, one, fewest, num_rounds=1, num_objectives=3)

  @pytest.mark.slow
  def test_nsga2_covers_more_than_chance_and_keeps_a_front(self):
    cost = toy_space.cost
    evaluate = search.problem(toy_space.loss, cost)
    corner = evaluate(_members()).objectives.max(axis=0)
    volumes = []
    for algorithm in (
        search.random(_SPACE, num_children=32),
        search.nsga2(_SPACE, num_children=32),
    ):
      run = functools.partial(
          search.run,
          algorithm=algorithm,
          evaluate=evaluate,
          num_rounds=12,
          archive_size=32,
      )
      archive = jax.jit(jax.vmap(lambda key, run=run: run(key)))(
          jax.random.split(jax.random.key(0), 4)
      ).archive
      for row in range(4):
        filled = archive.is_filled[row]
        kept = search.non_dominated(archive.objectives[row], filled)
        np.testing.assert_array_equal(kept, filled)
      volumes.append(
          jax.vmap(lambda x: search.hypervolume(x, corner))(archive.objectives)
      )
    chance, found = np.asarray(volumes)
    self.assertGreater(found.min(), chance.max())


def _told(algorithm, objectives, violation=None):
  """The state after all members from 0 on were told, a batch at a time."""
  state = algorithm.init(jax.random.key(0))
  tell = jax.jit(algorithm.tell)
  batch = algorithm.ask(jax.random.key(0), state)[0].shape[0]
  if violation is None:
    violation = np.zeros(len(objectives))
  for start in range(0, len(objectives), batch):
    rows = slice(start, start + batch)
    state, _ = tell(
        jax.random.key(0), state, _members()[: len(objectives)][rows],
        search.Scores(objectives[rows], violation[rows]),
    )
  return state


class SurvivalTest(absltest.TestCase):

  def test_the_oldest_die_not_the_worst_and_failures_take_no_place(self):
    values = np.array([1, 9, 3, 8, np.nan, 7, 6, np.nan])[:, None]
    state = _told(
        search.regularised_evolution(
            _SPACE, population_size=4, tournament_size=2
        ),
        values,
    )
    np.testing.assert_array_equal(
        state.members.objectives[np.argsort(state.birth), 0], [3, 8, 7, 6]
    )

  def test_nsga2_keeps_the_best_fronts_and_the_least_crowded(self):
    rng = np.random.default_rng(0)
    size = 12
    # Few levels in the second objective: ties.
    objectives = np.stack([rng.random(24), rng.integers(7, size=24)], axis=1)
    violation = np.where(rng.random(24) < 0.3, rng.random(24), 0.0)
    state = _told(
        search.nsga2(_SPACE, num_children=size), objectives, violation
    )
    kept = np.arange(0)
    for half in (np.arange(12), np.arange(12, 24)):
      kept = _nsga2_reference(
          np.concatenate([kept, half]), objectives, violation, size
      )
    np.testing.assert_array_equal(
        np.sort(state.objectives[:, 0]),
        np.sort(objectives[kept, 0].astype(np.float32)),
    )


def _nsga2_reference(rows, objectives, violation, size):
  """Deb et al.'s survivors of `rows`, by its definition."""

  def dominates(a, b):
    if violation[a] != violation[b]:
      return violation[a] < violation[b]
    a, b = objectives[a], objectives[b]
    return (a <= b).all() and (a < b).any()

  left, kept = list(rows), []
  while len(kept) < size:
    front = [b for b in left if not any(dominates(a, b) for a in left)]
    left = [row for row in left if row not in front]
    alone = dict.fromkeys(front, 0.0)
    for values in objectives.T:
      order = sorted(front, key=lambda row, values=values: values[row])
      span = values[order[-1]] - values[order[0]]
      for place, row in enumerate(order):
        if place in (0, len(order) - 1):
          alone[row] = np.inf
        elif span:
          gap = values[order[place + 1]] - values[order[place - 1]]
          alone[row] += gap / span
    kept += sorted(front, key=lambda row: -alone[row])[: size - len(kept)]
  return np.array(kept)


class HostTest(absltest.TestCase):

  def setUp(self):
    super().setUp()
    folder = self.enterContext(tempfile.TemporaryDirectory())
    self.path = pathlib.Path(folder) / 'state.npz'
    self.algorithm = search.regularised_evolution(
        _SPACE, population_size=8, tournament_size=3, num_children=4
    )

  def _run(self, stop=None, **keywords):
    rounds = []

    def evaluate(genotype):
      if len(rounds) == stop:
        raise KeyboardInterrupt
      rounds.append(len(genotype))
      self.assertIsInstance(genotype, np.ndarray)
      return search.problem(toy_space.loss)(genotype)

    result = search.run_on_host(
        jax.random.key(0),
        self.algorithm,
        evaluate,
        num_rounds=6,
        archive_size=4,
        **keywords,
    )
    return result, len(rounds)

  def test_an_interrupted_search_goes_on_and_no_other_one_does(self):
    whole, rounds = self._run()
    self.assertEqual(rounds, 6)
    mine = {'path': self.path, 'settings': {'space': 'toy'}}
    with self.assertRaises(KeyboardInterrupt):
      self._run(stop=4, **mine)
    with self.assertRaisesRegex(ValueError, 'space was .toy., is .ofa.'):
      self._run(path=self.path, settings={'space': 'ofa'})
    resumed, rounds = self._run(**mine)
    self.assertEqual(rounds, 2)
    jax.tree.map(np.testing.assert_array_equal, whole, resumed)


class RefusalTest(parameterized.TestCase):

  def test_one_objective_only(self):
    two = search.problem(toy_space.loss, toy_space.loss)
    for factory in (
        search.constrained_evolution, search.regularised_evolution
    ):
      with self.assertRaisesRegex(ValueError, 'takes one objective, got 2'):
        jax.eval_shape(
            lambda key, f=factory: search.run(
                key, f(_SPACE), two, num_rounds=1
            ),
            jax.random.key(0),
        )

  @parameterized.parameters(
      (lambda: search.problem(), 'at least one objective'),
      (lambda: search.predictor_guided(_SPACE, genotype=_members()[:99]),
       'evaluates 128 architectures, the pool has 99'),
      (lambda: search.regularised_evolution(_SPACE, num_children=101),
       r'1 to population_size \(100\), got 101'),
      (lambda: search.predictor_guided(_SPACE, schedule=(2, 0)),
       r'schedule must be of numbers from 1, got \(2, 0\)'),
      (lambda: search.regularised_evolution(_SPACE, tournament_size=0),
       'tournament_size must be 1 or more, got 0'),
      (lambda: search.constrained_evolution(_SPACE, num_children=1),
       'leave no parent'),
      (lambda: search.exhaustive(_SPACE, genotype=_members()[:0]),
       'no architecture'),
      (lambda: search.cost(_SPACE, 'energy'), "unknown cost 'energy'"),
  )
  def test_bad_settings(self, make, message):
    with self.assertRaisesRegex(ValueError, message):
      make()


if __name__ == '__main__':
  absltest.main()
