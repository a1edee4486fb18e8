"""Importing the package and asking a binary for help stay cheap."""

import ast
import importlib
import json
import pathlib
import subprocess
import sys
import time

import pytest

import nasflat_jax

_ROOT = pathlib.Path(nasflat_jax.__file__).parents[1]
_HEAVY = ('jax', 'jaxlib', 'numpy', 'scipy', 'flax', 'optax', 'chex', 'jraph')


def _run(code: str) -> tuple[int, list[str], str]:
  """Runs code in a fresh interpreter: its exit code, modules and output."""
  program = (
      'import atexit, json, sys\n'
      'atexit.register(lambda: print(json.dumps(sorted('
      "{m.split('.')[0] for m in sys.modules})), file=sys.stderr))\n" + code
  )
  done = subprocess.run(
      [sys.executable, '-c', program],
      capture_output=True,
      text=True,
      check=False,
      cwd=_ROOT,
      timeout=60,
  )
  return done.returncode, json.loads(done.stderr.splitlines()[-1]), done.stdout


def _scripts() -> tuple[str, ...]:
  """The binaries that `setup.py` installs."""
  setup = _ROOT / 'setup.py'
  if not setup.is_file():  # an installed package; its modules are the binaries
    folder = pathlib.Path(nasflat_jax.__file__).parent / 'cli'
    return tuple(sorted(p.stem for p in folder.glob('[a-z]*.py')))
  for node in ast.parse(setup.read_text()).body:
    if isinstance(node, ast.Assign) and node.targets[0].id == '_CLI':
      return tuple(ast.literal_eval(node.value))
  raise AssertionError('setup.py has no _CLI')


def test_the_check_sees_heavy_modules():
  code, modules, _ = _run('import numpy')
  assert code == 0
  assert 'numpy' in modules


def test_the_package_imports_nothing_heavy():
  code, modules, _ = _run('import nasflat_jax; nasflat_jax.__version__')
  assert code == 0
  assert 'nasflat_jax' in modules
  assert not set(_HEAVY) & set(modules)


@pytest.mark.parametrize('name', nasflat_jax.__all__)
def test_every_public_name_resolves(name):
  member = getattr(nasflat_jax, name)
  assert name in dir(nasflat_jax)
  assert member.__name__.split('.')[-1] == name


def test_every_folder_is_public():
  folder = pathlib.Path(nasflat_jax.__file__).parent
  parts = {path.parent.name for path in folder.glob('*/__init__.py')}
  assert parts - {'cli'} <= set(nasflat_jax.__all__)


def test_sub_packages_export_what_they_say():
  for name in nasflat_jax.__all__:
    module = getattr(nasflat_jax, name)
    for member in getattr(module, '__all__', ()):
      assert hasattr(module, member), f'{name}.{member}'


def test_an_unknown_name_is_an_attribute_error():
  with pytest.raises(AttributeError, match="no attribute 'predictor'"):
    nasflat_jax.predictor  # noqa: B018


@pytest.mark.parametrize('script', _scripts())
def test_help_is_quick_and_imports_nothing_heavy(script):
  module = importlib.import_module(f'nasflat_jax.cli.{script}')
  assert callable(module.main)
  start = time.perf_counter()
  code, modules, output = _run(
      f"sys.argv = ['nasflat-{script}', '--help']\n"
      f'from nasflat_jax.cli import {script}\n'
      f'{script}.main()\n'
  )
  seconds = time.perf_counter() - start
  assert code == 0
  assert '--' in output
  assert not set(_HEAVY) & set(modules)
  # A busy machine may be slow; importing JAX alone would take longer.
  assert seconds < 10.0
