"""Makes `import toy_space` work here, and compiles quickly."""

import pathlib
import sys

import jax
import pytest

_FOLDER = str(pathlib.Path(__file__).parent)
if _FOLDER not in sys.path:
  sys.path.insert(0, _FOLDER)


@pytest.fixture(autouse=True, scope='module')
def _compile_quickly():
  """Most of the time in this folder is compilation."""
  jax.config.update('jax_disable_most_optimizations', True)
  yield
  jax.config.update('jax_disable_most_optimizations', False)
