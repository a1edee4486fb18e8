"""Searches with a proxy device: reuse it, adapt it, or measure more.

Example: nasflat-proxy --measurements=my_phone.csv --proxy=pixel3 --out=my_phone

Three calls. Without --measurements, measure_next.csv names a random sample to
measure. With it, the rank correlation of proxy and target is estimated with an
interval, and the summary says what to do: reuse the proxy, adapt it to the
measurements, or measure more, and how many. The best architectures by what is
known are searched; measure_next.csv has them as finalists. With --verified, a
file of the measured finalists, front.csv keeps those that no other dominates.

Measurements have the columns of nasflat-adapt. --proxy is a device of the
published tables, a CSV file of the same kind measured on a device of yours, or
auto: the device of the tables that orders your measurements most like the
target. Written to --out: summary.json, measure_next.csv, front.csv and, where
matplotlib is installed, proxy.png.
"""

from __future__ import annotations

from collections.abc import Sequence
import sys
import time

from absl import flags

from nasflat_jax.cli import _main
from nasflat_jax.cli import _proxy

_FLAGS = flags.FlagValues()
_SPACE = flags.DEFINE_string(
    'space', 'nasbench201', 'Search space of the architectures.',
    flag_values=_FLAGS,
)
_OUT = flags.DEFINE_string(
    'out', None, 'Folder to write to; made where it does not exist.',
    required=True, flag_values=_FLAGS,
)
_MEASUREMENTS = flags.DEFINE_string(
    'measurements', '', 'CSV file of latencies of a random sample on the '
    'target; empty to be told what to measure.', flag_values=_FLAGS,
)
_PROXY = flags.DEFINE_string(
    'proxy', 'auto', 'Device of the table, CSV file of its latencies, or auto.',
    flag_values=_FLAGS,
)
_TABLE = flags.DEFINE_string(
    'table', '', 'Table of --proxy, such as oneproxy_nasbench201 or an .npz '
    'file; empty for that of the space.', flag_values=_FLAGS,
)
_OBJECTIVE = flags.DEFINE_enum(
    'objective', 'flops', ('accuracy', 'flops', 'params'),
    'What is to be large. flops and params stand for accuracy where nothing '
    'is known of it.', flag_values=_FLAGS,
)
_ACCURACY = flags.DEFINE_string(
    'accuracy', '', 'CSV file with the columns architecture or index, and '
    'accuracy; for the objective accuracy. Other networks are no candidates.',
    flag_values=_FLAGS,
)
_CANDIDATES = flags.DEFINE_string(
    'candidates', '', 'What to search: all, random:N, or a CSV file with the '
    'column architecture or index. Empty for all members of a space that can '
    'be enumerated and random:5000 of another.', flag_values=_FLAGS,
)
_VERIFIED = flags.DEFINE_string(
    'verified', '', 'CSV file of latencies of the finalists on the target.',
    flag_values=_FLAGS,
)
_ADAPT = flags.DEFINE_enum(
    'adapt', 'bayesian', ('bayesian', 'adaproxy'), 'How to adapt the proxy. '
    'adaproxy is that of OneProxy.', flag_values=_FLAGS,
)
_THRESHOLD = flags.DEFINE_float(
    'threshold', 0.9, 'Rank correlation that is enough.', flag_values=_FLAGS,
)
_CONFIDENCE = flags.DEFINE_float(
    'confidence', 0.9, 'Of the intervals.', flag_values=_FLAGS,
)
_NUM_SUPPORT = flags.DEFINE_integer(
    'num_support', 10, 'Architectures to measure first.', lower_bound=4,
    flag_values=_FLAGS,
)
_NUM_FINALISTS = flags.DEFINE_integer(
    'num_finalists', 10, 'The most to measure at last.', lower_bound=1,
    flag_values=_FLAGS,
)
_SEED = flags.DEFINE_integer(
    'seed', 0, 'Seed of all draws.', lower_bound=0, upper_bound=2**32 - 1,
    flag_values=_FLAGS,
)
_PLOT = flags.DEFINE_bool(
    'plot', True, 'Draw the measured pairs and what was found.',
    flag_values=_FLAGS,
)


def _run() -> None:
  from nasflat_jax import spaces

  for flag in (_THRESHOLD, _CONFIDENCE):
    if not 0.0 < flag.value < 1.0:
      raise ValueError(
          f'--{flag.name} must be between 0 and 1, got {flag.value:g}'
      )
  with _main.naming('space'):
    space = spaces.get(_SPACE.value)
  _proxy.search_and_report(
      space=space,
      out=_main.path_of(_OUT),
      measurements=_MEASUREMENTS.value,
      proxy=_PROXY.value,
      table=_TABLE.value,
      objective=_OBJECTIVE.value,
      accuracy=_ACCURACY.value,
      candidates=_CANDIDATES.value,
      verified=_VERIFIED.value,
      adapt=_ADAPT.value,
      threshold=_THRESHOLD.value,
      confidence=_CONFIDENCE.value,
      num_support=_NUM_SUPPORT.value,
      num_finalists=_NUM_FINALISTS.value,
      seed=_SEED.value,
      plot=_PLOT.value,
      started=time.monotonic(),
  )


def run(argv: Sequence[str]) -> int:
  """Runs the binary on a command line and returns its exit code."""
  return _main.run('nasflat-proxy', __doc__, _run, _FLAGS, argv)


def main() -> None:
  """Runs the binary on the process's command line."""
  sys.exit(run(sys.argv))


if __name__ == '__main__':
  main()
