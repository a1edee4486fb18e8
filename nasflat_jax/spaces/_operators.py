"""Operations by what they are, so that spaces can share an operator's weights.

A name such as `nor_conv_3x3` or `k3_e6` belongs to one space; the attributes
of a 3x3 convolution or of an inverted residual do not.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nasflat_jax import types

# New kinds go at the end: trained weights know a kind by its column.
OPERATOR_KINDS = (
    'input', 'output', 'none', 'skip', 'conv', 'inverted_residual', 'residual',
    'max_pool', 'avg_pool', 'sum', 'concat', 'resolution', 'absent', 'width',
    'depth',
)  # fmt: skip
# After the kinds; logarithms to base 2 over what makes the largest about 1.
_COLUMNS = (
    ('kernel_height', 3.0),
    ('kernel_width', 3.0),
    ('dilation', 1.0),
    ('groups', 1.0),
    ('expansion', 3.0),
    ('stride', 1.0),
    ('repeats', 1.0),
)
OPERATOR_COLUMNS = (
    *OPERATOR_KINDS, *(name for name, _ in _COLUMNS), 'separable', 'size',
)  # fmt: skip
# What a `size` is of order one in, by kind.
_SIZE_SCALES = {'resolution': 256.0, 'width': 32.0, 'depth': 20.0}


def inverted_residual(
    kernel: int, expansion: int, groups: int = 1
) -> types.Operator:
  """A block of a 1x1 expansion, a depthwise convolution, a 1x1 projection."""
  return types.Operator(
      'inverted_residual',
      (kernel, kernel),
      groups=groups,
      expansion=expansion,
      separable=True,
  )


def with_ends(*operators: types.Operator) -> tuple[types.Operator, ...]:
  """The operators of genes, then those of the input and the output node."""
  return (*operators, types.Operator('input'), types.Operator('output'))


def operator_attributes(spec: types.SpaceSpec) -> np.ndarray:
  """The operations of a space as numbers that mean the same in every space.

  One column for each of `OPERATOR_COLUMNS`: a one-hot kind, logarithms of
  kernel, dilation, groups, expansion, stride and repeats, all zero for an
  operation without them, whether it is separable, and a size: an image's side
  over 256, a width over 32 or a depth over 20.

  Args:
    spec: the space's description.

  Returns:
    `[O, A]` NumPy float32, of order one; equal operators have equal rows.

  Raises:
    ValueError: an operator is of an unknown kind; names it.

  Example:
    >>> from nasflat_jax import spaces
    >>> a = operator_attributes(spaces.FBNET.spec)
    >>> b = operator_attributes(spaces.OFA.spec)
    >>> bool((a[3] == b[2]).all()), bool((a[3] == b[3]).all())  # k3_e6
    (True, False)
  """
  return np.array(rows(spec.operators), np.float32)


def rows(
    operators: Iterable[types.Operator],
) -> tuple[tuple[float, ...], ...]:
  """`[O][A]` attributes of operators, see `operator_attributes`."""
  return tuple(_row(operator) for operator in operators)


def _row(operator: types.Operator) -> tuple[float, ...]:
  if operator.kind not in OPERATOR_KINDS:
    raise ValueError(
        f'unknown kind of operator {operator.kind!r}; known: '
        + ', '.join(OPERATOR_KINDS)
    )
  height, width = operator.kernel
  numbers = dict(vars(operator), kernel_height=height, kernel_width=width)
  return (
      *(float(operator.kind == kind) for kind in OPERATOR_KINDS),
      *(float(np.log2(numbers[name]) / scale) for name, scale in _COLUMNS),
      float(operator.separable),
      operator.size / _SIZE_SCALES.get(operator.kind, 1.0),
  )
