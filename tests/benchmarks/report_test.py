"""The page of results: its arithmetic on rows made by hand, and its parts."""

import gzip
import importlib.util
import json
import math
import pathlib
import re
import statistics

import pytest
import report_tasks
from task_report import accuracy
from task_report import markdown
from task_report import pairs
from task_report import reference
from task_report import rows as rows_lib

_TWELVE = reference.SUITES['Twelve tasks']


def _row(**changes):
  return {
      'task': 'ND', 'space': 'nasbench201', 'device': 'd', 'method': 'bayesian',
      'sampler': 'random', 'num_support': 20, 'trial': 0, 'spearman': 0.5,
      'kendall': 0.4, 'mape': 0.1, 'within_10pct': 0.7, 'coverage_90': None,
      'adapt_seconds': 0.25, 'degenerate': False,
      'budget': {'source': 100, 'reference': 0, 'target': 20}, **changes,
  }


def _rows(method='bayesian', values=((0.8, 0.9), (0.6, 0.7)), **changes):
  """Trials of devices."""
  return [
      _row(method=method, trial=t, device=f'd{d}', spearman=value, **changes)
      for t, trial in enumerate(values) for d, value in enumerate(trial)
  ]


def _write(
    path, rows, seed=0, sha='x', command='nasflat-evaluate --seed=0',
    settings=(),
):
  path.write_text(json.dumps({
      'meta': {
          'command': command, 'seed': seed, 'data_sha256': {'fbnet': sha},
          'date': '2020-01-01', 'hardware': {}, 'versions': {},
          'settings': dict(settings),
      },
      'rows': rows,
  }))
  return str(path)


def _cells(text, label):
  """The cells of the first table row with a label."""
  (line, *_) = re.findall(rf'^\| {re.escape(label)} \| (.*) \|$', text, re.M)
  return line.split(' | ')


def test_task_estimate_is_the_spread_over_trials_of_the_mean_over_devices():
  value = rows_lib.task_estimate(_rows(), 'spearman')
  assert value.mean == pytest.approx(0.75)
  assert value.std == pytest.approx(math.sqrt(0.02))
  assert value.error == pytest.approx(0.1)
  one = rows_lib.task_estimate(_rows(values=((0.5, None),)), 'spearman')
  assert (one.mean, one.std, one.num) == (0.5, None, 1)
  assert rows_lib.task_estimate(_rows(), 'coverage_90') is None


def test_pairs_are_those_of_device_and_trial():
  theirs = _rows('rival', ((0.7, 0.7), (0.7, 0.9)))[::-1]
  value = rows_lib.paired(_rows(), theirs)
  # Trial means (.1 + .2) / 2 and (-.1 - .2) / 2.
  assert value.mean == pytest.approx(0.0)
  assert value.error == pytest.approx(0.15)
  # Trials of one side only do not count.
  value = rows_lib.paired(_rows(), theirs[2:])
  assert (value.mean, value.num) == (pytest.approx(0.15), 1)


@pytest.mark.parametrize(('gaps', 'is_behind'), [
    ((-0.02, -0.03), True), ((-0.01, -0.05), False), ((0.02, 0.03), False),
    ((-0.02,), False), ((-0.02, -0.02), True),
])  # fmt: skip
def test_behind_by_more_than_two_standard_errors(gaps, is_behind):
  rows = _rows(values=[(0.5 + gap,) for gap in gaps])
  rows += _rows('rival', values=[(0.5,)] * len(gaps))
  (pair,) = pairs.all_pairs(rows, ['ND'], 'bayesian')
  assert (pair.rival, pair.task, pair.size) == ('rival', 'ND', 20)
  assert pair.is_behind == is_behind
  text = '\n'.join(pairs.pairs_section([pair], ['ND'], 'bayesian'))
  assert ('- ND, n = 20, rival: -0.0' in text) == is_behind
  wanted = len(gaps) > 1
  assert f'standard errors: {int(is_behind)} of {int(wanted)} compar' in text
  assert ('1 more have one trial' in text) != wanted


