"""The code of docs/spaces.md runs, and its table names all spaces."""

import pathlib
import re

import pytest

from nasflat_jax import spaces

_PAGE = pathlib.Path(__file__).parents[2] / 'docs' / 'spaces.md'
_TEXT = _PAGE.read_text()
_BLOCKS = re.findall(r'```python\n(.*?)```', _TEXT, re.DOTALL)


@pytest.mark.slow
def test_code_runs(capsys):
  names = {}
  for block in _BLOCKS:
    exec(compile(block, _PAGE.name, 'exec'), names)  # noqa: S102
  printed = capsys.readouterr().out.split('\n')
  assert printed[0] == '(5, 1, 24) [[1.0, 0.0], [0.0, 1.0]]'
  assert printed[1] == '15625 (2, 5)'


def test_a_space_takes_about_twenty_lines():
  assert len(_BLOCKS[-1].strip().splitlines()) <= 20


def test_table_lists_all_spaces():
  table = re.findall(r'^\| (`.*?) \|', _TEXT, re.MULTILINE)
  assert set(re.findall(r'`(\w+)`', ' '.join(table))) == set(spaces.names())
