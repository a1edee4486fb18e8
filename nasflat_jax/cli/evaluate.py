"""Judges few-shot methods: latency on the published tasks, or accuracy.

Every method gets the same measurements of each target and is judged on all
other architectures. Prints a table and writes all rows as JSON. Rows of
finished task and method pairs are kept in OUT.partial until the run is
complete; --resume goes on from there, and without it such a file is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
import json
import pathlib
import sys
from typing import TYPE_CHECKING

from absl import flags

from nasflat_jax.cli import _axes
from nasflat_jax.cli import _flags
from nasflat_jax.cli import _main

if TYPE_CHECKING:
  from nasflat_jax import types

_FLAGS = flags.FlagValues()
_TARGET = flags.DEFINE_enum(
    'target', 'latency', ('latency', 'accuracy'), 'What is predicted. With '
    'accuracy, of the flags below --tasks, --methods, --num_support, '
    '--num_trials, --num_source_labels, --pool, --seed, --out and --resume '
    'count.', flag_values=_FLAGS)
_TASKS = flags.DEFINE_string(
    'tasks', 'all', 'Tasks such as ND,F1, or groups: all (the published '
    'twelve), ofa, oneproxy; or a .json file of nasflat-partition. Of '
    'accuracy: space/task such as nasbench201/cifar10, a space, or groups: all '
    '(the 28 of NAS-Bench-Suite-Zero), complete (the 13 with all proxies), '
    'others.', flag_values=_FLAGS)
_METHODS = flags.DEFINE_string(
    'methods', 'flops,ridge_counts,linear_sources',
    'Methods to judge: names of nasflat_jax.methods, with options of their own '
    'in brackets, e.g. nasflat[adaptation=head,adapt_steps=50]. Of accuracy: '
    'bayesian (sources=tasks, siblings, space or none), ridge, best_proxy, '
    'zcp_mlp; required.',
    flag_values=_FLAGS)
_NUM_SUPPORT = flags.DEFINE_list(
    'num_support', '5,10,20', 'Measurements on each target device.',
    flag_values=_FLAGS)
_NUM_TRIALS = flags.DEFINE_integer(
    'num_trials', 5, 'Repetitions with other measurements.', lower_bound=1,
    flag_values=_FLAGS)
_SEED = _flags.define_seed(_FLAGS, 'Seed of everything random.')
_SAMPLER = flags.DEFINE_string(
    'sampler', 'random', 'What chooses the measurements: a name of '
    'nasflat_jax.samplers, or sequential: five by d_optimal(prior), then five '
    'at a time where the bayesian method is least certain.', flag_values=_FLAGS)
_SAMPLER_ENCODING = flags.DEFINE_string(
    'sampler_encoding', None, 'What the sampler sees of an architecture: '
    'a name of nasflat_jax.encodings (costs, one_hot, zcp, arch2vec, cate, '
    'caz, ...), flops, params, prior (the features of the bayesian '
    'method) or latency_oracle (the very latencies of the target: an upper '
    'bound, not a method). Default: flops for stratified, which takes flops, '
    'params or latency_oracle; costs for the others; random sees nothing.',
    flag_values=_FLAGS)
_POOL_SIZE = flags.DEFINE_integer(
    'pool_size', 0, 'Architectures drawn anew for each trial for the sampler '
    'to choose from; 0 for all. A design has one best choice, so without a '
    'pool all of its trials measure the same.', lower_bound=0,
    flag_values=_FLAGS)
_NUM_SOURCE = flags.DEFINE_integer(
    'num_source', 900, 'Measurements on each source device.', lower_bound=1,
    flag_values=_FLAGS)
_NUM_SOURCE_LABELS = flags.DEFINE_integer(
    'num_source_labels', 300, 'Accuracies read of each other task.',
    lower_bound=10, flag_values=_FLAGS)
_POOL = flags.DEFINE_enum(
    'pool', 'scored', ('scored', 'all'), 'Networks of an accuracy task: '
    'scored, those with all proxies, where there are enough; or all with an '
    'accuracy.', flag_values=_FLAGS)
_SOURCE_SPACE = flags.DEFINE_string(
    'source_space', '', 'Another space in which every target is known, e.g. '
    'nasbench201 with --tasks=FD, for across_spaces and hardware_latencies. '
    'Targets and sources that its table lacks are left out, and each target is '
    'a task of its own, judged on what was read of no device.',
    flag_values=_FLAGS)
_OUT = flags.DEFINE_string(
    'out', None, 'Results file, JSON. Required.', flag_values=_FLAGS)
_RESUME = flags.DEFINE_boolean(
    'resume', False, 'Goes on with an interrupted run of the same settings.',
    flag_values=_FLAGS)
_PRETRAINED = flags.DEFINE_string(
    'pretrained', '', 'Folder of what methods learn on the source devices, '
    'one npz for each task and method: read where there is one, written where '
    'not. Other supports, trials and samplers then need no training. A file of '
    'another seed, --num_source, table or method is refused.',
    flag_values=_FLAGS)
_CHOICES = {
    'adaptation': _axes.ADAPTATIONS,
    'encoding': _axes.ENCODINGS,
    'device_representation': _axes.DEVICE_REPRESENTATIONS,
    'predictor': _axes.PREDICTORS,
}
_ENCODING = flags.DEFINE_string(
    'encoding', 'costs', 'Supplementary encoding of architectures, for methods '
    f'that take one: {", ".join(_axes.ENCODINGS)}.', flag_values=_FLAGS)
_DEVICE_REPRESENTATION = flags.DEFINE_string(
    'device_representation', 'operation', 'What describes a device, for '
    'methods that learn it: a row entering at the operation or the head, '
    'latency_vector (its latencies at the reference architectures, measured '
    'on top) or both (row and latencies).', flag_values=_FLAGS)
_PREDICTOR = flags.DEFINE_string(
    'predictor', 'layer_ensemble', 'Network of nasflat: '
    f'{", ".join(_axes.PREDICTORS)}.', flag_values=_FLAGS)
_WARM_START = flags.DEFINE_boolean(
    'warm_start', True, 'Whether nasflat fine-tunes from the embedding of the '
    'source device that orders the measurements best.', flag_values=_FLAGS)
_ADAPTATION = flags.DEFINE_string(
    'adaptation', 'both', 'How nasflat adapts to a target: fine_tune, head (in '
    'closed form) or both (their mean).', flag_values=_FLAGS)


def run(argv: Sequence[str]) -> int:
  """Runs the binary; returns its exit code."""
  return _main.run('nasflat-evaluate', __doc__, _evaluate, _FLAGS, argv)


def main() -> None:
  """The console script."""
  sys.exit(run(sys.argv))


def _evaluate() -> None:
  out = _check_out(_OUT.value)
  pretrained = pathlib.Path(_PRETRAINED.value)
  if pretrained.exists() and not pretrained.is_dir():
    raise ValueError(f'--pretrained: {pretrained} is not a folder')
  num_support = _sizes(_NUM_SUPPORT.value)
  if _TARGET.value == 'accuracy':
    _evaluate_accuracy(out, num_support)
    return
  for flag in ('num_source_labels', 'pool'):
    if _FLAGS[flag].present:
      raise ValueError(f'--{flag} is of --target=accuracy')
  options = {
      'adaptation': _choice('adaptation', _ADAPTATION.value),
      'encoding': _choice('encoding', _ENCODING.value),
      'device_representation': _choice(
          'device_representation', _DEVICE_REPRESENTATION.value),
      'predictor': _choice('predictor', _PREDICTOR.value),
      'warm_start': _WARM_START.value,
  }
  # Deferred: they import JAX, which --help and wrong flags need not wait for.
  import jax

  from nasflat_jax import data
  from nasflat_jax import methods
  from nasflat_jax import partitions
  from nasflat_jax import samplers
  from nasflat_jax import trials
  with _main.naming('tasks'):
    tasks = partitions.parse(_TASKS.value)
  names = _distinct('methods', trials.split(_METHODS.value))
  chosen = {
      name: trials.make_named(methods, name, options, flag='methods')
      for name in names
  }
  sampler = chooser = features = None
  sampler_name = _SAMPLER.value
  if sampler_name == 'sequential':
    if _SAMPLER_ENCODING.value is not None:
      raise ValueError(
          '--sampler_encoding: sequential always sees the prior; leave it out')
    chooser = trials.sequential
  else:
    sampler = trials.public(samplers, sampler_name, flag='sampler')
    sampler_name, features = trials.sampler_features(
        sampler_name, _SAMPLER_ENCODING.value)
    _check_encoding(_SAMPLER_ENCODING.value, tasks)
  tables = {
      task.table or task.space: (
          data.load(task.table) if task.table else data.load_latency(task.space)
      )
      for task in tasks
  }
  other = None
  if _SOURCE_SPACE.value:
    with _main.naming('source_space'):
      other = data.load_latency(_SOURCE_SPACE.value)
      tasks = trials.known_elsewhere(tasks, other)
  own_proxies = _own_proxies()
  meta = trials.metadata(
      command=_command(),
      seed=_SEED.value,
      data_sha256={
          **{s: data.fingerprint(t) for s, t in tables.items()},
          **({other.space: data.fingerprint(other)} if other else {}),
      },
      settings={
          'num_support': num_support, 'num_trials': _NUM_TRIALS.value,
          'sampler': sampler_name, 'pool_size': _POOL_SIZE.value,
          'num_source': _NUM_SOURCE.value, **options,
          **_own_splits(tasks), **own_proxies,
      },
  )
  store = trials.Store(out, meta, resume=_RESUME.value)
  pretraining = None
  if _PRETRAINED.value:
    pretraining = trials.Pretraining(pretrained, meta, {
        name: {
            **trials.keywords_of(methods, name, options, flag='methods'),
            **own_proxies,
        }
        for name in names
    })
  rows = trials.run(
      tasks, chosen, tables, seed=_SEED.value, num_support=num_support,
      num_trials=_NUM_TRIALS.value, num_source=_NUM_SOURCE.value,
      sampler=sampler, sampler_name=sampler_name, features=features,
      chooser=chooser, pool_size=_POOL_SIZE.value or None, store=store,
      pretraining=pretraining,
      other=other,
      num_other=_NUM_SOURCE.value if other else None,
      # Nothing compiled for a task serves the next one, whose sources differ;
      # on CPU programs hold memory maps, whose number the system limits.
      on_task_end=jax.clear_caches,
      progress=lambda task, name: _main.Progress(f'{task} {name}'),
  )
  trials.print_summary(trials.summarize(rows))


# Flags of latency that would otherwise be ignored without a word.
_OF_LATENCY = (
    'sampler', 'sampler_encoding', 'pool_size', 'num_source', 'pretrained',
    'encoding', 'device_representation', 'predictor', 'warm_start',
    'adaptation',
)


def _evaluate_accuracy(out: pathlib.Path, num_support: list[int]) -> None:
  from nasflat_jax.cli import _accuracy
  for flag in _OF_LATENCY:
    if _FLAGS[flag].present:
      raise ValueError(f'--{flag} is of --target=latency')
  if not _FLAGS['methods'].present:
    raise ValueError(
        '--methods is required with --target=accuracy, e.g. bayesian,ridge')
  _accuracy.evaluate(
      tasks=_TASKS.value, methods=_METHODS.value, num_support=num_support,
      num_trials=_NUM_TRIALS.value, num_source=_NUM_SOURCE_LABELS.value,
      pool=_POOL.value, seed=_SEED.value, out=out, resume=_RESUME.value,
      command=_command(),
  )


def _check_encoding(
    name: str | None, tasks: Sequence[types.Partition]
) -> None:
  """Refuses an encoding without weights or data before any work."""
  from nasflat_jax import encodings
  from nasflat_jax import spaces
  if name not in encodings.__all__:
    return
  for task in tasks:
    try:
      getattr(encodings, name)(spaces.get(task.space))
    except (ValueError, FileNotFoundError) as error:
      raise ValueError(
          f'--sampler_encoding: {name} on task {task.name}: {error}'
      ) from error


def _own_splits(tasks: Sequence[types.Partition]) -> dict[str, object]:
  """Splits of files, which their names say nothing of."""
  from nasflat_jax import partitions
  known = {*partitions.ALL, *partitions.OFA, *partitions.ONEPROXY}
  own = {
      task.name: {'source': task.source, 'target': task.target}
      for task in tasks
      if task not in known
  }
  # As JSON gives them back, for the comparison when a run goes on.
  return {'partitions': json.loads(json.dumps(own))} if own else {}


def _own_proxies() -> dict[str, str]:
  """Which zero-cost table `$NASFLAT_ZERO_COST` puts before the published."""
  from nasflat_jax import data
  table = data.own_zero_cost()
  if table is None:
    return {}
  return {'zero_cost_table': f'{table.source} {data.fingerprint(table)}'}


def _check_out(value: str | None) -> pathlib.Path:
  if not value:
    raise ValueError('--out is required: the JSON file to write')
  out = pathlib.Path(value)
  if out.is_dir() or not out.parent.is_dir():
    raise ValueError(f'--out: {value} is a folder, or its folder is missing')
  return out


def _sizes(values: Sequence[str]) -> list[int]:
  if not all(value.isdecimal() and int(value) > 0 for value in values):
    raise ValueError(
        f'--num_support takes whole numbers above 0, got {",".join(values)!r}')
  sizes = [str(int(value)) for value in values]
  return [int(value) for value in _distinct('num_support', sizes)]


def _distinct(flag: str, values: Sequence[str]) -> Sequence[str]:
  if not values or len(set(values)) < len(values):
    given = ','.join(values)
    raise ValueError(f'--{flag} takes distinct values, got {given!r}')
  return values


def _choice(flag: str, value: str) -> str:
  choices = _CHOICES[flag]
  if value not in choices:
    raise ValueError(
        f'--{flag}: unknown {value!r}; choose from {", ".join(choices)}')
  return value


def _command() -> str:
  """The command line in full, defaults included, without this run's paths."""
  lines = _FLAGS.flags_into_string().split()
  own = ('--out=', '--pretrained=', '--resume', '--noresume')
  return ' '.join(['nasflat-evaluate', *(
      line for line in lines if not line.startswith(own))])


if __name__ == '__main__':
  main()
