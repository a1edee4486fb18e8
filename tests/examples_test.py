"""Every example runs, and finds what it says."""

import importlib.util
import os
import pathlib
import runpy
import sys
from unittest import mock

import numpy as np
import pytest

from nasflat_jax import search
import real_data

_FOLDER = pathlib.Path(__file__).parents[1] / 'examples'


def _load(name):
  spec = importlib.util.spec_from_file_location(name, _FOLDER / f'{name}.py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


@pytest.mark.slow
def test_a_gradient_finds_a_network_that_holds(capsys):
  example = _load('gradient_search')
  found = example.main()
  assert found['loss_after'] < found['loss_before']
  # Discrete again, it may have lost a little of the expectation.
  assert found['measured_ms'] <= 1.05 * example.BUDGET_MS
  pool = np.random.default_rng(0).integers(9, size=(2000, 22))
  holds = example.measure(pool) <= example.BUDGET_MS
  best = example.SPACE.costs(pool[holds]).flops.max()
  assert found['flops'] > best
  assert '|' in capsys.readouterr().out


def test_a_custom_objective_gives_a_front():
  front = _load('custom_objective').main(num_rounds=8, num_seeds=1)
  assert front.is_feasible.all() and len(front.genotype) > 3
  assert search.non_dominated(front.objectives).all()
  skip = 8
  assert ((front.genotype == skip).sum(axis=1) >= 3).all()


@pytest.mark.slow
def test_a_custom_space_keeps_the_contract_and_the_budget():
  example = _load('custom_space')
  found = example.main()
  assert len(found.genotype) == 5 and found.is_feasible.all()
  assert (example.measure(found.genotype) <= example.BUDGET_MS).all()


@pytest.mark.slow
def test_the_walkthrough_on_a_measured_device(capsys, tmp_path):
  if not (os.environ.get('NASFLAT_DATA') or os.environ.get('NASFLAT_MIRROR')):
    real_data.table('nasbench201')  # skips, or fails where data is a must
  with mock.patch.object(sys, 'argv', ['walkthrough.py', str(tmp_path)]):
    names = runpy.run_path(str(_FOLDER / 'walkthrough.py'))
  assert names['spearman'] > 0.9
  assert (tmp_path / 'latency.png').exists()
  assert (tmp_path / 'front.png').exists()
  assert (names['finalist_ms'] <= names['budget_ms']).sum() >= 4
  assert 'hold' in capsys.readouterr().out


@pytest.mark.parametrize('path', sorted(_FOLDER.glob('*.py')), ids=str)
def test_examples_are_listed_and_short(path):
  assert f'[{path.name}]' in (_FOLDER / 'README.md').read_text()
  assert len(path.read_text().splitlines()) <= 200
