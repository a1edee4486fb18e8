"""The page of few-shot accuracy and the draws behind it."""

import json
import pathlib

from absl.testing import absltest
import flan
import flan_page
import numpy as np

_RESULTS = pathlib.Path(flan.__file__).parent / 'results'


class FlanTest(absltest.TestCase):

  def test_the_page_is_of_the_results(self):
    records = json.loads((_RESULTS / 'flan.json').read_text())
    self.assertEqual(
        flan_page.page(records), (_RESULTS / 'flan.md').read_text()
    )
    for record in records:
      self.assertAlmostEqual(
          record['mean'], np.mean(record['tau']), places=3
      )

  def test_labelled_rows_are_never_judged(self):
    for split in ('halves', 'all'):
      draws = flan._draws(101, 8, 3, split)
      for chosen, judged in draws:
        self.assertLen(set(chosen.tolist()), 8)
        self.assertFalse(set(chosen.tolist()) & set(judged.tolist()))
      # The halves stay the same, the draws do not.
      same = np.array_equal(*(np.sort(judged) for _, judged in draws[:2]))
      self.assertEqual(same, split == 'halves')
      self.assertNotEqual(draws[0][0].tolist(), draws[1][0].tolist())


if __name__ == '__main__':
  absltest.main()
