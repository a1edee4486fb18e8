"""What all tests share: real data is asked for through `real_data`."""

import os
import pathlib
import sys

from absl import flags
import pytest

_TESTS = str(pathlib.Path(__file__).parent)
if _TESTS not in sys.path:  # `import real_data` from every sub-folder
  sys.path.insert(0, _TESTS)

# absl's test cases read flags (`create_tempdir`), which pytest never parses.
flags.FLAGS.mark_as_parsed()

# Most of the time of the tests is compilation. JAX reads this when it is
# imported, here and in the binaries that tests start.
os.environ.setdefault('JAX_DISABLE_MOST_OPTIMIZATIONS', '1')


def pytest_configure(config):
  config.addinivalue_line(
      'markers', 'optimised: compiled as users do; what runs long is quicker so'
  )


@pytest.fixture(autouse=True, scope='module')
def _compile_quickly(request):
  """Sets anew, for each module, whether XLA optimises what it compiles."""
  import jax
  optimised = request.node.get_closest_marker('optimised') is not None
  jax.config.update('jax_disable_most_optimizations', not optimised)


@pytest.fixture(autouse=True, scope='module')
def _release_compiled_programs():
  """Drops what a module compiled: the memory maps of a process are limited."""
  yield
  if 'jax' in sys.modules:
    sys.modules['jax'].clear_caches()