def test_published_numbers_give_the_known_gains():
  gains = [
      reference.NASFLAT[task] / rival[task] - 1
      for rival in (reference.RIVAL, reference.RIVAL_CSV) for task in _TWELVE
  ]
  # What one can reproduce of the abstract: the mean, and the highest.
  assert statistics.mean(gains[:12]) == pytest.approx(0.163, abs=0.001)
  assert max(gains[:12]) == pytest.approx(0.876, abs=0.001)
  assert sum(gain > 0 for gain in gains[:12]) == 11
  for size, mean in {20: 0.941, 10: 0.924, 5: 0.901}.items():
    values = reference.TARGETS[size].values()
    assert statistics.mean(values) == pytest.approx(mean, abs=0.001)


def test_reference_rows():
  ours = {task: reference.NASFLAT[task] + 0.01 for task in _TWELVE}
  lines = {
      line[0]: line[1:]
      for line in accuracy.reference_rows(ours, _TWELVE, 20, 'bayesian')
  }
  assert lines['bayesian − NASFLAT, published'] == ['+0.010'] * 13 + ['–']
  assert lines['target set in advance'][0] == '0.972'
  gain = lines['bayesian: gain over the better of HELP and MultiPredict, %']
  assert gain[1] == f'{100 * (0.977 / 0.907 - 1):+.1f}'
  # Without the method, and for a task that nobody published.
  assert len(accuracy.reference_rows({}, _TWELVE, 20, 'm')) == 4
  assert len(accuracy.reference_rows({}, _TWELVE, 7, 'm')) == 3
  assert not accuracy.reference_rows({}, ['OFA-v100'], 20, 'm')


def test_means_over_tasks():
  rows = _rows() + _rows(task='N1', values=((0.4, 0.4),))
  rows += _rows('half', values=((0.3, 0.3),))
  text = '\n'.join(accuracy.figure_table(
      rows, ['ND', 'N1'], ['bayesian', 'half'], 'spearman'
  ))
  assert _cells(text, 'bayesian') == [
      '0.750 ±0.141', '0.400', '**0.575**', f'{math.sqrt(0.3):.3f}'
  ]
  assert _cells(text, 'half') == ['0.300', '–', '–', '–']
  assert rows_lib.geometric_mean([0.5, -0.1]) is None


def test_coverage_has_mean_and_minimum():
  rows = _rows(coverage_90=0.9) + _rows(task='N1', coverage_90=0.8)
  text = '\n'.join(accuracy.coverage_table(
      rows + _rows('flops'), ['ND', 'N1'], [20]
  ))
  assert _cells(text, 'bayesian') == ['20', '0.90', '0.80', '0.850', '0.800']
  assert 'flops' not in text


def test_files_are_merged_and_must_match(tmp_path):
  first = _write(tmp_path / 'a.json', _rows() + _rows('flops'))
  changed = _rows('flops', values=((0.8, 0.9), (0.6, 0.65)))
  second = _write(tmp_path / 'b.json', changed + _rows('rival'))
  results = rows_lib.load([first, second])
  assert len(results.rows) == 12
  assert results.num_repeated == 4
  assert results.largest_difference == pytest.approx(0.05)
  other = _write(tmp_path / 'c.json', _rows(), seed=1)
  with pytest.raises(ValueError, match='c.json: seed 1, another file has 0'):
    rows_lib.load([first, other])
  other = _write(tmp_path / 'c.json', _rows(), sha='y')
  with pytest.raises(ValueError, match='c.json: made from another fbnet'):
    rows_lib.load([first, other])
  other = _write(tmp_path / 'c.json', _rows(), settings={'num_source': 16})
  with pytest.raises(ValueError, match='num_source 16, another file has 0'):
    rows_lib.load([first, other])
  (tmp_path / 'd.json').write_text('[]')
  with pytest.raises(ValueError, match='d.json: not a result file'):
    rows_lib.load([str(tmp_path / 'd.json')])


