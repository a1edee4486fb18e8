"""Downloads pinned files: resumes, verifies, retries, writes atomically."""

from __future__ import annotations

from collections.abc import Callable
import hashlib
import http.client
import os
import pathlib
import time
import urllib.error
import urllib.parse
import urllib.request

from nasflat_jax.data import _manifest

# Raw contents of a file at a commit: `<base>/<owner>/<repo>/<commit>/<path>`.
BASE_URL = 'https://raw.githubusercontent.com'

Progress = Callable[[int], None]  # bytes of the file that are there

_CHUNK = 1 << 16
_RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Interrupted(Exception):
  """The transfer broke off; a further attempt may succeed."""


def url(file: _manifest.UpstreamFile, base_url: str = BASE_URL) -> str:
  """Where a file is fetched from; the path is percent-encoded."""
  return f'{base_url.rstrip("/")}/{urllib.parse.quote(file.mirror_path)}'


def fetch(
    file: _manifest.UpstreamFile,
    folder: pathlib.Path,
    *,
    base_url: str = BASE_URL,
    attempts: int = 5,
    backoff_s: float = 1.0,
    timeout_s: float = 30.0,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> pathlib.Path:
  """Makes sure that `folder` holds a verified copy of `file`.

  A copy that is already there and right is kept. A transfer that breaks off
  is resumed from its `.part` file, in this call or in a later one. Contents
  that are complete but not the pinned ones are removed.

  Args:
    file: what to fetch.
    folder: laid out as a mirror.
    base_url: prefix of the URL, `http` or `https`.
    attempts: how often to try at most.
    backoff_s: seconds before the second attempt; doubles every time.
    timeout_s: seconds without data before an attempt is given up.
    progress: called with the bytes of the file that are there so far.
    sleep: waits; injected by tests.

  Returns:
    The path of the copy.

  Raises:
    ValueError: if the contents are not the pinned ones; names both hashes.
    OSError: if the host cannot be reached or refuses.
  """
  if urllib.parse.urlsplit(base_url).scheme not in ('http', 'https'):
    raise ValueError(f'{base_url!r} is not an http or https address')
  target = folder / file.mirror_path
  if target.is_file():
    if _hash(target) == (file.num_bytes, file.sha256):
      return target
    target.unlink()  # damaged after it was verified: fetch it again
  target.parent.mkdir(parents=True, exist_ok=True)
  part = target.with_name(target.name + '.part')
  address = url(file, base_url)
  for attempt in range(attempts):
    if attempt:
      sleep(backoff_s * 2 ** (attempt - 1))
    try:
      resumed = _transfer(file, address, part, timeout_s, progress)
    except _Interrupted as error:
      last = error
      continue
    found = _hash(part)
    if found == (file.num_bytes, file.sha256):
      os.replace(part, target)
      return target
    part.unlink()
    if resumed:  # the old part may be to blame: once more, from the start
      last = _Interrupted('the resumed file was not the pinned one')
      continue
    raise ValueError(_manifest.mismatch(file, address, *found))
  kept = part.stat().st_size if part.is_file() else 0
  raise OSError(
      f'{address}: gave up after {attempts} attempts ({last}); '
      f'{kept} of {file.num_bytes} bytes are kept, run again to resume'
  )


def _transfer(
    file: _manifest.UpstreamFile,
    address: str,
    part: pathlib.Path,
    timeout_s: float,
    progress: Progress | None,
) -> bool:
  """Appends to `part` what is missing; True if it held something before.

  Raises:
    _Interrupted: where another attempt may help.
    OSError: where none will.
  """
  offset = part.stat().st_size if part.is_file() else 0
  if offset > file.num_bytes:
    part.unlink()
    offset = 0
  if offset == file.num_bytes:
    return True
  headers = {'User-Agent': 'nasflat-data', 'Accept-Encoding': 'identity'}
  if offset:
    headers['Range'] = f'bytes={offset}-'
  request = urllib.request.Request(address, headers=headers)
  try:
    with urllib.request.urlopen(request, timeout=timeout_s) as response:
      if offset and not _continues(response, offset):
        offset = 0  # the host sends the whole file
      promised = response.headers.get('Content-Length')
      received = _copy(response, file, part, offset, progress)
  except urllib.error.HTTPError as error:
    error.close()
    if error.code == 416:  # the part does not fit the file
      part.unlink(missing_ok=True)
      raise _Interrupted('HTTP 416 on resuming') from error
    if error.code in _RETRIED_STATUS:
      raise _Interrupted(f'HTTP {error.code} {error.reason}') from error
    raise OSError(f'{address}: HTTP {error.code} {error.reason}') from error
  except urllib.error.URLError as error:
    raise _Interrupted(f'{error.reason}') from error
  except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
    raise _Interrupted(f'{type(error).__name__}: {error}') from error
  if promised is not None and received < int(promised):
    raise _Interrupted(f'the connection closed after {received} bytes')
  return offset > 0


def _copy(
    response: http.client.HTTPResponse,
    file: _manifest.UpstreamFile,
    part: pathlib.Path,
    offset: int,
    progress: Progress | None,
) -> int:
  """Bytes received; stops once the file is longer than it should be."""
  received = 0
  with part.open('ab' if offset else 'wb') as out:
    while offset + received <= file.num_bytes:
      chunk = response.read(_CHUNK)
      if not chunk:
        return received
      out.write(chunk)
      received += len(chunk)
      if progress is not None:
        progress(offset + received)
  # Too long whatever follows: let the caller compare the hashes.
  return max(received, int(response.headers.get('Content-Length', 0)))


def _continues(response: http.client.HTTPResponse, offset: int) -> bool:
  """Whether the host answered with the rest of the file only."""
  if response.status != http.client.PARTIAL_CONTENT:
    return False
  content_range = response.headers.get('Content-Range', '')
  if not content_range.startswith(f'bytes {offset}-'):
    raise http.client.HTTPException(
        f'asked for bytes from {offset}, got {content_range!r}'
    )
  return True


def _hash(path: pathlib.Path) -> tuple[int, str]:
  """Size and SHA-256 of a file."""
  with path.open('rb') as file:
    digest = hashlib.file_digest(file, 'sha256').hexdigest()
  return path.stat().st_size, digest
