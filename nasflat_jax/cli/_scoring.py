"""What `nasflat-zerocost` needs beside its flags.

Heavy packages are imported inside the functions, so that `--help` is quick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
import hashlib
import io
import json
import os
import pathlib
import sys
from typing import Any, TYPE_CHECKING

from nasflat_jax.cli import _main

if TYPE_CHECKING:
  import chex
  import numpy as np

  from nasflat_jax import data
  from nasflat_jax import types
  from nasflat_jax import zero_cost

_CHUNKS_A_BLOCK = 16


def blocks(num_rows: int, chunk_size: int) -> list[tuple[int, int]]:
  """Starts and ends of blocks of 16 chunks.

  What is left at the end and would be less than a chunk, which needs a program
  of its own, belongs to the last block.

  Args:
    num_rows: rows to divide.
    chunk_size: rows in a chunk.

  Returns:
    `(start, stop)` of each.

  Example:
    >>> blocks(40, 1), blocks(100, 5)
    ([(0, 16), (16, 32), (32, 40)], [(0, 80), (80, 100)])
    >>> blocks(83, 5)
    [(0, 83)]
  """
  size = _CHUNKS_A_BLOCK * chunk_size
  starts = list(range(0, num_rows, size))
  if len(starts) > 1 and num_rows - starts[-1] < chunk_size:
    starts.pop()
  return list(zip(starts, [*starts[1:], num_rows]))


def start_jax(num_devices: int, cache_dir: str) -> None:
  """Sets what must be set before JAX starts.

  Args:
    num_devices: cores of the CPU to use; 0 for all.
    cache_dir: the flag `--cache_dir`.

  Raises:
    ValueError: JAX runs already, with another number, or there is no such
      folder and it cannot be made.
  """
  import jax

  from nasflat_jax import data

  if hasattr(os, 'sched_getaffinity'):
    num_cores = len(os.sched_getaffinity(0))
  else:
    num_cores = os.cpu_count() or 1
  try:
    jax.config.update('jax_num_cpu_devices', num_devices or num_cores)
  except RuntimeError as error:  # JAX runs already, in a process of one's own
    if num_devices not in (0, jax.local_device_count()):
      raise ValueError(
          f'--num_devices={num_devices}: JAX already runs with '
          f'{jax.local_device_count()}'
      ) from error
  if cache_dir == 'none' or not cache_dir and getattr(
      jax.config, 'jax_compilation_cache_dir', None
  ):
    return
  folder = pathlib.Path(cache_dir or data.cache_dir() / 'programs')
  with _main.naming('cache_dir'):
    folder.mkdir(parents=True, exist_ok=True)
  jax.config.update('jax_compilation_cache_dir', str(folder))
  # Drawing the weights is hundreds of programs that compile quickly.
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.05)


def sha256(*arrays: chex.Array) -> str:
  """Hexadecimal digest of shapes and values, for the provenance of results."""
  import numpy as np

  digest = hashlib.sha256()
  for array in arrays:
    values = np.ascontiguousarray(array)
    digest.update(f'{values.dtype.str}{values.shape}'.encode())
    digest.update(values.tobytes())
  return digest.hexdigest()


def note_classes(
    fns: Sequence[zero_cost.Proxy], batch: zero_cost.Batch
) -> None:
  """Tells where the batch makes epe_nas a constant."""
  import numpy as np

  most = int(np.bincount(np.asarray(batch.labels)).max())
  if most < 2 and any(fn.name == 'epe_nas' for fn in fns):
    print(
        'epe_nas compares images of a class, and no class has two in this '
        'batch: its scores say nothing; take more images or --balanced',
        file=sys.stderr,
    )


def write(
    out: pathlib.Path,
    space: types.SearchSpace,
    table: data.ZeroCostTable,
    is_valid: np.ndarray,  # [N]
    header: Mapping[str, Any],
) -> None:
  """Writes scores whole or not at all.

  Args:
    out: an npz or csv file; beside a csv its header goes to `<out>.json`.
    space: of the architectures.
    table: their scores.
    is_valid: `[N]` False for networks that ignore their input.
    header: what JSON can hold.
  """
  import numpy as np

  from nasflat_jax import data

  names = space.to_string(table.genotype)
  text = json.dumps(dict(header), indent=1, allow_nan=False)
  if out.suffix == '.npz':
    table.save(
        out, architecture=np.array(names, np.str_), is_valid=is_valid,
        header=np.array(text),
    )
    return
  lines = io.StringIO(newline='')
  writer = csv.writer(lines, lineterminator='\n')
  writer.writerow(['architecture', *table.proxies])
  for name, row in zip(names, table.values.tolist(), strict=True):
    # The shortest digits that give the very number back.
    writer.writerow([name, *('' if x != x else repr(x) for x in row)])
  with data.replacing(out.with_name(f'{out.name}.json')) as file:
    file.write(f'{text}\n'.encode())
  with data.replacing(out) as file:
    file.write(lines.getvalue().encode())


def describe(
    out: pathlib.Path,
    table: data.ZeroCostTable,
    is_valid: np.ndarray,  # [N]
    header: Mapping[str, Any],
) -> None:
  """Prints what was written."""
  import numpy as np

  share = header['share_computed']
  earlier = f'; {1 - share:.0%} were there already' if share < 1 else ''
  print(
      f'{out}: {table.num_architectures} networks, {len(table.proxies)} '
      f'proxies in {header["seconds"]} s on '
      f'{header["settings"]["num_devices"]} x '
      f'{header["settings"]["device_kind"]}{earlier}'
  )
  if header['images_are_a_stand_in']:
    print(
        'Images: gaussian, random numbers and not pictures, which changes the '
        'scores that look at data'
    )
  else:
    print(f'Images: {header["images"]}')
  undefined = np.isnan(table.values).sum(axis=0).tolist()
  listed = [
      f'{name} of {number}'
      for name, number in zip(table.proxies, undefined, strict=True)
      if number
  ]
  dead = int((~is_valid).sum())
  if dead or listed:
    print(
        f'{dead} networks ignore their input; not defined (NaN, empty): '
        f'{", ".join(listed) or "nothing"}'
    )
