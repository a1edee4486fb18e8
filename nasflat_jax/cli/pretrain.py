"""Pretrains the NASFLAT predictor on latency tables and writes a checkpoint.

Example: nasflat-pretrain --space=nasbench201 --out=nasbench201.npz

Needs the converted tables (nasflat-data). The state is saved to OUT.partial as
it goes: the same command run again after an interruption, kill -9 included,
goes on from there and ends with the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
import datetime
import math
import pathlib
import shlex
import sys
from typing import Any, TYPE_CHECKING

from absl import flags

from nasflat_jax.cli import _axes
from nasflat_jax.cli import _flags
from nasflat_jax.cli import _main

if TYPE_CHECKING:
  import numpy as np

  from nasflat_jax import data
  from nasflat_jax import transfer

_FLAGS = flags.FlagValues()
_SPACE = flags.DEFINE_string(
    'space', 'nasbench201', 'Search space of the table.', flag_values=_FLAGS)
_OUT = flags.DEFINE_string(
    'out', None, 'Checkpoint to write, npz.', required=True,
    flag_values=_FLAGS)
_EXCLUDE = flags.DEFINE_list(
    'exclude', '', 'Devices to leave out.', flag_values=_FLAGS)
_NUM_SOURCE = flags.DEFINE_integer(
    'num_source', 4000, 'Architectures measured on each device.',
    lower_bound=2, flag_values=_FLAGS)
_NUM_STEPS = flags.DEFINE_integer(
    'num_steps', 3000, 'Optimiser steps.', lower_bound=1, flag_values=_FLAGS)
_SAVE_EVERY = flags.DEFINE_integer(
    'save_every', 50, 'Steps between saved states.', lower_bound=1,
    flag_values=_FLAGS)
_NUM_DEVICES = flags.DEFINE_integer(
    'num_devices', 5, 'Devices in a batch.', lower_bound=1,
    flag_values=_FLAGS)
_NUM_ARCHITECTURES = flags.DEFINE_integer(
    'num_architectures', 48, 'Architectures for each device of a batch.',
    lower_bound=2, flag_values=_FLAGS)
_LEARNING_RATE = flags.DEFINE_float(
    'learning_rate', 1e-3, 'Initial learning rate of AdamW.', lower_bound=0.0,
    flag_values=_FLAGS)
_ENCODING = flags.DEFINE_enum(
    'encoding', 'costs', ['costs', 'none'], 'Supplementary encoding.',
    flag_values=_FLAGS)
_DEVICE_REPRESENTATION = flags.DEFINE_enum(
    'device_representation', 'operation', ['operation', 'head'],
    'Where the hardware embedding enters.', flag_values=_FLAGS)
_PREDICTOR = flags.DEFINE_enum(
    'predictor', 'layer_ensemble', list(_axes.LAYERS),
    "Graph layer of NASFLAT's network.", flag_values=_FLAGS)
_ADAPT_STEPS = flags.DEFINE_integer(
    'adapt_steps', 100, 'Fine-tuning steps on a new device.', lower_bound=1,
    flag_values=_FLAGS)
_ADAPT_LEARNING_RATE = flags.DEFINE_float(
    'adapt_learning_rate', 2e-3, 'Learning rate on a new device.',
    lower_bound=0.0, flag_values=_FLAGS)
_HEAD_SOURCES = flags.DEFINE_integer(
    'head_sources', 12, 'Most distinct source devices whose predictions the '
    'closed-form head reads.', lower_bound=1, flag_values=_FLAGS)
_SEED = _flags.define_seed(_FLAGS, 'Seed of rows, weights and batches.')
# NaN is within all bounds.
for _flag in (_LEARNING_RATE, _ADAPT_LEARNING_RATE):
  flags.register_validator(
      _flag, math.isfinite, 'must be finite', flag_values=_FLAGS)
# Flags that say where and how often to write, not what to compute; like
# `head_sources`, which acts after training, they may change on resuming.
_NOT_SETTINGS = ('out', 'save_every')
# Architectures on which source devices are compared with each other.
_SAMPLE = 512


def _pretrain() -> None:
  import jax
  import numpy as np
  import optax

  from nasflat_jax import checkpoints
  from nasflat_jax import data
  from nasflat_jax import predictors
  from nasflat_jax import spaces
  from nasflat_jax import transfer

  out = _check_out(_OUT.value)
  partial = out.with_name(out.name + '.partial')
  try:
    space = spaces.get(_SPACE.value)
  except ValueError as error:
    raise ValueError(f'--space: {error}') from error
  table = _table(data.load_latency(space.spec.name))
  settings = {
      name: _FLAGS[name].value
      for name in _FLAGS
      if name not in (*_NOT_SETTINGS, 'head_sources')
  }
  settings['data_sha256'] = data.fingerprint(table)

  key = jax.random.key(_SEED.value)
  row_key, train_key = jax.random.split(key)
  measured = np.isfinite(table.values).all(axis=0)
  usable = measured & np.asarray(space.is_valid(table.genotype))
  if _NUM_SOURCE.value > usable.sum():
    raise ValueError(
        f'--num_source={_NUM_SOURCE.value}: {usable.sum()} architectures are'
        ' valid and measured on every device'
    )
  order = np.asarray(jax.random.permutation(row_key, np.flatnonzero(usable)))
  rows, held_out = np.split(order, [_NUM_SOURCE.value])
  rows = np.sort(rows)

  keywords: dict[str, Any] = {
      'num_devices': len(table.devices) + 1,
      'layer': _PREDICTOR.value,
      'hardware_embedding': _DEVICE_REPRESENTATION.value,
  }
  bar = _main.Progress('Pretraining, steps')

  def on_chunk(state, loss) -> None:
    step = int(state.step)
    # The last update acts on the state, not yet on the loss.
    if not all(np.isfinite(x).all() for x in (loss, *jax.tree.leaves(state))):
      remove = f' and remove {partial}' if partial.exists() else ''
      raise ValueError(
          f'training diverged by step {step} (loss {loss}); lower'
          f' --learning_rate{remove}'
      )
    checkpoints.save_state(partial, state, settings)
    bar(step, _NUM_STEPS.value)

  def restore(state):
    if not partial.exists():
      return state
    state = checkpoints.restore_state(partial, state, settings)
    print(f'Resuming {partial} at step {int(state.step)}', file=sys.stderr)
    return state

  pretrained = transfer.pretrain_network(
      train_key,
      space,
      table.genotype[rows],
      table.values[:, rows],
      predictor=predictors.nasflat(
          space.spec,
          **{**keywords, 'layer': getattr(predictors, _PREDICTOR.value)},
      ),
      encoding=_ENCODING.value,
      num_steps=_NUM_STEPS.value,
      schedule=optax.cosine_decay_schedule(
          _LEARNING_RATE.value, _NUM_STEPS.value, alpha=1e-3
      ),
      adapt_steps=_ADAPT_STEPS.value,
      adapt_learning_rate=_ADAPT_LEARNING_RATE.value,
      batch={
          'num_devices': _NUM_DEVICES.value,
          'num_architectures': _NUM_ARCHITECTURES.value,
          'chunk_steps': _SAVE_EVERY.value,
      },
      restore=restore,
      on_chunk=on_chunk,
  )
  head_sources = transfer.distinct_sources(
      pretrained, table.genotype[rows[:_SAMPLE]], _HEAD_SOURCES.value
  )
  scores = _scores(pretrained, table, held_out)
  checkpoints.save(
      out,
      pretrained.params,
      space=space.spec.name,
      factory='nasflat',
      keywords=keywords,
      provenance={
          'devices': list(table.device_names),
          'transfer': {
              'encoding': pretrained.encoding,
              'adapt_steps': pretrained.adapt_steps,
              'learning_rate': pretrained.learning_rate,
              'parts': list(pretrained.parts),
              'head_sources': list(head_sources),
          },
          'command': _command(),
          'data': {'sha256': settings['data_sha256'], 'source': table.source},
          'licence': _licence(),
          'scores': scores,
          'versions': _versions(),
          'date': datetime.date.today().isoformat(),
      },
  )
  partial.unlink(missing_ok=True)
  mean = scores['mean']
  shown = 'not judged' if mean is None else f'{mean:.3f}'
  print(
      f'{out}: {predictors.num_parameters(pretrained.params):,} parameters,'
      f' {len(table.devices)} devices; Spearman on {scores["num_held_out"]}'
      f' held-out architectures, mean over devices: {shown}'
  )


def _check_out(value: str) -> pathlib.Path:
  """The file of `--out`; makes its folder now, not after hours of training."""
  out = pathlib.Path(value)
  if out.is_dir():  # an empty value is the working folder
    raise ValueError(f'--out: {out} is a folder')
  try:
    out.parent.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise ValueError(
        f'--out: no folder {out.parent} can be made ({error.strerror})'
    ) from error
  return out


def _table(table: data.LatencyTable) -> data.LatencyTable:
  """The table without the devices of `--exclude`."""
  unknown = sorted(set(_EXCLUDE.value) - set(table.device_names))
  if unknown:
    raise ValueError(
        f'--exclude: no device {", ".join(unknown)} in {table.source}'
    )
  kept = [n for n in table.device_names if n not in set(_EXCLUDE.value)]
  if not kept:
    raise ValueError('--exclude: no device is left')
  return table.select(kept)


def _scores(
    pretrained: transfer.Pretrained,
    table: data.LatencyTable,
    held_out: np.ndarray,
) -> dict[str, Any]:
  """Spearman of every device on up to 2,000 architectures not trained on."""
  import numpy as np

  from nasflat_jax import metrics

  held_out = np.sort(held_out[:2000])
  if len(held_out) < 3:
    return {'num_held_out': 0, 'mean': None, 'spearman': {}}
  predicted = pretrained.source_scores(table.genotype[held_out])
  rho = {
      name: float(metrics.spearman(row, latency))
      for name, row, latency in zip(
          table.device_names, predicted, table.values[:, held_out]
      )
  }
  # A constant row has no rank correlation, and JSON no NaN.
  return {
      'num_held_out': len(held_out),
      'mean': _rounded(float(np.mean(list(rho.values())))),
      'spearman': {name: _rounded(value) for name, value in rho.items()},
  }


def _rounded(value: float) -> float | None:
  return round(value, 4) if math.isfinite(value) else None


def _command() -> str:
  """The command, without the place it writes to."""
  given = [
      f'--{name}={_FLAGS[name].value}'
      for name in sorted(_FLAGS)
      if name not in _NOT_SETTINGS and name != 'exclude'
  ]
  if _EXCLUDE.value:
    given.append(f'--exclude={",".join(_EXCLUDE.value)}')
  return shlex.join(['nasflat-pretrain', *given])


def _licence() -> str:
  return (
      'Apache-2.0. Trained on measurements of HELP (MIT) and, on NAS-Bench-201,'
      ' Eagle (Apache-2.0); no measured value is contained.'
  )


def _versions() -> dict[str, str]:
  from nasflat_jax.cli import _adaptation

  found = _adaptation.versions()
  return {name: found[name] for name in ('nasflat_jax', 'jax', 'numpy')}


def run(argv: Sequence[str]) -> int:
  """Runs the binary on a command line and returns its exit code."""
  return _main.run('nasflat-pretrain', __doc__, _pretrain, _FLAGS, argv)


def main() -> None:
  """Runs the binary on the process's command line."""
  sys.exit(run(sys.argv))


if __name__ == '__main__':
  main()
