"""The page of a study, on rows made by hand."""

import gzip
import json
import math
import re

import pytest
import report_study
from study_report import axes
from study_report import fresh
from study_report import replication
from study_report import samplers
from study_report import section
from study_report import times
from task_report import rows as rows_lib

_META = {
    'command': 'nasflat-evaluate --seed=0', 'seed': 0, 'data_sha256': {},
    'date': '2020-01-01', 'hardware': {'backend_device': 'cpu', 'cpu_count': 2},
    'versions': {'jax': '0.7'}, 'settings': {'encoding': 'costs'},
}


def _row(**changes):
  return {
      'task': 'ND', 'device': 'd', 'method': 'm', 'sampler': 'random',
      'num_support': 20, 'trial': 0, 'spearman': 0.5, 'adapt_seconds': 0.25,
      'prepare_seconds': 3.0,
      'budget': {'source': 100, 'reference': 0, 'target': 20}, **changes,
  }


def _rows(values, **changes):
  """One row for each trial."""
  return [
      _row(trial=trial, spearman=value, **changes)
      for trial, value in enumerate(values)
  ]


def _results(rows, **changes):
  return rows_lib.Results(({**_META, **changes},), tuple(rows))


def _line(lines, label):
  """The cells of the first table row with a label."""
  pattern = rf'^\| {re.escape(label)} \| (.*) \|$'
  return re.findall(pattern, '\n'.join(lines), re.M)[0].split(' | ')


def test_over_tasks_adds_the_errors_of_independent_tasks():
  found = {
      'a': rows_lib.estimate([0.4, 0.6]), 'b': rows_lib.estimate([0.8, 0.8]),
  }
  mean, error = section.over_tasks(found, ['a', 'b'])
  assert mean == pytest.approx(0.65)
  # Standard errors .1 and 0: sqrt(.1 ** 2 + 0) / 2.
  assert error == pytest.approx(0.05)
  assert section.over_tasks(found, ['a', 'b', 'c']) is None


def test_the_best_of_a_column_is_bold_and_ties_are_shared():
  assert section.best([0.9001, None, 0.9004, 0.8]) == [True, False, True, False]
  rows = _rows([0.8], method='a') + _rows([0.9], method='b')
  rows += _rows([0.7], method='b', task='NA')
  lines = section.method_table(rows, ['ND', 'NA'])
  assert _line(lines, 'a') == ['100 / 0 / 20', '0.800', '–', '–']
  assert _line(lines, 'b') == [
      '100 / 0 / 20', '**0.900**', '**0.700**', '**0.800**',
  ]


def test_budgets_that_differ_between_tasks():
  more = {'source': 1500, 'reference': 10, 'target': 20}
  rows = [_row(), _row(task='NA', budget=more)]
  assert section.budget_text(rows) == '100 to 1,500 / 0 to 10 / 20'


def test_an_axis_is_paired_with_the_default():
  rows = _rows([0.5, 0.7], method='net')
  rows += _rows([0.6, 0.9], method='net[encoding=zcp]')
  rows += _rows([0.4, 0.7], method='net[warm_start=false]')
  rows += _rows([0.9, 0.9], method='net[encoding=zcp,warm_start=false]')
  rows += _rows([0.9, 0.9], method='other[encoding=zcp]')
  found = axes.build(_results(rows))
  # Differences .1 and .2: mean .15, standard error .05.
  assert _line(found.lines, 'zcp')[0] == '0.750 (+0.150 ±0.050)'
  assert _line(found.lines, 'default (costs)') == ['0.600', '0.600']
  assert _line(found.lines, 'false')[0] == '0.550 (-0.050 ±0.050)'
  winners = [
      _line(found.lines, f'net | {axis} | Twelve tasks | random | 20')[0]
      for axis in ('encoding', 'warm_start', 'several at once')
  ]
  assert winners == ['zcp', 'default', 'encoding=zcp, warm_start=false']
  assert 'other' not in '\n'.join(found.lines)
  record = next(
      r for r in found.numbers if (r['value'], r['task']) == ('zcp', 'ND')
  )
  assert record['difference'] == pytest.approx(0.15)
  assert record['difference_error'] == pytest.approx(0.05)


def test_options_that_all_variants_share_are_no_axis():
  rows = [
      *_rows([0.4, 0.6], method='m[steps=9]'),
      *_rows([0.5, 0.7], method='m[steps=9,wide=true]'),
      *_rows([0.1, 0.2], method='other'),
  ]
  found = axes.build(_results(rows))
  assert {(n['method'], n['axis']) for n in found.numbers} == {
      ('m[steps=9]', 'wide')
  }
  assert _line(found.lines, 'true')[0] == '0.600 (+0.100 ±0.000)'


