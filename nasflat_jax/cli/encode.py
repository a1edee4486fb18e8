"""Trains a learned encoding of a search space and writes its weights.

Example: nasflat-encode --encoding=arch2vec --space=fbnet --out=weights.npz

Random networks of the space are all it needs: no table, no measurement. With
--space=unified one encoder learns from random networks of every space. The
file is written once training is over, so an interrupted run leaves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import datetime
import functools
import pathlib
import shlex
import sys
import time

from absl import flags

from nasflat_jax.cli import _flags
from nasflat_jax.cli import _main

_FLAGS = flags.FlagValues()
_ENCODING = flags.DEFINE_enum(
    'encoding', None, ['arch2vec', 'cate'], 'What to train.', required=True,
    flag_values=_FLAGS)
_SPACE = flags.DEFINE_string(
    'space', 'nasbench201', 'Search space, or unified: all of them.',
    flag_values=_FLAGS)
_OUT = flags.DEFINE_string(
    'out', None, 'Weights to write, npz.', required=True, flag_values=_FLAGS)
_NUM_NETWORKS = flags.DEFINE_integer(
    'num_networks', 5000, 'Random networks of a space; a tenth is held out.',
    lower_bound=2, flag_values=_FLAGS)
_NUM_EPOCHS = flags.DEFINE_integer(
    'num_epochs', 4, 'Passes over the networks.', lower_bound=1,
    flag_values=_FLAGS)
_SEED = _flags.define_seed(_FLAGS, 'Seed of networks, weights and batches.')


def _encode() -> None:
  out = _main.path_of(_OUT)
  if out.is_dir():
    raise ValueError(f'--out: {out} is a folder')
  with _main.folder_of(out, 'out'):
    _train(out)


def _train(out: pathlib.Path) -> None:
  from nasflat_jax import spaces
  from nasflat_jax.cli import _adaptation
  from nasflat_jax.encodings import training

  trained: Callable[..., training.Weights]
  if _SPACE.value == training.UNIFIED:
    trained = functools.partial(training.train_unified, _ENCODING.value)
  else:
    with _main.naming('space'):
      space = spaces.get(_SPACE.value)
      if space.spec.num_nodes != space.spec.num_genes + 2:
        raise ValueError(
            f'genes of {_SPACE.value} are not the nodes of one graph; '
            f'--space={training.UNIFIED} knows it'
        )
    trained = functools.partial(training.train, _ENCODING.value, space)
  start = time.monotonic()
  weights = trained(
      seed=_SEED.value,
      num_networks=_NUM_NETWORKS.value,
      num_epochs=_NUM_EPOCHS.value,
      progress=_main.Progress('Training, steps'),
  )
  versions = _adaptation.versions()
  weights.provenance.update(
      command=shlex.join([
          'nasflat-encode',
          *(
              f'--{name}={_FLAGS[name].value}'
              for name in sorted(_FLAGS)
              if name != 'out'
          ),
      ]),
      date=datetime.date.today().isoformat(),
      hardware=versions['backend'],
      seconds=round(time.monotonic() - start, 1),
      versions={
          name: versions[name] for name in ('nasflat_jax', 'jax', 'numpy')
      },
  )
  training.save(out, weights)
  report = weights.provenance['report']
  shown = ', '.join(
      f'{name} {value:.3f}' if isinstance(value, float)
      else f'{name} operations {value["op"]:.3f}'
      for name, value in report.items()
  )
  print(f'{out}: {weights.encoding} of {weights.space}; {shown}')


def run(argv: Sequence[str]) -> int:
  """Runs the binary on a command line and returns its exit code."""
  return _main.run('nasflat-encode', __doc__, _encode, _FLAGS, argv)


def main() -> None:
  """Runs the binary on the process's command line."""
  sys.exit(run(sys.argv))


if __name__ == '__main__':
  main()
