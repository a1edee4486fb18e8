"""Few-shot accuracy by FLAN's network and Multi-Predict's, draw by draw.

    python benchmarks/flan.py --space=nasbench201 --task=cifar10 \
      --split=halves --features=none --sizes=8,40,80

Every draw trains from scratch on its labels and is judged by Kendall's tau on
architectures it has not seen. `halves` is the split of TA-GATES and of FLAN's
first table: labels from one half of the space, all of the other half judged
(the published halves are not public; ours are drawn with seed 0). `all` draws
labels from the whole space and judges on all others. With `--source` a network
is trained on labels of another task first and fine-tuned. `--minutes` of CPU
bound a run: a draw that would not end in time is not begun, and the record
holds those before it. Results are kept in `--out` under their settings; a
second run of one setting replaces the first.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
import dataclasses
import datetime
import json
import pathlib
import re
import statistics
import sys
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from nasflat_jax import data
from nasflat_jax import encodings
from nasflat_jax import predictors
from nasflat_jax import spaces
from nasflat_jax import transfer
from nasflat_jax import types
from nasflat_jax.encodings import proxies

_HALVES_SEED = 0
_FIRST_SEED = 1000
_RIDGE = 0.1
_LINE = re.compile(r'n=(\d+) draw (\d+): tau (-?[\d.]+), ([\d.]+) s')
_OUT = pathlib.Path(__file__).parent / 'results' / 'flan.json'


class _Task(NamedTuple):
  """A task as the networks see it."""

  space: types.SearchSpace
  metric: str
  accuracy: np.ndarray  # [N]
  architectures: types.Architectures
  proxies: np.ndarray  # [N, 26]


def _task(space_name: str, task_name: str, features: str) -> _Task:
  space = spaces.get(space_name)
  table = data.load_task(space_name, task_name)
  if space_name == 'nasbench101':
    table = table.merged()  # rows of one network would be judged by each other
  genotype = jnp.asarray(table.genotype)
  columns = proxies.of_task(space, table)
  parts = [] if features == 'none' else features.split('+')
  encoded = [
      columns if part == 'zcp'
      else np.asarray(getattr(encodings, part)(space)(genotype))
      for part in parts
  ]
  architectures = dataclasses.replace(
      space.decode(genotype),
      encoding=jnp.asarray(
          np.concatenate([np.zeros((len(genotype), 0)), *encoded], axis=1),
          jnp.float32,
      ),
  )
  return _Task(space, table.metric, table.accuracy, architectures, columns)


def _draws(
    num: int, size: int, count: int, split: str
) -> list[tuple[np.ndarray, np.ndarray]]:
  """Labelled and judged rows of every draw."""
  order = np.random.default_rng(_HALVES_SEED).permutation(num)
  pool = order[: num // 2] if split == 'halves' else order
  found = []
  for draw in range(count):
    rng = np.random.default_rng(_FIRST_SEED + draw)
    chosen = rng.permutation(pool)[:size]
    judged = order[num // 2 :] if split == 'halves' else np.setdiff1d(
        order, chosen
    )
    found.append((chosen, judged))
  return found


def _networks(args: argparse.Namespace, space: types.SearchSpace, among):
  """`(pretraining, training)` of the chosen network."""
  if args.network == 'proxy_mlp':
    # Multi-Predict's rates; from scratch as long as its pretraining.
    predictor = predictors.proxy_mlp()
    shared = {
        'unit_labels': True, 'loss_fn': transfer.summed_error,
        'weight_decay': 5e-4, 'batch_size': 128,
    }
    long = transfer.task_network(
        predictor, epochs=250, learning_rate=4e-3, **shared
    )
    short = transfer.task_network(
        predictor, epochs=50, learning_rate=4e-4, shrinkage=args.shrinkage,
        **shared,
    )
  else:
    predictor = _flan(space.spec, among)
    long = transfer.task_network(predictor)
    short = transfer.task_network(
        predictor, epochs=30, shrinkage=args.shrinkage
    )
  return long, short


_FLAN: dict[tuple[str, tuple[str, ...]], types.Predictor] = {}


def _flan(spec: types.SpaceSpec, among: tuple[str, ...]) -> types.Predictor:
  key = spec.name, among
  if key not in _FLAN:
    _FLAN[key] = predictors.flan(spec, among=among)
  return _FLAN[key]


def _pretrained(
    args: argparse.Namespace, among: tuple[str, ...]
) -> tuple[Any, float]:
  """Parameters of the source's network and the CPU seconds they took."""
  space_name, task_name = args.source.split(':')
  source = _task(space_name, task_name, args.features)
  num = min(args.num_source, len(source.accuracy))
  ids = np.random.default_rng(_FIRST_SEED).permutation(len(source.accuracy))
  ids = ids[None, :num]
  long, _ = _networks(args, source.space, among)
  start = time.process_time()
  params = long.fit(
      jax.random.key(args.seed)[None],
      source.architectures,
      jnp.asarray(ids),
      jnp.asarray(source.accuracy[ids], jnp.float32),
  )
  params = jax.block_until_ready(jax.tree.map(lambda x: x[0], params))
  seconds = time.process_time() - start
  if args.network == 'flan' and len(among) > 1:
    params = predictors.copy_space(params, 0, 1)
  return params, seconds


