"""Makes `import toy_space` work from the tests of this folder."""

import pathlib
import sys

_FOLDER = str(pathlib.Path(__file__).parent)
if _FOLDER not in sys.path:
  sys.path.insert(0, _FOLDER)
