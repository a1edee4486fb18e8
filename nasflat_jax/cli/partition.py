"""Splits the devices of a latency table into sources and unlike targets.

Example: nasflat-partition --table=fbnet --sizes=5x5,10x3 --out=suite.json

Devices are bisected by the rank correlation of their latencies (Kernighan and
Lin's heuristic), and either half is trimmed to the number wanted: the lower
the correlation of sources and targets, the harder the task. Prints it beside
that of the published tasks of the space. nasflat-evaluate --tasks=suite.json
judges methods on the file. --objective=reference has the sign of NASFLAT's
generator, which bisects into halves as alike as can be.
"""

from __future__ import annotations

from collections.abc import Sequence
import re
import sys
from typing import TYPE_CHECKING

from absl import flags

from nasflat_jax.cli import _flags
from nasflat_jax.cli import _main

if TYPE_CHECKING:
  from nasflat_jax import data
  from nasflat_jax import partitions
  from nasflat_jax import types

_FLAGS = flags.FlagValues()
_TABLE = flags.DEFINE_string(
    'table', 'fbnet', 'Latencies: a space (nasbench201, fbnet, ofa) for the '
    'table of its study, a table such as oneproxy_nasbench201, or an .npz '
    'file.', flag_values=_FLAGS)
_NUM_SOURCE = flags.DEFINE_integer(
    'num_source', 5, 'Source devices.', lower_bound=1, flag_values=_FLAGS)
_NUM_TARGET = flags.DEFINE_integer(
    'num_target', 5, 'Target devices.', lower_bound=1, flag_values=_FLAGS)
_SIZES = flags.DEFINE_string(
    'sizes', '', 'Several splits, as SOURCESxTARGETS,..., e.g. 5x5,5x5,10x3; '
    'in place of --num_source and --num_target.', flag_values=_FLAGS)
_SEED = _flags.define_seed(
    _FLAGS, 'Seed of the first split; each next one has the next seed.')
_OBJECTIVE = flags.DEFINE_string(
    'objective', 'minimise', 'minimise: the correlation of sources and '
    'targets; reference: bisect with the sign of the reference, which '
    'maximises that of the halves, then trim.', flag_values=_FLAGS)
_RESTARTS = flags.DEFINE_integer(
    'restarts', 20, 'Bisections to try for each split of minimise.',
    lower_bound=1, flag_values=_FLAGS)
_EXCLUDE = flags.DEFINE_string(
    'exclude', '', 'Devices to leave out, comma-separated, e.g. noisy ones: '
    'noise is unlike everything and would be chosen first.',
    flag_values=_FLAGS)
_DISTINCT_TARGETS = flags.DEFINE_boolean(
    'distinct_targets', True, 'No device is a target of two splits.',
    flag_values=_FLAGS)
_NAME = flags.DEFINE_string(
    'name', 'X', 'Name of the split; of several, the part before a number.',
    flag_values=_FLAGS)
_OUT = flags.DEFINE_string(
    'out', None, 'File of the splits, JSON.', required=True,
    flag_values=_FLAGS)


def run(argv: Sequence[str]) -> int:
  """Runs the binary; returns its exit code."""
  return _main.run('nasflat-partition', __doc__, _partition, _FLAGS, argv)


def main() -> None:
  """The console script."""
  sys.exit(run(sys.argv))


def _partition() -> None:
  out = _main.path_of(_OUT)
  if out.suffix != '.json' or not out.parent.is_dir():
    raise ValueError(
        f'--out: want a .json file in a folder that is there, got {out}'
    )
  sizes = _read_sizes(_SIZES.value)
  # Deferred: they import NumPy, which --help and wrong flags need not wait for.
  from nasflat_jax import data
  from nasflat_jax import partitions

  with _main.naming('table'):
    table, table_name = _read_table(_TABLE.value)
  objective = _OBJECTIVE.value
  if objective not in partitions.OBJECTIVES:
    raise ValueError(
        f'--objective: unknown {objective!r}; choose from '
        f'{", ".join(partitions.OBJECTIVES)}'
    )
  known = (*partitions.ALL, *partitions.OFA, *partitions.ONEPROXY)
  made: list[types.Partition] = []
  details = []
  print(f'table {_TABLE.value}, objective {objective}')
  for index, (num_source, num_target) in enumerate(sizes):
    name = _NAME.value + (str(index + 1) if len(sizes) > 1 else '')
    if name in {partition.name for partition in known}:
      raise ValueError(f'--name: {name!r} is a task of this package')
    partition, diagnostics = partitions.bisection(
        table, num_source=num_source, num_target=num_target,
        seed=_SEED.value + index, objective=objective,
        restarts=_RESTARTS.value, name=name, table_name=table_name,
        excluded=_names(_EXCLUDE.value),
        not_targets=[t for p in made for t in p.target]
        if _DISTINCT_TARGETS.value else (),
    )
    made.append(partition)
    details.append({
        'seed': _SEED.value + index,
        'cross_correlation': diagnostics.cross._asdict(),
        'halves_correlation': diagnostics.halves._asdict(),
        'random_correlation': diagnostics.random,
    })
    print(f'\n{name}: {num_source} sources, {num_target} targets')
    print(f'  sources: {", ".join(partition.source)}')
    print(f'  targets: {", ".join(partition.target)}')
    _print_cross('sources and targets', diagnostics.cross)
    _print_cross('halves before the trim', diagnostics.halves)
  print(f'\nrandom split: mean {diagnostics.random:.3f} in expectation')
  published = {
      partition.name: partitions.cross_correlation(table, partition)
      for partition in known
      if (partition.space, partition.table) == (table.space, table_name)
  }
  for name, cross in published.items():
    _print_cross(name, cross)
  partitions.save_suite(
      out, made, details=details, command=_command(), objective=objective,
      data_sha256=data.fingerprint(table),
      published_correlation={
          name: cross._asdict() for name, cross in published.items()
      },
  )
  print(f'\nwrote {out}')


def _print_cross(label: str, cross: partitions.CrossCorrelation) -> None:
  print(
      f'  {label}: Spearman mean {cross.mean:.3f}, from {cross.minimum:.3f} to '
      f'{cross.maximum:.3f}'
  )


def _read_table(name: str) -> tuple[data.LatencyTable, str | None]:
  """The table, and its name in a split: None for that of a study."""
  from nasflat_jax import data
  from nasflat_jax import partitions

  if name in {partition.space for partition in partitions.ALL} | {'ofa'}:
    return data.load_latency(name), None
  return data.load(name), name


def _read_sizes(text: str) -> list[tuple[int, int]]:
  """Numbers of sources and targets of each split."""
  if not text:
    return [(_NUM_SOURCE.value, _NUM_TARGET.value)]
  sizes = []
  for part in _names(text):
    match = re.fullmatch(r'([1-9]\d*)x([1-9]\d*)', part)
    if not match:
      raise ValueError(
          f'--sizes: want SOURCESxTARGETS such as 5x5, got {part!r}'
      )
    sizes.append((int(match[1]), int(match[2])))
  if not sizes:
    raise ValueError(f'--sizes: no sizes in {text!r}')
  return sizes


def _names(text: str) -> list[str]:
  return [name.strip() for name in text.split(',') if name.strip()]


def _command() -> str:
  """The command line in full, without this run's path."""
  lines = _FLAGS.flags_into_string().split('\n')
  given = [line for line in lines if line and not line.startswith('--out=')]
  return ' '.join(['nasflat-partition', *given])


if __name__ == '__main__':
  main()
