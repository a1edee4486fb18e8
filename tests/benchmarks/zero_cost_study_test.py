"""The arithmetic of the zero-cost benchmarks, on numbers made by hand."""

import argparse
import pathlib

import jax
import numpy as np
import pytest
from scipy import stats
import zero_cost_agreement
import zero_cost_check
import zero_cost_gpu
import zero_cost_speed
from zero_cost_study import contenders
from zero_cost_study import gpu_page
from zero_cost_study import pictures
from zero_cost_study import records
from zero_cost_study import speed_page
from zero_cost_study import tables
from zero_cost_study import torch_loop

from nasflat_jax import spaces
from nasflat_jax import zero_cost


def test_spearman_is_scipys_and_puts_undefined_scores_last():
  rng = np.random.default_rng(0)
  a, b = rng.integers(0, 9, (2, 50)).astype(float)
  assert tables.spearman(a, b) == pytest.approx(stats.spearmanr(a, b)[0])
  a[:5] = np.nan
  want = stats.spearmanr(np.where(np.isnan(a), -1.0, a), b)[0]
  assert tables.spearman(a, b) == pytest.approx(want)


def test_errors_are_relative_and_count_undefined_scores():
  names = ['plain', 'snip']
  want = np.array([[1e-3, 2.0], [0.0, 4.0], [np.nan, np.nan], [1.0, np.inf]])
  ours = np.array([[2e-3, 2.2], [0.0, 4.0], [np.nan, 1.0], [1.0, np.nan]])
  plain, snip = zero_cost_check.errors(names, ours, want)
  assert snip['networks'] == 2
  assert snip['max'] == pytest.approx(0.1)
  assert (snip['undefined_on_both'], snip['undefined_on_one']) == (1, 1)
  assert not snip['passed']
  # Relative to snip: 1e-3 / 2.
  assert plain['max'] == pytest.approx(5e-4)
  assert plain['undefined_on_both'] == 1
  assert plain['passed']


def test_errors_pass_by_tolerance_or_beside_those_of_pytorch():
  names = ['grasp', 'snip']
  want = np.array([[1.0, 2.0], [1.0, 4.0], [np.nan, 1.0]])

  def passed(ours, torch):
    rows = zero_cost_check.beside(
        zero_cost_check.errors(names, ours, want),
        zero_cost_check.errors(names, torch, want),
    )
    return [row['passed'] for row in rows]

  # Of grasp beyond the tolerance of 1e-3: twice, and more than twice PyTorch's.
  off = want * [1.08, 1.001]
  assert passed(off, want * [1.05, 1.0]) == [True, True]
  assert passed(off, want * [1.03, 1.0]) == [False, True]
  # Undefined on one side never passes.
  assert passed(np.nan_to_num(off), want * [1.05, 1.0]) == [False, True]
  # In float64 there is one tolerance.
  strict = dict.fromkeys(names, 1e-9)
  rows = zero_cost_check.errors(names, want * [1.0, 1 + 1e-8], want, strict)
  assert [row['passed'] for row in rows] == [True, False]


def test_special_networks_come_first():
  rows = zero_cost_check.genotypes('nasbench201', 9, 0)
  assert rows.shape == (9, 6)
  assert rows[0].tolist() == [0] * 6
  assert zero_cost_check.genotypes('fbnet', 3, 0)[0].tolist() == [8] * 22


@pytest.mark.parametrize('name', ['C16-N5-B64', 'fbnet-B16'])
def test_multiply_adds_are_the_spaces(name):
  setting = contenders.SETTINGS[name]
  genotype = setting.genotype(0)
  np.testing.assert_allclose(
      setting.multiply_adds(genotype),
      np.asarray(spaces.get(setting.space).costs(genotype).multiply_adds),
      rtol=1e-6,
  )


def test_ratios_are_to_the_faster_way():
  rows = [
      {'contender': contender, 'ms_per_network': ms}
      for contender, values in (
          ('ours', (10.0, 20.0)),
          ('shared, threads', (90.0, 110.0)),
          ('shared, processes', (40.0, 60.0)),
      )
      for ms in values
  ]
  ratios = speed_page.ratios(rows, ['shared'])
  assert ratios['shared']['way'] == 'processes'
  assert (ratios['shared']['min'], ratios['shared']['max']) == (3.0, 4.0)
  assert ratios['shared']['of_minima'] == 4.0


def test_a_partial_run_goes_on_where_it_stopped(tmp_path):
  genotype = np.arange(12).reshape(4, 3)
  path = tmp_path / 'folder' / 'scores.npz'
  found, seconds = zero_cost_agreement._resume(path, genotype, 2)
  assert np.isnan(found).all() and seconds == 0.0
  found[:2] = 7.0
  zero_cost_agreement._save(path, genotype, found, 3.0)
  again, seconds = zero_cost_agreement._resume(path, genotype, 2)
  np.testing.assert_array_equal(again, found)
  assert seconds == 3.0
  longer = np.concatenate([genotype, genotype + 1])
  more, _ = zero_cost_agreement._resume(path, longer, 2)
  np.testing.assert_array_equal(more[:4], found)
  assert np.isnan(more[4:]).all()
  with pytest.raises(ValueError, match='other networks'):
    zero_cost_agreement._resume(path, genotype[::-1], 2)


