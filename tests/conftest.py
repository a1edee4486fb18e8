"""What all tests share: real data is asked for through `real_data`."""

import pathlib
import sys

from absl import flags

_TESTS = str(pathlib.Path(__file__).parent)
if _TESTS not in sys.path:  # `import real_data` from every sub-folder
  sys.path.insert(0, _TESTS)

# absl's test cases read flags (`create_tempdir`), which pytest never parses.
flags.FLAGS.mark_as_parsed()
