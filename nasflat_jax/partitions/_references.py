"""The reference architectures that HELP describes a device by."""

from __future__ import annotations

# Rows of the joined table of each space, from HELP's published lists
# (https://arxiv.org/abs/2106.08630); how they were chosen is not said there.
_HELP: dict[str, tuple[int, ...]] = {
    'nasbench201': (
        11982, 431, 55, 9, 14451, 8636, 9881, 13479, 6196, 1462,
    ),
    'fbnet': (3328, 3790, 3313, 890, 3052, 2538, 1640, 2514, 457, 2100),
    'ofa': (1316, 1587, 1621, 1636, 1980, 2329, 2487, 3355, 3740, 4948),
}


def references(space: str) -> tuple[int, ...]:
  """Rows of HELP's ten reference architectures.

  Args:
    space: the name of a space.

  Returns:
    Rows of `data.load_latency(space)`; empty where HELP has no list.
  """
  return _HELP.get(space, ())