def test_compressed_files_read_the_same(tmp_path):
  plain = pathlib.Path(_write(tmp_path / 'a.json', _rows()))
  packed = tmp_path / 'a.json.gz'
  packed.write_bytes(gzip.compress(plain.read_bytes()))
  assert rows_lib.load([str(packed)]) == rows_lib.load([str(plain)])
  packed.write_text('{}')
  with pytest.raises(ValueError, match='a.json.gz: not a result file'):
    rows_lib.load([str(packed)])


def _page(tmp_path, *flags):
  out = tmp_path / 'page.md'
  assert report_tasks.main([*flags, f'--out={out}']) == 0
  return out.read_text()


def _study(methods=('bayesian', 'rival'), sampler='random', sizes=(5, 20)):
  return [
      row for method in methods for size in sizes
      for task in (*_TWELVE, 'OFA-v100', 'OneProxy-rice')
      for row in _rows(
          method, task=task, num_support=size, sampler=sampler,
          coverage_90=0.9 if method == 'bayesian' else None,
      )
  ]


def test_page(tmp_path):
  results = _write(tmp_path / 'a.json', _study())
  designed = _write(tmp_path / 'b.json', _study(sampler='d_optimal(prior)'))
  ablation = _write(
      tmp_path / 'c.json', _study(methods=('bayesian[sources=none]',))
  )
  oracle = _write(
      tmp_path / 'd.json', _study(sampler='stratified(latency_oracle)')
  )
  text = _page(
      tmp_path, results, designed, '--ablation', ablation, '--samplers', oracle
  )
  titles = re.findall(r'^## (.*)', text, re.M)
  assert titles[:4] == [
      'Twelve tasks, sampler random', 'Twelve tasks, sampler d_optimal(prior)',
      'Twelve tasks: variants of bayesian, sampler random',
      'Twelve tasks: bayesian by sampler',
  ]
  assert 'OneProxy, sampler random' in titles
  assert 'Once-for-All: bayesian by sampler' in titles
  for name in (
      'n = 20: Spearman', 'n = 5: mean absolute', 'n = 5: share predicted',
      'Share inside the 90 % intervals', 'bayesian minus each rival, paired',
      'Learning curves', 'Every target device, n = 5', 'Measurements and time',
  ):
    assert f'\n### {name}' in text, name
  assert _cells(text, 'one-hot ridge')[:8] == ['4,000'] + ['–'] * 6 + ['0.999']
  assert _cells(text, 'bayesian[sources=none]')[-2:] == ['**0.750**', '+0.000']
  assert 'stratified(latency_oracle) (an oracle)' in text
  assert '![' not in text and str(tmp_path) not in text
  # Every row of a table has as many cells as its header.
  for table in re.findall(r'(?:^\|.*\n)+', text, re.M):
    assert len({line.count(' | ') for line in table.splitlines()
                if not line.startswith('|---')}) == 1


def test_pictures_are_linked(tmp_path):
  if importlib.util.find_spec('matplotlib') is None:
    pytest.skip('no matplotlib')
  results = _write(tmp_path / 'a.json', _study(sizes=(5, 10)))
  folder = tmp_path / 'pictures'
  folder.mkdir()
  text = _page(
      tmp_path, results, '--samplers', results, '--plots', str(folder)
  )
  links = re.findall(r'!\[.*\]\((.*)\)', text)
  assert len(links) == 6
  assert 'pictures/curves_twelve_tasks_random.png' in links
  for link in links:
    assert (tmp_path / link).read_bytes().startswith(b'\x89PNG')


def test_old_results_and_errors(tmp_path, capsys):
  # A method that is not among the rows, one trial, and standard output.
  rows = _rows('ridge_counts', values=((0.5, None),))
  results = _write(tmp_path / 'a.json', rows)
  assert report_tasks.main([results]) == 0
  text = capsys.readouterr().out
  assert _cells(text, 'ridge_counts')[0] == '0.500'
  assert 'minus each rival' not in text
  assert report_tasks.main([str(tmp_path / 'none.json')]) == 2
  assert 'none.json' in capsys.readouterr().err


def test_a_bar_does_not_end_a_cell():
  assert markdown.table(['a'], [['x|y']])[2] == '| x\\|y |'
