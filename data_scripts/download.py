"""Downloads, verifies and converts the public latency tables.

Example: python data_scripts/download.py --mirror=DIR --data_dir=DIR

The same as the installed `nasflat-data`; see README.md beside this file.
"""

import pathlib
import sys

# So that it runs from a checkout that is not installed.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from nasflat_jax.cli import data  # noqa: E402

if __name__ == '__main__':
  data.main()