def test_misses_of_a_bar_are_marked():
  row = {'proxy': 'snip', 'agreement': 0.9599}
  assert '**0.960**' in zero_cost_agreement._line(row, 'cifar10', 'gaussian')
  row['agreement'] = 0.9601
  assert '| 0.960 |' in zero_cost_agreement._line(row, 'cifar10', 'gaussian')
  assert '| 0.960 |' in zero_cost_agreement._line(row, 'cifar10', 'photographs')
  # With the published images, two draws' agreement is the goal: .98.
  assert '**0.960**' in zero_cost_agreement._line(row, 'cifar10', 'cifar10')
  row = {'proxy': 'flops', 'agreement': 0.9996}
  assert '| 1.000 |' in zero_cost_agreement._line(row, 'cifar10', 'gaussian')


@pytest.mark.parametrize('num_classes,side', [(10, 32), (120, 16)])
def test_batch_of_cifar_files(tmp_path, num_classes, side):
  rng = np.random.default_rng(0)
  records_ = rng.integers(0, 256, (100, 3073), dtype=np.uint8)
  records_[:, 0] = np.arange(100) % 10
  records_.tofile(tmp_path / 'data_batch_1.bin')
  batch = pictures.batch(
      str(tmp_path), jax.random.key(0), 20, num_classes, side
  )
  assert batch.images.shape == (20, side, side, 3)
  assert batch.source == 'cifar10'
  assert np.bincount(batch.labels).max() == (2 if num_classes == 10 else 1)


def test_results_name_no_folder(monkeypatch):
  monkeypatch.setattr(
      'sys.argv', ['/some/where/a.py', '--out=/some/where/else', '--tiny']
  )
  options = argparse.Namespace(out=pathlib.Path('/some/where'), seed=3)
  record = records.header('a', options)
  assert record['settings'] == {'seed': 3}
  assert records.command(options) == 'python benchmarks/a.py --out=else --tiny'


def test_json_has_no_nan():
  assert records.finite({'a': [float('nan'), 1.23456789], 2: 'b'}) == {
      'a': [None, 1.23457], '2': 'b',
  }


def test_cost_of_a_proxy_alone_and_saved_without_it():
  milliseconds = {'grasp': 40.0, 'zen': 20.0}

  def ours(names=(), repeats=1):
    seconds = 1e-3 * sum(milliseconds.get(name, 1.0) for name in names)
    return [2 * seconds] * repeats, 80.0, 1000.0

  found = zero_cost_speed._marginal(ours, 2, 1)
  assert found['all_ms'] == pytest.approx(71.0)
  assert found['alone_ms']['grasp'] == pytest.approx(40.0)
  assert found['saved_without_ms']['epe_nas, jacov'] == pytest.approx(2.0)
  table = speed_page._marginal_table(found)
  assert '| epe_nas, jacov | 1.0 | 2.0 |' in table
  assert '| params | 1.0 |  |' in table


def test_fbnets_blocks_get_their_numbers():
  kernel = {
      'stage_0/first/k3_e1/expand': np.zeros((1, 1, 16, 16)),
      'stage_2/first/skip': np.ones((1, 1, 24, 32)),
      'stage_2/rest/k3_e1/expand': np.arange(3.0).reshape(3, 1, 1, 1, 1),
      'head': np.zeros((2, 3)),
  }
  flat = torch_loop.flat(zero_cost.Params(kernel, {'head': np.zeros(3)}))
  assert sorted(flat) == [
      'block_0/k3_e1/expand/kernel',
      'block_5/skip/kernel',
      'block_6/k3_e1/expand/kernel',
      'block_7/k3_e1/expand/kernel',
      'block_8/k3_e1/expand/kernel',
      'head/bias',
      'head/kernel',
  ]
  assert flat['block_8/k3_e1/expand/kernel'].tolist() == [[[[2.0]]]]


def test_crops_of_photographs(monkeypatch):
  own = tuple(x for x in pictures.PHOTOGRAPHS if x[0] == 'matplotlib')
  monkeypatch.setattr(pictures, 'PHOTOGRAPHS', own)
  key = jax.random.key(0)
  images, labels, source = pictures.batch('photographs', key, 6, 4, 16)
  assert images.shape == (6, 16, 16, 3) and source == 'photographs'
  np.testing.assert_array_equal(labels, [0, 1, 2, 3, 0, 1])
  np.testing.assert_allclose(images.mean((0, 1, 2)), 0, atol=1e-5)
  np.testing.assert_allclose(images.std((0, 1, 2)), 1, atol=1e-5)
  again = pictures.batch('photographs', key, 6, 4, 16)
  np.testing.assert_array_equal(images, again.images)
  assert np.abs(images[0] - images[4]).max() > 0.1
  monkeypatch.setattr(pictures, 'PHOTOGRAPHS', (('no_such_module', 'a.jpg'),))
  with pytest.raises(ValueError, match='there is no no_such_module'):
    pictures.batch('photographs', key, 6, 4, 16)


def test_a_way_that_took_too_long_is_said(tmp_path):
  late = zero_cost_gpu.Job('tiny', 1, 8, backend='cpu')
  slow = zero_cost_gpu.Job('tiny', 4, 8, autotune=False)
  record = {
      'hardware': {'device_kind': 'a card', 'jax': '1.0'},
      'date': '2026-11-27T00:00:00',
      'command': 'python benchmarks/zero_cost_gpu.py',
      'torch': [],
      'rows': [
          job._asdict() | {'label': job.label, 'limit': 9.0}
          for job in (late, slow)
      ],
  }
  zero_cost_gpu._write(record, argparse.Namespace(out=tmp_path))
  page = (tmp_path / 'zero_cost_gpu.md').read_text()
  assert page == gpu_page.page(record)
  assert '| 4 together, no autotuning | not within 9 s |' in page
