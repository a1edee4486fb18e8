"""Reads labelled images: CIFAR's binary layout, or arrays in an npz file.

CIFAR-10 and CIFAR-100 (https://www.cs.toronto.edu/~kriz/cifar.html), "binary
version": records of one label byte (CIFAR-10) or a coarse and a fine one
(CIFAR-100, whose fine label counts), then 3,072 bytes, the red, green and blue
planes of 32x32 pixels by rows. The "python version" is pickled and not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import os
import pathlib
import tarfile
from typing import NamedTuple
import zipfile
import zlib

import numpy as np

_SIDE = 32
_PIXELS = 3 * _SIDE * _SIDE


class Images(NamedTuple):
  """Labelled images on the host.

  Attributes:
    images: `[M, H, W, 3]`, uint8, or floats to be taken as they are.
    labels: `[M]` int32, from 0 to K - 1.
    num_classes: K.
    source: what they are, e.g. `cifar10`.
  """

  images: np.ndarray
  labels: np.ndarray
  num_classes: int
  source: str


class _Layout(NamedTuple):
  source: str
  label_names: tuple[str, ...]
  label_counts: tuple[int, ...]


_CIFAR10 = _Layout('cifar10', ('label',), (10,))
_CIFAR100 = _Layout(
    'cifar100', ('coarse label', 'fine label'), (20, 100)
)
_TRAINING = {
    **{f'data_batch_{i}.bin': _CIFAR10 for i in range(1, 6)},
    'train.bin': _CIFAR100,
}
_LAYOUTS = {**_TRAINING, 'test_batch.bin': _CIFAR10, 'test.bin': _CIFAR100}


def read_cifar(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> Images:
  """Reads CIFAR-10 or CIFAR-100 in its binary layout.

  Args:
    path: a folder or the official `.tar.gz`, of which all training images are
      read, or one or more files named as in the official archive.

  Returns:
    The images, in the order of the files' names.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: there are no CIFAR files, of both kinds, or one is damaged; the
      message names file and record.
  """
  if not isinstance(path, (str, os.PathLike)):
    paths = [pathlib.Path(one) for one in path]
    if not paths:
      raise ValueError('no CIFAR files given')
    unknown = [one for one in paths if one.name not in _LAYOUTS]
    if unknown:
      raise ValueError(
          f'{unknown[0]}: not named as a CIFAR file '
          f'({", ".join(sorted(_LAYOUTS))})'
      )
    files = iter([(str(one), one.name, one.read_bytes()) for one in paths])
    return _join(str(paths[0]), files)
  where = pathlib.Path(path)
  if where.is_dir():
    return _join(str(where), _in_folder(where))
  if where.name.endswith(('.tar.gz', '.tgz', '.tar')):
    return _join(str(where), _in_archive(where))
  return read_cifar([where])


def load_images(path: str | os.PathLike[str]) -> Images:
  """Reads `images` `[M, H, W, 3]` and `labels` `[M]` of an npz file.

  `num_classes`, if there, is the number of classes; else it is one more than
  the largest label. `source`, if there, tells what the images are; else that is
  the file's name.

  Args:
    path: the file; pickled objects in it are refused.

  Returns:
    The images.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: the file is not of this kind.
  """
  path = pathlib.Path(path)
  try:
    with zipfile.ZipFile(path):  # np.load takes other files, too
      pass
    with np.load(path, allow_pickle=False) as npz:
      images, labels = npz['images'], npz['labels']
      num_classes = int(npz['num_classes']) if 'num_classes' in npz else None
      source = str(npz['source']) if 'source' in npz else path.name
  except FileNotFoundError:
    raise
  except (
      EOFError,
      KeyError,
      TypeError,
      ValueError,  # pickled objects, a damaged header
      zipfile.BadZipFile,
      zlib.error,
  ) as error:
    raise ValueError(
        f'{path}: not an npz file of images and labels ({error})'
    ) from error
  try:
    return check(images, labels, num_classes, source)
  except ValueError as error:
    raise ValueError(f'{path}: {error}') from None


def check(
    images: np.ndarray,
    labels: np.ndarray,
    num_classes: int | None,
    source: str,
) -> Images:
  """Makes `Images` of arrays; None takes the largest label and one.

  Raises:
    ValueError: shapes, types or labels do not fit.
  """
  images, labels = np.asarray(images), np.asarray(labels)
  if images.ndim != 4 or images.shape[-1] != 3 or not len(images):
    raise ValueError(f'images must be [M, H, W, 3], got {images.shape}')
  if images.dtype != np.uint8 and images.dtype.kind != 'f':
    raise ValueError(f'images must be uint8 or floats, got {images.dtype}')
  if labels.shape != images.shape[:1] or labels.dtype.kind not in 'iu':
    raise ValueError(
        f'labels must be {len(images)} integers, got {labels.dtype} of shape '
        f'{labels.shape}'
    )
  top = int(labels.max())
  num_classes = top + 1 if num_classes is None else num_classes
  if int(labels.min()) < 0 or top >= num_classes:
    raise ValueError(
        f'labels run from {labels.min()} to {top}, want 0 to {num_classes - 1}'
    )
  return Images(images, labels.astype(np.int32), num_classes, source)


def _join(where: str, files: Iterator[tuple[str, str, bytes]]) -> Images:
  """Reads files `(name to show, file name, content)` of one layout."""
  layout = None
  images, labels = [], []
  for shown, name, content in files:
    if layout not in (None, _LAYOUTS[name]):
      raise ValueError(f'{where}: has files of both CIFAR-10 and CIFAR-100')
    layout = _LAYOUTS[name]
    pictures, classes = _read(shown, content, layout)
    images.append(pictures)
    labels.append(classes)
  if layout is None:
    raise ValueError(
        f'{where}: has none of {", ".join(sorted(_TRAINING))}; the "binary '
        'version" of CIFAR is read, the pickled "python version" is not'
    )
  return Images(
      np.concatenate(images), np.concatenate(labels), layout.label_counts[-1],
      layout.source,
  )


def _in_folder(folder: pathlib.Path) -> Iterator[tuple[str, str, bytes]]:
  for name in sorted(_TRAINING):
    path = folder / name
    if path.is_file():
      yield str(path), name, path.read_bytes()


def _in_archive(path: pathlib.Path) -> Iterator[tuple[str, str, bytes]]:
  """Reads members in place: nothing is unpacked to disk."""
  found = {}
  try:
    with tarfile.open(path) as archive:
      for member in archive:
        name = pathlib.PurePosixPath(member.name).name
        if member.isfile() and name in _TRAINING:
          content = archive.extractfile(member)
          if content is not None:
            found[name] = content.read()
  except (EOFError, tarfile.TarError, zlib.error) as error:
    raise ValueError(f'{path}: not a tar archive ({error})') from error
  for name in sorted(found):
    yield f'{path}/{name}', name, found[name]


def _read(
    shown: str, content: bytes, layout: _Layout
) -> tuple[np.ndarray, np.ndarray]:
  """Images `[M, 32, 32, 3]` uint8 and labels `[M]` int32 of a file."""
  num_labels = len(layout.label_names)
  size = num_labels + _PIXELS
  num_records, rest = divmod(len(content), size)
  if rest or not num_records:
    raise ValueError(
        f'{shown}: {len(content)} bytes are not a whole number of '
        f'{layout.source} records of {size}; record {num_records} is cut short'
    )
  records = np.frombuffer(content, np.uint8).reshape(num_records, size)
  for column, (name, count) in enumerate(
      zip(layout.label_names, layout.label_counts)
  ):
    wrong = np.flatnonzero(records[:, column] >= count)
    if len(wrong):
      raise ValueError(
          f'{shown}: record {wrong[0]} has {name} '
          f'{records[wrong[0], column]}, want 0 to {count - 1}'
      )
  planes = records[:, num_labels:].reshape(num_records, 3, _SIDE, _SIDE)
  return (
      np.ascontiguousarray(planes.transpose(0, 2, 3, 1)),
      records[:, num_labels - 1].astype(np.int32),
  )
