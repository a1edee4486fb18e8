"""Finds the best networks that hold a latency budget on your devices.

Example: nasflat-search --measurements=my_phone.csv --budget_ms=18 --out=found

A few measurements of each device (as for nasflat-adapt) adapt a predictor that
knows how uncertain it is. Of all candidates that hold every budget with the
confidence asked for, the best are finalists: measure those, and take the best
that holds. Written to --out: finalists.csv (objective, predicted latency, its
90 % interval, the bound at that confidence, the probability of holding the
budget), front.csv (the candidates no other one beats), summary.json and, where
matplotlib is installed, front.png.

An interrupted search goes on where it was when it is run again with the same
flags.
"""

from __future__ import annotations

from collections.abc import Sequence
import sys

from absl import flags

from nasflat_jax.cli import _main

_FLAGS = flags.FlagValues()
_SPACE = flags.DEFINE_string(
    'space', 'nasbench201', 'Search space of the architectures.',
    flag_values=_FLAGS,
)
_MEASUREMENTS = flags.DEFINE_list(
    'measurements', None, 'CSV files of measured latencies, one for each '
    'device, separated by commas.', required=True, flag_values=_FLAGS,
)
_BUDGET_MS = flags.DEFINE_list(
    'budget_ms', None, 'Milliseconds that must not be exceeded, one for each '
    'file of --measurements.', required=True, flag_values=_FLAGS,
)
_CONFIDENCE = flags.DEFINE_float(
    'confidence', 0.95, 'Probability with which each budget is to be held, '
    'between 0 and 1.', flag_values=_FLAGS,
)
_OBJECTIVE = flags.DEFINE_enum(
    'objective', 'flops', ('accuracy', 'zero_cost', 'flops', 'params'),
    'What is to be large. flops and params stand for accuracy where nothing '
    'is known of it.', flag_values=_FLAGS,
)
_ACCURACY = flags.DEFINE_string(
    'accuracy', '', 'CSV file with the columns architecture or index, and '
    'accuracy; for the objective accuracy. Other networks are no candidates.',
    flag_values=_FLAGS,
)
_ZERO_COST = flags.DEFINE_string(
    'zero_cost', '', 'File of nasflat-zerocost (npz); for the objective '
    'zero_cost. Empty for the published scores of the space.',
    flag_values=_FLAGS,
)
_PROXIES = flags.DEFINE_list(
    'proxies', ['synflow', 'jacov', 'snip'], 'Zero-cost proxies that vote.',
    flag_values=_FLAGS,
)
_ALGORITHM = flags.DEFINE_enum(
    'algorithm', 'auto',
    ('auto', 'exhaustive', 'constrained_evolution', 'regularised_evolution',
     'nsga2', 'predictor_guided', 'random'),
    'How to search. auto is exhaustive where the candidates are a list or a '
    'space that can be enumerated, else constrained_evolution.',
    flag_values=_FLAGS,
)
_ROUNDS = flags.DEFINE_integer(
    'rounds', 0, 'Rounds of the search; 0 for the usual number of the '
    'algorithm. exhaustive and predictor_guided take what they need.',
    lower_bound=0, flag_values=_FLAGS,
)
_CANDIDATES = flags.DEFINE_string(
    'candidates', '', 'Networks of the front, and all that exhaustive and '
    'predictor_guided see: all, random:N, or a CSV file with the column '
    'architecture or index. Empty for all members of a space that can be '
    'enumerated and random:5000 of another.', flag_values=_FLAGS,
)
_CHECKPOINT = flags.DEFINE_string(
    'checkpoint', '', 'Name or path of a pretrained predictor, which stands '
    'for the source devices; empty for the one shipped for the space, if any; '
    'none to do without.', flag_values=_FLAGS,
)
_NUM_FINALISTS = flags.DEFINE_integer(
    'num_finalists', 5, 'Networks to propose.', lower_bound=1,
    upper_bound=1000, flag_values=_FLAGS,
)
_OUT = flags.DEFINE_string(
    'out', None, 'Folder to write to; made where it does not exist.',
    required=True, flag_values=_FLAGS,
)
_SEED = flags.DEFINE_integer(
    'seed', 0, 'Seed of all draws.', lower_bound=0,
    upper_bound=2**32 - 1, flag_values=_FLAGS,
)
_PLOT = flags.DEFINE_bool(
    'plot', True, 'Draw the front.', flag_values=_FLAGS,
)


def _search() -> None:
  from nasflat_jax.cli import _search_inputs
  from nasflat_jax.cli import _searching

  _searching.search_and_report(
      _search_inputs.Request(
          space=_SPACE.value,
          measurements=tuple(_MEASUREMENTS.value),
          budget_ms=tuple(_BUDGET_MS.value),
          confidence=_CONFIDENCE.value,
          objective=_OBJECTIVE.value,
          accuracy=_ACCURACY.value,
          zero_cost=_ZERO_COST.value,
          proxies=tuple(_PROXIES.value),
          algorithm=_ALGORITHM.value,
          rounds=_ROUNDS.value,
          candidates=_CANDIDATES.value,
          checkpoint=_CHECKPOINT.value,
          num_finalists=_NUM_FINALISTS.value,
          seed=_SEED.value,
      ),
      out=_main.path_of(_OUT),
      plot=_PLOT.value,
  )


def run(argv: Sequence[str]) -> int:
  """Runs the binary on a command line and returns its exit code."""
  return _main.run('nasflat-search', __doc__, _search, _FLAGS, argv)


def main() -> None:
  """Runs the binary on the process's command line."""
  sys.exit(run(sys.argv))


if __name__ == '__main__':
  main()
