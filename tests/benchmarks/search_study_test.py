"""The rules and the arithmetic of the table of searches under a budget."""

import numpy as np
import pytest
import search_page
from search_study import markdown
from search_study import problems
from search_study import published
from search_study import rivals
from search_study import summary
import search_table
import search_targets

from nasflat_jax import data
from nasflat_jax import partitions
from nasflat_jax import predictors
import real_data


def _cell(**fields):
  return {
      'group': 'help', 'device': 'fpga', 'budget': '4 ms', 'budget_ms': 4.0,
      'candidates': 'whole', 'signal': 'test', 'method': 'ours', 'num': 10,
      'best': 71.0, 'best_ms': 3.9, 'best_of_space': 71.0,
      'accuracy': [71.0, 70.5], 'latency_ms': [3.9, 3.0], 'row': [1, 2],
      'verified': [True, True], 'used': [10, 8],
  } | fields


@pytest.fixture(scope='module', name='table')
def _table():
  real_data.mirror()
  return problems.load()


def test_sources_exclude_the_targets_processor(table):
  known = set(partitions.get('ND').source)
  for group in problems.SETS:
    for budget in problems.budgets(table, group):
      names = problems.source_names(table, budget.device)
      assert budget.device not in names
      assert set(names) <= known
      own = table.device(budget.device).processor
      assert own not in {table.device(name).processor for name in names}
  assert problems.source_names(table, 'titan_rtx_256') == (
      partitions.get('ND').source
  )
  for twin in ('desktop_gpu_gtx_1080ti_fp32', 'desktop_cpu_core_i7_7820x_fp32'):
    assert not {'1080ti_1', '1080ti_256'} & set(
        problems.source_names(table, twin)
    )


def test_development_devices_are_targets_of_nothing(table):
  free = set(partitions.non_target_devices('nasbench201'))
  judged = {
      budget.device for group in ('help', 'nasflat', 'percentile')
      for budget in problems.budgets(table, group)
  }
  assert set(problems.DEVELOPMENT) == free - judged - {
      # Eagle's Core i7, counted once with its GTX 1080 Ti.
      'desktop_cpu_core_i7_7820x_fp32',
  }


def test_budgets_are_those_of_the_papers(table):
  assert len(problems.budgets(table, 'help')) == 15
  assert len(problems.budgets(table, 'percentile')) == 54
  with pytest.raises(ValueError, match="unknown set 'x'; choose from help"):
    problems.budgets(table, 'x')
  broken = [
      (device, constraint) for device, rows in published.HELP.items()
      for constraint, ms, _ in rows if ms > constraint
  ]
  assert set(published.UNATTAINABLE) < set(broken)


def test_which_of_helps_points_a_network_reaches(table):
  accuracy = data.load_accuracy('nasbench201').row('cifar100', 'test')
  beyond = []
  for device, rows in published.HELP.items():
    for constraint, _, wanted in rows:
      best = rivals.oracle(accuracy, table.row(device), constraint)
      if accuracy[best] < wanted - 0.05:
        beyond.append((device, constraint))
  assert tuple(beyond) == published.UNATTAINABLE


def test_oracle_and_rivals():
  accuracy = np.array([70.0, 72.0, 71.0, 73.0])
  latency_ms = np.array([1.0, 3.0, 2.0, np.nan])
  assert rivals.oracle(accuracy, latency_ms, 2.5) == 2
  assert rivals.oracle(accuracy, latency_ms, 0.5) == -1
  rng = np.random.default_rng(0)
  assert rivals.random_search(rng, accuracy, latency_ms, 2.5, 3) == (2, True)
  assert rivals.random_search(rng, accuracy, latency_ms, 0.5, 3).row == -1
  # FLOPs that are latency: the line finds the best, verified or not.
  flops = np.array([10.0, 30.0, 20.0, 40.0])
  got = rivals.flops_calibrated(rng, flops, accuracy, latency_ms, 2.5, 3)
  assert got == (2, True)
  got = rivals.flops_verified(rng, flops, accuracy, latency_ms, 2.5, 3)
  assert got == (2, True)


def test_broken_budgets_and_nothing_found_count_as_chance():
  cell = _cell(accuracy=[71.0, 72.0, None], latency_ms=[4.0, 4.1, None])
  np.testing.assert_array_equal(summary.kept(cell), [True, False, False])
  np.testing.assert_allclose(summary.regret(cell), [0.0, 70.0, 70.0])
  got = summary.figures([_cell(), _cell(best=None)])
  assert got['problems'] == 1
  assert got['regret'] == pytest.approx(0.25)
  assert (got['kept'], got['used'], got['exact']) == (1.0, 9.0, 0.5)


def test_help_is_reached_as_far_as_it_is_printed():
  cells = [
      _cell(accuracy=[70.16, 70.1], num=num) for num in (5, 10, 20)
  ]
  (row,) = summary.against_help(cells)
  assert row[10]['at_least'] == 0.5
  assert row['attainable']
  assert 'impossible' not in '\n'.join(markdown.help_table(cells, 'whole'))


def test_a_shorter_run_is_the_beginning():
  class Found:
    rows, answers = np.arange(8), np.array([-1, -1, 5, 5, 7, 7, 7, 9])
    row, certain = 9, True
  assert search_table.answers_at(Found, 2) == ((-1, False), 2)
  assert search_table.answers_at(Found, 5) == ((7, True), 5)
  assert search_table.answers_at(Found, 20) == ((9, True), 8)


def test_one_proxy_counts_what_it_measures():
  rng = np.random.default_rng(0)
  number = np.arange(99)
  genotype = np.zeros((99, 6), int)
  genotype[:, 0], genotype[:, 1] = number % 5, number // 5 % 5
  genotype[:, 5] = number // 25
  latency_ms = 1.0 + genotype @ np.array([1.0, 2.0, 0, 0, 0, 3.0])

  proxy = predictors.fit_proxy(genotype, latency_ms, 5)
  accuracy = np.arange(99.0)
  row, used = search_targets.one_proxy(
      rng, genotype, proxy, accuracy, 2.0 * latency_ms, 12.5
  )
  assert used == 11  # ten tell that it is monotone, the first finalist holds
  assert row == rivals.oracle(accuracy, 2.0 * latency_ms, 12.5)


def test_flukes_are_few_and_not_of_exact_tables(table):
  assert problems.fluke(table, 'fpga').mean() < 1e-3
  kryo = problems.fluke(table, 'mobile_cpu_snapdragon_675_kryo_460_int8')
  assert 0.005 < kryo.mean() < 0.1


def test_page_is_made_of_what_there_is():
  cells = [_cell(num=num) for num in (5, 10, 20)]
  head = {
      'command': 'python x', 'date': 'd', 'nasflat_jax': '0',
      'hardware': {}, 'load_average': [], 'benchmark': 'search_table',
      'settings': {
          'seeds': 3, 'sets': ['help'], 'signals': ['validation'],
          'ours_only': True, 'candidates': ['whole'],
      },
  }
  text = search_page.page([head], cells, {}, {}, [], [])
  assert 'Seeds: validation accuracy 3.' in text
  assert 'Made by an earlier version' in text
  assert '| all 15,625 | HELP\'s constraints without pixel2 (1) | 10 |' in text
  assert '- `python x`' in text
  assert 'nan' not in text
