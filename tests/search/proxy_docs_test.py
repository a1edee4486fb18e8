"""The code of docs/proxy.md runs and prints what a reader would expect."""

import pathlib
import re

_PAGE = pathlib.Path(__file__).parents[2] / 'docs' / 'proxy.md'


def test_code_runs(capsys):
  (block,) = re.findall(r'```python\n(.*?)```', _PAGE.read_text(), re.DOTALL)
  exec(compile(block, _PAGE.name, 'exec'), {})  # noqa: S102
  decisions, counts = capsys.readouterr().out.splitlines()
  assert decisions.startswith("['reuse'")
  measured, front = map(int, re.findall(r'\d+', counts))
  assert 4 < front < measured < 40
