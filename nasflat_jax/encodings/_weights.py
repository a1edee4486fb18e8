"""Weights of the learned encodings: one small npz each, no pickle."""

from collections.abc import Mapping
import functools
import importlib.resources
import json
import os
import pathlib
from typing import Any, NamedTuple
import zipfile
import zlib

from flax import traverse_util
import numpy as np

from nasflat_jax import data

_HEADER = 'header'
_OWN = ('projection', 'mean', 'spread')


class Weights(NamedTuple):
  """A trained encoder and where it comes from.

  Attributes:
    encoding: `arch2vec` or `cate`.
    space: name of the search space it was trained on, or `unified`.
    variables: nested mappings of arrays, as the flax module takes them.
    projection: `[M, F]` from the encoder's moments to the embedding.
    mean: `[F]` of the embedding over the space's reference sample.
    spread: `[F]` standard deviation over the same.
    provenance: what JSON can hold: command, seed, losses, versions, date.
  """

  encoding: str
  space: str
  variables: dict[str, Any]
  projection: np.ndarray  # [M, F]
  mean: np.ndarray  # [F]
  spread: np.ndarray  # [F]
  provenance: dict[str, Any]


def save(path: str | os.PathLike[str], weights: Weights) -> None:
  """Writes weights; the file appears whole or not at all.

  Args:
    path: the npz file.
    weights: variables are stored as float16, see `rounded`.

  Raises:
    ValueError: the provenance holds NaN or an infinity, which JSON cannot.
  """
  header = {
      **weights.provenance,
      'encoding': weights.encoding,
      'space': weights.space,
  }
  text = json.dumps(header, indent=1, sort_keys=True, allow_nan=False)
  arrays = {
      name: np.asarray(value, np.float16)
      for name, value in _flat(weights.variables).items()
  }
  with data.replacing(pathlib.Path(path)) as file:
    np.savez_compressed(
        file,
        allow_pickle=False,
        projection=np.asarray(weights.projection, np.float32),
        mean=np.asarray(weights.mean, np.float32),
        spread=np.asarray(weights.spread, np.float32),
        **{_HEADER: np.frombuffer(text.encode(), np.uint8)},
        **arrays,
    )


def load(path: str | os.PathLike[str]) -> Weights:
  """Reads what `save` wrote; never unpickles.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: the file holds no weights of an encoding.
  """
  path = pathlib.Path(path)
  try:
    with np.load(path, allow_pickle=False) as npz:
      arrays = {name: npz[name] for name in npz.files}
    header = json.loads(arrays.pop(_HEADER).tobytes().decode())
    own = {name: arrays.pop(name) for name in _OWN}
    flat = {tuple(n.split('/')): v for n, v in arrays.items()}
    return Weights(
        encoding=header.pop('encoding'),
        space=header.pop('space'),
        variables=rounded(traverse_util.unflatten_dict(flat)),
        **own,
        provenance=header,
    )
  except (
      AttributeError,
      EOFError,
      KeyError,
      TypeError,
      ValueError,  # pickled objects, a damaged header
      zipfile.BadZipFile,
      zlib.error,
  ) as error:
    raise ValueError(f'{path}: no weights of an encoding ({error})') from error


@functools.cache
def packaged(encoding: str, space: str) -> Weights:
  """The weights that ship with the package.

  Args:
    encoding: `arch2vec` or `cate`.
    space: the space's name.

  Raises:
    ValueError: there are none for that encoding and space; names those that
      there are.
  """
  folder = importlib.resources.files('nasflat_jax.encodings') / 'weights'
  file = folder / f'{encoding}_{space}.npz'
  if not file.is_file():
    known = sorted(
        entry.name.removeprefix(f'{encoding}_').removesuffix('.npz')
        for entry in folder.iterdir()
        if entry.name.startswith(f'{encoding}_')
    )
    raise ValueError(
        f'the encoding {encoding!r} has no weights for the space {space!r}; '
        f'known: {", ".join(known)}'
    )
  with importlib.resources.as_file(file) as path:
    return load(path)


@functools.cache
def packaged_unified(encoding: str) -> Weights:
  """The weights of all spaces that ship with the package.

  Args:
    encoding: `arch2vec` or `cate`.
  """
  folder = importlib.resources.files('nasflat_jax.encodings') / 'weights'
  with importlib.resources.as_file(folder / f'unified_{encoding}.npz') as path:
    return load(path)


def rounded(variables: Mapping[str, Any]) -> dict[str, Any]:
  """Float32 values as a file holds them, so that loading changes nothing."""
  flat = {
      tuple(name.split('/')): np.asarray(value, np.float16).astype(np.float32)
      for name, value in _flat(variables).items()
  }
  return traverse_util.unflatten_dict(flat)


def _flat(variables: Mapping[str, Any]) -> dict[str, Any]:
  return traverse_util.flatten_dict(dict(variables), sep='/')
