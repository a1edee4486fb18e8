"""The code of docs/search.md runs, and its tables are those of the code."""

import inspect
import pathlib
import re

import pytest

from nasflat_jax import search

_PAGE = pathlib.Path(__file__).parents[2] / 'docs' / 'search.md'
_TEXT = _PAGE.read_text()


@pytest.mark.slow
def test_code_runs_and_holds_the_budget(capsys):
  (block,) = re.findall(r'```python\n(.*?)```', _TEXT, re.DOTALL)
  assert len(block.strip().splitlines()) <= 25
  names = {}
  exec(compile(block, _PAGE.name, 'exec'), names)  # noqa: S102
  assert capsys.readouterr().out.strip().endswith('True')
  assert names['found'].is_feasible.all()


def test_table_lists_all_algorithms():
  rows = re.findall(r'^\| `(\w+)` \| (?:1|any) \|', _TEXT, re.MULTILINE)
  made = {
      name
      for name in search.__all__
      if inspect.isfunction(getattr(search, name))
      and 'SearchAlgorithm'
      in str(inspect.signature(getattr(search, name)).return_annotation)
  }
  assert set(rows) == made


def test_every_name_is_public():
  for name in ('table', 'tabulate', 'predicted', 'zero_cost_vote', 'cost'):
    assert f'`{name}`' in _TEXT and name in search.__all__
