"""The page of one proxy device says what its committed figures say."""

import gzip
import json
import pathlib
from unittest import mock

from proxy_study import page
from proxy_study import pictures
import pytest

_RESULTS = pathlib.Path(__file__).parents[2] / 'benchmarks' / 'results'


@pytest.fixture(name='record')
def _record():
  return json.loads(gzip.decompress((_RESULTS / 'proxy.json.gz').read_bytes()))


def _written(folder, record):
  with mock.patch.multiple(
      pictures, heat_map=mock.DEFAULT, curves=mock.DEFAULT
  ):
    page.write(folder, record)
  return (folder / 'proxy.md').read_text()


def test_page_is_made_of_the_committed_figures(tmp_path, record):
  assert _written(tmp_path, record) == (_RESULTS / 'proxy.md').read_text()


def test_a_part_that_was_not_run_is_left_out(tmp_path, record):
  text = _written(tmp_path, {'coverage': record['coverage']})
  assert '## Coverage of the interval' in text
  assert '## AdaProxy' not in text
