"""Self-describing checkpoints: one npz, no pickle.

A checkpoint holds the arrays of a parameter tree under their path
(`params/head/Linear_0/Dense_0/kernel`) and a JSON header that names the
factory and the keywords that rebuild the predictor, the space and devices it
knows, the data it saw, the command that made it, its scores and licence notes.
"""

from collections.abc import Mapping
import importlib.resources
import io
import json
import os
import pathlib
import tempfile
from typing import Any, NamedTuple
import zipfile
import zlib

import jax.numpy as jnp
import numpy as np

from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import types

_FORMAT = 1
_HEADER = 'header'
_PARAMS = 'params/'
# Keywords of a factory that are functions, and travel by their public name.
_FUNCTIONS = ('layer',)


class Checkpoint(NamedTuple):
  """A pretrained predictor and where it comes from.

  Attributes:
    predictor: the `(init, apply)` pair.
    params: its parameters.
    provenance: the header: `space`, `devices` (row order of the hardware
      embedding), `factory`, `keywords`, `transfer` (keywords of the adaptation
      it was tuned with), `data`, `command`, `versions`, `date`, `scores`,
      `licence`.
  """

  predictor: types.Predictor
  params: Any
  provenance: dict[str, Any]


def _flatten(tree: Mapping[str, Any], prefix: str) -> dict[str, np.ndarray]:
  flat = {}
  for name, value in tree.items():
    if isinstance(value, Mapping):
      flat.update(_flatten(value, f'{prefix}{name}/'))
    else:
      flat[f'{prefix}{name}'] = np.asarray(value)
  return flat


def _unflatten(flat: Mapping[str, np.ndarray]) -> dict[str, Any]:
  tree: dict[str, Any] = {}
  for path, value in flat.items():
    *parents, name = path.split('/')
    node = tree
    for parent in parents:
      node = node.setdefault(parent, {})
    node[name] = jnp.asarray(value)
  return tree


def save_arrays(
    path: str | os.PathLike[str],
    tree: Mapping[str, Any],
    header: Mapping[str, Any],
) -> None:
  """Writes a tree of arrays and a JSON header to `path`, atomically.

  Args:
    path: the npz file; replaced only once the new one is complete.
    tree: nested mappings with string keys; leaves are arrays.
    header: what JSON can hold.
  """
  path = pathlib.Path(path)
  text = json.dumps(dict(header), indent=1, sort_keys=True)
  arrays = _flatten(tree, _PARAMS)
  arrays[_HEADER] = np.frombuffer(text.encode(), np.uint8)
  buffer = io.BytesIO()
  np.savez_compressed(buffer, allow_pickle=False, **arrays)
  path.parent.mkdir(parents=True, exist_ok=True)
  handle, temporary = tempfile.mkstemp(dir=path.parent, suffix='.part')
  try:
    with os.fdopen(handle, 'wb') as file:
      file.write(buffer.getvalue())
      file.flush()
      os.fsync(file.fileno())
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)
  except BaseException:
    pathlib.Path(temporary).unlink(missing_ok=True)
    raise


def load_arrays(
    path: str | os.PathLike[str],
) -> tuple[dict[str, Any], dict[str, Any]]:
  """Reads what `save_arrays` wrote.

  Args:
    path: the npz file.

  Returns:
    `(tree, header)`.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: the file is not a checkpoint of this format.
  """
  path = pathlib.Path(path)
  if not path.is_file():
    raise FileNotFoundError(f'{path}: no such checkpoint')
  try:
    with zipfile.ZipFile(path):  # np.load takes other files, too
      pass
    with np.load(path, allow_pickle=False) as file:
      arrays = {name: np.asarray(file[name]) for name in file.files}
    header = json.loads(arrays.pop(_HEADER).tobytes().decode())
    if not isinstance(header, dict):
      raise ValueError('its header is not a mapping')
    tree = _unflatten({
        name.removeprefix(_PARAMS): value
        for name, value in arrays.items()
        if name.startswith(_PARAMS)
    })
  except (
      EOFError,
      KeyError,
      NotImplementedError,  # a compression that zipfile does not know
      OSError,
      TypeError,  # not numbers, or a name that is both leaf and branch
      ValueError,  # pickled objects, a damaged header
      zipfile.BadZipFile,
      zlib.error,
  ) as e:
    raise ValueError(f'{path}: not a checkpoint ({e})') from e
  return tree, header


def save(
    path: str | os.PathLike[str],
    params: Mapping[str, Any],
    *,
    space: str,
    factory: str,
    keywords: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> None:
  """Writes a checkpoint that `load` can rebuild.

  Args:
    path: the npz file.
    params: parameters of the predictor.
    space: name of its search space.
    factory: public name in `predictors`, e.g. `nasflat`.
    keywords: its keyword arguments; functions by their public name.
    provenance: everything else the header should hold.
  """
  if factory not in predictors.__all__:
    raise ValueError(f'{factory!r} is not a public name of predictors')
  header = {
      **provenance,
      'format': _FORMAT,
      'space': space,
      'factory': factory,
      'keywords': dict(keywords),
  }
  save_arrays(path, params, header)


def names() -> tuple[str, ...]:
  """Names of the checkpoints that ship in the package."""
  folder = importlib.resources.files('nasflat_jax.checkpoints')
  return tuple(
      sorted(
          entry.name.removesuffix('.npz')
          for entry in folder.iterdir()
          if entry.name.endswith('.npz')
      )
  )


def load(name_or_path: str | os.PathLike[str]) -> Checkpoint:
  """Loads a pretrained predictor.

  Args:
    name_or_path: the name of a shipped checkpoint, which is its space's name
      (`nasbench201`, `fbnet`), or the path of a file.

  Returns:
    `(predictor, params, provenance)`.

  Raises:
    FileNotFoundError: neither a shipped name nor a file.
    ValueError: the file is not a checkpoint, or of another format.
  """
  name = os.fspath(name_or_path)
  if name in names():
    with importlib.resources.as_file(
        importlib.resources.files('nasflat_jax.checkpoints') / f'{name}.npz'
    ) as path:
      params, header = load_arrays(path)
  elif pathlib.Path(name).is_file():
    params, header = load_arrays(name)
  else:
    raise FileNotFoundError(
        f'{name!r} is neither a file nor a shipped checkpoint'
        f' ({", ".join(names()) or "none is installed"})'
    )
  if header.get('format') != _FORMAT or 'factory' not in header:
    raise ValueError(
        f'{name}: checkpoint format {header.get("format")!r}, this version'
        f' reads {_FORMAT}'
    )
  space = spaces.get(header['space'])
  try:
    keywords = {
        key: getattr(predictors, value) if key in _FUNCTIONS else value
        for key, value in header['keywords'].items()
    }
    predictor = getattr(predictors, header['factory'])(space.spec, **keywords)
  except (AttributeError, KeyError, TypeError) as e:
    raise ValueError(f'{name}: of an unknown predictor ({e})') from e
  return Checkpoint(predictor, params, header)
