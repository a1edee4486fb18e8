"""The work on a task's sources, done once and kept in files if wanted."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import json
import os
import pathlib
import re
import time
from typing import Any

import chex
import jax
import numpy as np

from nasflat_jax import checkpoints
from nasflat_jax import methods
from nasflat_jax.trials import _protocol

# What a state depends on. The rest of a header is for a person to read.
_SETTINGS = (
    'task', 'space', 'source', 'method', 'keywords', 'seed', 'num_source',
    'data_sha256', 'reference_ids', 'sources_sha256',
)
_SECONDS = 'prepare_seconds'


def prepare(
    key: chex.PRNGKey, method: methods.Method, problem: methods.Problem
) -> tuple[Any, float]:
  """Runs `Method.prepare` under the task's own key.

  Args:
    key: the PRNG key of the whole experiment.
    method: the method.
    problem: the task.

  Returns:
    The state, and the seconds it took.
  """
  name = problem.partition.name if problem.partition else ''
  start = time.perf_counter()
  state = method.prepare(_protocol.fold(key, 'prepare', name), problem)
  jax.block_until_ready([x for x in jax.tree.leaves(state)
                         if isinstance(x, jax.Array)])
  return state, time.perf_counter() - start


def _sources_sha256(problem: methods.Problem) -> str:
  """Of genotypes and source latencies: which device is which, too."""
  digest = hashlib.sha256()
  for array in (
      problem.genotype, problem.source_ids, problem.source_latency_ms
  ):
    digest.update(np.ascontiguousarray(array).tobytes())
  return digest.hexdigest()


class Pretraining:
  """A folder of states, one npz for each task and method.

  A file says in its header what it was made from, and serves only runs that
  would make the same. Methods that keep nothing (`Method.dump` is None) are
  prepared anew each time.
  """

  def __init__(
      self,
      folder: str | os.PathLike[str],
      meta: Mapping[str, Any],
      keywords: Mapping[str, Mapping[str, Any]],
  ) -> None:
    """Opens a folder; it is made with the first file.

    Args:
      folder: where the files are.
      meta: see `metadata`; `settings` holds `num_source`.
      keywords: all keywords of each method, by its name in the results.
    """
    self._folder = pathlib.Path(folder)
    self._meta = meta
    self._keywords = keywords

  def path(self, task: str, method_name: str) -> pathlib.Path:
    """The file of a pair, e.g. `F1-help-num_draws=1.npz`."""
    words = re.findall(r'[\w.=+-]+', f'{task} {method_name}', re.ASCII)
    return self._folder / f'{"-".join(words)}.npz'

  def check(self, problem: methods.Problem, method_name: str) -> None:
    """Refuses a file of another run, before any work.

    Args:
      problem: the task.
      method_name: the method's name in the results.

    Raises:
      ValueError: there is a file, and it is damaged or was made with other
        settings; names the file and the setting.
    """
    settings = self._settings(problem, method_name)
    path = self.path(settings['task'], method_name)
    if path.exists():
      self._load(path, settings)

  def prepare(
      self,
      key: chex.PRNGKey,
      method: methods.Method,
      problem: methods.Problem,
      method_name: str,
  ) -> tuple[Any, float]:
    """Gives the kept state, or prepares and keeps it.

    Args:
      key: the PRNG key of the whole experiment, that of `meta['seed']`.
      method: the method.
      problem: the task.
      method_name: its name in the results.

    Returns:
      The state, and the seconds it took to prepare it, then or now.

    Raises:
      ValueError: see `check`.
    """
    if method.dump is None or method.restore is None:
      return prepare(key, method, problem)
    settings = self._settings(problem, method_name)
    path = self.path(settings['task'], method_name)
    if not path.exists():
      state, seconds = prepare(key, method, problem)
      informative = ('command', 'versions', 'hardware', 'date')
      checkpoints.save_arrays(path, method.dump(state), {
          **settings,
          **{name: self._meta[name] for name in informative},
          _SECONDS: seconds,
      })
    # What was just written is read again: both runs judge the same.
    arrays, header = self._load(path, settings)
    try:
      return method.restore(problem, arrays), header[_SECONDS]
    except ValueError as error:
      raise ValueError(
          f'{path}: does not fit {method_name!r} ({error})'
      ) from error

  def _settings(
      self, problem: methods.Problem, method_name: str
  ) -> dict[str, Any]:
    """What the state depends on, as JSON gives it back."""
    task = problem.partition
    if task is None:
      raise ValueError('kept states need a problem with a partition')
    values = (
        task.name,
        task.space,
        problem.source_names,
        method_name,
        self._keywords[method_name],
        self._meta['seed'],
        self._meta['settings']['num_source'],
        self._meta['data_sha256'][task.table or task.space],
        problem.reference_ids.tolist(),
        _sources_sha256(problem),
    )
    return json.loads(json.dumps(dict(zip(_SETTINGS, values, strict=True))))

  def _load(
      self, path: pathlib.Path, settings: Mapping[str, Any]
  ) -> tuple[dict[str, Any], dict[str, Any]]:
    arrays, header = checkpoints.load_arrays(path)
    for name in (*_SETTINGS, _SECONDS):
      if name not in header:
        raise ValueError(f'{path}: its header lacks {name}')
    for name in _SETTINGS:
      if header[name] != settings[name]:
        raise ValueError(
            f'{path}: was made with {name} {header[name]!r}, this run has'
            f' {settings[name]!r}; take another folder or delete the file'
        )
    return arrays, header
