"""Self-describing checkpoints: one npz, no pickle.

A checkpoint holds the arrays of a parameter tree under their path
(`params/head/Linear_0/Dense_0/kernel`) and a JSON header that names the
factory and the keywords that rebuild the predictor, the space and devices it
knows, the data it saw, the command that made it, its scores and licence notes.
"""

from collections.abc import Mapping
import dataclasses
import importlib.resources
import io
import json
import math
import os
import pathlib
import tempfile
from typing import Any, NamedTuple
import zipfile
import zlib

import jax
import jax.numpy as jnp
import numpy as np

from nasflat_jax import encodings
from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import types

_FORMAT = 1
_HEADER = 'header'
_PARAMS = 'params/'
# Keywords of a factory that are functions, and travel by their public name.
_FUNCTIONS = ('layer',)
_FIELDS = ('space', 'factory', 'keywords', 'transfer', 'devices')
_PARTS = ('fine_tune', 'head')


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

  Raises:
    ValueError: the header holds NaN or an infinity, which JSON cannot.
  """
  path = pathlib.Path(path)
  text = json.dumps(
      dict(header), indent=1, sort_keys=True, allow_nan=False
  )
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


def _layout(tree: Any) -> dict[str, str]:
  """Dtype and shape of every leaf by its path, e.g. `float32[41, 8]`."""
  return {
      jax.tree_util.keystr(path, simple=True, separator='/'): (
          f'{leaf.dtype}{list(leaf.shape)}'
      )
      for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
  }


def _check(params: Any, header: Mapping[str, Any]) -> types.Predictor:
  """Rebuilds the predictor, or raises a ValueError that says what is wrong."""
  if header.get('format') != _FORMAT:
    raise ValueError(
        f'checkpoint format {header.get("format")!r}, this version reads'
        f' {_FORMAT}'
    )
  missing = [name for name in _FIELDS if name not in header]
  if missing:
    raise ValueError(f'its header lacks {", ".join(missing)}')
  name, factory, keywords, how, devices = (header[name] for name in _FIELDS)

  is_list = isinstance(devices, list) and bool(devices)
  if not is_list or not all(isinstance(device, str) for device in devices):
    raise ValueError(f'devices takes a list of names, got {devices!r}')
  for field, value in (('keywords', keywords), ('transfer', how)):
    if not isinstance(value, dict):
      raise ValueError(f'{field} takes a mapping, got {value!r}')
  indices = range(len(devices))
  allowed = {
      'encoding': lambda x: x in encodings.__all__,
      'adapt_steps': lambda x: type(x) is int and x >= 1,
      'learning_rate': lambda x: type(x) in (int, float) and 0 <= x < math.inf,
      'parts': lambda x: (
          isinstance(x, list) and bool(x) and all(part in _PARTS for part in x)
      ),
      'head_sources': lambda x: (
          isinstance(x, list)
          and all(type(i) is int and i in indices for i in x)
      ),
  }
  for key, value in how.items():
    if key not in allowed:
      raise ValueError(f'transfer has an unknown keyword {key!r}')
    if not allowed[key](value):
      raise ValueError(f'transfer has {key} = {value!r}')

  if not isinstance(name, str):
    raise ValueError(f'space takes a name, got {name!r}')
  space = spaces.get(name)
  num_devices = keywords.get('num_devices')
  if type(num_devices) is not int or num_devices != len(devices) + 1:
    raise ValueError(
        f'keywords has num_devices = {num_devices!r}, but there are'
        f' {len(devices)} devices and a target'
    )
  encode = getattr(encodings, how.get('encoding', 'costs'))(space)

  def decode(genotype: jax.Array) -> types.Architectures:
    return dataclasses.replace(
        space.decode(genotype), encoding=encode(genotype)
    )

  try:
    predictor = getattr(predictors, factory)(
        space.spec,
        **{
            key: getattr(predictors, value) if key in _FUNCTIONS else value
            for key, value in keywords.items()
        },
    )
    shapes = predictors.param_shapes(predictor, decode, space.spec.num_genes)
    should = _layout(shapes)
  except (AttributeError, KeyError, TypeError, ValueError) as e:
    raise ValueError(f'of an unknown predictor ({e})') from e
  layout = _layout(params)
  wrong = sorted(
      path
      for path in {*should, *layout}
      if should.get(path) != layout.get(path)
  )
  if wrong:
    path = wrong[0]
    raise ValueError(
        f'{len(wrong)} parameters do not fit its predictor, first {path}:'
        f' {layout.get(path, "missing")}, should be'
        f' {should.get(path, "absent")}'
    )
  return predictor


def load(name_or_path: str | os.PathLike[str]) -> Checkpoint:
  """Loads a pretrained predictor.

  Args:
    name_or_path: the name of a shipped checkpoint, which is its space's name
      (`nasbench201`, `fbnet`), or the path of a file.

  Returns:
    `(predictor, params, provenance)`.

  Raises:
    FileNotFoundError: neither a shipped name nor a file.
    ValueError: the file is not a checkpoint, of another format, or its header
      and its parameters do not fit together; names the file and the problem.
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
  try:
    predictor = _check(params, header)
  except ValueError as e:
    raise ValueError(f'{name}: {e}') from e
  return Checkpoint(predictor, params, header)
