"""A small upstream for tests: files, a manifest of them and a web server."""

import collections
from collections.abc import Callable, Iterator
import contextlib
import hashlib
import http.server
import itertools
import pathlib
import threading
import urllib.parse

from nasflat_jax import data

COLUMNS = 'edgegpu_latency,eyeriss_energy,eyeriss_arithmetic_intensity'


def upstream_file(content: bytes, path: str) -> data.UpstreamFile:
  """The manifest's entry of some content."""
  sha256 = hashlib.sha256(content).hexdigest()
  return data.UpstreamFile('owner/repo/c0ffee', path, len(content), sha256)


def csv_source() -> tuple[data.Source, bytes]:
  """A source with the csv of HW-NAS-Bench as its one file, and the file."""
  lines = [f'net,{COLUMNS}']
  for i, cell in enumerate(itertools.product(range(5), repeat=6)):
    lines.append(f'"{cell}",{i + 0.5},{-1 if i % 7 == 0 else i},{i}')
  content = '\n'.join(lines).encode()
  source = data.Source(
      name='hwnasbench_nasbench201',
      owner='owner',
      repository='repo',
      commit='c0ffee',
      licence='MIT',
      licence_note='',
      citation=('someone',),
      files=(upstream_file(content, 'data/fälle 1.csv'),),
  )
  return source, content


def put(folder: pathlib.Path, file: data.UpstreamFile, content: bytes) -> None:
  """Places a file where a mirror has it."""
  path = folder / file.mirror_path
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(content)


class Host:
  """What the web server serves and how it misbehaves.

  Attributes:
    contents: by decoded path.
    faults: what the next requests do instead, in order: an HTTP status, or the
      number of bytes after which the connection closes.
    honours_range: whether it answers with a part where it is asked to.
    requests: of each request, the raw path and the `Range` header.
  """

  def __init__(self, contents: dict[str, bytes]) -> None:
    self.contents = contents
    self.faults: collections.deque[tuple[str, int]] = collections.deque()
    self.honours_range = True
    self.requests: list[tuple[str, str | None]] = []
    self.url = ''

  @contextlib.contextmanager
  def serving(self) -> Iterator['Host']:
    """Serves on a free port of the loopback interface."""
    server = http.server.ThreadingHTTPServer(
        ('127.0.0.1', 0), _handler(self)
    )
    thread = threading.Thread(
        target=server.serve_forever, kwargs={'poll_interval': 0.01}
    )
    thread.start()
    self.url = f'http://127.0.0.1:{server.server_port}/raw/'
    try:
      yield self
    finally:
      server.shutdown()
      thread.join()
      server.server_close()


def _handler(host: Host) -> Callable[..., http.server.BaseHTTPRequestHandler]:
  class Handler(http.server.BaseHTTPRequestHandler):

    def do_GET(self) -> None:
      asked = self.headers.get('Range')
      host.requests.append((self.path, asked))
      kind, number = host.faults.popleft() if host.faults else ('', 0)
      if kind == 'status':
        self.send_error(number)
        return
      path = urllib.parse.unquote(self.path).removeprefix('/raw/')
      if path not in host.contents:
        self.send_error(404)
        return
      content = host.contents[path]
      start = 0
      if asked and host.honours_range:
        start = int(asked.removeprefix('bytes=').removesuffix('-'))
        if start >= len(content):
          self.send_error(416)
          return
        self.send_response(206)
        self.send_header(
            'Content-Range', f'bytes {start}-{len(content) - 1}/{len(content)}'
        )
      else:
        self.send_response(200)
      body = content[start:]
      self.send_header('Content-Length', str(len(body)))
      self.end_headers()
      self.wfile.write(body[:number] if kind == 'close_after' else body)

    def log_message(self, *unused_args) -> None:
      pass

  return Handler
