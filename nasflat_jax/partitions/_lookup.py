"""Splits by name, and the devices that no split judges."""

from __future__ import annotations

from nasflat_jax.partitions import _further
from nasflat_jax.partitions import _published
from nasflat_jax.partitions import _suite
from nasflat_jax.types import Partition

# Names that stand for several splits.
_GROUPS: dict[str, tuple[Partition, ...]] = {
    'all': _published.ALL,
    'ofa': _further.OFA,
    'oneproxy': _further.ONEPROXY,
}
_BY_NAME = {
    partition.name: partition
    for group in _GROUPS.values()
    for partition in group
}


def get(name: str) -> Partition:
  """The split called `name`: a published one, or one beside them.

  Raises:
    ValueError: there is none; the message lists the names.

  Example:
    >>> get('F1').target
    ('eyeriss', 'fpga', 'raspi4', 'samsung_a50', 'samsung_s7')
  """
  if name not in _BY_NAME:
    groups = ', '.join(_GROUPS)
    raise ValueError(
        f'unknown task {name!r}; choose from {", ".join(_BY_NAME)}, or a '
        f'group: {groups}'
    )
  return _BY_NAME[name]


def parse(names: str) -> tuple[Partition, ...]:
  """The splits of a comma-separated list of splits and groups.

  Groups are `all`, the published twelve; `ofa`, Once-for-All on four GPUs; and
  `oneproxy`, OneProxy's three sets of devices. What ends in `.json` is the path
  of a file with splits of one's own, see `load_suite`.

  Raises:
    ValueError: a name is unknown or repeated, or there is none; or a file is
      not one of splits, or takes a name of this package.
    FileNotFoundError: there is no such file.

  Example:
    >>> [partition.name for partition in parse('ND, F1')]
    ['ND', 'F1']
    >>> [partition.name for partition in parse('N1,oneproxy')]
    ['N1', 'OneProxy-eagle', 'OneProxy-rice', 'OneProxy-true']
  """
  split = [name.strip() for name in names.split(',') if name.strip()]
  if not split:
    raise ValueError('no task named; give names such as ND,F1, or all')
  chosen: list[Partition] = []
  for name in split:
    if name.endswith('.json'):
      chosen += _own(name)
    else:
      chosen += _GROUPS[name] if name in _GROUPS else (get(name),)
  if len({partition.name for partition in chosen}) < len(chosen):
    raise ValueError(f'a task is named twice in {names!r}')
  return tuple(chosen)


def _own(path: str) -> tuple[Partition, ...]:
  """A file's splits; rows of results know a split by its name alone."""
  partitions = _suite.load_suite(path)
  for index, partition in enumerate(partitions):
    if partition.name in _BY_NAME or partition.name in _GROUPS:
      raise ValueError(
          f'{path}: partitions[{index}].name: {partition.name!r} is a task of '
          'this package; choose another'
      )
  return partitions


def non_target_devices(space: str) -> tuple[str, ...]:
  """The devices of a space that are a target in none of the twelve splits.

  Design choices are made on these, so that no number on a published target
  has been tuned on it.

  Args:
    space: the space's name, e.g. `nasbench201`.

  Returns:
    Names in alphabetical order: 21 of 40 on NAS-Bench-201, 12 of 27 on FBNet.

  Raises:
    ValueError: no split is on this space.

  Example:
    >>> non_target_devices('fbnet')[:3]
    ('1080ti_64', '2080ti_64', 'gold_6240')
  """
  if space not in _published.DEVICE_NAMES:
    choices = ', '.join(_published.DEVICE_NAMES)
    raise ValueError(f'no task on space {space!r}; choose from {choices}')
  targets = {
      name
      for partition in _published.ALL
      if partition.space == space
      for name in partition.target
  }
  return tuple(
      name for name in _published.DEVICE_NAMES[space] if name not in targets
  )
