"""Numbers that the results are held against, and where they come from.

Published Spearman correlations, means over target devices, at 20 samples per
target device: from `results_geomean.py` in the repository of NASFLAT's authors,
and in a second version from the CSV files of their results. There the first 128
architectures are judged, support included, and weights are carried from device
to device, with 16 (NAS-Bench-201) or 800 (FBNet) measurements per source.
"""

SUITES = {
    'Twelve tasks': (
        'ND', 'N1', 'N2', 'N3', 'N4', 'NA', 'FD', 'F1', 'F2', 'F3', 'F4', 'FA',
    ),
    'Once-for-All': (),
    'OneProxy': (),
}  # fmt: skip
_TASKS = SUITES['Twelve tasks']


def _by_task(*values: float) -> dict[str, float]:
  return dict(zip(_TASKS, values, strict=True))


NASFLAT = _by_task(
    0.959, 0.967, 0.857, 0.962, 0.959, 0.893,
    0.961, 0.809, 0.871, 0.814, 0.734, 0.577,
)  # fmt: skip
HELP = _by_task(
    0.948, 0.604, 0.509, 0.729, 0.746, 0.410,
    0.910, 0.793, 0.543, 0.413, 0.799, 0.370,
)  # fmt: skip
MULTIPREDICT = _by_task(
    0.930, 0.907, 0.757, 0.947, 0.952, 0.820,
    0.960, 0.756, 0.567, 0.434, 0.763, 0.450,
)  # fmt: skip
# The better of the two, from the CSV files; those judge FD on other devices,
# so that its entry is the one above.
RIVAL_CSV = _by_task(
    0.949, 0.971, 0.758, 0.948, 0.953, 0.820,
    0.960, 0.794, 0.567, 0.435, 0.799, 0.470,
)  # fmt: skip
RIVAL = {task: max(HELP[task], MULTIPREDICT[task]) for task in _TASKS}

# Spearman that this project set itself before it had results.
TARGETS = {
    20: _by_task(
        0.972, 0.985, 0.940, 0.980, 0.978, 0.950,
        0.990, 0.920, 0.975, 0.975, 0.825, 0.800,
    ),
    10: _by_task(
        0.965, 0.979, 0.910, 0.975, 0.972, 0.930,
        0.980, 0.890, 0.955, 0.950, 0.805, 0.780,
    ),
    5: _by_task(
        0.950, 0.950, 0.880, 0.945, 0.945, 0.900,
        0.965, 0.870, 0.930, 0.930, 0.790, 0.760,
    ),
}  # fmt: skip

# Ridge of the log latency on the one-hot genotype with 4,000 architectures of
# the target device itself, 1,000 others judged: what is left is noise, or no
# sum over operations.
CEILING = {
    'FD': 0.999, 'F1': 0.940, 'F2': 0.982, 'F3': 0.981, 'F4': 0.844,
    'FA': 0.830,
}  # fmt: skip


def suite_of(task: str) -> str:
  """The suite that a task belongs to, by its name."""
  if task.startswith('OFA'):
    return 'Once-for-All'
  if task.startswith('OneProxy'):
    return 'OneProxy'
  return 'Twelve tasks'


def ordered_tasks(suite: str, tasks: list[str]) -> list[str]:
  """The tasks of a suite in published order, others behind them."""
  known = SUITES[suite]
  mine = [task for task in tasks if suite_of(task) == suite]
  return sorted(
      mine, key=lambda t: known.index(t) if t in known else len(known)
  )
