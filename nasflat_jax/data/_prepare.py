"""Fills the data folder: download or mirror, verify, convert, provenance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
import hashlib
import json
import pathlib

from nasflat_jax.data import _atomic
from nasflat_jax.data import _convert
from nasflat_jax.data import _download
from nasflat_jax.data import _manifest
from nasflat_jax.data import _resolve
from nasflat_jax.data._accuracy_table import AccuracyTable
from nasflat_jax.data._latency_table import fingerprint
from nasflat_jax.data._latency_table import LatencyTable
from nasflat_jax.data._zero_cost import ZeroCostTable


def prepare(
    sources: Iterable[_manifest.Source],
    data_dir: pathlib.Path,
    *,
    mirror: pathlib.Path | None = None,
    base_url: str = _download.BASE_URL,
    progress: Callable[[int, int], None] | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> list[pathlib.Path]:
  """Writes `<table>.npz` and `<table>.json` of each source.

  A second run with the same inputs changes nothing. Nothing is written before
  every upstream file is there and verified.

  Args:
    sources: what to make.
    data_dir: where to; made if need be.
    mirror: folder with the upstream files; None downloads them into
      `<data_dir>/upstream`.
    base_url: of the downloads.
    progress: called with the bytes that are there and the bytes wanted.
    report: called with one line per table.

  Returns:
    The paths of the tables, in the order of `sources`.

  Raises:
    FileNotFoundError: if the mirror or a file of it is missing.
    ValueError: if a file is not the pinned one.
    OSError: if a host cannot be reached.
  """
  sources = tuple(sources)
  stale = [source for source in sources if not _is_current(source, data_dir)]
  if mirror is None:
    folder = data_dir / _resolve.DOWNLOADS
    _download_all(stale, folder, base_url, progress)
  else:
    folder = _manifest.check_mirror(mirror)
  tables = [_convert.convert(source, folder) for source in stale]
  for source, table in zip(stale, tables, strict=True):
    path = _resolve.table_path(source.name, data_dir)
    path.with_suffix('.json').unlink(missing_ok=True)
    table.save(path)
    text = json.dumps(_provenance(source, path, table), indent=2)
    with _atomic.replacing(path.with_suffix('.json')) as file:
      file.write(text.encode('utf-8') + b'\n')
  made = {source.name for source in stale}
  for source in sources:
    state = 'written' if source.name in made else 'up to date'
    report(f'{_resolve.table_path(source.name, data_dir)}: {state}')
  return [_resolve.table_path(source.name, data_dir) for source in sources]


def _download_all(
    sources: Iterable[_manifest.Source],
    folder: pathlib.Path,
    base_url: str,
    progress: Callable[[int, int], None] | None,
) -> None:
  # Some tables share a file.
  files = dict.fromkeys(file for source in sources for file in source.files)
  total = sum(file.num_bytes for file in files)
  done = 0
  for file in files:
    before = done

    def advance(num_bytes: int, before: int = before) -> None:
      if progress is not None:
        progress(before + num_bytes, total)

    _download.fetch(file, folder, base_url=base_url, progress=advance)
    done += file.num_bytes
    advance(file.num_bytes)


def _provenance(
    source: _manifest.Source,
    path: pathlib.Path,
    table: LatencyTable | ZeroCostTable | AccuracyTable,
) -> dict[str, object]:
  rows: dict[str, object]
  if isinstance(table, LatencyTable):
    rows = {'num_devices': len(table.devices), 'devices': table.device_names}
  elif isinstance(table, AccuracyTable):
    rows = {'tasks': table.tasks, 'metrics': table.metrics}
  else:
    rows = {'proxies': table.proxies}
  return {
      'table': source.name,
      'sha256': _sha256(path),
      'fingerprint': fingerprint(table),
      'converter_version': _convert.VERSION,
      'num_architectures': table.num_architectures,
      **rows,
      'repository': f'{source.owner}/{source.repository}',
      'commit': source.commit,
      'licence': source.licence,
      'licence_note': source.licence_note,
      'citation': list(source.citation),
      'files': [
          {'path': f.path, 'bytes': f.num_bytes, 'sha256': f.sha256}
          for f in source.files
      ],
  }


def _is_current(source: _manifest.Source, data_dir: pathlib.Path) -> bool:
  """Whether the table was made by this converter from these files."""
  path = _resolve.table_path(source.name, data_dir)
  try:
    found = json.loads(path.with_suffix('.json').read_text(encoding='utf-8'))
    return (
        found['converter_version'] == _convert.VERSION
        and [f['sha256'] for f in found['files']]
        == [f.sha256 for f in source.files]
        and found['sha256'] == _sha256(path)
    )
  except (FileNotFoundError, ValueError, KeyError, TypeError):
    return False


def _sha256(path: pathlib.Path) -> str:
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()
