"""A made-up table of NAS-Bench-201: a time for each operation at each edge."""

import numpy as np

from nasflat_jax import methods
from nasflat_jax import spaces

SPACE = spaces.NASBENCH201


def draw(rng, num, num_sources, *, least_ms, num_read):
  """A problem of `num` cells, and the target's latencies.

  Args:
    rng: NumPy's generator.
    num: cells.
    num_sources: source devices; the target is one more.
    least_ms: latency of an empty cell, not counting `none`.
    num_read: rows that methods may read of the sources, the first ones.
  """
  ids = rng.choice(5**6, num, replace=False)
  genotype = spaces.genotype_of(SPACE, ids.tolist())
  hot = (genotype[:, :, None] == np.arange(5)).reshape(num, -1)
  times = rng.uniform(0.1, 3.0, (num_sources + 1, 30))
  latency_ms = times @ hot.T + least_ms
  problem = methods.Problem(
      space=SPACE,
      genotype=genotype,
      source_names=tuple(f'source_{i}' for i in range(num_sources)),
      source_latency_ms=latency_ms[:-1],
      source_ids=np.arange(num_read),
  )
  return problem, latency_ms[-1]
