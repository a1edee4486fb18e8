"""Predicts the latency of a device from measurements in a CSV file.

Example: nasflat-adapt --measurements=my_phone.csv --out=my_phone

The file has the column `architecture` (canonical string) or `index` (exact
number), `latency_ms` and, if you like, `role`: rows with the role `check` are
held out for judging. Several rows of one architecture are replicates, joined by
their median; the columns iqr_ms and repeats, if there, are passed on. Written
to --out: predictions.csv, measurements.csv, summary.json and, where matplotlib
is installed, latency.png.

Without check rows the figures are leave-one-out: pessimistic where the networks
were chosen to differ from each other.
"""

from __future__ import annotations

from collections.abc import Sequence
import sys
import time

from absl import flags

from nasflat_jax.cli import _adaptation
from nasflat_jax.cli import _flags
from nasflat_jax.cli import _main

_FLAGS = flags.FlagValues()
_SPACE = flags.DEFINE_string(
    'space', 'nasbench201', 'Search space of the architectures.',
    flag_values=_FLAGS,
)
_MEASUREMENTS = flags.DEFINE_string(
    'measurements', None, 'CSV file of measured latencies.',
    required=True, flag_values=_FLAGS,
)
_OUT = flags.DEFINE_string(
    'out', None, 'Folder to write to; made where it does not exist.',
    required=True, flag_values=_FLAGS,
)
_METHOD, _NUM_PROPOSALS, _CHECKPOINT = _flags.define_adaptation(_FLAGS)
_CANDIDATES = flags.DEFINE_string(
    'candidates', '', 'What to predict: all, random:N, or a CSV file with the '
    'column architecture or index. Empty for all members of a space that can '
    'be enumerated and random:5000 of another.', flag_values=_FLAGS,
)
_TOP = flags.DEFINE_integer(
    'top', 8, 'Ranges of FLOPs for which the fastest network is printed.',
    lower_bound=0, flag_values=_FLAGS,
)
_SEED = _flags.define_seed(_FLAGS)
_PLOT = flags.DEFINE_bool(
    'plot', True, 'Draw predicted against measured latency.',
    flag_values=_FLAGS,
)


def _adapt() -> None:
  from nasflat_jax import spaces

  with _main.naming('space'):
    space = spaces.get(_SPACE.value)
  _adaptation.adapt_and_report(
      space=space,
      measurements=_main.path_of(_MEASUREMENTS),
      out=_main.path_of(_OUT),
      method=_METHOD.value,
      checkpoint=_CHECKPOINT.value,
      candidates=_CANDIDATES.value,
      num_proposals=_NUM_PROPOSALS.value,
      top=_TOP.value,
      seed=_SEED.value,
      plot=_PLOT.value,
      started=time.monotonic(),
      seconds={},
      extra={},
  )


def run(argv: Sequence[str]) -> int:
  """Runs the binary on a command line and returns its exit code."""
  return _main.run('nasflat-adapt', __doc__, _adapt, _FLAGS, argv)


def main() -> None:
  """Runs the binary on the process's command line."""
  sys.exit(run(sys.argv))


if __name__ == '__main__':
  main()
