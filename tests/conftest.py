"""What all tests share: real data is asked for through `real_data`."""

import pathlib
import sys

from absl import flags
import pytest

_TESTS = str(pathlib.Path(__file__).parent)
if _TESTS not in sys.path:  # `import real_data` from every sub-folder
  sys.path.insert(0, _TESTS)

# absl's test cases read flags (`create_tempdir`), which pytest never parses.
flags.FLAGS.mark_as_parsed()


@pytest.fixture(autouse=True, scope='module')
def _release_compiled_programs():
  """Drops what a module compiled: the memory maps of a process are limited."""
  yield
  if 'jax' in sys.modules:
    sys.modules['jax'].clear_caches()
