"""The manifest: every upstream file, pinned by commit, size and hash."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from importlib import resources
import json
import pathlib


@dataclasses.dataclass(frozen=True)
class UpstreamFile:
  """One pinned file.

  Attributes:
    folder: `<owner>/<repository>/<commit>`.
    path: the path inside the repository.
    num_bytes: the size.
    sha256: the hash, in hex.
  """

  folder: str
  path: str
  num_bytes: int
  sha256: str

  @property
  def mirror_path(self) -> str:
    """`<owner>/<repository>/<commit>/<path>`."""
    return f'{self.folder}/{self.path}'

  @property
  def stem(self) -> str:
    """The file's name without its extension."""
    return pathlib.PurePosixPath(self.path).stem


@dataclasses.dataclass(frozen=True)
class Source:
  """The upstream files of one table.

  Attributes:
    name: the table's name, `<source>_<space>`.
    owner: of the repository.
    repository: the repository's name.
    commit: the pinned commit.
    licence: of the files.
    licence_note: what else to know of the licence.
    citation: the papers to cite.
    files: all files that the converter reads.
    group: `core`, what `nasflat-data` gets unless told otherwise, or
      `accuracy`, the tables of the 28 tasks and further benchmarks.
  """

  name: str
  owner: str
  repository: str
  commit: str
  licence: str
  licence_note: str
  citation: tuple[str, ...]
  files: tuple[UpstreamFile, ...]
  group: str = 'core'

  def file(self, path: str) -> UpstreamFile:
    """The file at that path; `ValueError` if the manifest lacks it."""
    for file in self.files:
      if file.path == path:
        return file
    raise ValueError(f'the manifest of {self.name} has no file {path!r}')

  def below(self, prefix: str) -> tuple[UpstreamFile, ...]:
    """The files whose path starts with `prefix`, in manifest order."""
    return tuple(f for f in self.files if f.path.startswith(prefix))


@functools.cache
def sources() -> dict[str, Source]:
  """All sources by the name of their table."""
  text = (
      resources.files(__package__)
      .joinpath('manifest.json')
      .read_text(encoding='utf-8')
  )
  result = {}
  for name, entry in json.loads(text).items():
    folder = f'{entry["owner"]}/{entry["repository"]}/{entry["commit"]}'
    files = tuple(
        UpstreamFile(folder, f['path'], f['bytes'], f['sha256'])
        for f in entry.pop('files')
    )
    citation = tuple(entry.pop('citation'))
    result[name] = Source(name=name, citation=citation, files=files, **entry)
  return result


def select(names: str) -> tuple[Source, ...]:
  """Sources named by `names`: comma-separated tables, sources or groups.

  The groups are `core`, `accuracy` and `all`, which is both.

  Example:
    >>> [source.name for source in select('eagle,help_fbnet')]
    ['help_fbnet', 'eagle_nasbench201']

  Raises:
    ValueError: on an unknown name; the message lists the known ones.
  """
  known = sources()
  families = {name: name.partition('_')[0] for name in known}
  wanted = {part.strip() for part in names.split(',') if part.strip()}
  groups = dict.fromkeys(['all', *(source.group for source in known.values())])
  unknown = wanted - set(known) - set(families.values()) - set(groups)
  if unknown or not wanted:
    raise ValueError(
        f'unknown source {", ".join(sorted(unknown)) or names!r}; known: '
        f'{", ".join(groups)}, {", ".join(dict.fromkeys(families.values()))}, '
        f'{", ".join(known)}'
    )
  return tuple(
      source
      for name, source in known.items()
      if wanted & {'all', source.group, name, families[name]}
  )


def check(data: bytes, file: UpstreamFile, where: str) -> None:
  """Refuses contents that are not the pinned ones.

  Raises:
    ValueError: naming `where`, both sizes and both hashes.
  """
  found = hashlib.sha256(data).hexdigest()
  if len(data) != file.num_bytes or found != file.sha256:
    raise ValueError(mismatch(file, where, len(data), found))


def mismatch(
    file: UpstreamFile, where: str, num_bytes: int, sha256: str
) -> str:
  """The message about contents that are not the pinned ones."""
  cut = ' (cut short)' if num_bytes < file.num_bytes else ''
  return (
      f'{where} is not the pinned file{cut}: got sha256 {sha256} '
      f'({num_bytes} bytes), want sha256 {file.sha256} ({file.num_bytes} bytes)'
  )


def read(file: UpstreamFile, mirror: pathlib.Path) -> bytes:
  """Contents of one file of a mirror, verified.

  Raises:
    FileNotFoundError: if the mirror lacks the file.
    ValueError: if its size or hash differs from the manifest.
  """
  path = mirror / file.mirror_path
  if not path.is_file():
    raise FileNotFoundError(f'the mirror lacks {path}')
  data = path.read_bytes()
  check(data, file, str(path))
  return data


def check_mirror(mirror: pathlib.Path) -> pathlib.Path:
  """The folder itself; `FileNotFoundError` if it is none."""
  if not mirror.is_dir():
    raise FileNotFoundError(f'the mirror {mirror} is not a folder')
  return mirror
