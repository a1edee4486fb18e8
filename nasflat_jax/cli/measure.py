"""Measures the latency of networks on this machine's JAX backend.

Example: nasflat-measure --genotypes=random:15 --out=measurements.csv

Networks are compiled ahead of time and timed side by side in interleaved
rounds. Of the passes of a round only the quickest counts: latency_ms is the
median over the rounds of these quickest passes, iqr_ms their interquartile
range, and repeats counts all timed passes. The CSV has the columns index,
architecture, role (support), latency_ms, iqr_ms and repeats, and is what
nasflat-adapt reads.
"""

from __future__ import annotations

from collections.abc import Sequence
import pathlib
import sys
from typing import TYPE_CHECKING

from absl import flags

from nasflat_jax.cli import _flags
from nasflat_jax.cli import _main

if TYPE_CHECKING:
  import numpy as np

  from nasflat_jax import types

_STAGES = {'compile': 'Compiling networks', 'time': 'Timing rounds'}
_FLAGS = flags.FlagValues()
_SPACE = flags.DEFINE_string(
    'space', 'nasbench201', 'Search space: nasbench201 or fbnet.',
    flag_values=_FLAGS,
)
_GENOTYPES = flags.DEFINE_string(
    'genotypes', 'random:15', 'What to measure: random:N, or a file with one '
    'architecture string on each line, or a CSV file with the column '
    'architecture or index.', flag_values=_FLAGS,
)
_SETTING = flags.DEFINE_string(
    'setting', '', 'Resolution, strides and classes: cifar10, cifar100 or '
    'imagenet16-120 of nasbench201, cifar100 or imagenet of fbnet; empty for '
    'the first.', flag_values=_FLAGS,
)
_REPEATS = flags.DEFINE_integer(
    'repeats', 3, 'Least number of timed passes of a network in one round, of '
    'which the quickest counts.', lower_bound=1, flag_values=_FLAGS,
)
_ROUNDS = flags.DEFINE_integer(
    'rounds', 20, 'Rounds over all networks.', lower_bound=2,
    flag_values=_FLAGS,
)
_BATCH_SIZE, _MAX_NOISE = _flags.define_measuring(
    _FLAGS, max_noise=0.25,
)
_SEED = _flags.define_seed(_FLAGS)
_OUT = flags.DEFINE_string(
    'out', None, 'CSV file to write.', required=True, flag_values=_FLAGS,
)


def read_genotypes(
    space: types.SearchSpace, genotypes: str, seed: int
) -> np.ndarray:
  """Resolves the flag `--genotypes`.

  Args:
    space: the search space.
    genotypes: `random:N`, a file of strings, or a CSV file.
    seed: seed of the random draw, which takes valid members only.

  Returns:
    `[N, G]` int32 distinct architectures.

  Raises:
    ValueError: the flag or the file it names is not as described.
  """
  kind, colon, number = genotypes.partition(':')
  if kind == 'random' and colon:
    if not (number.isascii() and number.isdigit() and int(number) > 0):
      raise ValueError(
          f'--genotypes={genotypes}: N of random:N must be a positive number'
      )
    return _draw(space, int(number), seed)
  with _main.naming('genotypes'):
    return _read_file(space, pathlib.Path(genotypes))


def _read_file(space: types.SearchSpace, path: pathlib.Path) -> np.ndarray:
  """Reads a list of architecture strings, or a CSV file."""
  import numpy as np

  from nasflat_jax import reports

  try:
    lines = path.read_text('utf-8-sig').splitlines()
  except UnicodeDecodeError:
    raise ValueError(f'{path}: not UTF-8 text') from None
  filled = [
      (i, line.strip()) for i, line in enumerate(lines, 1) if line.strip()
  ]
  if not filled:
    raise ValueError(f'{path}:1: the file is empty')
  columns = {cell.strip().lower() for cell in filled[0][1].split(',')}
  if columns & {'architecture', 'index'} or len(columns) > 1:
    return reports.read_architectures(path, space)
  rows: dict[str, np.ndarray] = {}
  for number_of_line, text in filled:
    try:
      rows.setdefault(text, space.from_string([text])[0])
    except ValueError as error:
      raise ValueError(f'{path}:{number_of_line}: {error}') from None
  return np.stack(list(rows.values()))


def _draw(space: types.SearchSpace, number: int, seed: int) -> np.ndarray:
  """Distinct valid members; all of them where the space has no more."""
  import jax
  import numpy as np

  if space.spec.size is not None and number > space.spec.size // 2:
    raise ValueError(
        f'--genotypes=random:{number}: {space.spec.name} has '
        f'{space.spec.size} members; ask for at most half of them'
    )
  key = jax.random.key(seed)
  taken: dict[tuple[int, ...], None] = {}
  while len(taken) < number:
    key, subkey = jax.random.split(key)
    drawn = np.asarray(space.random(subkey, number))
    valid = drawn[np.asarray(space.is_valid(drawn))]
    taken.update(dict.fromkeys(tuple(genes) for genes in valid.tolist()))
  return np.array(list(taken)[:number], np.int32)


def _measure() -> None:
  from nasflat_jax import spaces

  out = _main.path_of(_OUT)
  with _main.naming('space'):
    space = spaces.get(_SPACE.value)
  # What can be refused is refused before the minutes of measuring.
  if not out.parent.is_dir():
    raise ValueError(f'--out={out}: there is no folder {out.parent}')
  if out.is_dir():
    raise ValueError(f'--out={out}: is a folder, want a file')
  genotypes = read_genotypes(space, _GENOTYPES.value, _SEED.value)

  import jax

  from nasflat_jax import measure
  from nasflat_jax import reports

  with _main.naming('space'):  # Not every space has networks.
    measure.settings(space.spec.name)
  setting = _SETTING.value or None
  with _main.naming('setting'):
    measure.network(space.spec.name, genotypes[0], setting=setting)
  shown: dict[str, _main.Progress] = {}

  def show(stage: str, done: int, total: int) -> None:
    if stage not in shown:  # Its clock starts here.
      shown[stage] = _main.Progress(_STAGES[stage])
    shown[stage](done, total)

  measured = measure.collect(
      space,
      genotypes,
      key=jax.random.key(_SEED.value),
      setting=setting,
      batch_size=_BATCH_SIZE.value,
      repeats=_REPEATS.value,
      rounds=_ROUNDS.value,
      max_noise=_MAX_NOISE.value,
      progress=show,
  )
  reports.write_measurements(
      out,
      space,
      measured.genotype,
      measured.latency_ms,
      role=['support'] * len(measured.genotype),
      iqr_ms=measured.iqr_ms,
      repeats=measured.repeats,
  )
  info = measure.backend_info()
  print(
      f'{out}: {len(measured.genotype)} networks on {info["backend"]} '
      f'({info["cpu"]}, {info["cores"]} cores, jax {info["jax"]}); '
      f'noise {measured.noise:.1%}, drift {measured.drift:+.1%}'
  )


def run(argv: Sequence[str]) -> int:
  """Runs the binary on a command line and returns its exit code."""
  return _main.run('nasflat-measure', __doc__, _measure, _FLAGS, argv)


def main() -> None:
  """Runs the binary on the process's command line."""
  sys.exit(run(sys.argv))


if __name__ == '__main__':
  main()
