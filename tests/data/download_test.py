"""The downloader against a local web server that misbehaves."""

import os
import pathlib
import socket
import tempfile

from absl.testing import absltest
from absl.testing import parameterized
import fake_upstream
import numpy as np

from nasflat_jax import data
from nasflat_jax.data import _download

_CONTENT = np.random.default_rng(0).bytes(300_000)
_OTHER = _CONTENT[:-1] + bytes([_CONTENT[-1] ^ 1])


class DownloadTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self.folder = pathlib.Path(
        self.enterContext(tempfile.TemporaryDirectory())
    )
    self.file = fake_upstream.upstream_file(_CONTENT, 'a folder/浩 100%.pickle')
    self.host = self.enterContext(
        fake_upstream.Host({self.file.mirror_path: _CONTENT}).serving()
    )
    self.waits = []

  def _fetch(self, **kwargs):
    return data.fetch(
        self.file, self.folder, base_url=self.host.url,
        sleep=self.waits.append, **kwargs,
    )

  def _files(self):
    return sorted(p.name for p in self.folder.rglob('*') if p.is_file())

  def test_fetches_percent_encoded_and_reports_progress(self):
    seen = []
    path = self._fetch(progress=seen.append)
    self.assertEqual(path, self.folder / self.file.mirror_path)
    self.assertEqual(path.read_bytes(), _CONTENT)
    self.assertEqual(self._files(), [path.name])
    self.assertEqual(seen, sorted(set(seen)))
    self.assertEqual(seen[-1], len(_CONTENT))
    self.assertGreater(len(seen), 2)
    self.assertEqual(self.host.requests, [(
        '/raw/owner/repo/c0ffee/a%20folder/%E6%B5%A9%20100%25.pickle', None,
    )])

  def test_default_address_is_the_pinned_commit(self):
    source = data.sources()['eagle_nasbench201']
    address = _download.url(source.files[0])
    self.assertStartsWith(
        address,
        'https://raw.githubusercontent.com/ZengYuXiang7/NAS-LLM-GNN/'
        '46d3713c591ea41ce7a2107b4e1fe8aa99925c04/archived/%E6%B5%A9',
    )
    self.assertTrue(address.isascii())

  def test_is_idempotent(self):
    self._fetch()
    self._fetch()
    self.assertLen(self.host.requests, 1)

  def test_replaces_a_damaged_copy(self):
    fake_upstream.put(self.folder, self.file, _OTHER)
    self.assertEqual(self._fetch().read_bytes(), _CONTENT)

  def test_resumes_after_the_connection_closed(self):
    self.host.faults.append(('close_after', 100_000))
    self.host.faults.append(('close_after', 50_000))
    self.assertEqual(self._fetch().read_bytes(), _CONTENT)
    self.assertEqual(
        [asked for _, asked in self.host.requests],
        [None, 'bytes=100000-', 'bytes=150000-'],
    )

  def test_a_later_call_resumes(self):
    self.host.faults.append(('close_after', 100_000))
    with self.assertRaisesRegex(
        OSError, '100000 of 300000 bytes are kept, run again to resume'
    ):
      self._fetch(attempts=1)
    self.assertEqual(self._files(), ['浩 100%.pickle.part'])
    self.assertEqual(self._fetch().read_bytes(), _CONTENT)
    self.assertEqual(self.host.requests[-1][1], 'bytes=100000-')
    self.assertEqual(self._files(), ['浩 100%.pickle'])

  def test_starts_over_where_the_host_ignores_ranges(self):
    self.host.honours_range = False
    self.host.faults.append(('close_after', 100_000))
    self.assertEqual(self._fetch().read_bytes(), _CONTENT)
    self.assertLen(self.host.requests, 2)

  @parameterized.parameters(1, 100_000, 300_000, 300_001)
  def test_starts_over_from_a_wrong_part(self, num_bytes):
    part = self.folder / (self.file.mirror_path + '.part')
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(num_bytes))
    self.assertEqual(self._fetch().read_bytes(), _CONTENT)
    self.assertEqual(self._files(), ['浩 100%.pickle'])

  @parameterized.parameters(408, 429, 500, 503)
  def test_retries_with_back_off(self, status):
    self.host.faults.extend([('status', status)] * 3)
    self.assertEqual(self._fetch().read_bytes(), _CONTENT)
    self.assertEqual(self.waits, [1.0, 2.0, 4.0])

  def test_gives_up_after_the_attempts(self):
    self.host.faults.extend([('status', 500)] * 9)
    with self.assertRaisesRegex(OSError, 'gave up after 3 attempts .HTTP 500'):
      self._fetch(attempts=3)
    self.assertLen(self.host.requests, 3)
    self.assertEmpty(self._files())

  def test_does_not_retry_what_is_not_there(self):
    self.host.contents.clear()
    with self.assertRaisesRegex(OSError, 'HTTP 404'):
      self._fetch()
    self.assertLen(self.host.requests, 1)
    self.assertEmpty(self._files())

  @parameterized.named_parameters(
      ('wrong', _OTHER, ''),
      ('cut', _CONTENT[:-5], r'\(cut short\)'),
      ('longer', _CONTENT + b'x', ''),
      ('empty', b'', r'\(cut short\)'),
  )
  def test_refuses_other_contents_with_both_hashes(self, content, note):
    self.host.contents[self.file.mirror_path] = content
    found = fake_upstream.upstream_file(content, '').sha256
    with self.assertRaisesRegex(
        ValueError,
        f'is not the pinned file ?{note}: got sha256 {found} .* '
        f'want sha256 {self.file.sha256} ',
    ):
      self._fetch()
    self.assertEmpty(self._files())

  def test_unreachable_host(self):
    with socket.create_server(('127.0.0.1', 0)) as server:
      port = server.getsockname()[1]
    with self.assertRaisesRegex(OSError, 'gave up after 2 attempts'):
      data.fetch(
          self.file, self.folder, base_url=f'http://127.0.0.1:{port}',
          attempts=2, sleep=self.waits.append,
      )
    self.assertEmpty(self._files())

  def test_silent_host_times_out(self):
    with socket.create_server(('127.0.0.1', 0)) as server:
      port = server.getsockname()[1]
      with self.assertRaisesRegex(OSError, 'timed out'):
        data.fetch(
            self.file, self.folder, base_url=f'http://127.0.0.1:{port}',
            attempts=1, timeout_s=0.05,
        )

  def test_refuses_other_protocols(self):
    fake_upstream.put(self.folder / 'other', self.file, _CONTENT)
    with self.assertRaisesRegex(ValueError, 'not an http or https address'):
      data.fetch(
          self.file, self.folder, base_url=f'file://{self.folder}/other'
      )
    self.assertEqual(os.listdir(self.folder), ['other'])


if __name__ == '__main__':
  absltest.main()
