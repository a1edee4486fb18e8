"""README's code runs, and its commands name binaries and flags that exist."""

import importlib
import pathlib
import re
import shlex

import pytest

_ROOT = pathlib.Path(__file__).parent.parent
_README = (_ROOT / 'README.md').read_text()
_DOCS = [
    _ROOT / 'README.md',
    _ROOT / 'BUILD.md',
    *(_ROOT / 'docs').glob('*.md'),
]


def _commands() -> list[str]:
  found = []
  for path in _DOCS:
    text = path.read_text()
    found += re.findall(r'`(nasflat-[a-z]+[^`\n]*)`', text)
    found += re.findall(r'(nasflat-[a-z]+ --[^\n`|,]*)', text)
  return sorted(set(found))


def test_python_block_runs_and_predicts_well(capsys):
  (block,) = re.findall(r'```python\n(.*?)```', _README, re.DOTALL)
  assert len(block.strip().splitlines()) <= 25
  exec(compile(block, 'README.md', 'exec'), {})  # noqa: S102
  values = [float(x) for x in re.findall(r'0\.\d+', capsys.readouterr().out)]
  assert len(values) == 3 and min(values) > 0.9


def test_two_commands_are_one_line_each():
  blocks = re.findall(r'```bash\n(.*?)```', _README, re.DOTALL)
  assert [len(b.strip().splitlines()) for b in blocks] == [1, 1]
  assert 'nasflat-quickstart' in blocks[0] and 'pytest' in blocks[1]


@pytest.mark.parametrize('command', _commands())
def test_command_parses(command):
  program, *args = shlex.split(command)
  module = importlib.import_module(
      'nasflat_jax.cli.' + program.removeprefix('nasflat-')
  )
  known = set(module._FLAGS)
  for arg in args:
    if arg.startswith('--') and arg != '--help':
      name = arg[2:].split('=')[0]
      assert name in known or name.removeprefix('no') in known, arg


def test_no_figure_is_left_to_fill_in():
  for path in _DOCS:
    assert not re.search(r'@[A-Z_]+@', path.read_text()), path


def test_relative_links_resolve():
  for path in _DOCS:
    for target in re.findall(r'\]\((?!https?:)([^)#]+)\)', path.read_text()):
      assert (path.parent / target).exists(), f'{path}: {target}'