def test_other_methods_are_other_predictors():
  rows = [
      *_rows([0.4, 0.6], method='net'),
      *_rows([0.5, 0.7], method='net[predictor=gcn]'),
      *_rows([0.1, 0.3], method='net[wide=true]'),
      *_rows([0.6, 0.8], method='linear'),
  ]
  found = axes.build(_results(rows))
  assert _line(found.lines, 'linear')[0] == '0.700 (+0.200 ±0.000)'
  assert '\n'.join(found.lines).count('linear |') == 2  # table and winner


def test_samplers_by_encoding():
  rows = _rows([0.5, 0.7], sampler='k_means(cate)')
  rows += _rows([0.8, 0.8], sampler='k_means(zcp)')
  rows += _rows([0.6, 0.6], sampler='random')
  rows += _rows([0.9, 0.9], sampler='stratified(latency_oracle)')
  found = samplers.build(_results(rows))
  assert '| sampler | cate | zcp | nothing | latency_oracle |' in found.lines
  assert _line(found.lines, 'k_means')[:2] == [
      '0.600 ±0.100', '**0.800 ±0.000**',
  ]
  assert _line(found.lines, 'stratified')[3] == '0.900 ±0.000 (oracle)'
  assert [r['is_oracle'] for r in found.numbers] == [False] * 3 + [True]


def test_times_are_medians_over_tasks_and_pairs():
  rows = [
      _row(task=task, trial=trial, prepare_seconds=prepare, adapt_seconds=adapt)
      for task, prepare in (('ND', 1.0), ('NA', 2.0), ('N1', 9.0))
      for trial, adapt in enumerate((0.1, 0.2, 0.6))
  ]
  old = [
      {k: v for k, v in _row(method='old').items() if k != 'prepare_seconds'}
  ]
  found = times.build([_results(rows), _results(old)])
  place = ['Twelve tasks', 'cpu, 2 cores']
  assert _line(found.lines, 'm') == [*place, '2', '0.2']
  assert _line(found.lines, 'old') == [*place, '–', '0.25']


def test_four_kinds_of_replicated_numbers(tmp_path):
  nasflat, helps, other, oneproxy = (
      tmp_path / f'{name}.json' for name in 'abcd'
  )
  figures = {
      'proxy': 0.7, 'proxy_figure': 0.75, 'adaproxy': 0.9,
      'adaproxy_figure': 0.92,
  }
  oneproxy.write_text(json.dumps({
      'benchmark': 'replicate_oneproxy', 'command': 'python four.py',
      'seeds': [0, 1], 'num_support': 70, 'means': figures,
      'rows': [{'device': 'dev', **figures, 'adaproxy_std': 0.01}],
  }))
  nasflat.write_text(json.dumps({
      'benchmark': 'replicate_nasflat',
      'tasks': [{
          'command': 'python one.py', 'date': 'd', 'nasflat_jax': '0.1',
          'hardware': {}, 'settings': {'pretrain_epochs': 150},
          'summary': {
              'task': 'ND', 'recipe': 'op_init', 'num_trials': 3,
              'published': 0.96, 'published_protocol': 0.95,
              'published_protocol_std': 0.01, 'clean': 0.94,
          },
      }],
  }))
  helps.write_text(json.dumps({
      'benchmark': 'replicate_help', 'command': 'python two.py',
      'paper': [{'space': 's', 'method': 'help', 'spearman': [0.9, 0.8]}],
      'rows': [
          {
              'space': 's', 'method': 'help', 'seed': seed,
              'published': {'dev': [value, 0.1], 'mean': value},
              'measured': {'dev': [value - 0.1, 0.1], 'mean': value - 0.1},
          }
          for seed, value in enumerate((0.7, 0.9))
      ],
  }))
  other.write_text(json.dumps({
      'meta': {'command': 'python three.py'},
      'rows': [{'name': 'x', 'published': None, 'replicated': 0.5}],
  }))
  found = replication.build(
      {'A': str(nasflat), 'B': str(helps), 'C': str(other), 'D': str(oneproxy)}
  )
  assert _line(found.lines, 'ND, op_init') == [
      '0.960', '0.950 ±0.010', '-0.010', '0.940', '3 trials, 150 epochs',
  ]
  spread = f'0.800 ±{math.sqrt(0.02):.3f}'
  assert _line(found.lines, 'help, s, dev') == [
      '0.900', spread, '-0.100', '0.700', '2 seeds',
  ]
  assert _line(found.lines, 'help, s, mean')[2] == '+0.000'
  assert _line(found.lines, 'x') == ['–', '0.500', '–', '–', '–']
  assert _line(found.lines, 'adaproxy, dev') == [
      '0.920', '0.900 ±0.010', '-0.020', '–', '2 draws of 70',
  ]
  assert _line(found.lines, 'proxy, mean')[:2] == ['0.750', '0.700']
  for script in ('one', 'two', 'three', 'four'):
    assert f'`python {script}.py`' in '\n'.join(found.lines)
  other.write_text('{"rows": [{"name": "x"}]}')
  with pytest.raises(ValueError, match='c.json: not a file of replicated'):
    replication.build({'C': str(other)})


