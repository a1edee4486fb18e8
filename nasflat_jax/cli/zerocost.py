"""Scores architectures by zero-cost proxies, without training them.

Example: nasflat-zerocost --genotypes=random:200 --channels=8 --num_cells=1
--batch=16 --out=scores.npz

All architectures share one draw of weights and one batch of images. Written to
--out: an npz with space, source, proxies, genotype, architecture, values (a row
for each network, float64, NaN where a proxy is not defined), is_valid (False
for networks that ignore their input) and a JSON header; or a csv with the
column architecture and one for each proxy, its header in OUT.json. Encodings
read the npz: set NASFLAT_ZERO_COST=scores.npz.

Finished blocks of 16 chunks are kept in OUT.partial; --resume goes on from
there to the same scores bit for bit, and without it such a file is refused.
Compiled programs are kept in --cache_dir, so only the first run with a setting
waits for the compiler.
"""

from __future__ import annotations

from collections.abc import Sequence
import math
import pathlib
import shlex
import sys
import time
from typing import Any, TYPE_CHECKING

from absl import flags

from nasflat_jax.cli import _flags
from nasflat_jax.cli import _main
from nasflat_jax.cli import _scoring

if TYPE_CHECKING:
  import numpy as np

  from nasflat_jax import trials
  from nasflat_jax import types
  from nasflat_jax import zero_cost

_GAUSSIAN = 'gaussian'
_FLAGS = flags.FlagValues()
_SPACE = flags.DEFINE_string(
    'space', 'nasbench201', 'Search space: nasbench201 or fbnet.',
    flag_values=_FLAGS)
_GENOTYPES = flags.DEFINE_string(
    'genotypes', 'all', 'What to score: all, random:N (valid ones), a file '
    'with one architecture string on each line, or a CSV file with the column '
    'architecture or index.', flag_values=_FLAGS)
_PROXIES = flags.DEFINE_string(
    'proxies', 'all', 'all, or names with commas: epe_nas, fisher, flops, '
    'grad_norm, grasp, jacov, l2_norm, nwot, params, plain, snip, synflow, '
    'zen. Those that share a pass cost one.', flag_values=_FLAGS)
_BATCH = flags.DEFINE_integer(
    'batch', 64, 'Images.', lower_bound=2, flag_values=_FLAGS)
_IMAGES = flags.DEFINE_string(
    'images', _GAUSSIAN, 'Where images are from: gaussian (random numbers, a '
    'stand-in that the output tells of), an npz file with images [M, H, W, 3] '
    'and labels [M], or CIFAR-10 or CIFAR-100 in the binary version: its '
    'folder, .tar.gz or one .bin file.', flag_values=_FLAGS)
_BALANCED = flags.DEFINE_boolean(
    'balanced', False, 'Take as many images of each class, which epe_nas '
    'wants; gaussian always does.', flag_values=_FLAGS)
_AUGMENT = flags.DEFINE_boolean(
    'augment', True, 'Crop and mirror images at random, as in training; not '
    'gaussian.', flag_values=_FLAGS)
_CHANNELS = flags.DEFINE_integer(
    'channels', 0, 'Channels of the first stage, not fbnet; 0 for as many as '
    'published networks have.', lower_bound=0, flag_values=_FLAGS)
_NUM_CELLS = flags.DEFINE_integer(
    'num_cells', 0, 'Cells of each stage, of darts all cells, neither fbnet '
    'nor transnas_micro; 0 for '
    'as many as published networks have.', lower_bound=0, flag_values=_FLAGS)
_RESOLUTION = flags.DEFINE_integer(
    'resolution', 0, 'Height and width of images, not fbnet; 0 for those of '
    'published networks.', lower_bound=0, flag_values=_FLAGS)
_SETTING = flags.DEFINE_string(
    'setting', 'cifar', 'Resolution and strides, fbnet: cifar or imagenet.',
    flag_values=_FLAGS)
_NUM_CLASSES = flags.DEFINE_integer(
    'num_classes', 0, 'Classes. 0: those of the images, for gaussian those of '
    'published networks; of fbnet those of the setting.', lower_bound=0,
    flag_values=_FLAGS)
_CHUNK_SIZE = flags.DEFINE_integer(
    'chunk_size', 64, 'Architectures in a call of the compiled program.',
    lower_bound=1, flag_values=_FLAGS)
_TOGETHER = flags.DEFINE_integer(
    'together', 0, 'Architectures that run side by side on each device, in '
    'memory that grows with them; 0 for 1 on a CPU, which is fastest there, '
    "and for what an accelerator's memory holds, at most 64.", lower_bound=0,
    flag_values=_FLAGS)
_MERGE_DUPLICATES = flags.DEFINE_boolean(
    'merge_duplicates', True, 'Score networks that differ only in operations '
    'on no path from input to output once, by proxies that cannot tell them '
    'apart.', flag_values=_FLAGS)
_NUM_DEVICES = flags.DEFINE_integer(
    'num_devices', 0, 'Cores of the CPU to use; 0 for all. Another backend '
    'uses all of its local devices.', lower_bound=0, flag_values=_FLAGS)
