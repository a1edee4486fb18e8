"""Measures a few networks here, adapts a predictor, predicts all the others.

Example: nasflat-quickstart --out=quickstart_out

Chooses --num_support architectures, times them and --num_check fresh ones on
this machine in one interleaved run, adapts a pretrained predictor to the
former, judges it on the latter and predicts the whole space. A latency is the
median over rounds of the quickest pass of each round. Written to --out:
predictions.csv, measurements.csv (nasflat-adapt reads it), summary.json and,
where matplotlib is installed, latency.png.
"""

from __future__ import annotations

from collections.abc import Sequence
import sys
import time
from typing import Any, TYPE_CHECKING

from absl import flags

from nasflat_jax.cli import _adaptation
from nasflat_jax.cli import _flags
from nasflat_jax.cli import _main

if TYPE_CHECKING:
  import numpy as np

  from nasflat_jax import types

# Stages of `measure.collect`.
_LABELS = {
    'compile': '  compiling, networks',
    'time': '  timing, rounds over all networks',
}
_FLAGS = flags.FlagValues()
_SPACE = flags.DEFINE_string(
    'space', 'nasbench201', 'Search space.', flag_values=_FLAGS,
)
_NUM_SUPPORT = flags.DEFINE_integer(
    'num_support', 15, 'Networks to measure and adapt on.',
    lower_bound=3, flag_values=_FLAGS,
)
_NUM_CHECK = flags.DEFINE_integer(
    'num_check', 60, 'Fresh networks to measure and judge on; 0 judges by '
    'leave-one-out.', lower_bound=0, flag_values=_FLAGS,
)
_BATCH_SIZE, _MAX_NOISE = _flags.define_measuring(
    _FLAGS, max_noise=0.5,
)
_SEED = _flags.define_seed(_FLAGS)
_OUT = flags.DEFINE_string(
    'out', 'quickstart_out', 'Folder to write to; made where it does not '
    'exist.', flag_values=_FLAGS,
)
_METHOD, _NUM_PROPOSALS, _CHECKPOINT = _flags.define_adaptation(_FLAGS)
_CANDIDATES = flags.DEFINE_string(
    'candidates', '', 'What to predict, as for nasflat-adapt.',
    flag_values=_FLAGS,
)
_TOP = flags.DEFINE_integer(
    'top', 8, 'Ranges of FLOPs for which the fastest network is printed.',
    lower_bound=0, flag_values=_FLAGS,
)
_PLOT = flags.DEFINE_bool(
    'plot', True, 'Draw predicted against measured latency.',
    flag_values=_FLAGS,
)


# Scatter of repeats that shows in the result.
_NOISY = 0.25


def draw_check(
    key: Any,
    space: types.SearchSpace,
    support: np.ndarray,  # [S, G]
    *,
    num_check: int,
) -> np.ndarray:  # [N, G]
  """Draws distinct random members of a space that are not in the support.

  Args:
    key: typed PRNG key.
    space: the search space.
    support: `[S, G]` architectures to leave out.
    num_check: N.

  Returns:
    `[N, G]` int32.

  Raises:
    ValueError: the space has fewer members than asked for.
  """
  import jax
  import numpy as np

  from nasflat_jax import spaces

  taken = {tuple(genes) for genes in np.asarray(support).tolist()}
  size = space.spec.size
  if size is not None:
    valid = np.asarray(space.is_valid(spaces.members(space)))
    left = int(valid.sum()) - int(np.asarray(space.is_valid(support)).sum())
    if num_check > left:
      raise ValueError(
          f'--num_check={num_check}: beside {len(support)} support networks '
          f'{space.spec.name} has only {left} valid members left'
      )
  check: list[tuple[int, ...]] = []
  while len(check) < num_check:
    key, subkey = jax.random.split(key)
    drawn = np.asarray(space.random(subkey, 2 * num_check))
    for genes in drawn[np.asarray(space.is_valid(drawn))].tolist():
      if tuple(genes) not in taken and len(check) < num_check:
        taken.add(tuple(genes))
        check.append(tuple(genes))
  return np.array(check, np.int32).reshape(num_check, space.spec.num_genes)


def _quickstart() -> None:
  import jax
  import numpy as np

  from nasflat_jax import measure
  from nasflat_jax import reports
  from nasflat_jax import spaces
  from nasflat_jax import transfer

  started = time.monotonic()
  seconds: dict[str, float] = {}
  out = _main.path_of(_OUT)
  with _main.naming('space'):
    space = spaces.get(_SPACE.value)
  # What can be refused is refused before the minutes of measuring.
  _adaptation.check_out(out)
  _adaptation.choose_candidates(space, _CANDIDATES.value, _SEED.value)
  _adaptation.check_method(_METHOD.value, _NUM_PROPOSALS.value)
  _adaptation.load_checkpoint(space, _CHECKPOINT.value, _METHOD.value)
  keys = jax.random.split(jax.random.key(_SEED.value), 3)
  with _main.stage(
      f'Choosing {_NUM_SUPPORT.value} networks to measure', seconds, 'choose'
  ):
    with _main.naming('num_support'):
      support = np.asarray(
          transfer.choose_support(keys[0], space, _NUM_SUPPORT.value)
      )
    check = draw_check(keys[1], space, support, num_check=_NUM_CHECK.value)
  out.mkdir(parents=True, exist_ok=True)
  progress: dict[str, _main.Progress] = {}

  def report(name: str, done: int, total: int) -> None:
    if name not in progress:
      progress[name] = _main.Progress(_LABELS[name])
    progress[name](done, total)

  with _main.stage(
      f'Measuring {len(support)} and {len(check)} networks', seconds, 'measure'
  ):
    try:
      measured = measure.collect(
          space,
          np.concatenate([support, check]),
          batch_size=_BATCH_SIZE.value,
          key=keys[2],
          max_noise=_MAX_NOISE.value,
          progress=report,
      )
    except measure.NoisyMachineError as error:
      # Its advice after the semicolon names arguments that are no flags here.
      seen, _, _ = str(error).partition(';')
      raise ValueError(
          f'{seen}; stop other programs or raise --max_noise'
      ) from error
  if measured.noise > _NOISY:
    print(
        f'note: repeats scatter by {measured.noise:.0%}; on a quieter machine '
        'the errors below would be smaller'
    )
  measurements = out / 'measurements.csv'
  reports.write_measurements(
      measurements,
      space,
      measured.genotype,
      measured.latency_ms,
      role=['support'] * len(support) + ['check'] * len(check),
      iqr_ms=measured.iqr_ms,
      repeats=measured.repeats,
  )
  _adaptation.adapt_and_report(
      space=space,
      measurements=measurements,
      out=out,
      method=_METHOD.value,
      checkpoint=_CHECKPOINT.value,
      candidates=_CANDIDATES.value,
      num_proposals=_NUM_PROPOSALS.value,
      top=_TOP.value,
      seed=_SEED.value,
      plot=_PLOT.value,
      started=started,
      seconds=seconds,
      extra={
          'batch_size': measured.batch_size,
          'noise': measured.noise,
          'drift': measured.drift,
          'machine': measure.backend_info(),
      },
  )


def run(argv: Sequence[str]) -> int:
  """Runs the binary on a command line and returns its exit code."""
  return _main.run('nasflat-quickstart', __doc__, _quickstart, _FLAGS, argv)


def main() -> None:
  """Runs the binary on the process's command line."""
  sys.exit(run(sys.argv))


if __name__ == '__main__':
  main()
