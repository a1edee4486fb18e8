"""Published data for tests; absent data skips the test or fails it.

`$NASFLAT_MIRROR` is a folder of upstream files, `$NASFLAT_DATA` a folder that
`nasflat-data` has filled. With `NASFLAT_REQUIRE_DATA=1` missing data is an
error, so that a test cannot be skipped by accident.
"""

import functools
import os
import pathlib
import unittest

from nasflat_jax import data


def mirror() -> pathlib.Path:
  """The folder of upstream files: `$NASFLAT_MIRROR`, or what was downloaded."""
  folder = os.environ.get('NASFLAT_MIRROR')
  if folder:
    if not pathlib.Path(folder).is_dir():
      raise FileNotFoundError(f'$NASFLAT_MIRROR is not a folder: {folder}')
    return pathlib.Path(folder)
  folder = os.environ.get('NASFLAT_DATA')
  if folder and (pathlib.Path(folder) / 'upstream').is_dir():
    return pathlib.Path(folder) / 'upstream'
  raise _absent('set NASFLAT_MIRROR to a folder of upstream files')


def table(space: str) -> data.LatencyTable:
  """The joined latency table of a space's study, see `data.load_latency`."""
  _require_a_variable()
  return _study(space)


def source_table(name: str) -> data.LatencyTable:
  """One converted table, e.g. `help_nasbench201`, see `data.load`."""
  _require_a_variable()
  return _source(name)


def _require_a_variable() -> None:
  if not (os.environ.get('NASFLAT_DATA') or os.environ.get('NASFLAT_MIRROR')):
    raise _absent(
        'set NASFLAT_MIRROR to a folder of upstream files, or NASFLAT_DATA to '
        'a folder filled by nasflat-data'
    )


def _absent(reason: str) -> Exception:
  if os.environ.get('NASFLAT_REQUIRE_DATA') == '1':
    return FileNotFoundError(f'NASFLAT_REQUIRE_DATA=1, but no data: {reason}')
  return unittest.SkipTest(f'no published data: {reason}')


@functools.cache
def _study(space: str) -> data.LatencyTable:
  return data.load_latency(space)


@functools.cache
def _source(name: str) -> data.LatencyTable:
  return data.load(name)
