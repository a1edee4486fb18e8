"""Sequential design: what it measures, and that it looks at nothing else."""

import jax
import numpy as np

from nasflat_jax import methods
from nasflat_jax import spaces
from nasflat_jax import trials

_SPACE = spaces.NASBENCH201


def test_measures_distinct_rows_of_the_pool_five_at_a_time():
  index = np.random.default_rng(0).choice(5**6, 120, replace=False)
  genotype = np.asarray(spaces.genotype_of(_SPACE, index.tolist()))
  latency_ms = 1.0 + (genotype == 3).sum(axis=1) + (genotype == 2).sum(axis=1)
  problem = methods.Problem(
      space=_SPACE,
      genotype=genotype,
      source_names=('source',),
      source_latency_ms=latency_ms[None] * 2.0,
      source_ids=np.arange(60),
  )
  where = np.arange(120) % 3 != 0
  asked = []

  def measure(row):
    asked.append(row)
    return float(latency_ms[row])

  choose = trials.sequential(problem)
  ids = choose(jax.random.key(0), where, measure, 7)
  assert asked == ids.tolist()
  assert len(set(asked)) == 7 and where[ids].all()
  first = choose(jax.random.key(0), where, lambda row: latency_ms[row], 5)
  np.testing.assert_array_equal(first, ids[:5])
