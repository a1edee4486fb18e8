"""Flags that several binaries have."""

from __future__ import annotations

from typing import NamedTuple

from absl import flags


def define_seed(
    flag_values: flags.FlagValues, text: str = 'Seed of all draws.'
) -> flags.FlagHolder[int]:
  """`--seed`; `text` says of what."""
  return flags.DEFINE_integer(
      'seed', 0, text, lower_bound=0, upper_bound=2**32 - 1,
      flag_values=flag_values,
  )


class Measuring(NamedTuple):
  """Flags of how networks are timed."""

  batch_size: flags.FlagHolder[int]
  max_noise: flags.FlagHolder[float]


def define_measuring(
    flag_values: flags.FlagValues, *, max_noise: float
) -> Measuring:
  """`--batch_size`, and `--max_noise` with its default."""
  return Measuring(
      flags.DEFINE_integer(
          'batch_size', 1, 'Images in one timed pass.', lower_bound=1,
          flag_values=flag_values,
      ),
      flags.DEFINE_float(
          'max_noise', max_noise, 'Largest accepted scatter: interquartile '
          'range over median of the quickest passes of the rounds, at the '
          'median network.', lower_bound=0.0, flag_values=flag_values,
      ),
  )


class Adaptation(NamedTuple):
  """Flags of how a device is adapted to."""

  method: flags.FlagHolder[str]
  num_proposals: flags.FlagHolder[int]
  checkpoint: flags.FlagHolder[str]


def define_adaptation(flag_values: flags.FlagValues) -> Adaptation:
  """`--method`, `--num_proposals` and `--checkpoint`."""
  return Adaptation(
      flags.DEFINE_string(
          'method', 'bayesian', 'How to adapt: bayesian (closed form, with '
          'intervals) or nasflat (fine-tunes the checkpoint).',
          flag_values=flag_values,
      ),
      flags.DEFINE_integer(
          'num_proposals', 0, 'Networks to propose for the next measurement; '
          'needs the method bayesian.', lower_bound=0, flag_values=flag_values,
      ),
      flags.DEFINE_string(
          'checkpoint', '', 'Name or path of a pretrained predictor, which '
          'stands for the source devices; empty for the one shipped for the '
          'space, if any; none to do without, which only bayesian can.',
          flag_values=flag_values,
      ),
  )
