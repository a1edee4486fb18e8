"""Downloads, verifies and converts the public tables.

Example: nasflat-data --source=help,eagle

Every upstream file is pinned by commit, size and SHA-256. Written to
--data_dir: one <source>_<space>.npz and one .json of provenance per table. A
second run changes nothing; an interrupted download is resumed. The data belong
to their authors: see the licence and the citation in the .json files.
"""

from __future__ import annotations

from collections.abc import Sequence
import pathlib
import sys

from absl import flags

from nasflat_jax.cli import _main

_FLAGS = flags.FlagValues()
_SOURCE = flags.DEFINE_string(
    'source',
    'core',
    'Comma-separated groups (core, accuracy: the 28 tasks of '
    'NAS-Bench-Suite-Zero and further benchmarks, all), sources such as help, '
    'or tables such as help_fbnet.',
    flag_values=_FLAGS,
)
_MIRROR = flags.DEFINE_string(
    'mirror',
    None,
    'Folder with the upstream files as '
    '<owner>/<repository>/<commit>/<path>, used instead of the network.',
    flag_values=_FLAGS,
)
_DATA_DIR = flags.DEFINE_string(
    'data_dir',
    None,
    'Folder to write to; $NASFLAT_DATA if not given, else '
    'nasflat_jax in the cache folder of the user.',
    flag_values=_FLAGS,
)


def _folder(name: str, value: str | None) -> pathlib.Path | None:
  """A flag's folder; an empty value is an unset shell variable, not a wish."""
  if value is None:
    return None
  if not value:
    raise ValueError(f'--{name} is empty')
  return pathlib.Path(value).expanduser()


def _data() -> None:
  mirror = _folder('mirror', _MIRROR.value)
  data_dir = _folder('data_dir', _DATA_DIR.value)
  from nasflat_jax import data

  data.prepare(
      data.select_sources(_SOURCE.value),
      data_dir or data.data_dir(),
      mirror=mirror,
      progress=_main.Progress('Downloading, bytes'),
      report=print,
  )


def run(argv: Sequence[str]) -> int:
  """Runs the binary on a command line and returns its exit code."""
  return _main.run('nasflat-data', __doc__, _data, _FLAGS, argv)


def main() -> None:
  """Runs the binary on the process's command line."""
  sys.exit(run(sys.argv))


if __name__ == '__main__':
  main()