def _tau(scores: np.ndarray, accuracy: np.ndarray) -> float:
  """Kendall's tau; a constant side, where it is undefined, counts as 0."""
  tau = float(stats.kendalltau(scores, accuracy)[0])
  return tau if np.isfinite(tau) else 0.0


def _ridge(task: _Task, chosen: np.ndarray) -> np.ndarray:
  """Scores of a ridge regression on the same proxies."""
  known = task.proxies[:, : len(data.PROXIES)]
  features = known / np.maximum(known.std(axis=0), 1e-6)
  inputs, label = features[chosen], task.accuracy[chosen]
  centred = inputs - inputs.mean(axis=0)
  weights = np.linalg.solve(
      centred.T @ centred + _RIDGE * len(chosen) * np.eye(centred.shape[1]),
      centred.T @ (label - label.mean()),
  )
  return features @ weights


def _best_proxy(task: _Task, chosen: np.ndarray) -> np.ndarray:
  """The proxy that orders the labelled rows best, with its sign."""
  known = task.proxies[:, : len(data.PROXIES)]
  taus = [_tau(column[chosen], task.accuracy[chosen]) for column in known.T]
  best = int(np.argmax(np.abs(taus)))
  return known[:, best] * np.sign(taus[best])


def _evaluate(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
  """One record for each number of labels, as soon as it is there."""
  begun = time.process_time()
  task = _task(args.space, args.task, args.features)
  if args.log:
    yield from _from_log(args, task)
    return
  among = (args.space,)
  params, source_seconds = None, 0.0
  if args.source:
    among = tuple(dict.fromkeys([args.source.split(':')[0], args.space]))
    params, source_seconds = _pretrained(args, among)
  long, short = _networks(args, task.space, among)
  network = long if params is None else short
  longest = max(args.sizes)
  if params is not None:
    scores = network.score(
        jax.tree.map(lambda x: x[None], params), task.architectures
    )
    tau = _tau(np.asarray(scores[0]), task.accuracy)
    yield _record(args, task, 0, [tau], [0.0], source_seconds, {})
  for size in args.sizes:
    taus, seconds, rivals = [], [], {'ridge': [], 'best proxy': []}
    draws = _draws(len(task.accuracy), size, args.draws, args.split)
    for draw, (chosen, judged) in enumerate(draws):
      spent = time.process_time() - begun + (min(seconds) if seconds else 0.0)
      if args.minutes and spent > 60.0 * args.minutes:
        break
      ids = np.resize(chosen, longest)[None]
      where = (np.arange(longest) < size)[None]
      start = time.process_time()
      fitted = jax.block_until_ready(
          network.fit(
              jax.random.fold_in(jax.random.key(args.seed), draw)[None],
              task.architectures,
              jnp.asarray(ids),
              jnp.asarray(task.accuracy[ids], jnp.float32),
              where=jnp.asarray(where),
              params=params,
          )
      )
      seconds.append(time.process_time() - start)
      scores = np.asarray(network.score(fitted, task.architectures)[0])
      taus.append(_tau(scores[judged], task.accuracy[judged]))
      for name, rival in (('ridge', _ridge), ('best proxy', _best_proxy)):
        guess = rival(task, chosen)[judged]
        rivals[name].append(_tau(guess, task.accuracy[judged]))
      print(f'n={size} draw {draw}: tau {taus[-1]:.3f}, {seconds[-1]:.1f} s',
            flush=True)
    if not taus:
      print(f'n={size}: no time left', flush=True)
      return
    yield _record(args, task, size, taus, seconds, source_seconds, rivals)


def _from_log(
    args: argparse.Namespace, task: _Task
) -> Iterator[dict[str, Any]]:
  """Records of the draws that an interrupted run has printed."""
  found = _LINE.findall(args.log.read_text())
  for size in args.sizes:
    rows = [row for row in found if int(row[0]) == size]
    if not rows:
      continue
    rivals = {'ridge': [], 'best proxy': []}
    draws = _draws(len(task.accuracy), size, len(rows), args.split)
    for chosen, judged in draws:
      for name, rival in (('ridge', _ridge), ('best proxy', _best_proxy)):
        guess = rival(task, chosen)[judged]
        rivals[name].append(_tau(guess, task.accuracy[judged]))
    yield _record(
        args, task, size, [float(row[2]) for row in rows],
        [float(row[3]) for row in rows], 0.0, rivals,
    )


def _record(args, task, size, taus, seconds, source_seconds, rivals):
  return {
      'space': args.space, 'task': args.task, 'metric': task.metric,
      'split': args.split, 'network': args.network,
      'features': args.features, 'source': args.source,
      'num_source': args.num_source if args.source else 0,
      'shrinkage': args.shrinkage if args.source else 0.0,
      'size': size, 'seed': args.seed,
      'tau': [round(tau, 4) for tau in taus],
      'mean': round(statistics.fmean(taus), 4),
      'std': round(statistics.pstdev(taus), 4),
      # The first draw of a run compiles, and so is not in the median.
      'cpu_seconds': round(statistics.median(seconds), 2),
      'source_cpu_seconds': round(source_seconds, 1),
      'rivals': {
          name: round(statistics.fmean(values), 4)
          for name, values in rivals.items()
      },
      'architectures': len(task.accuracy),
      'jax': jax.__version__,
      'date': datetime.date.today().isoformat(),
      'command': 'python benchmarks/flan.py ' + ' '.join(
          word for word in sys.argv[1:]
          if not word.startswith(('--out', '--log'))
      ),
  }


_SETTINGS = (
    'space', 'task', 'split', 'network', 'features', 'source', 'num_source',
    'shrinkage', 'size', 'seed',
)  # fmt: skip


def _keep(path: pathlib.Path, records: Sequence[dict[str, Any]]) -> None:
  """Adds records to a file; those of the same settings are replaced."""
  old = json.loads(path.read_text()) if path.is_file() else []
  found = {tuple(r[s] for s in _SETTINGS): r for r in [*old, *records]}
  rows = [json.dumps(r) for _, r in sorted(found.items(), key=str)]
  path.write_text('[\n' + ',\n'.join(rows) + '\n]\n')


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--space', default='nasbench201')
  parser.add_argument('--task', default='cifar10')
  parser.add_argument('--split', choices=('halves', 'all'), default='all')
  parser.add_argument('--network', choices=('flan', 'proxy_mlp'),
                      default='flan')
  parser.add_argument('--features', default='none',
                      help='none, or of zcp, arch2vec, cate, joined by +')
  parser.add_argument('--source', default='', help='SPACE:TASK')
  parser.add_argument('--num_source', type=int, default=512)
  parser.add_argument('--shrinkage', type=float, default=0.0)
  parser.add_argument('--sizes', default='8,40,80')
  parser.add_argument('--draws', type=int, default=5)
  parser.add_argument('--minutes', type=float, default=0.0,
                      help='of CPU, at most; 0 is no bound')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--log', type=pathlib.Path,
                      help='what an interrupted run printed, to keep')
  parser.add_argument('--out', type=pathlib.Path, default=_OUT)
  args = parser.parse_args()
  args.sizes = [int(size) for size in args.sizes.split(',')]
  for record in _evaluate(args):
    _keep(args.out, [record])


if __name__ == '__main__':
  main()
