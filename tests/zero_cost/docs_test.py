"""The code of docs/zero_cost.md runs, and its table is that of the code."""

import pathlib
import re

import numpy as np
import pytest

from nasflat_jax import zero_cost

_PAGE = pathlib.Path(__file__).parents[2] / 'docs' / 'zero_cost.md'
_TEXT = _PAGE.read_text()


@pytest.mark.slow
def test_code_runs(capsys):
  names = {}
  for block in re.findall(r'```python\n(.*?)```', _TEXT, re.DOTALL):
    exec(compile(block, _PAGE.name, 'exec'), names)  # noqa: S102
  printed = capsys.readouterr().out.split('\n')
  assert printed[:3] == ['(3, 2)', '(4, 2)', '(3,)']
  assert np.isfinite(names['scores']).all()
  assert np.isfinite(names['values']).all()


def test_a_space_takes_about_twenty_lines():
  (block,) = re.findall(r'```python\n(def apply.*?)```', _TEXT, re.DOTALL)
  assert len(block.strip().splitlines()) <= 28


def test_table_lists_all_proxies():
  rows = re.findall(r'^\| `(\w+)` \|.*\| (yes|no) \|$', _TEXT, re.MULTILINE)
  found = {name: dead == 'yes' for name, dead in rows}
  assert found == {fn.name: fn.sees_dead for fn in zero_cost.ALL}