_CACHE_DIR = flags.DEFINE_string(
    'cache_dir', '', "Folder of compiled programs; none for none. Empty: "
    '$JAX_COMPILATION_CACHE_DIR, else the folder nasflat_jax/programs in the '
    "user's cache.", flag_values=_FLAGS)
_SEED = _flags.define_seed(_FLAGS, 'Seed of genotypes, weights and images.')
_OUT = flags.DEFINE_string(
    'out', None, 'File to write, .npz or .csv.', required=True,
    flag_values=_FLAGS)
_RESUME = flags.DEFINE_boolean(
    'resume', False, 'Goes on with an interrupted run of the same settings.',
    flag_values=_FLAGS)
# What shapes the networks of each space.
_SHAPES = {
    'darts': (_CHANNELS, _NUM_CELLS, _RESOLUTION),
    'fbnet': (_SETTING,),
    'nasbench101': (_CHANNELS, _NUM_CELLS, _RESOLUTION),
    'nasbench201': (_CHANNELS, _NUM_CELLS, _RESOLUTION),
    'transnas_micro': (_CHANNELS, _RESOLUTION),
}
_MIN_RESOLUTION = 4
# Change no score.
_NO_SETTINGS = ('out', 'resume', 'cache_dir')


def run(argv: Sequence[str]) -> int:
  """Runs the binary on a command line and returns its exit code."""
  return _main.run('nasflat-zerocost', __doc__, _score, _FLAGS, argv)


def main() -> None:
  """Runs the binary on the process's command line."""
  sys.exit(run(sys.argv))


def _score() -> None:
  out = _main.path_of(_OUT)
  if out.suffix not in ('.npz', '.csv') or out.is_dir():
    raise ValueError(f'--out={out}: want a file that ends in .npz or .csv')
  _scoring.start_jax(_NUM_DEVICES.value, _CACHE_DIR.value)
  # Deferred: they import JAX, which --help and wrong flags need not wait for.
  from nasflat_jax import spaces
  from nasflat_jax import zero_cost

  with _main.naming('space'):
    space = spaces.get(_SPACE.value)
  with _main.naming('proxies'):
    names = [name.strip() for name in _PROXIES.value.split(',')]
    if len(set(names)) < len(names):
      raise ValueError(f'a name occurs twice in {_PROXIES.value!r}')
    fns = (
        zero_cost.ALL if names == ['all'] else [*map(zero_cost.get, names)]
    )
  images = _read_images()
  network = _network(space, images)
  genotype = _genotypes(space)
  with _main.folder_of(out, 'out'):
    _score_and_write(out, space, network, fns, genotype, images)


def _score_and_write(
    out: pathlib.Path,
    space: types.SearchSpace,
    network: zero_cost.Network,
    fns: Sequence[zero_cost.Proxy],
    genotype: np.ndarray,
    images: zero_cost.Images | None,
) -> None:
  import jax
  import numpy as np

  from nasflat_jax import data
  from nasflat_jax import trials
  from nasflat_jax import zero_cost

  start = time.monotonic()
  # Apart from the draw of genotypes, which takes the seed's own key.
  key, batch_key = jax.random.split(jax.random.key(_SEED.value))
  batch = _draw_batch(batch_key, network, images)
  _scoring.note_classes(fns, batch)
  meta = trials.metadata(
      command=_command(), seed=_SEED.value,
      data_sha256={
          'genotypes': _scoring.sha256(genotype),
          'images': _scoring.sha256(batch.images, batch.labels),
      },
      settings={
          **{
              name: _FLAGS[name].value
              for name in sorted(_FLAGS)
              if name not in _NO_SETTINGS
          },
          'proxies': [fn.name for fn in fns],
          'batch_source': batch.source,
          'num_classes': network.num_classes,
          'num_devices': jax.local_device_count(),
          'device_kind': jax.local_devices()[0].device_kind,
      },
  )
  store = trials.Store(out, meta, resume=_RESUME.value)
  plan = zero_cost.plan(
      fns, genotype, network, merge_duplicates=_MERGE_DUPLICATES.value
  )
  scores, share = _score_blocks(store, plan, space, network, key, batch)
  values = zero_cost.join(plan, scores)
  seconds = time.monotonic() - start
  table = data.ZeroCostTable(
      space=space.spec.name, source=f'nasflat-zerocost, {batch.source}',
      proxies=tuple(fn.name for fn in fns), genotype=genotype,
      values=np.where(np.isfinite(values), values, np.nan),
      logarithms=tuple(fn.name for fn in fns if fn.name == 'synflow'),
  )
  header = {
      **meta, 'space': space.spec.name, 'images': batch.source,
      'images_are_a_stand_in': batch.source == _GAUSSIAN,
      'seconds': round(seconds, 1), 'share_computed': share,
  }
  is_valid = np.asarray(space.is_valid(genotype))
  _scoring.write(out, space, table, is_valid, header)
  store.discard()
  _scoring.describe(out, table, is_valid, header)