def _suite(path):
  path.write_text(json.dumps({
      'command': 'nasflat-partition --seed=0',
      'published_correlation': {'F1': {'mean': 0.451}},
      'partitions': [{
          'name': 'X1', 'source': ['a'], 'target': ['b'],
          'cross_correlation': {'mean': 0.25, 'minimum': 0.2, 'maximum': 0.3},
      }],
  }))
  return str(path)


def test_fresh_splits_stand_beside_their_correlation(tmp_path):
  path = _suite(tmp_path / 'suite.json')
  results = _results(_rows([0.5], task='X1'))
  found = fresh.build(results, [path])
  assert _line(found.lines, 'X1') == ['0.250 (0.200 to 0.300)', 'a', 'b']
  assert _line(found.lines, 'cross-set correlation') == ['–', '0.250', '–']
  assert _line(found.lines, 'm') == ['100 / 0 / 20', '**0.500**', '**0.500**']
  assert 'F1 0.451' in '\n'.join(found.lines)
  assert found.numbers[-1]['cross_correlation_mean'] == 0.25
  judged = {'partitions': {'X1': {'source': ['c'], 'target': ['b']}}}
  with pytest.raises(ValueError, match='X1 has other devices'):
    fresh.build(_results(results.rows, settings=judged), [path])


def test_the_whole_page(tmp_path, capsys):
  rivals = tmp_path / 'rivals.json.gz'
  rows = _rows([0.5, 0.6]) + _rows([0.6], num_support=5)
  rivals.write_bytes(gzip.compress(
      json.dumps({'meta': _META, 'rows': rows}).encode()
  ))
  other = tmp_path / 'other.json'
  other.write_text(json.dumps(
      {'meta': _META, 'rows': _rows([0.6, 0.7], method='b')}
  ))
  out = tmp_path / 'study.md'
  flags = [
      # The first is found compressed.
      f'--rivals={tmp_path}/rivals.json,{other}',
      f'--axes={tmp_path}/axes.json',
      f'--suites={_suite(tmp_path / "suite.json")}',
      f'--plots={tmp_path}', f'--out={out}',
  ]
  assert report_study.main(flags) == 0
  assert 'left out, no file' in capsys.readouterr().err
  page = out.read_text()
  assert re.findall('^## (.*)$', page, re.M) == [
      'Methods', 'Time', 'Fresh splits',
  ]
  assert 'Left out, not there yet: `axes.json`.' in page
  assert str(tmp_path) not in page
  lines = page.splitlines()
  assert _line(lines, 'b')[1] == '**0.650 ±0.071**'
  assert _line(lines, 'NASFLAT, published, 20 samples')[1] == '0.959'
  (picture,) = tmp_path.glob('*.png')
  assert f'({picture.name})' in page
  content = json.loads((tmp_path / 'study.json').read_text())
  assert set(content) == {'rivals', 'times', 'fresh'}
  record = content['rivals'][0]
  assert (record['method'], record['num_support']) == ('m', 20)
  assert record['spearman'] == pytest.approx(0.55)
  assert record['num_trials'] == 2


def test_mistakes_are_one_line(tmp_path, capsys):
  bad = tmp_path / 'bad.json'
  bad.write_text('[]')
  assert report_study.main([f'--rivals={bad}', f'--out={tmp_path}/s.md']) == 2
  assert 'bad.json: not a result file' in capsys.readouterr().err
  assert report_study.main([f'--out={tmp_path}/s.txt']) == 2
  assert 'ends in .md' in capsys.readouterr().err
