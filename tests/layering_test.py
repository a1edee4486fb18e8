"""Dependencies point down: the imports are read and an upward edge fails."""

import ast
import pathlib

import pytest

import nasflat_jax

_PACKAGE = pathlib.Path(nasflat_jax.__file__).parent
_LAYERS = {
    'types': 0,
    'spaces': 1,
    'graphs': 1,
    'losses': 1,
    'metrics': 1,
    'data': 2,
    'reports': 2,
    'encodings': 3,
    'zero_cost': 3,
    'predictors': 4,
    'samplers': 4,
    'partitions': 4,
    'transfer': 5,
    'measure': 5,
    'checkpoints': 5,
    'methods': 6,
    'search': 6,
    'trials': 7,
    'testing': 7,
    'cli': 8,
}
_FILES = sorted(_PACKAGE.rglob('*.py'))


def _part(path: pathlib.Path) -> str:
  return path.relative_to(_PACKAGE).parts[0].removesuffix('.py')


def _imported_parts(tree: ast.AST) -> set[str]:
  modules = set()
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      modules |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      modules |= {f'{node.module}.{alias.name}' for alias in node.names}
  split = (m.split('.') for m in modules)
  return {m[1] for m in split if m[0] == 'nasflat_jax' and len(m) > 1}


@pytest.mark.parametrize('path', _FILES, ids=lambda p: str(p.stem))
def test_imports_point_down(path):
  part = _part(path)
  if part == '__init__':
    return
  assert part in _LAYERS, f'{path}: give {part!r} a layer'
  for other in _imported_parts(ast.parse(path.read_text())):
    assert other == part or _LAYERS[other] < _LAYERS[part], (
        f'{path} ({part}, layer {_LAYERS[part]}) imports {other}'
        f' (layer {_LAYERS[other]})'
    )


@pytest.mark.parametrize('path', _FILES, ids=lambda p: str(p.stem))
def test_private_modules_stay_in_their_part(path):
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.ImportFrom):
      assert node.level == 0, f'{path}: a relative import'
      names = [f'{node.module}.{alias.name}' for alias in node.names]
    elif isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    else:
      continue
    for name in names:
      package, part, *rest = [*name.split('.'), '']
      if package == 'nasflat_jax' and part != _part(path):
        assert not any(r.startswith('_') for r in rest), f'{path}: {name}'


def test_only_one_file_imports_jraph():
  users = [
      path.relative_to(_PACKAGE).as_posix()
      for path in _FILES
      if 'jraph' in {
          alias.name.split('.')[0]
          for node in ast.walk(ast.parse(path.read_text()))
          if isinstance(node, ast.Import)
          for alias in node.names
      }
  ]
  assert users == ['graphs/_message_passing.py']


@pytest.mark.parametrize('path', _FILES, ids=lambda p: str(p.stem))
def test_modules_are_short(path):
  assert len(path.read_text().splitlines()) <= 400