def _score_blocks(
    store: trials.Store, plan: zero_cost.Plan, space: types.SearchSpace,
    network: zero_cost.Network, key: Any, batch: zero_cost.Batch,
) -> tuple[list[np.ndarray], float]:
  """Scores of each job, and what share of them was not there already."""
  import numpy as np

  from nasflat_jax import zero_cost

  total = sum(len(job.genotype) for job in plan.jobs)
  progress = _main.Progress('Scoring networks', time_left=True)
  done = num_new = 0
  scores = []
  for number, job in enumerate(plan.jobs):
    parts = []
    for start, stop in _scoring.blocks(len(job.genotype), _CHUNK_SIZE.value):
      place = f'job {number}', f'from {start}'
      if place not in store.done:
        found = zero_cost.score(
            job.fns, space, key, job.genotype[start:stop], batch,
            chunk_size=_CHUNK_SIZE.value,
            together=_TOGETHER.value or None, network=network,
            merge_duplicates=False,
            progress=lambda n, _: progress(done + n, total),
        )
        num_new += stop - start
        # JSON holds no NaN; null is read back as one.
        store.add(*place, [
            {'scores': [x if math.isfinite(x) else None for x in row]}
            for row in found.tolist()
        ])
      parts += [row['scores'] for row in store.done[place]]
      done += stop - start
    scores.append(np.array(parts, np.float64))
  return scores, round(num_new / total, 3)


def _read_images() -> zero_cost.Images | None:
  from nasflat_jax import zero_cost

  if _IMAGES.value == _GAUSSIAN:
    return None
  path = _main.path_of(_IMAGES)
  with _main.naming('images'):
    if path.suffix == '.npz':
      return zero_cost.load_images(path)
    return zero_cost.read_cifar(path)


def _network(
    space: types.SearchSpace, images: zero_cost.Images | None
) -> zero_cost.Network:
  """The networks that the flags describe."""
  from nasflat_jax import zero_cost

  name = space.spec.name
  with _main.naming('space'):
    zero_cost.default(space)  # Not every space has networks.
  own = [flag.name for flag in _SHAPES[name]]
  spaces_of: dict[str, list[str]] = {}
  for other, shapes in _SHAPES.items():
    for flag in shapes:
      spaces_of.setdefault(flag.name, []).append(other)
  for flag_name, others in spaces_of.items():
    if flag_name not in own and _FLAGS[flag_name].present:
      raise ValueError(
          f'--{flag_name} is of {", ".join(others)}, not of {name}'
      )
  if 0 < _RESOLUTION.value < _MIN_RESOLUTION:
    raise ValueError(
        f'--resolution must be 0 or at least {_MIN_RESOLUTION}, got '
        f'{_RESOLUTION.value}'
    )
  shape = {flag: _FLAGS[flag].value for flag in own if _FLAGS[flag].value}
  num_classes = _NUM_CLASSES.value
  if not num_classes and images and name != 'fbnet':
    num_classes = images.num_classes
  if num_classes:
    shape['num_classes'] = num_classes
  make = {
      'darts': zero_cost.darts,
      'fbnet': zero_cost.fbnet,
      'nasbench101': zero_cost.nasbench101,
      'nasbench201': zero_cost.nasbench201,
      'transnas_micro': zero_cost.transnas_micro,
  }[name]
  with _main.naming('setting' if name == 'fbnet' else 'channels'):
    network = make(**shape)
  if images is None:
    return network
  if images.num_classes > network.num_classes:
    raise ValueError(
        f'--num_classes={network.num_classes}: {_IMAGES.value} has '
        f'{images.num_classes} classes'
    )
  if images.images.shape[1:] != network.input_shape:
    raise ValueError(
        f'--images: {_IMAGES.value} has images of {images.images.shape[1:]}, '
        f'the networks want {network.input_shape}'
    )
  return network


def _draw_batch(
    key: Any, network: zero_cost.Network, images: zero_cost.Images | None
) -> zero_cost.Batch:
  from nasflat_jax import zero_cost

  if images is None:
    return zero_cost.gaussian_batch(
        key, _BATCH.value, network.num_classes,
        resolution=network.input_shape[0],
    )
  with _main.naming('images'):
    return zero_cost.images_batch(
        key, images.images, images.labels, _BATCH.value, images.num_classes,
        balanced=_BALANCED.value, augment=_AUGMENT.value, source=images.source,
    )


def _genotypes(space: types.SearchSpace) -> np.ndarray:
  """Resolves the flag `--genotypes`."""
  from nasflat_jax import spaces
  from nasflat_jax.cli import measure

  if _GENOTYPES.value != 'all':
    return measure.read_genotypes(space, _GENOTYPES.value, _SEED.value)
  if space.spec.size is None:
    raise ValueError(
        f'--genotypes=all: {space.spec.name} has '
        f'{spaces.num_indices(space):,} members; give random:N or a file'
    )
  return spaces.members(space)


def _command() -> str:
  """The command line in full, defaults included, without this run's paths."""
  return shlex.join([
      'nasflat-zerocost',
      *(
          f'--{name}={_FLAGS[name].value}'
          for name in sorted(_FLAGS)
          if name not in _NO_SETTINGS
      ),
  ])


if __name__ == '__main__':
  main()
