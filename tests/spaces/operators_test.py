"""Operations that do the same look the same, whatever their space."""

import numpy as np
import pytest

from nasflat_jax import spaces
from nasflat_jax import types

_COLUMNS = list(spaces.OPERATOR_COLUMNS)


def _row(space, name):
  place = space.spec.op_names.index(name)
  return spaces.operator_attributes(space.spec)[place]


@pytest.mark.parametrize('name', spaces.names())
def test_rows_are_equal_exactly_where_operators_are(name):
  space = spaces.get(name)
  operators = space.spec.operators
  table = spaces.operator_attributes(space.spec)
  assert table.shape == (len(space.spec.op_names), len(_COLUMNS))
  assert table.dtype == np.float32 and np.abs(table).max() <= 1.6
  same = (table[:, None] == table).all(-1)
  wanted = [[a == b for b in operators] for a in operators]
  np.testing.assert_array_equal(same, wanted)


def test_spaces_share_operators():
  for other in (spaces.FBNET, spaces.OFA):
    for name in ('input', 'output'):
      np.testing.assert_array_equal(
          _row(other, name), _row(spaces.NASBENCH201, name)
      )
  for name in ('k3_e3', 'k3_e6', 'k5_e3', 'k5_e6', 'skip'):
    np.testing.assert_array_equal(
        _row(spaces.OFA, name), _row(spaces.FBNET, name)
    )
  np.testing.assert_array_equal(
      _row(spaces.NASBENCH201, 'skip_connect'), _row(spaces.FBNET, 'skip')
  )


def test_columns_say_what_they_are_named_after():
  def value(space, name, column):
    return _row(space, name)[_COLUMNS.index(column)]

  assert value(spaces.NASBENCH201, 'nor_conv_3x3', 'conv') == 1
  assert value(spaces.NASBENCH201, 'nor_conv_3x3', 'separable') == 0
  assert value(spaces.FBNET, 'k5_e1_g2', 'groups') == 1
  assert value(spaces.FBNET, 'k5_e1', 'groups') == 0
  assert value(spaces.FBNET, 'k5_e6', 'separable') == 1
  assert value(spaces.OFA, 'r128', 'size') == 0.5
  wide = types.Operator('conv', (1, 7), dilation=2, repeats=2)
  spec = _spec_with(wide)
  row = spaces.operator_attributes(spec)[0]
  for column, wanted in (
      ('kernel_height', 0), ('kernel_width', np.log2(7) / 3),
      ('dilation', 1), ('repeats', 1), ('expansion', 0),
  ):
    assert row[_COLUMNS.index(column)] == pytest.approx(wanted)


def test_unknown_kinds_are_named():
  with pytest.raises(ValueError, match="kind of operator 'lstm'; known: in"):
    spaces.operator_attributes(_spec_with(types.Operator('lstm')))


def _spec_with(operator):
  return type(spaces.OFA.spec)(
      **(vars(spaces.OFA.spec) | {'operators': (operator,)})
  )


def test_tokens_tell_spaces_apart():
  names = spaces.names()
  tokens = np.stack([spaces.space_token(name, names) for name in names])
  np.testing.assert_array_equal(tokens, np.eye(len(names)))
  among = (spaces.OFA, 'nasbench201')
  np.testing.assert_array_equal(spaces.space_token(spaces.OFA, among), [1, 0])
  with pytest.raises(ValueError, match="'fbnet' must be once among ofa, nas"):
    spaces.space_token('fbnet', among)
  with pytest.raises(ValueError, match='must be once among'):
    spaces.space_token('ofa', ('ofa', 'ofa'))
