"""What may stand in a measurement file, and what is refused where."""

import pathlib
import re
import tempfile

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from nasflat_jax import reports
from nasflat_jax import spaces

_SPACE = spaces.NASBENCH201
# Index 7 is genotype (0, 0, 0, 0, 1, 2).
_SEVEN = '|none~0|+|none~0|none~1|+|none~0|skip_connect~1|nor_conv_1x1~2|'
_THREE = 'index,latency_ms\n0,1\n1,2\n2,3\n'


class ReadMeasurementsTest(parameterized.TestCase):

  def _read(self, content, space=_SPACE, **kwargs):
    if isinstance(content, str):
      content = content.encode()
    folder = self.enterContext(tempfile.TemporaryDirectory())
    self.path = f'{folder}/phone.csv'
    pathlib.Path(self.path).write_bytes(content)
    return reports.read_measurements(self.path, space, **kwargs)

  def _error(self, content, space=_SPACE):
    with self.assertRaises(ValueError) as caught:
      self._read(content, space)
    return str(caught.exception).replace(self.path, 'phone.csv')

  @parameterized.named_parameters(
      ('plain', _THREE),
      ('byte_order_mark', '\ufeff' + _THREE),
      ('carriage_returns', _THREE.replace('\n', '\r\n')),
      ('blank_lines', '\n' + _THREE.replace('\n', '\n\n,\n \n')),
      ('spaces', _THREE.replace(',', ' , ')),
      ('no_last_newline', _THREE[:-1]),
      ('quoted', _THREE.replace('1', '"1"')),
      ('header_case', _THREE.replace('index', 'Index')),
      ('other_columns', 'index,board,latency_ms\n0,a,1\n1,,2\n2,"c, d",3\n'),
      ('empty_role', 'index,latency_ms,role\n0,1,\n1,2,support\n2,3,Support\n'),
  )
  def test_accepts(self, content):
    measured = self._read(content)
    np.testing.assert_array_equal(
        measured.genotype, spaces.genotype_of(_SPACE, [0, 1, 2])
    )
    np.testing.assert_array_equal(measured.latency_ms, [1.0, 2.0, 3.0])
    self.assertEqual(measured.role, ('support',) * 3)
    self.assertIsNone(measured.replicate_noise)
    self.assertTrue(measured.is_support.all())
    self.assertFalse(measured.is_check.any())

  def test_lines_count_blank_ones(self):
    measured = self._read('index,latency_ms\n\n0,1\n\n\n1,2\n2,3\n0,1\n')
    self.assertEqual(measured.lines, ((3, 8), (6,), (7,)))

  def test_names_and_numbers_may_be_mixed(self):
    measured = self._read(
        f'architecture,index,latency_ms\n{_SEVEN},,1\n,8,2\n{_SEVEN},7,1\n,9,3'
    )
    self.assertEqual(spaces.index_of(_SPACE, measured.genotype), [7, 8, 9])
    np.testing.assert_array_equal(measured.repeats, [2, 1, 1])

  def test_fbnet_index_is_exact(self):
    last = 9**22 - 1
    measured = self._read(
        f'index,latency_ms\n{last},1\n{last - 1},2\n0,3\n', spaces.FBNET
    )
    self.assertEqual(
        spaces.index_of(spaces.FBNET, measured.genotype), [last, last - 1, 0]
    )

  def test_replicates_are_joined_by_median_and_pooled(self):
    measured = self._read(
        'index,latency_ms\n5,1.0\n6,10\n5,1.2\n7,4\n6,9\n5,2.0\n'
    )
    self.assertEqual(spaces.index_of(_SPACE, measured.genotype), [5, 6, 7])
    np.testing.assert_allclose(measured.latency_ms, [1.2, 9.5, 4.0])
    np.testing.assert_array_equal(measured.repeats, [3, 2, 1])
    squares = (
        2 * np.var(np.log([1.0, 1.2, 2.0]), ddof=1)
        + np.var(np.log([10.0, 9.0]), ddof=1)
    )
    np.testing.assert_allclose(
        measured.replicate_noise, np.sqrt(squares / 3), rtol=1e-12
    )

  def test_spread_and_repeats_are_kept(self):
    measured = self._read(
        'index,latency_ms,iqr_ms,repeats\n'
        '5,1,.25,30\n6,2,,\n7,3,0.5,7\n7,3,0.5,8\n8,4,0.5,\n8,4,,9\n'
    )
    np.testing.assert_array_equal(
        measured.iqr_ms, [0.25, np.nan, np.nan, np.nan]
    )
    np.testing.assert_array_equal(measured.repeats, [30, 1, 15, 10])

  def test_bounds_are_included(self):
    measured = self._read('index,latency_ms\n0,1e-6\n1,1e9\n2,3\n')
    np.testing.assert_array_equal(measured.latency_ms, [1e-6, 1e9, 3.0])

  def test_replicates_at_a_factor_of_three_are_kept(self):
    measured = self._read('index,latency_ms\n0,1\n1,2\n2,3\n0,3\n')
    np.testing.assert_array_equal(measured.latency_ms, [2.0, 2.0, 3.0])

  def test_roles(self):
    measured = self._read(
        'index,role,latency_ms\n0,support,1\n1,check,2\n2,support,3\n'
        '3,CHECK,4\n4,support,5\n'
    )
    np.testing.assert_array_equal(
        measured.is_check, [False, True, False, True, False]
    )

  @parameterized.named_parameters(
      ('empty', '', ':1: the file is empty'),
      ('blank', '\n \n', ':1: the file is empty'),
      ('header_only', 'index,latency_ms\n', ':1: no rows below the header'),
      ('no_latency', 'index,ms\n1,2\n',
       ":1: no column 'latency_ms'; found 'index', 'ms'"),
      ('no_identity', '\nlatency_ms\n2\n',
       ":2: no column 'architecture' or 'index'"),
      ('nothing_known', 'a,b\n1,2\n',
       ":1: no column 'latency_ms', 'architecture' or 'index'"),
      ('twice', 'index,latency_ms,latency_ms\n',
       ":1: column 'latency_ms' appears twice"),
      ('semicolons', 'index;latency_ms\n1;2,5\n',
       ':1: cells are separated by semicolons'),
      ('tabs', 'index\tlatency_ms\n1\t2\n', ':1: cells are separated by tabs'),
      ('decimal_comma', 'index,latency_ms\n1,2,5\n',
       ':2: 3 cells where the header has 2'),
      ('short_row', _THREE + '5\n', ':5: 1 cells where the header has 2'),
      ('not_utf8', b'index,latency_ms\n0,1\n1,\xff\n',
       ':3: not UTF-8 text (byte 0xff)'),
      ('utf16', _THREE.encode('utf-16'), ':1: not UTF-8 text (byte 0xff)'),
      ('open_quote', _THREE + '4,"5\n', ':5: not readable as CSV'),
      ('zero', _THREE + '4,0\n',
       ':5: latency_ms 0 is not between 1e-6 and 1e9 ms'),
      ('negative', _THREE + '4,-1e-3\n', ':5: latency_ms -1e-3 is not'),
      ('nan', _THREE + '4,nan\n', ':5: latency_ms nan is not between'),
      ('infinite', _THREE + '4,inf\n', ':5: latency_ms inf is not between'),
      ('too_low', _THREE + '4,9.9e-7\n', ':5: latency_ms 9.9e-7 is not'),
      ('too_high', _THREE + '4,1.1e9\n', ':5: latency_ms 1.1e9 is not'),
      ('iqr_text', 'index,latency_ms,iqr_ms\n1,1,n/a\n',
       ":2: iqr_ms 'n/a' is not a number"),
      ('iqr_negative', 'index,latency_ms,iqr_ms\n1,1,-1\n',
       ':2: iqr_ms -1 is not between 0 and 1e9 ms'),
      ('repeats', 'index,latency_ms,repeats\n1,1,0\n',
       ":2: repeats '0' is not a whole number above 0"),
      ('repeats_float', 'index,latency_ms,repeats\n1,1,2.0\n',
       ":2: repeats '2.0' is not"),
      ('text', _THREE + '4,3 ms\n', ":5: latency_ms '3 ms' is not a number"),
      ('underscore', _THREE + '4,1_000\n', ":5: latency_ms '1_000' is not"),
      ('no_value', _THREE + '4,\n', ":5: latency_ms '' is not a number"),
      ('index_text', 'index,latency_ms\nx,1\n', ":2: index 'x' is not a whole"),
      ('index_float', 'index,latency_ms\n1.0,1\n',
       ":2: index '1.0' is not a whole number"),
      ('index_range', 'index,latency_ms\n15625,1\n',
       ':2: index 15625 is out of range; nasbench201 has indices 0 to 15624'),
      ('index_negative', 'index,latency_ms\n-1,1\n',
       ':2: index -1 is out of range'),
      ('index_huge', f'index,latency_ms\n{"9" * 9000},1\n', ':2: index 999'),
      ('no_name', 'index,architecture,latency_ms\n,,1\n',
       ":2: neither 'architecture' nor 'index' is given"),
      ('unknown', 'architecture,latency_ms\nresnet50,1\n',
       ":2: 'resnet50' is not an architecture of nasbench201; one looks like "
       "'|none~0|+"),
      ('disagree', f'index,architecture,latency_ms\n8,{_SEVEN},1\n',
       f':2: architecture and index disagree: {_SEVEN!r} has index 7, the '
       'row says 8'),
      ('role', 'index,latency_ms,role\n1,2,test\n',
       ":2: role 'test' is neither 'support' nor 'check'"),
      ('both_roles',
       'index,latency_ms,role\n1,2,check\n2,2,support\n1,2,support\n',
       ':4: one architecture has both roles (lines 2 and 4)'),
      ('replicates', _THREE + '1,7\n1,2.2\n',
       ':5: replicates of one architecture (lines 3, 5 and 6) differ beyond a '
       'factor of 3: 2 ms at line 3, 7 ms at line 5'),
      ('few', 'index,latency_ms\n1,2\n1,2\n2,3\n',
       ':4: 2 distinct support architecture(s) in the file; at least 3'),
      ('few_beside_check',
       'index,latency_ms,role\n1,2,support\n2,2,check\n3,2,check\n4,2,check',
       ':5: 1 distinct support architecture(s)'),
  )
  def test_refuses(self, content, message):
    self.assertStartsWith(self._error(content), 'phone.csv' + message)

  def test_fbnet_index_beyond_the_space(self):
    self.assertIn(
        f'has indices 0 to {9**22 - 1}',
        self._error(f'index,latency_ms\n{9**22},1\n', spaces.FBNET),
    )

  def test_missing_file(self):
    with self.assertRaises(FileNotFoundError):
      reports.read_measurements('/nonexistent/phone.csv', _SPACE)


class ReadArchitecturesTest(parameterized.TestCase):

  def setUp(self):
    super().setUp()
    folder = self.enterContext(tempfile.TemporaryDirectory())
    self.path = pathlib.Path(folder, 'wanted.csv')

  def test_distinct_in_order_of_appearance(self):
    self.path.write_text('index,note\n9,a\n3,b\n9,c\n1,d\n')
    genotype = reports.read_architectures(self.path, _SPACE)
    self.assertEqual(spaces.index_of(_SPACE, genotype), [9, 3, 1])
    self.assertEqual(genotype.dtype, np.int32)

  def test_names_the_place(self):
    self.path.write_text('index\n1\n99999\n')
    message = re.escape(f'{self.path}:3: index 99999')
    with self.assertRaisesRegex(ValueError, message):
      reports.read_architectures(self.path, _SPACE)


if __name__ == '__main__':
  absltest.main()
